// SPDX-License-Identifier: MIT
// What is remembered of clients that may come back: when their connection breaks off, and also when
// the hub ends, they go on with the same name and topics from where they were. Each is known by a
// key, made of a secret that it was given; holds for one connection at a time; and is forgotten
// some time after that broke off, or when the client leaves by itself. One table for all workers:
// any thread, behind a lock. Its owner writes what has changed (recalls_begin_write), and gives it
// back at the next start (recalls_load).
#ifndef CLAIRON_HUB_RECALL_H
#define CLAIRON_HUB_RECALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/mailbox.h"
#include "base/siphash.h"
#include "base/str.h"
#include "hub/store.h"

struct recalls;

struct recall_topic {
    struct str name;
    // Its events up to there are not owed to the client, whatever its cursor. Not joined yet, but
    // asked for: it is owed what who joins late is told.
    bool joined;
    uint64_t from;
};

struct recall_client {
    struct str sid;  // as everyone may see it
    struct str user; // p = NULL: nobody's
    const struct recall_topic *topics;
    unsigned count;
};

struct recalls_config {
    struct hash_key key;
    unsigned clients_max;
    int64_t kept_ms; // without a connection
};
struct recalls *recalls_new(const struct recalls_config *cfg);
void recalls_free(struct recalls *r); // accepts NULL

// ---- Connections. `holder` is the number of a session, never 0. Names are copied.

// A new client, whose key nobody has. -E_LIMIT, -E_NO_MEMORY: it can't come back.
int recalls_add(struct recalls *r, struct str key, uint64_t holder,
                const struct recall_client *client, int64_t wall_ms) MUST_CHECK;
// Who comes back as `user` holds it from now on; what it was is copied into the arena. *ret_before:
// who held it until now; 0: nobody did. -E_NOT_FOUND, -E_NO_MEMORY.
struct recall_taker {
    uint64_t holder;
    struct str user; // p = NULL: nobody
    int64_t wall_ms;
};
int recalls_take(struct recalls *r, struct str key, const struct recall_taker *taker,
                 struct arena *a, struct recall_client *ret, uint64_t *ret_before) MUST_CHECK;

// By who holds it; from others they do nothing.
// A topic that is joined stays as it is. Without memory for it the client is forgotten: it would
// miss the topic.
void recalls_put_topic(struct recalls *r, struct str key, uint64_t holder,
                       const struct recall_topic *topic);
void recalls_drop_topic(struct recalls *r, struct str key, uint64_t holder, struct str name);
void recalls_leave(struct recalls *r, struct str key, uint64_t holder, int64_t wall_ms);
void recalls_forget(struct recalls *r, struct str key, uint64_t holder);

// ---- The store.

// Some of the rows that have changed, in the arena; 0: there are none, or there is no memory. One
// thread; then recalls_end_write, whose error says that they are to be written again.
unsigned recalls_begin_write(struct recalls *r, struct arena *a, const struct store_recall **ret);
void recalls_end_write(struct recalls *r, int err);
// Before anything else. What is no good is left out.
void recalls_load(struct recalls *r, const struct store_recall *row, int64_t wall_ms);

// ---- What a worker is given.

// Waits until what has changed before is written. The asker owns it until `done` is called.
struct recall_wait {
    struct mail mail;                    // the carrier's
    void *carrier, *lane;                // the carrier's
    void (*home)(struct recall_wait *w); // the carrier's
    void (*done)(struct recall_wait *w);
};

struct recaller {
    struct recalls *table;
    void (*write)(struct recaller *r, struct recall_wait *w); // answered on this worker's thread
    // Ends the session of that number, on whatever worker, by SESSION_END_TAKEN.
    void (*oust)(struct recaller *r, uint64_t session);
};

#endif
