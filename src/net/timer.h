// SPDX-License-Identifier: MIT
// Timers: an intrusive pairing heap on the monotonic clock, so that arming never allocates and
// never fails, and thousands cost little. Pure: whoever owns the heap passes the time in. Not
// thread-safe.
#ifndef CLAIRON_NET_TIMER_H
#define CLAIRON_NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

// Embedded in what it belongs to, which must disarm it before it goes.
struct timer {
    struct timer *child, *next;
    struct timer *prev; // the sibling before, or the parent of a first child; NULL for the root
    int64_t due_ms;     // monotonic
    bool armed;
    void (*fn)(struct timer *t);
};

struct timer_heap {
    struct timer *root;
};

void timer_init(struct timer *t, void (*fn)(struct timer *t));
static inline bool timer_armed(const struct timer *t)
{
    return t->armed;
}
// (Re)arms: fires once, never before due_ms.
void timer_heap_arm(struct timer_heap *h, struct timer *t, int64_t due_ms);
void timer_heap_disarm(struct timer_heap *h, struct timer *t); // safe to repeat
// When the next one is due; INT64_MAX: none is armed.
int64_t timer_heap_due_ms(const struct timer_heap *h);
// Takes out the next timer that is due at `now_ms`, earliest first; NULL: none.
struct timer *timer_heap_pop(struct timer_heap *h, int64_t now_ms);

#endif
