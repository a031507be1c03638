// SPDX-License-Identifier: MIT
// Who has how much: places taken and a rate, per key, such as connections per address. A table of
// bounded size behind one lock; the keys are hashed with a secret, so that peers who choose keys
// can't choose collisions. An entry without places is forgotten once its rate has recovered. Any
// thread.
#ifndef CLAIRON_BASE_QUOTA_H
#define CLAIRON_BASE_QUOTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/siphash.h"
#include "base/str.h"

enum {
    QUOTA_SORTS = 2,     // of places, counted apart
    QUOTA_BURST_S = 5,   // so many seconds' worth may come at once
    QUOTA_KEY_MAX = 255, // bytes
};

struct quotas;
struct quota; // one key's

struct quota_rule {
    uint32_t places[QUOTA_SORTS]; // at most so many at a time; 0: none is taken
    uint32_t per_second;          // 0: not counted
};

enum quota_verdict {
    QUOTA_TAKEN,
    QUOTA_NO_PLACE, // of the first sort
    QUOTA_NO_PLACE_OF_SECOND,
    QUOTA_TOO_FAST,
    QUOTA_FULL, // the table is, or there is no memory
};

struct quotas *quotas_new(size_t entries_max, const struct hash_key *key);
void quotas_free(struct quotas *q); // all places given back; accepts NULL

// Takes one place of each sort that the rule names, and one of the rate; all or nothing. `*ret` is
// good until its last place is given back; NULL: the rule has no places.
enum quota_verdict quotas_take(struct quotas *q, struct str key, const struct quota_rule *rule,
                               int64_t now_ms, struct quota **ret) MUST_CHECK;
void quotas_give(struct quotas *q, struct quota *of, unsigned sort);
size_t quotas_count(struct quotas *q); // entries

#endif
