// SPDX-License-Identifier: MIT
// What a good token says. Immutable, shared by reference count between threads; one allocation.
#ifndef CLAIRON_AUTH_TOKEN_H
#define CLAIRON_AUTH_TOKEN_H

#include <stdatomic.h>
#include <stdint.h>

#include "auth/grants.h"
#include "base/compiler.h"
#include "base/str.h"

#define TOKEN_NO_TIME INT64_MIN

struct token {
    atomic_uint refs;
    struct str sub, jti, role; // p = NULL: the claim is absent
    int64_t expires_ms;        // its `exp`: when a session that lives by it ends
    int64_t taken_until_ms;    // with the leeway: when it is no longer accepted
    int64_t issued_ms;         // TOKEN_NO_TIME: it does not say
    struct grants grants;      // what the spans point into lies behind
};

// One reference; the spans of `t` are copied. NULL without memory.
struct token *token_try_new(const struct token *t) MUST_CHECK;
struct token *token_ref(struct token *t);
void token_unref(struct token *t); // accepts NULL

#endif
