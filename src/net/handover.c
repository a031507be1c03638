// SPDX-License-Identifier: MIT
// Handing over accepted connections.
#include "net/handover.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "net/visitors.h"
#include "wire/tls.h"

enum { MAIL_CONNECTIONS = 64 };

// The connections of one turn on their way to one target.
struct handover {
    struct mail mail;
    struct accept_target *target;
    unsigned count;
    struct accepted accepted[];
};

struct handovers {
    struct loop *loop;
    struct accept_target **targets;
    struct handover **batch; // per target, what waits for handovers_send; or NULL
    size_t count;
    size_t turn; // where the search for the least loaded begins
};

void accepted_drop(const struct accepted *a)
{
    tls_conn_free(a->tls);
    rcbuf_unref(a->rest);
    visitors_leave(a->visitors, a->fd);
    close(a->fd);
}

// ---- One mail ----

static void on_handover(struct mail *m)
{
    struct handover *o = CONTAINER_OF(m, struct handover, mail);
    for (unsigned i = 0; i < o->count; i++) {
        o->target->fn_take(o->target, &o->accepted[i]);
    }
    mem_free(o);
}

static struct handover *handover_try_new(struct accept_target *t, size_t room)
{
    struct handover *o = mem_try_alloc(sizeof(*o) + room * sizeof(o->accepted[0]));
    if (o) {
        o->mail.run = on_handover;
        o->target = t;
    }
    return o;
}

static void add_take(struct handover *o, const struct accepted *a)
{
    o->accepted[o->count++] = *a;
    atomic_fetch_add_explicit(&o->target->load, 1, memory_order_relaxed);
}

static void drop_take(struct handover *o)
{
    atomic_fetch_sub_explicit(&o->target->load, o->count, memory_order_relaxed);
    for (unsigned i = 0; i < o->count; i++) {
        accepted_drop(&o->accepted[i]);
    }
    mem_free(o);
}

static void post_take(struct handover *o)
{
    if (!loop_post_take(o->target->loop, &o->mail)) {
        drop_take(o); // the target has ended
    }
}

void accept_target_put_take(struct accept_target *t, const struct accepted *a)
{
    struct handover *o = handover_try_new(t, 1);
    if (!o) {
        accepted_drop(a);
        return;
    }
    add_take(o, a);
    post_take(o);
}

// ---- To the least loaded ----

struct handovers *handovers_new(struct loop *loop, struct accept_target *const *targets,
                                size_t count)
{
    ASSERT(count > 0);
    struct handovers *h = mem_alloc(sizeof(*h));
    h->loop = loop;
    h->count = count;
    h->targets = mem_calloc(count, sizeof(*h->targets));
    for (size_t i = 0; i < count; i++) {
        h->targets[i] = targets[i];
    }
    h->batch = mem_calloc(count, sizeof(*h->batch));
    return h;
}

void handovers_free(struct handovers *h)
{
    if (h) {
        mem_free(h->targets);
        mem_free(h->batch);
        mem_free(h);
    }
}

static size_t least_loaded(struct handovers *h)
{
    size_t best = 0;
    uint32_t best_load = UINT32_MAX;
    for (size_t i = 0; i < h->count; i++) {
        size_t at = (h->turn + i) % h->count;
        uint32_t load = atomic_load_explicit(&h->targets[at]->load, memory_order_relaxed);
        if (load < best_load) {
            best = at;
            best_load = load;
        }
    }
    h->turn++;
    return best;
}

static void send_to(struct handovers *h, size_t which)
{
    struct handover *o = h->batch[which];
    h->batch[which] = NULL;
    if (o) {
        post_take(o);
    }
}

void handovers_put_take(struct handovers *h, const struct accepted *a)
{
    size_t which = least_loaded(h);
    struct accept_target *t = h->targets[which];
    if (t->loop == h->loop) {
        atomic_fetch_add_explicit(&t->load, 1, memory_order_relaxed);
        t->fn_take(t, a);
        return;
    }
    struct handover *o = h->batch[which];
    if (!o) {
        o = handover_try_new(t, MAIL_CONNECTIONS);
        if (!o) {
            accepted_drop(a);
            return;
        }
        h->batch[which] = o;
    }
    add_take(o, a);
    if (o->count == MAIL_CONNECTIONS) {
        send_to(h, which);
    }
}

void handovers_send(struct handovers *h)
{
    for (size_t i = 0; i < h->count; i++) {
        send_to(h, i);
    }
}
