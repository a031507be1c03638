// SPDX-License-Identifier: MIT
// Tokens that are no longer taken though they have not expired: one by its id (jti), those of a
// user, or all, the latter two as far as they were issued before a moment. A token that does not
// say when it was issued counts as issued long ago. An entry lives until the last token that it can
// be about has expired, which whoever adds it says. One thread, or under the owner's lock.
#ifndef CLAIRON_AUTH_REVOKE_H
#define CLAIRON_AUTH_REVOKE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/token.h"
#include "base/compiler.h"
#include "base/map.h"
#include "base/str.h"

enum {
    REVOKE_MAX = 100000, // entries
    REVOKE_NAME_BYTES_MAX = 128,
};

#define REVOKE_ALWAYS INT64_MAX // for before_ms: whenever issued; for until_ms: for ever

enum revoke_what { REVOKE_TOKEN, REVOKE_USER, REVOKE_ALL, REVOKE_NR };

// What is kept in a store and loaded again.
struct revocation {
    enum revoke_what what;
    struct str name;   // jti or sub; p = NULL with REVOKE_ALL
    int64_t before_ms; // tokens issued earlier; not looked at with REVOKE_TOKEN
    int64_t until_ms;  // of the entry
};

struct revoked {
    struct map map;
};

void revoke_init(struct revoked *set, const struct hash_key *key); // allocates nothing yet
void revoke_fini(struct revoked *set);
// The name is copied. A second entry for the same thing widens the first. -E_BAD_REQUEST,
// -E_LIMIT, -E_NO_MEMORY.
int revoke_add(struct revoked *set, const struct revocation *r, int64_t wall_ms) MUST_CHECK;
bool revoke_covers(const struct revoked *set, const struct token *t, int64_t wall_ms);
size_t revoke_count(const struct revoked *set);
// Lets go of what has expired; returns how many. revoke_add does so itself when it is full.
size_t revoke_sweep(struct revoked *set, int64_t wall_ms);
// All entries, in no order: for (size_t i = 0; (r = revoke_next(set, &i));) …
const struct revocation *revoke_next(const struct revoked *set, size_t *i);

#endif
