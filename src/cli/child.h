// SPDX-License-Identifier: MIT
// The command of a job as a process: started in a process group of its own, with its output on
// pipes or a pseudo-terminal and a pipe for progress. One at a time; the main thread's.
#ifndef CLAIRON_CLI_CHILD_H
#define CLAIRON_CLI_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct child {
    pid_t pid;
    int out, err; // non-blocking, ours to close; -1: none (err is -1 with a pseudo-terminal)
    int control;  // the reading end of the progress pipe
    bool pty;
    bool own_terminal; // it was handed our terminal
    bool exited;
    int status; // of waitpid, once exited
};

// Where the progress pipe will be in the child: the lowest free descriptor from 3 on. Call this
// before anything else is opened; the pipe is kept until child_start.
int child_reserve_control(struct child *c, int *ret_fd) MUST_CHECK;
// Starts argv. 0, or the errno of what failed in the child (ENOENT: not found) or in us. `mask` is
// the signal mask that the child gets.
int child_start(struct child *c, char **argv, bool pty, const sigset_t *mask,
                int control_fd) MUST_CHECK;
// To all of its process group. False when there is nobody left.
bool child_signal(const struct child *c, int sig);
// After SIGCHLD: notices the end, and lends our terminal to a child that stopped for want of it.
void child_reap(struct child *c);
// Gives the pseudo-terminal the size of ours.
void child_resize(const struct child *c);
// Closes what is open and takes our terminal back.
void child_fini(struct child *c);

#endif
