// SPDX-License-Identifier: MIT
// Who is asking.
#include "hub/principal.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/mem.h"

struct principal {
    atomic_uint refs;
    struct principal_init is;
};

static bool may_everything(const void *ctx, enum right right, struct str topic)
{
    (void)ctx;
    (void)right;
    return topic.len > 0;
}

static bool covers_everything(const void *ctx, const void *other)
{
    (void)ctx;
    (void)other;
    return true;
}

static void free_nothing(void *ctx)
{
    (void)ctx;
}

static const struct principal_ops anyone = {
    .may = may_everything, .covers = covers_everything, .free = free_nothing};

struct principal *principal_try_new_take(const struct principal_init *init)
{
    struct principal *p = mem_try_alloc(sizeof(*p));
    if (!p) {
        init->ops->free(init->ctx);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    p->is = *init;
    return p;
}

struct principal *principal_new_anyone(bool admin)
{
    struct principal *p = mem_alloc(sizeof(*p));
    atomic_init(&p->refs, 1);
    p->is = (struct principal_init){
        .admin = admin, .expires_wall_ms = PRINCIPAL_FOR_EVER, .ops = &anyone};
    return p;
}

struct principal *principal_ref(struct principal *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void principal_unref(struct principal *p)
{
    if (!p) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        p->is.ops->free(p->is.ctx);
        mem_free(p);
    }
}

struct str principal_user_id(const struct principal *p)
{
    return p->is.user_id;
}

bool principal_is_admin(const struct principal *p)
{
    return p->is.admin;
}

int64_t principal_expires_wall_ms(const struct principal *p)
{
    return p->is.expires_wall_ms;
}

const void *principal_ctx(const struct principal *p)
{
    return p->is.ctx;
}

bool principal_may(const struct principal *p, enum right right, struct str topic)
{
    return p->is.ops->may(p->is.ctx, right, topic);
}

bool principal_covers(const struct principal *p, const struct principal *other)
{
    return p->is.ops == other->is.ops ? p->is.ops->covers(p->is.ctx, other->is.ctx)
                                      : p->is.ops == &anyone;
}

bool principal_is_user(const struct principal *p, const char *owner)
{
    return p->is.user_id.p && owner && str_eq(p->is.user_id, str_of(owner));
}
