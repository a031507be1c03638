// SPDX-License-Identifier: MIT
// The keys that tokens are checked with. A set is immutable once loaded and shared by reference
// count; to read the files again is to load another set, which its owner puts in the place of this
// one. Several keys may be valid at once, for rotation.
#ifndef CLAIRON_AUTH_KEYS_H
#define CLAIRON_AUTH_KEYS_H

#include "auth/key.h"
#include "auth/keyfile.h"
#include "base/compiler.h"
#include "base/str.h"

enum { KEYS_MAX = 16 }; // as many signatures may be checked for one token that names no key

struct keys;

// Files as the configuration names them; NULL: none.
struct keys_files {
    const char *secret; // text: one secret a line; anything else: one secret, all of it. HS256
    const char *pem;    // public keys, one or more: RS256, ES256 or EdDSA by what they are
    const char *jwks;   // a JWK set, or one JWK (RFC 7517)
};

// One reference. At least one file must be named. -E_BAD_REQUEST, -E_IO; both with the fault.
int keys_load(const struct keys_files *files, struct keys **ret,
              struct key_fault *fault) MUST_CHECK;
struct keys *keys_ref(struct keys *keys);
void keys_unref(struct keys *keys); // accepts NULL
unsigned keys_count(const struct keys *keys);

// The next key, from *at on (0 at first), that a token with this algorithm and key id may have been
// signed with; NULL: no more. A key without an id serves any id; a token without an id (p = NULL)
// any key.
const struct key *keys_next(const struct keys *keys, enum alg alg, struct str kid, unsigned *at);

// Sets from texts, for keys_load, tests and fuzzing. `name` stands for the file in faults.
// -E_BAD_REQUEST; what was added before it stays.
struct keys *keys_new(void);
int keys_add_secrets(struct keys *keys, const char *name, struct str text,
                     struct key_fault *fault) MUST_CHECK;
int keys_add_pem(struct keys *keys, const char *name, struct str text,
                 struct key_fault *fault) MUST_CHECK;
int keys_add_jwks(struct keys *keys, const char *name, struct str text,
                  struct key_fault *fault) MUST_CHECK;

#endif
