// SPDX-License-Identifier: MIT
// What is looked at now and then on the main thread: whether the workers still turn, which the
// service manager wants to hear, and which system calls were refused.
#ifndef CLAIRON_SERVER_WATCH_H
#define CLAIRON_SERVER_WATCH_H

#include "net/loop.h"
#include "server/notify.h"
#include "server/worker.h"

#define WORKERS_MAX 64

struct watch {
    struct loop *loop; // borrowed, as the next three
    const struct notify *notify;
    struct worker *const *workers;
    unsigned workers_count;
    struct timer timer;
    unsigned turns[WORKERS_MAX]; // of each worker, when it was last looked at
};

void watch_start(struct watch *w);
void watch_stop(struct watch *w);

#endif
