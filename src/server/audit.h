// SPDX-License-Identifier: MIT
// The hub's own events about who is here: AUTH_* and SESSION_* on `user:U`, published like any
// other event; the session they are about gets no copy. Bounded: a login is told once per token and
// run of the hub, and what goes beyond AUDIT_PER_WINDOW is counted and left out.
#ifndef CLAIRON_SERVER_AUDIT_H
#define CLAIRON_SERVER_AUDIT_H

#include "base/compiler.h"
#include "base/siphash.h"
#include "hub/audit.h"
#include "hub/worker.h"
#include "net/metrics.h"

enum {
    AUDIT_WINDOW_MS = 10000,
    AUDIT_PER_WINDOW = 1000,    // of one worker
    AUDIT_PER_USER_WINDOW = 50, // of one user, and of those few who share a counter with them
};

// The tokens that logins were told of; one for all workers. Any thread.
struct audit_tokens;

struct audit_tokens *audit_tokens_new(const struct hash_key *key);
void audit_tokens_free(struct audit_tokens *t); // accepts NULL

struct audit_config {
    struct hub_worker *hub;
    struct audit_tokens *tokens;
    struct metrics *metrics;
    struct loop *loop;
};

// A worker's, on its thread.
struct audit *audit_new(const struct audit_config *cfg);
void audit_free(struct audit *a); // accepts NULL

#endif
