// SPDX-License-Identifier: MIT
// Checks tokens on a thread of its own, so that workers never wait for a signature. Workers look
// into its memory of good tokens first, and queue a question only when that does not know. The
// queue is bounded: full is an answer, with a time to come back. Policy and revocations may be
// changed at any time; no token that they refuse is found good after that.
#ifndef CLAIRON_AUTH_VERIFIER_H
#define CLAIRON_AUTH_VERIFIER_H

#include <stdint.h>

#include "auth/policy.h"
#include "auth/revoke.h"
#include "auth/token.h"
#include "auth/why.h"
#include "base/compiler.h"
#include "base/mailbox.h"
#include "base/str.h"

enum {
    VERIFIER_QUEUE = 1024,      // questions; at worst a tenth of a second of work
    VERIFIER_CACHE = 10000,     // tokens
    VERIFIER_RETRY_AFTER_S = 1, // to be told with -E_UNAVAILABLE
};

struct verifier;

struct verifier_options {
    unsigned queue_max, cache_max;
    struct policy *policy; // the verifier takes a reference of its own
    // Keys the maps inside; random.
    struct hash_key hash_key;
};

// One question. Its maker owns it and keeps it, and the token's text, until `done` is called.
struct verify {
    struct mail mail;
    struct str text;
    int64_t wall_ms;                // now, as the asker has it
    struct mailbox *reply;          // of the asker; stays open until the answer is there
    void (*done)(struct verify *q); // on the thread that owns `reply`
    // The answer:
    int error;           // 0, -E_UNAUTHORIZED, -E_UNAVAILABLE (it stops), -E_NO_MEMORY
    enum why why;        // for the log
    struct token *token; // a reference, the asker's; NULL on errors
    struct verifier *verifier;
};

struct verifier_counts {
    uint64_t good, refused; // checked on the thread
    uint64_t remembered;    // answered without a check
    uint64_t full;          // turned away
};

struct verifier *verifier_new(const struct verifier_options *o);
void verifier_start(struct verifier *v); // its one thread; what was asked before waits for it
// Answers what is queued with -E_UNAVAILABLE, and joins. Nobody may ask any more.
void verifier_stop(struct verifier *v);

// Any thread. A reference to a token that was found good before, or NULL: then ask.
struct token *verifier_lookup(struct verifier *v, struct str text, int64_t wall_ms) MUST_CHECK;
// Any thread. -E_UNAVAILABLE: the queue is full, `done` is not called. -E_UNAUTHORIZED with q->why:
// a glance is enough (its size), `done` is not called.
int verifier_ask(struct verifier *v, struct verify *q) MUST_CHECK;

// Any thread. From now on tokens are checked against this policy; all that is remembered is
// forgotten. Takes a reference of its own.
void verifier_set_policy(struct verifier *v, struct policy *policy);
// Any thread. As revoke_add. Open sessions are the caller's matter (verifier_is_revoked).
int verifier_revoke(struct verifier *v, const struct revocation *r, int64_t wall_ms) MUST_CHECK;
bool verifier_is_revoked(struct verifier *v, const struct token *t, int64_t wall_ms);

struct verifier_counts verifier_counts(struct verifier *v);

#endif
