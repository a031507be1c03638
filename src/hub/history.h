// SPDX-License-Identifier: MIT
// A page of one topic's past, for whoever asks by whatever door: read from the store in pieces,
// given back as JSON. Asked and answered on one worker's thread.
#ifndef CLAIRON_HUB_HISTORY_H
#define CLAIRON_HUB_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "hub/ask.h"
#include "hub/principal.h"
#include "hub/realm.h"

struct history_query {
    struct str topic;
    // Cursors; p = NULL: not named. `since` (exclusive) alone reads on from there, `before`
    // (exclusive) alone reads the newest ones below it, both read on from `since` and stop below
    // `before`.
    struct str since, before;
    struct str limit; // decimal text; p = NULL: LIMIT_HISTORY_DEFAULT. More than LIMIT_HISTORY_MAX
                      // is that.
    const char *why;  // out, with an error: what is wrong, a constant sentence
};

struct history;

// The answer, given once, perhaps before history_ask returns: `json` are the members
// `"events":[…],"cursor":"…","complete":…` and `"gap":{…}` when something was lost. Both are
// borrowed.
struct history_asker {
    void (*done)(void *ctx, int err, struct str json);
    void *ctx;
};

// -E_BAD_REQUEST (with q->why), -E_FORBIDDEN, -E_NO_MEMORY: `done` will not be called.
int history_ask(struct realm *realm, struct ask *ask, struct principal *principal,
                struct history_query *q, const struct history_asker *asker) MUST_CHECK;

// The gap object, the same everywhere: {"type":"gap","topic","from","to","count","bytes","reason"};
// count and bytes are null when they are unknown.
void gap_put_json(struct buf *b, const struct gap *gap, uint64_t epoch);

#endif
