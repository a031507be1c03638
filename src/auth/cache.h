// SPDX-License-Identifier: MIT
// Tokens found good, by the SHA-256 of their text, until they expire. Bounded: a new one takes the
// place of one that was not asked for since the hand of the clock last came by. Under the owner's
// lock.
#ifndef CLAIRON_AUTH_CACHE_H
#define CLAIRON_AUTH_CACHE_H

#include <stdint.h>

#include "auth/token.h"
#include "base/compiler.h"
#include "base/map.h"

enum { CACHE_KEY_BYTES = 32 };

struct cache_key {
    unsigned char sha256[CACHE_KEY_BYTES];
};

struct cache_entry;

struct cache {
    struct map map;
    struct cache_entry **slots;
    unsigned max, count, hand;
};

struct cache_key cache_key_of(struct str text);

void cache_init(struct cache *c, unsigned max, const struct hash_key *key);
void cache_fini(struct cache *c);
void cache_clear(struct cache *c);
// A reference, or NULL; what has expired is let go of.
struct token *cache_get(struct cache *c, const struct cache_key *key, int64_t wall_ms) MUST_CHECK;
// Keeps a reference of its own. Without memory nothing is kept.
void cache_put(struct cache *c, const struct cache_key *key, struct token *token, int64_t wall_ms);

#endif
