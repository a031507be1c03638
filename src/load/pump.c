// SPDX-License-Identifier: MIT
// The event loop of a load test: edge-triggered epoll that wakes to the microsecond.
#include <time.h>

#include "load/load_int.h"

int64_t pump_clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * LOAD_SECOND_NS + ts.tv_nsec;
}

bool pump_add(struct load *l, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events | EPOLLET, .data.ptr = w};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &e) == 0;
}

void pump_del(struct load *l, struct watch *w)
{
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
}

// Looks again and again instead of sleeping.
static int spin(struct load *l, int64_t until_ns)
{
    const int64_t from_ns = pump_clock_ns();
    int64_t empty_ns = from_ns; // until then there was nothing
    for (;;) {
        int n = epoll_wait(l->epoll_fd, l->batch, LOAD_BATCH, 0);
        int64_t now_ns = pump_clock_ns();
        if (n != 0 || now_ns >= until_ns) {
            l->spun_ns += empty_ns - from_ns;
            return n;
        }
        empty_ns = now_ns;
    }
}

void pump_turn(struct load *l, int64_t until_ns)
{
    int64_t left = until_ns - pump_clock_ns();
    struct timespec wait = {0};
    if (left > 0) {
        wait = (struct timespec){.tv_sec = left / LOAD_SECOND_NS, .tv_nsec = left % LOAD_SECOND_NS};
    }
    int n = l->cfg->spin ? spin(l, until_ns)
                         : epoll_pwait2(l->epoll_fd, l->batch, LOAD_BATCH, &wait, NULL);
    l->now_ns = pump_clock_ns();
    for (int i = 0; i < n; i++) {
        struct watch *w = l->batch[i].data.ptr;
        if (w->fd >= 0) { // else closed by one before it
            w->fn(w, l->batch[i].events);
        }
    }
}
