// SPDX-License-Identifier: MIT
// SIGINT and SIGTERM as a descriptor.
#include "cli/interrupt.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int interrupt_watch(bool resize)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (resize) {
        sigaddset(&set, SIGWINCH);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int interrupt_next(int fd)
{
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}
