// SPDX-License-Identifier: MIT
// Pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986): a node's children are a list of heaps.
// Nothing is recursive, since the shape depends on what peers do.
#include "net/timer.h"

#include <stddef.h>

#include "base/assert.h"

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
    *t = (struct timer){.fn = fn};
}

// Joins two roots (either may be NULL): the later one becomes the first child of the earlier.
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (b->due_ms < a->due_ms) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

// Makes one heap of a list of siblings: in pairs from the left, then all together from the right.
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL; // linked by `next`, the last pair first
    while (first) {
        struct timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->prev = a->next = NULL;
        if (b) {
            b->prev = b->next = NULL;
        }
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct timer *root = NULL;
    while (pairs) {
        struct timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void timer_heap_arm(struct timer_heap *h, struct timer *t, int64_t due_ms)
{
    ASSERT(t->fn);
    timer_heap_disarm(h, t);
    t->due_ms = due_ms;
    t->armed = true;
    h->root = meld(h->root, t);
}

void timer_heap_disarm(struct timer_heap *h, struct timer *t)
{
    if (!t->armed) {
        return;
    }
    ASSERT(h->root);
    struct timer *children = meld_siblings(t->child);
    if (t == h->root) {
        h->root = children;
    } else {
        ASSERT(t->prev);
        if (t->prev->child == t) {
            t->prev->child = t->next;
        } else {
            t->prev->next = t->next;
        }
        if (t->next) {
            t->next->prev = t->prev;
        }
        h->root = meld(h->root, children);
    }
    t->child = t->next = t->prev = NULL;
    t->armed = false;
}

int64_t timer_heap_due_ms(const struct timer_heap *h)
{
    return h->root ? h->root->due_ms : INT64_MAX;
}

struct timer *timer_heap_pop(struct timer_heap *h, int64_t now_ms)
{
    struct timer *t = h->root;
    if (!t || t->due_ms > now_ms) {
        return NULL;
    }
    timer_heap_disarm(h, t);
    return t;
}
