// SPDX-License-Identifier: MIT
// SIGINT and SIGTERM as a descriptor, for commands that wait in poll.
#ifndef CLAIRON_CLI_INTERRUPT_H
#define CLAIRON_CLI_INTERRUPT_H

#include <stdbool.h>

// Blocks SIGINT, SIGTERM and, if `resize`, SIGWINCH, ignores SIGPIPE, and returns a descriptor that
// is readable when one has come; -1 and errno. The caller closes it.
int interrupt_watch(bool resize);
// The next signal that has come, or 0.
int interrupt_next(int fd);

#endif
