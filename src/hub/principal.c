// SPDX-License-Identifier: MIT
// The principal of a hub without authentication.
#include "hub/principal.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/mem.h"

struct principal {
    atomic_uint refs;
    bool admin;
};

struct principal *principal_new_anyone(bool admin)
{
    struct principal *p = mem_alloc(sizeof(*p));
    atomic_init(&p->refs, 1);
    p->admin = admin;
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
        mem_free(p);
    }
}

struct str principal_user_id(const struct principal *p)
{
    (void)p;
    return STR_NONE;
}

bool principal_is_admin(const struct principal *p)
{
    return p->admin;
}

// With authentication off everything is allowed; the topic is what grants will be matched against.
bool principal_may_subscribe(const struct principal *p, struct str topic)
{
    (void)p;
    return topic.len > 0;
}

bool principal_may_publish(const struct principal *p, struct str topic)
{
    (void)p;
    return topic.len > 0;
}
