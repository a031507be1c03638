// SPDX-License-Identifier: MIT
// sd_notify(3), by hand.
#include "server/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

static int connect_to(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof(addr.sun_path)) {
        return -1;
    }
    memcpy(addr.sun_path, name, len);
    if (name[0] == '@') { // the abstract namespace, whose names begin with a NUL
        addr.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, size) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

// 0: the variable is not there, or is no number.
static uint64_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    uint64_t n;
    return text && str_to_u64(str_of(text), &n) == 0 ? n : 0;
}

void notify_open(struct notify *n)
{
    *n = (struct notify){.fd = -1};
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name) {
        return;
    }
    n->fd = connect_to(name);
    uint64_t pid = number_of("WATCHDOG_PID"), us = number_of("WATCHDOG_USEC");
    if (n->fd >= 0 && us > 0 && us < INT32_MAX && (pid == 0 || pid == (uint64_t)getpid())) {
        n->watchdog_ms = (int64_t)(us / 1000);
    }
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0) {
        (void)close(n->fd);
    }
    n->fd = -1;
}

// Whether it arrives is the service manager's matter.
static void say(const struct notify *n, const char *text)
{
    if (n->fd >= 0) {
        ssize_t written = write(n->fd, text, strlen(text));
        (void)written;
    }
}

void notify_ready(const struct notify *n)
{
    say(n, "READY=1\n");
}

void notify_reloading(const struct notify *n)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
                   (long long)clock_mono_us());
    say(n, text);
}

void notify_stopping(const struct notify *n)
{
    say(n, "STOPPING=1\n");
}

void notify_alive(const struct notify *n)
{
    say(n, "WATCHDOG=1\n");
}
