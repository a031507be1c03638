// SPDX-License-Identifier: MIT
// What a good token says.
#include "auth/token.h"

#include "base/assert.h"
#include "base/mem.h"

// Copies a span behind the token and moves on; an absent one stays absent.
static struct str keep(char **at, struct str s)
{
    if (!s.p) {
        return STR_NONE;
    }
    char *p = *at;
    if (s.len > 0) {
        memcpy(p, s.p, s.len);
    }
    *at += s.len;
    return str_make(p, s.len);
}

struct token *token_try_new(const struct token *t)
{
    size_t bytes = t->sub.len + t->jti.len + t->role.len;
    for (unsigned to = 0; to < GRANT_NR; to++) {
        bytes += t->grants.lists[to].records.len;
    }
    struct token *made = mem_try_alloc(sizeof(*made) + bytes + 1);
    if (!made) {
        return NULL;
    }
    char *at = (char *)(made + 1);
    atomic_init(&made->refs, 1);
    made->sub = keep(&at, t->sub);
    made->jti = keep(&at, t->jti);
    made->role = keep(&at, t->role);
    made->expires_ms = t->expires_ms;
    made->taken_until_ms = t->taken_until_ms;
    made->issued_ms = t->issued_ms;
    made->grants.admin = t->grants.admin;
    made->grants.user = made->sub;
    for (unsigned to = 0; to < GRANT_NR; to++) {
        made->grants.lists[to].records = keep(&at, t->grants.lists[to].records);
    }
    return made;
}

struct token *token_ref(struct token *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void token_unref(struct token *t)
{
    if (!t) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(t);
    }
}
