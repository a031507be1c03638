// SPDX-License-Identifier: MIT
// Hash map from byte strings to pointers: open addressing, keyed by SipHash, grows and shrinks. It
// stores neither key bytes nor values: keys are spans that live inside the value (or as long as
// it). Not thread-safe.
#ifndef CLAIRON_BASE_MAP_H
#define CLAIRON_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/siphash.h"
#include "base/str.h"

struct map_slot {
    uint64_t hash;
    struct str key;
    void *value; // NULL: free; see map.c for the mark of a deleted one
};

struct map {
    struct map_slot *slots;
    size_t cap;   // a power of two, or 0
    size_t count; // live entries
    size_t used;  // live and deleted
    struct hash_key key;
};

void map_init(struct map *m, const struct hash_key *key); // allocates nothing yet
void map_fini(struct map *m);                             // does not touch the values
void *map_get(const struct map *m, struct str key);       // NULL when absent
void *map_get_hashed(const struct map *m, struct str key, uint64_t hash);
// The key must not be present, value not NULL. -E_NO_MEMORY.
int map_add(struct map *m, struct str key, void *value) MUST_CHECK;
void *map_del(struct map *m, struct str key); // the value, or NULL when absent
// Iteration: for (size_t i = 0; (v = map_next(m, &i));) ... Deleting the entry just returned is
// allowed.
void *map_next(const struct map *m, size_t *i);

#endif
