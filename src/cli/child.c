// SPDX-License-Identifier: MIT
// The command of a job as a process.
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"

enum { CONTROL_FD_MIN = 3, COLUMNS_DEFAULT = 80, ROWS_DEFAULT = 24 };

// What the child needs between fork and exec.
struct plan {
    char **argv;
    const sigset_t *mask;
    int in; // -1: inherited
    int out, err;
    int control;
    int fault; // gets errno when exec fails
    bool pty;
};

static void drop(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void set_nonblocking(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int child_reserve_control(struct child *c, int *ret_fd)
{
    *c = (struct child){.pid = -1, .out = -1, .err = -1, .control = -1};
    // Orphans of the command come to us: whoever is process 1 may not care for them.
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        return errno;
    }
    // The reading end moves out of the way: the writing end is to have the lowest number.
    int read_end = fcntl(ends[0], F_DUPFD_CLOEXEC, ends[1] + 1);
    close(ends[0]);
    int write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, CONTROL_FD_MIN);
    close(ends[1]);
    if (read_end < 0 || write_end < 0) {
        int e = errno;
        drop(&read_end);
        drop(&write_end);
        return e;
    }
    c->control = read_end;
    set_nonblocking(c->control);
    *ret_fd = write_end;
    return 0;
}

static void window_size(struct winsize *ret)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (ioctl(fd, TIOCGWINSZ, ret) == 0 && ret->ws_col > 0) {
            return;
        }
    }
    *ret = (struct winsize){.ws_col = COLUMNS_DEFAULT, .ws_row = ROWS_DEFAULT};
}

void child_resize(const struct child *c)
{
    if (c->pty && c->out >= 0) {
        struct winsize size;
        window_size(&size);
        (void)ioctl(c->out, TIOCSWINSZ, &size);
    }
}

// A terminal that neither echoes (ours does) nor turns newlines into CR LF (ours does that too).
static int open_pty(struct child *c, struct plan *p)
{
    struct winsize size;
    window_size(&size);
    int slave;
    if (openpty(&c->out, &slave, NULL, NULL, &size)) {
        return errno;
    }
    (void)fcntl(c->out, F_SETFD, FD_CLOEXEC);
    (void)fcntl(slave, F_SETFD, FD_CLOEXEC);
    struct termios t;
    if (tcgetattr(slave, &t) == 0) {
        t.c_lflag &= ~(tcflag_t)ECHO;
        t.c_oflag &= ~(tcflag_t)ONLCR;
        (void)tcsetattr(slave, TCSANOW, &t);
    }
    p->in = isatty(STDIN_FILENO) ? slave : -1;
    p->out = p->err = slave;
    return 0;
}

static int open_pipes(struct child *c, struct plan *p)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC)) {
        return errno;
    }
    c->out = out[0];
    p->out = out[1];
    if (pipe2(err, O_CLOEXEC)) {
        return errno;
    }
    c->err = err[0];
    p->err = err[1];
    set_nonblocking(c->err);
    return 0;
}

// In the child, which shares nothing with us any more. Only async-signal-safe calls.
static NORETURN void become(const struct plan *p)
{
    int e = 0;
    if (p->pty) {
        if (setsid() < 0 || ioctl(p->out, TIOCSCTTY, 0) < 0) {
            e = errno;
        }
    } else if (setpgid(0, 0)) {
        e = errno;
    }
    if ((p->in >= 0 && dup2(p->in, STDIN_FILENO) < 0) || dup2(p->out, STDOUT_FILENO) < 0 ||
        dup2(p->err, STDERR_FILENO) < 0 || fcntl(p->control, F_SETFD, 0) < 0) {
        e = errno;
    }
    struct sigaction normal = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGPIPE, &normal, NULL);
    (void)sigprocmask(SIG_SETMASK, p->mask, NULL);
    if (e == 0) {
        execvp(p->argv[0], p->argv);
        e = errno;
    }
    ssize_t n = write(p->fault, &e, sizeof(e));
    (void)n;
    _exit(127);
}

// Waits until the child has become the command: 0, or the errno that kept it from that.
static int await_exec(int fd)
{
    int e = 0;
    ssize_t n;
    do {
        n = read(fd, &e, sizeof(e));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(e) ? e : 0;
}

int child_start(struct child *c, char **argv, bool pty, const sigset_t *mask, int control_fd)
{
    struct plan p = {.argv = argv,
                     .mask = mask,
                     .in = -1,
                     .out = -1,
                     .err = -1,
                     .control = control_fd,
                     .pty = pty};
    int fault[2] = {-1, -1};
    c->pty = pty;
    int e = pipe2(fault, O_CLOEXEC) ? errno : 0;
    if (e == 0) {
        e = pty ? open_pty(c, &p) : open_pipes(c, &p);
    }
    if (e == 0) {
        set_nonblocking(c->out);
        p.fault = fault[1];
        c->pid = fork();
        if (c->pid == 0) {
            become(&p);
        }
        e = c->pid < 0 ? errno : 0;
    }
    drop(&fault[1]);
    drop(&p.out);
    if (!pty) {
        drop(&p.err);
    }
    close(control_fd);
    if (e == 0) {
        e = await_exec(fault[0]);
        if (e) {
            (void)waitpid(c->pid, NULL, 0);
            c->pid = -1;
        }
    }
    drop(&fault[0]);
    return e;
}

bool child_signal(const struct child *c, int sig)
{
    return c->pid > 0 && kill(-c->pid, sig) == 0;
}

// A command that reads from our terminal, or sets it, stops: it is not in the foreground. Unlike a
// shell we keep the foreground until it is asked for, so that Ctrl-C comes to us.
static void lend_terminal(struct child *c)
{
    if (!c->pty && isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        c->own_terminal = tcsetpgrp(STDIN_FILENO, c->pid) == 0;
        (void)child_signal(c, SIGCONT);
    }
}

static void take_terminal(struct child *c)
{
    if (c->own_terminal) {
        c->own_terminal = false;
        (void)tcsetpgrp(STDIN_FILENO, getpgrp());
    }
}

void child_reap(struct child *c)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != c->pid) {
            continue; // an orphan of the command
        }
        if (!WIFSTOPPED(status)) {
            c->exited = true;
            c->status = status;
        } else if (WSTOPSIG(status) == SIGTTIN || WSTOPSIG(status) == SIGTTOU) {
            lend_terminal(c);
        } else if (WSTOPSIG(status) == SIGTSTP && c->own_terminal) {
            take_terminal(c); // Ctrl-Z in its hands: we stop as a whole
            (void)raise(SIGSTOP);
            lend_terminal(c);
        }
    }
}

void child_fini(struct child *c)
{
    drop(&c->out);
    drop(&c->err);
    drop(&c->control);
    take_terminal(c);
}
