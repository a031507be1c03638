// SPDX-License-Identifier: MIT
// Tells the service manager that the hub is ready, reloading, stopping, and alive, as sd_notify(3)
// describes it: datagrams to the socket that NOTIFY_SOCKET names. By hand, because that is all of
// it, and a library for it would bring more code than it saves. Without such a socket nothing is
// said. The main thread.
#ifndef CLAIRON_SERVER_NOTIFY_H
#define CLAIRON_SERVER_NOTIFY_H

#include <stdint.h>

struct notify {
    int fd;              // -1: nobody listens
    int64_t watchdog_ms; // so often it wants to hear that the hub is alive; 0: it does not
};

// Reads the environment; before that is wiped, and before the sandbox.
void notify_open(struct notify *n);
void notify_close(struct notify *n);

void notify_ready(const struct notify *n);     // also after a reload
void notify_reloading(const struct notify *n); // until notify_ready
void notify_stopping(const struct notify *n);
void notify_alive(const struct notify *n);

#endif
