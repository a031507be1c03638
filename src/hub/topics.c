// SPDX-License-Identifier: MIT
// A worker's topics: names in an open-addressed table, subscribers in arrays that grow and shrink.
#include "hub/topics.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

#define TABLE_MIN   16 // slots of the smallest table
#define SMALL_BYTES 48 // of a topic in the pool: with a name of 22 bytes

void topics_init(struct topics *t, const struct hash_key *key)
{
    *t = (struct topics){.key = *key};
    pool_init(&t->small, SMALL_BYTES, NULL);
}

void topics_fini(struct topics *t)
{
    ASSERT(t->count == 0);
    mem_free(t->slots);
    t->slots = NULL;
    t->cap = t->bytes = 0;
    pool_fini(&t->small);
}

size_t topics_bytes(const struct topics *t)
{
    return t->bytes + pool_bytes(&t->small);
}

// --- the table ---

static size_t home_of(const struct topics *t, uint64_t hash)
{
    return (size_t)hash & (t->cap - 1);
}

static size_t next_of(const struct topics *t, size_t i)
{
    return (i + 1) & (t->cap - 1);
}

struct topic *topics_find(const struct topics *t, struct str name, uint64_t hash)
{
    if (t->cap == 0) {
        return NULL;
    }
    for (size_t i = home_of(t, hash); t->slots[i]; i = next_of(t, i)) {
        struct topic *topic = t->slots[i];
        if (topic->hash == hash && str_eq(topic_name(topic), name)) {
            return topic;
        }
    }
    return NULL;
}

static void put(struct topics *t, struct topic *topic)
{
    size_t i = home_of(t, topic->hash);
    while (t->slots[i]) {
        i = next_of(t, i);
    }
    t->slots[i] = topic;
}

static int resize(struct topics *t, size_t cap)
{
    struct topic **slots = mem_try_alloc(cap * sizeof(struct topic *));
    if (!slots) {
        return -E_NO_MEMORY;
    }
    struct topics old = *t;
    t->slots = slots;
    t->cap = cap;
    t->bytes += (cap - old.cap) * sizeof(struct topic *);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i]) {
            put(t, old.slots[i]);
        }
    }
    mem_free(old.slots);
    return 0;
}

// Closes the hole at `i` by moving back those that would not be found behind it (Knuth 6.4, R).
static void take_out(struct topics *t, struct topic *topic)
{
    size_t i = home_of(t, topic->hash);
    while (t->slots[i] != topic) {
        ASSERT(t->slots[i]);
        i = next_of(t, i);
    }
    for (size_t j = next_of(t, i); t->slots[j]; j = next_of(t, j)) {
        size_t home = home_of(t, t->slots[j]->hash);
        bool stays = i <= j ? i < home && home <= j : i < home || home <= j;
        if (!stays) {
            t->slots[i] = t->slots[j];
            i = j;
        }
    }
    t->slots[i] = NULL;
}

static size_t topic_bytes(size_t name_len)
{
    return offsetof(struct topic, name) + name_len;
}

static struct topic *topic_try_alloc(struct topics *t, size_t name_len)
{
    size_t bytes = topic_bytes(name_len);
    if (bytes <= SMALL_BYTES) {
        return pool_try_alloc(&t->small);
    }
    struct topic *topic = mem_try_alloc(bytes);
    t->bytes += topic ? bytes : 0;
    return topic;
}

static void topic_free(struct topics *t, struct topic *topic)
{
    size_t bytes = topic_bytes(topic->name_len);
    if (bytes <= SMALL_BYTES) {
        pool_free(&t->small, topic);
    } else {
        t->bytes -= bytes;
        mem_free(topic);
    }
}

struct topic *topics_try_get(struct topics *t, struct str name)
{
    ASSERT(name.len <= UINT16_MAX);
    uint64_t hash = siphash(&t->key, name);
    struct topic *topic = topics_find(t, name, hash);
    if (topic) {
        return topic;
    }
    if ((t->count + 1) * 4 > t->cap * 3 && resize(t, t->cap ? t->cap * 2 : TABLE_MIN) != 0) {
        return NULL;
    }
    topic = topic_try_alloc(t, name.len);
    if (!topic) {
        return NULL;
    }
    topic->hash = hash;
    topic->cap = TOPIC_FEW;
    topic->name_len = (uint16_t)name.len;
    memcpy(topic->name, name.p, name.len);
    put(t, topic);
    t->count++;
    return topic;
}

void topics_drop_unused(struct topics *t, struct topic *topic)
{
    if (topic->count > 0) {
        return;
    }
    ASSERT(topic->cap == TOPIC_FEW);
    take_out(t, topic);
    t->count--;
    topic_free(t, topic);
    if (t->cap > TABLE_MIN && t->count * 8 < t->cap) {
        (void)resize(t, t->cap / 2); // for want of memory it stays as large as it is
    }
}

// --- subscribers ---

static int set_room(struct topics *t, struct topic *topic, uint32_t cap)
{
    uint32_t *many = topic->cap == TOPIC_FEW ? NULL : topic->subscribers.many;
    uint32_t *grown = mem_try_realloc(many, cap * sizeof(uint32_t));
    if (!grown) {
        return -E_NO_MEMORY;
    }
    if (topic->cap == TOPIC_FEW) {
        memcpy(grown, topic->subscribers.few, sizeof(topic->subscribers.few));
        t->bytes += cap * sizeof(uint32_t);
    } else {
        t->bytes += cap * sizeof(uint32_t);
        t->bytes -= topic->cap * sizeof(uint32_t);
    }
    topic->subscribers.many = grown;
    topic->cap = cap;
    return 0;
}

int topic_join(struct topics *t, struct topic *topic, uint32_t subscriber, uint32_t *ret_place)
{
    if (topic->count == topic->cap && set_room(t, topic, topic->cap * 2) != 0) {
        return -E_NO_MEMORY;
    }
    *ret_place = topic->count++;
    ((uint32_t *)(uintptr_t)topic_subscribers(topic))[*ret_place] = subscriber;
    return 0;
}

static void shrink(struct topics *t, struct topic *topic)
{
    if (topic->cap == TOPIC_FEW) {
        return;
    }
    if (topic->count <= TOPIC_FEW) {
        uint32_t *many = topic->subscribers.many;
        memcpy(topic->subscribers.few, many, topic->count * sizeof(uint32_t));
        t->bytes -= topic->cap * sizeof(uint32_t);
        topic->cap = TOPIC_FEW;
        mem_free(many);
    } else if (topic->count * 4 < topic->cap) {
        (void)set_room(t, topic, topic->cap / 2); // for want of memory it stays as large as it is
    }
}

uint32_t topic_leave(struct topics *t, struct topic *topic, uint32_t place)
{
    ASSERT(place < topic->count);
    uint32_t *all = (uint32_t *)(uintptr_t)topic_subscribers(topic);
    uint32_t moved = TOPIC_NOBODY;
    topic->count--;
    if (place != topic->count) {
        moved = all[topic->count];
        all[place] = moved;
    }
    shrink(t, topic);
    topics_drop_unused(t, topic);
    return moved;
}
