// SPDX-License-Identifier: MIT
// Tokens that are no longer taken. The key of an entry is a letter for what it is about, then the
// name.
#include "auth/revoke.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

struct entry {
    struct revocation r;
    struct str key;
    char text[];
};

struct lookup {
    char bytes[1 + REVOKE_NAME_BYTES_MAX];
};

static struct str key_of(enum revoke_what what, struct str name, struct lookup *to)
{
    ASSERT(name.len <= REVOKE_NAME_BYTES_MAX);
    to->bytes[0] = "tua"[what];
    if (name.len > 0) {
        memcpy(to->bytes + 1, name.p, name.len);
    }
    return str_make(to->bytes, 1 + name.len);
}

void revoke_init(struct revoked *set, const struct hash_key *key)
{
    map_init(&set->map, key);
}

void revoke_fini(struct revoked *set)
{
    struct entry *e;
    for (size_t i = 0; (e = map_next(&set->map, &i));) {
        mem_free(e);
    }
    map_fini(&set->map);
}

size_t revoke_count(const struct revoked *set)
{
    return set->map.count;
}

size_t revoke_sweep(struct revoked *set, int64_t wall_ms)
{
    struct entry *e;
    size_t gone = 0;
    for (size_t i = 0; (e = map_next(&set->map, &i));) {
        if (e->r.until_ms <= wall_ms) {
            (void)map_del(&set->map, e->key);
            mem_free(e);
            gone++;
        }
    }
    return gone;
}

static bool is_sound(const struct revocation *r)
{
    bool named = r->what != REVOKE_ALL;
    return (unsigned)r->what < REVOKE_NR && (r->name.len > 0) == named &&
           r->name.len <= REVOKE_NAME_BYTES_MAX;
}

static void widen(struct entry *e, const struct revocation *r)
{
    if (r->before_ms > e->r.before_ms) {
        e->r.before_ms = r->before_ms;
    }
    if (r->until_ms > e->r.until_ms) {
        e->r.until_ms = r->until_ms;
    }
}

static int add_new(struct revoked *set, const struct revocation *r, struct str key)
{
    struct entry *e = mem_try_alloc(sizeof(*e) + key.len);
    if (!e) {
        return -E_NO_MEMORY;
    }
    memcpy(e->text, key.p, key.len);
    e->key = str_make(e->text, key.len);
    e->r = *r;
    e->r.name = r->what == REVOKE_ALL ? STR_NONE : str_from(e->key, 1);
    int rc = map_add(&set->map, e->key, e);
    if (rc) {
        mem_free(e);
    }
    return rc;
}

int revoke_add(struct revoked *set, const struct revocation *r, int64_t wall_ms)
{
    struct lookup lookup;
    if (!is_sound(r)) {
        return -E_BAD_REQUEST;
    }
    if (r->until_ms <= wall_ms) {
        return 0;
    }
    struct str key = key_of(r->what, r->name, &lookup);
    struct entry *e = map_get(&set->map, key);
    if (e) {
        widen(e, r);
        return 0;
    }
    if (set->map.count >= REVOKE_MAX && revoke_sweep(set, wall_ms) == 0) {
        return -E_LIMIT;
    }
    return add_new(set, r, key);
}

static bool entry_covers(const struct revoked *set, enum revoke_what what, struct str name,
                         const struct token *t, int64_t wall_ms)
{
    struct lookup lookup;
    const struct entry *e = map_get(&set->map, key_of(what, name, &lookup));
    if (!e || e->r.until_ms <= wall_ms) {
        return false;
    }
    return what == REVOKE_TOKEN || t->issued_ms < e->r.before_ms; // TOKEN_NO_TIME is the earliest
}

bool revoke_covers(const struct revoked *set, const struct token *t, int64_t wall_ms)
{
    if (set->map.count == 0) {
        return false;
    }
    return (t->jti.p && entry_covers(set, REVOKE_TOKEN, t->jti, t, wall_ms)) ||
           (t->sub.p && entry_covers(set, REVOKE_USER, t->sub, t, wall_ms)) ||
           entry_covers(set, REVOKE_ALL, STR_NONE, t, wall_ms);
}

const struct revocation *revoke_next(const struct revoked *set, size_t *i)
{
    const struct entry *e = map_next(&set->map, i);
    return e ? &e->r : NULL;
}
