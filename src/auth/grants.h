// SPDX-License-Identifier: MIT
// What a token allows: patterns of topics to subscribe to and to publish on. A pattern is a topic's
// name, or a prefix and `*`; `*` alone is every topic. `deployment:P` also grants deployment_logs_P
// and deployment_progress_P. One's own `user:<sub>` is always allowed, and role `admin` may
// everything. What follows from owning a job is not known here.
//
// A subscription may itself be a pattern: it is allowed when all that it matches is. So every
// `topic` below may end in `*`.
#ifndef CLAIRON_AUTH_GRANTS_H
#define CLAIRON_AUTH_GRANTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum {
    GRANT_PATTERNS_MAX = 64,       // of one claim
    GRANT_PATTERN_BYTES_MAX = 255, // as long as a topic
};

enum grant_to { GRANT_SUBSCRIBE, GRANT_PUBLISH, GRANT_NR };

// Patterns one behind the other, each after a byte with its length. Borrowed, never changed.
struct grant_list {
    struct str records;
};

struct grants {
    bool admin;
    struct str user; // p = NULL: nobody's
    struct grant_list lists[GRANT_NR];
};

// No allocation, one pass over the list.
bool grants_allow(const struct grants *g, enum grant_to to, struct str topic);
// Does `g` allow all that `other` does? When new grants don't cover the old ones, they shrank.
bool grants_cover(const struct grants *g, const struct grants *other);

// Makes a list; ends with buf_fini(&m->records) or by keeping that buffer's bytes.
struct grant_maker {
    struct buf records;
    unsigned count; // as given, without what follows from deployments
};

void grant_maker_init(struct grant_maker *m);
void grant_maker_fini(struct grant_maker *m);
// -E_BAD_REQUEST (not a pattern), -E_LIMIT (too many), -E_NO_MEMORY.
int grant_maker_add(struct grant_maker *m, struct str pattern) MUST_CHECK;
static inline struct grant_list grant_maker_list(const struct grant_maker *m)
{
    return (struct grant_list){.records = buf_str(&m->records)};
}
// What both allow, into an empty maker. -E_NO_MEMORY.
int grants_intersect(const struct grants *a, const struct grants *b, enum grant_to to,
                     struct grant_maker *ret) MUST_CHECK;

bool grant_pattern_valid(struct str pattern);
// An id as it may stand behind `user:`: 1 to 128 bytes of UTF-8 without `/`, space, control
// characters or `*`.
bool grant_user_valid(struct str user);

#endif
