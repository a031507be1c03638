// SPDX-License-Identifier: MIT
// A realm is one log: its epoch, its memory log and the marks that all threads read. Made at
// start-up, freed last.
#ifndef CLAIRON_HUB_REALM_H
#define CLAIRON_HUB_REALM_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/siphash.h"
#include "hub/memlog.h"
#include "wire/cursor.h"

struct realm {
    char name[65];
    uint64_t epoch;                    // fixed for the life of the process
    struct hash_key key;               // for topic names and every table keyed by peers' names
    atomic_uint_fast64_t reserved_top; // a cursor above it is not one of ours
    atomic_uint_fast64_t trimmed_max;  // highest id that retention has removed on any topic
    atomic_uint_fast64_t sessions;     // ids given to sessions so far
    const struct limits *limits;
    const struct str *retained; // channels that hand their last message to who comes later
    unsigned retained_count;
    struct memlog *log;
};

struct realm_init {
    uint64_t epoch, visible; // what the store says
    struct hash_key key;
    const struct memlog_limits *limits;
    const struct limits *table; // borrowed; NULL: the defaults
    const struct str *retained; // borrowed: names of channels
    unsigned retained_count;
};
void realm_init(struct realm *r, const struct realm_init *init);
void realm_fini(struct realm *r);
struct cursor realm_cursor(const struct realm *r, uint64_t id);
// Of this epoch, and not above the reserved top?
bool realm_cursor_known(struct realm *r, struct cursor c);
// Is it the topic of a channel that keeps its last message?
bool realm_retains(const struct realm *r, struct str topic);

#endif
