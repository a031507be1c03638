// SPDX-License-Identifier: MIT
// Deadlines that all lie the same time ahead when they are armed: the one armed last is due last,
// so a list keeps them in order and one timer serves them all. 24 bytes each, and arming is a few
// stores. On the loop's thread.
#ifndef CLAIRON_NET_DEADLINE_H
#define CLAIRON_NET_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "net/loop.h"
#include "net/timer.h"

// Embedded in what it belongs to, which must cancel it before it goes. In one queue at a time.
struct deadline {
    struct list node;
    int64_t due_ms; // monotonic
};

struct deadlines {
    struct loop *loop;
    int64_t delay_ms;
    struct list members; // armed deadlines by their `node`, the first due first
    struct timer timer;  // armed while there are members, for the first of them or earlier
    void (*fn)(struct deadlines *q, struct deadline *d);
};

// `fn` is called for a member that is due, after it was taken out; it may free it, and arm or
// cancel any.
void deadlines_init(struct deadlines *q, struct loop *l, int64_t delay_ms,
                    void (*fn)(struct deadlines *q, struct deadline *d));
void deadlines_fini(struct deadlines *q); // no member may be left

void deadline_init(struct deadline *d);
// (Re)arms: due delay_ms from loop_now, behind all others. It may be in another queue until now.
void deadline_arm(struct deadlines *q, struct deadline *d);
// The same from an instant other than loop_now, which may lie before it. Costs more the more
// members are due later.
void deadline_arm_from(struct deadlines *q, struct deadline *d, int64_t from_ms);
void deadline_cancel(struct deadline *d); // safe to repeat
static inline bool deadline_armed(const struct deadline *d)
{
    return !list_empty(&d->node);
}

#endif
