// SPDX-License-Identifier: MIT
// Open addressing with linear probing. A slot is free (value NULL, key.p NULL), deleted (value
// NULL, key.p = the mark) or live. Live and deleted slots fill at most three quarters; a rebuild
// drops the deleted ones and picks the size anew.
#include "base/map.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum { CAP_MIN = 8 };

static const char deleted_mark[1];

void map_init(struct map *m, const struct hash_key *key)
{
    *m = (struct map){.key = *key};
}

void map_fini(struct map *m)
{
    mem_free(m->slots);
    *m = (struct map){.key = m->key};
}

static inline bool slot_free(const struct map_slot *s)
{
    return !s->value && !s->key.p;
}

static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
    if (m->cap == 0) {
        return NULL;
    }
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];
        if (slot_free(s)) {
            return NULL;
        }
        if (s->value && s->hash == hash && str_eq(s->key, key)) {
            return s;
        }
    }
}

void *map_get_hashed(const struct map *m, struct str key, uint64_t hash)
{
    const struct map_slot *s = find(m, key, hash);
    return s ? s->value : NULL;
}

void *map_get(const struct map *m, struct str key)
{
    return m->count > 0 ? map_get_hashed(m, key, siphash(&m->key, key)) : NULL;
}

static void place(struct map_slot *slots, size_t cap, const struct map_slot *s)
{
    size_t i = s->hash & (cap - 1);
    while (!slot_free(&slots[i])) {
        i = (i + 1) & (cap - 1);
    }
    slots[i] = *s;
}

// A capacity at which `count` entries fill at most half.
static size_t cap_for(size_t count)
{
    size_t cap = CAP_MIN;
    while (cap < count * 2) {
        cap *= 2;
    }
    return cap;
}

static int rebuild(struct map *m, size_t cap)
{
    struct map_slot *slots = NULL;
    if (cap <= SIZE_MAX / 2 / sizeof(*slots)) {
        slots = mem_try_alloc(cap * sizeof(*slots));
    }
    if (!slots) {
        return -E_NO_MEMORY;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value) {
            place(slots, cap, &m->slots[i]);
        }
    }
    mem_free(m->slots);
    m->slots = slots;
    m->cap = cap;
    m->used = m->count;
    return 0;
}

int map_add(struct map *m, struct str key, void *value)
{
    ASSERT(value);
    if (m->used + 1 > m->cap / 4 * 3) {
        int rc = rebuild(m, cap_for(m->count + 1));
        if (rc) {
            return rc;
        }
    }
    struct map_slot new_slot = {.hash = siphash(&m->key, key), .key = key, .value = value};
    ASSERT(!find(m, key, new_slot.hash));
    place(m->slots, m->cap, &new_slot);
    m->used++;
    m->count++;
    return 0;
}

void *map_del(struct map *m, struct str key)
{
    if (m->count == 0) {
        return NULL;
    }
    struct map_slot *s = find(m, key, siphash(&m->key, key));
    if (!s) {
        return NULL;
    }
    void *value = s->value;
    *s = (struct map_slot){.key = {.p = deleted_mark}};
    m->count--;
    if (m->count == 0) {
        map_fini(m);
    }
    return value;
}

void *map_next(const struct map *m, size_t *i)
{
    while (*i < m->cap) {
        void *value = m->slots[(*i)++].value;
        if (value) {
            return value;
        }
    }
    return NULL;
}
