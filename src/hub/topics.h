// SPDX-License-Identifier: MIT
// The topics that some session of one worker is on: each name once, with the numbers of its
// subscribers in one piece of memory, since fan-out walks over them. A topic goes with its last
// subscriber. One thread.
#ifndef CLAIRON_HUB_TOPICS_H
#define CLAIRON_HUB_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/pool.h"
#include "base/siphash.h"
#include "base/str.h"

#define TOPIC_FEW 2 // subscribers that need no memory of their own

struct topic {
    uint64_t hash; // of the name
    uint32_t count, cap;
    union {
        uint32_t few[TOPIC_FEW]; // cap == TOPIC_FEW
        uint32_t *many;
    } subscribers;
    uint16_t name_len;
    bool counted; // the roll wants to know who is on it
    char name[];
};

struct topics {
    struct topic **slots; // open addressing, linear probing
    size_t cap;           // a power of two, or 0
    size_t count;
    size_t bytes;      // of memory, for all but what the pool holds
    struct pool small; // topics with short names: most clients have one of their own
    struct hash_key key;
};

void topics_init(struct topics *t, const struct hash_key *key); // allocates nothing yet
void topics_fini(struct topics *t);                             // no topic may be left

struct topic *topics_find(const struct topics *t, struct str name, uint64_t hash);
// The topic of that name, made if need be; NULL without memory. One without subscribers must get
// one, or be dropped by topics_drop_unused.
struct topic *topics_try_get(struct topics *t, struct str name) MUST_CHECK;
void topics_drop_unused(struct topics *t, struct topic *topic);

static inline struct str topic_name(const struct topic *t)
{
    return str_make(t->name, t->name_len);
}
static inline const uint32_t *topic_subscribers(const struct topic *t)
{
    return t->cap == TOPIC_FEW ? t->subscribers.few : t->subscribers.many;
}

size_t topics_bytes(const struct topics *t); // of memory, for all of it

// Adds a subscriber; its place in the array, which it has to remember. -E_NO_MEMORY.
int topic_join(struct topics *t, struct topic *topic, uint32_t subscriber,
               uint32_t *ret_place) MUST_CHECK;
#define TOPIC_NOBODY UINT32_MAX
// Takes out the subscriber at `place`. Returns the one who stands there now, to be told, or
// TOPIC_NOBODY. A topic without any is freed.
uint32_t topic_leave(struct topics *t, struct topic *topic, uint32_t place);

#endif
