// SPDX-License-Identifier: MIT
// Looking at the workers.
#include "server/watch.h"

#include "server/harden.h"

#define WATCH_MS 1000

// Has each worker's loop made a turn since this was last asked? Those at rest are asked for one.
static bool workers_turn(struct watch *w)
{
    bool all = true;
    for (unsigned i = 0; i < w->workers_count; i++) {
        unsigned turns = worker_turns(w->workers[i]);
        all = all && turns != w->turns[i];
        w->turns[i] = turns;
        worker_moved(w->workers[i]);
    }
    return all;
}

// That the hub is alive is said for the loops that serve; one that hangs keeps it from being said.
static void on_timer(struct timer *t)
{
    struct watch *w = CONTAINER_OF(t, struct watch, timer);
    harden_tell_refused();
    int64_t wait_ms = WATCH_MS;
    if (w->notify->watchdog_ms) {
        if (workers_turn(w)) {
            notify_alive(w->notify);
        }
        int64_t third = w->notify->watchdog_ms / 3;
        wait_ms = third < wait_ms ? third : wait_ms;
    }
    loop_timer_after(w->loop, t, wait_ms);
}

void watch_start(struct watch *w)
{
    timer_init(&w->timer, on_timer);
    loop_timer_after(w->loop, &w->timer, 0);
}

void watch_stop(struct watch *w)
{
    loop_timer_cancel(w->loop, &w->timer);
}
