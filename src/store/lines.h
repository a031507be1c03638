// SPDX-License-Identifier: MIT
// Picks the lines a query wants out of an attempt's log events, for both stores.
#ifndef CLAIRON_STORE_LINES_H
#define CLAIRON_STORE_LINES_H

#include "base/compiler.h"
#include "hub/store.h"

struct lines_fill {
    const struct store_lines_query *query;
    struct store_lines *ret;
    uint32_t first, last; // numbers that may be taken; first > last: none
    unsigned cap;
    size_t bytes;
    bool full;
    int err;
};

// `ret` is initialised and has first_kept, last and attempt set.
int lines_start(struct lines_fill *f, const struct store_lines_query *q,
                struct store_lines *ret) MUST_CHECK;
// One log event, in order, skipping none that has lines in [first, last]. Sets `full` when no more
// are wanted.
int lines_put(struct lines_fill *f, struct str type, struct str data, int64_t wall_ms) MUST_CHECK;

#endif
