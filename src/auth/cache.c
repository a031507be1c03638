// SPDX-License-Identifier: MIT
// Good tokens. The slots are dense: [0, count) are taken, and the hand goes round them.
#include "auth/cache.h"

#include <openssl/sha.h>

#include "base/assert.h"
#include "base/mem.h"

struct cache_entry {
    struct cache_key key;
    struct token *token;
    unsigned at; // its slot
    bool asked;  // since the hand came by
};

static struct str bytes_of(const struct cache_key *key)
{
    return str_make((const char *)key->sha256, sizeof(key->sha256));
}

struct cache_key cache_key_of(struct str text)
{
    struct cache_key key;
    (void)SHA256((const unsigned char *)text.p, text.len, key.sha256);
    return key;
}

void cache_init(struct cache *c, unsigned max, const struct hash_key *key)
{
    ASSERT(max > 0);
    *c = (struct cache){.max = max, .slots = mem_calloc(max, sizeof(struct cache_entry *))};
    map_init(&c->map, key);
}

static void drop(struct cache *c, struct cache_entry *e)
{
    struct cache_entry *last = c->slots[--c->count];
    c->slots[e->at] = last;
    last->at = e->at;
    void *was = map_del(&c->map, bytes_of(&e->key));
    ASSERT(was == e);
    token_unref(e->token);
    mem_free(e);
}

void cache_clear(struct cache *c)
{
    while (c->count > 0) {
        drop(c, c->slots[c->count - 1]);
    }
}

void cache_fini(struct cache *c)
{
    cache_clear(c);
    map_fini(&c->map);
    mem_free(c->slots);
    c->slots = NULL;
}

struct token *cache_get(struct cache *c, const struct cache_key *key, int64_t wall_ms)
{
    struct cache_entry *e = map_get(&c->map, bytes_of(key));
    if (!e) {
        return NULL;
    }
    if (e->token->taken_until_ms <= wall_ms) {
        drop(c, e);
        return NULL;
    }
    e->asked = true;
    return token_ref(e->token);
}

// At most once round and one more: then everything is marked as not asked for.
static void make_room(struct cache *c, int64_t wall_ms)
{
    for (;;) {
        if (c->hand >= c->count) {
            c->hand = 0;
        }
        struct cache_entry *e = c->slots[c->hand];
        if (!e->asked || e->token->taken_until_ms <= wall_ms) {
            drop(c, e);
            return;
        }
        e->asked = false;
        c->hand++;
    }
}

void cache_put(struct cache *c, const struct cache_key *key, struct token *token, int64_t wall_ms)
{
    if (map_get(&c->map, bytes_of(key))) {
        return;
    }
    if (c->count == c->max) {
        make_room(c, wall_ms);
    }
    struct cache_entry *e = mem_try_alloc(sizeof(*e));
    if (!e) {
        return;
    }
    *e = (struct cache_entry){.key = *key, .at = c->count};
    if (map_add(&c->map, bytes_of(&e->key), e)) {
        mem_free(e);
        return;
    }
    e->token = token_ref(token);
    c->slots[c->count++] = e;
}
