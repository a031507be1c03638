// SPDX-License-Identifier: MIT
// Cancelling leaves the timer alone: it then wakes once for nobody and finds the next one.
#include "net/deadline.h"

#include "base/assert.h"

enum { CALLS_PER_TURN = 1024 }; // thousands armed in one turn must not hold another

static struct deadline *first(const struct deadlines *q)
{
    return list_empty(&q->members) ? NULL : LIST_ENTRY(q->members.next, struct deadline, node);
}

static void on_timer(struct timer *t)
{
    struct deadlines *q = CONTAINER_OF(t, struct deadlines, timer);
    int64_t now_ms = loop_now(q->loop).mono_ms;
    struct deadline *d = first(q);
    for (int i = 0; i < CALLS_PER_TURN && d && d->due_ms <= now_ms; i++) {
        list_del(&d->node);
        q->fn(q, d);
        d = first(q);
    }
    if (d) { // what is left over comes in another turn
        loop_timer_at(q->loop, &q->timer, d->due_ms > now_ms ? d->due_ms : now_ms + 1);
    }
}

void deadlines_init(struct deadlines *q, struct loop *l, int64_t delay_ms,
                    void (*fn)(struct deadlines *q, struct deadline *d))
{
    ASSERT(delay_ms >= 0 && fn);
    *q = (struct deadlines){.loop = l, .delay_ms = delay_ms, .fn = fn};
    list_init(&q->members);
    timer_init(&q->timer, on_timer);
}

void deadlines_fini(struct deadlines *q)
{
    ASSERT(list_empty(&q->members));
    loop_timer_cancel(q->loop, &q->timer);
}

void deadline_init(struct deadline *d)
{
    list_init(&d->node);
    d->due_ms = 0;
}

void deadline_arm_from(struct deadlines *q, struct deadline *d, int64_t from_ms)
{
    list_del(&d->node);
    d->due_ms = from_ms + q->delay_ms;
    struct list *before = q->members.prev;
    while (before != &q->members && LIST_ENTRY(before, struct deadline, node)->due_ms > d->due_ms) {
        before = before->prev;
    }
    list_push_front(before, &d->node);
    if (!timer_armed(&q->timer) || q->timer.due_ms > d->due_ms) {
        loop_timer_at(q->loop, &q->timer, d->due_ms);
    }
}

void deadline_arm(struct deadlines *q, struct deadline *d)
{
    deadline_arm_from(q, d, loop_now(q->loop).mono_ms);
}

void deadline_cancel(struct deadline *d)
{
    list_del(&d->node);
}
