// SPDX-License-Identifier: MIT
// Connections per address, by the descriptor.
#include "net/visitors.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/quota.h"

// Descriptors are small numbers, the lowest that are free: a table in pieces that are made when
// they are needed. What lies beyond is not let in.
enum { PIECE = 4096, PIECES = 4096, V6_PREFIX_BYTES = 8 };

enum { PLACE, NEWCOMER }; // sorts of places

// The quota of the address, whose lowest bit says that it is a newcomer; 0: not counted.
typedef _Atomic(uintptr_t) slot;
#define NEWCOMER_BIT ((uintptr_t)1)

struct visitors {
    struct visitors_config cfg;
    struct quotas *quotas;
    _Atomic(slot *) pieces[PIECES];
};

struct visitors *visitors_new(const struct visitors_config *cfg)
{
    struct visitors *v = mem_alloc(sizeof(*v));
    v->cfg = *cfg;
    v->quotas = quotas_new((size_t)LIMIT_OF(cfg->limits, VISITORS), &cfg->key);
    for (size_t i = 0; i < PIECES; i++) {
        atomic_init(&v->pieces[i], NULL);
    }
    return v;
}

void visitors_free(struct visitors *v)
{
    if (!v) {
        return;
    }
    for (size_t i = 0; i < PIECES; i++) {
        mem_free(atomic_load(&v->pieces[i]));
    }
    quotas_free(v->quotas);
    mem_free(v);
}

static slot *find_slot(struct visitors *v, int fd)
{
    size_t at = (size_t)fd / PIECE;
    slot *piece = at < PIECES ? atomic_load_explicit(&v->pieces[at], memory_order_acquire) : NULL;
    return piece ? &piece[fd % PIECE] : NULL;
}

static slot *make_slot(struct visitors *v, int fd)
{
    size_t at = (size_t)fd / PIECE;
    slot *found = find_slot(v, fd), *none = NULL;
    if (found || at >= PIECES) {
        return found;
    }
    slot *piece = mem_try_alloc(PIECE * sizeof(*piece));
    if (piece && !atomic_compare_exchange_strong(&v->pieces[at], &none, piece)) {
        mem_free(piece); // another thread was first
    }
    return find_slot(v, fd);
}

static bool is_exempt(const struct visitors *v, const struct net_addr *from)
{
    return !from->family || net_blocks_contain(&v->cfg.exempt, from) ||
           net_blocks_contain(&v->cfg.proxies, from);
}

static enum limit_row limit_of(enum quota_verdict verdict)
{
    switch (verdict) {
    case QUOTA_NO_PLACE:
        return LIMIT_ROW_CONNECTIONS_PER_ADDRESS;
    case QUOTA_NO_PLACE_OF_SECOND:
        return LIMIT_ROW_NEWCOMERS_PER_ADDRESS;
    case QUOTA_TOO_FAST:
        return LIMIT_ROW_CONNECTS_PER_ADDRESS;
    case QUOTA_TAKEN:
    case QUOTA_FULL:
        break;
    }
    return LIMIT_ROW_VISITORS;
}

// A key is the family and the address, of IPv6 the /64; the one for all is empty.
static enum quota_verdict take(struct visitors *v, const struct visitor *visit, int64_t now_ms,
                               struct quota **ret)
{
    const struct limits *l = v->cfg.limits;
    const struct net_addr *from = visit->from;
    char key[1 + V6_PREFIX_BYTES] = {(char)from->family};
    size_t len = from->family == 6 ? V6_PREFIX_BYTES : 4;
    memcpy(key + 1, from->bytes, len);
    struct quota_rule rule = {.places = {[PLACE] = (uint32_t)LIMIT_OF(l, CONNECTIONS_PER_ADDRESS)},
                              .per_second = (uint32_t)LIMIT_OF(l, CONNECTS_PER_ADDRESS)};
    if (visit->newcomer) {
        rule.places[NEWCOMER] = (uint32_t)LIMIT_OF(l, NEWCOMERS_PER_ADDRESS);
    }
    return quotas_take(v->quotas, str_make(key, 1 + len), &rule, now_ms, ret);
}

static bool take_of_all(struct visitors *v, int64_t now_ms)
{
    struct quota_rule rule = {.per_second = (uint32_t)LIMIT_OF(v->cfg.limits, CONNECTS_PER_SECOND)};
    struct quota *none;
    return quotas_take(v->quotas, STR(""), &rule, now_ms, &none) == QUOTA_TAKEN;
}

static void give(struct visitors *v, uintptr_t what)
{
    struct quota *q = (struct quota *)(what & ~NEWCOMER_BIT);
    if (what & NEWCOMER_BIT) {
        quotas_give(v->quotas, q, NEWCOMER);
    }
    quotas_give(v->quotas, q, PLACE);
}

bool visitors_enter(struct visitors *v, const struct visitor *visit, int64_t now_ms,
                    enum limit_row *ret_limit)
{
    struct quota *q;
    if (is_exempt(v, visit->from)) {
        return true;
    }
    slot *s = make_slot(v, visit->fd);
    if (!s) {
        *ret_limit = LIMIT_ROW_VISITORS;
        return false;
    }
    if (atomic_load_explicit(s, memory_order_acquire)) {
        return true;
    }
    enum quota_verdict verdict = take(v, visit, now_ms, &q);
    if (verdict != QUOTA_TAKEN) {
        *ret_limit = limit_of(verdict);
        return false;
    }
    uintptr_t what = (uintptr_t)q | (visit->newcomer ? NEWCOMER_BIT : 0);
    if (!take_of_all(v, now_ms)) {
        give(v, what);
        *ret_limit = LIMIT_ROW_CONNECTS_PER_SECOND;
        return false;
    }
    atomic_store_explicit(s, what, memory_order_release);
    return true;
}

void visitors_welcome(struct visitors *v, int fd)
{
    slot *s = find_slot(v, fd);
    uintptr_t what = s ? atomic_load_explicit(s, memory_order_acquire) : 0;
    if (what & NEWCOMER_BIT) {
        atomic_store_explicit(s, what & ~NEWCOMER_BIT, memory_order_release);
        quotas_give(v->quotas, (struct quota *)(what & ~NEWCOMER_BIT), NEWCOMER);
    }
}

void visitors_leave(struct visitors *v, int fd)
{
    slot *s = v && fd >= 0 ? find_slot(v, fd) : NULL;
    uintptr_t what = s ? atomic_load_explicit(s, memory_order_acquire) : 0;
    if (what) {
        atomic_store_explicit(s, 0, memory_order_release);
        give(v, what);
    }
}
