// SPDX-License-Identifier: MIT
// The asker's side of a question to a responder.
#include "hub/respond.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

static struct str place(char **at, struct str s)
{
    if (!s.p) {
        return STR_NONE;
    }
    struct str copy = str_make(*at, s.len);
    memcpy(*at, s.p, s.len);
    *at += s.len;
    return copy;
}

struct respond_call *respond_call_try_new(const struct respond_question *q)
{
    size_t bytes = q->channel.len + q->ref.len + q->user.len + q->body.len;
    struct respond_call *c = mem_try_alloc(sizeof(*c) + bytes);
    if (!c) {
        return NULL;
    }
    char *at = (char *)(c + 1);
    atomic_init(&c->refs, 1);
    c->responder = q->responder;
    c->channel = place(&at, q->channel);
    c->ref = place(&at, q->ref);
    c->user = place(&at, q->user);
    c->body = place(&at, q->body);
    return c;
}

struct respond_call *respond_call_ref(struct respond_call *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void respond_call_unref(struct respond_call *c)
{
    unsigned before = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(c);
    }
}

void respond_ask(struct responders *r, struct respond_call *c)
{
    c->responders = r;
    r->ask(r, c);
}

// Each has one nudge under way at most, which says all that has changed until it is read.
static void nudge(struct respond_call *c)
{
    if (!atomic_exchange(&c->nudging, true)) {
        c->responders->nudge(c->responders, c);
    }
}

void respond_cancel(struct respond_call *c)
{
    if (!atomic_exchange(&c->cancelled, true)) {
        nudge(c);
    }
}

void respond_taken(struct respond_call *c, size_t bytes)
{
    size_t before = atomic_fetch_sub(&c->unread, bytes);
    ASSERT(before >= bytes);
    nudge(c);
}
