// SPDX-License-Identifier: MIT
// One worker's end of the log. It reads the memory log at its own pace, marks which session is to
// have which events, and hands each session its run in turn: one send, whatever the number of
// events and topics. It keeps the table from topics to sessions, and
// lets sessions that are behind read on. One thread.
#ifndef CLAIRON_HUB_FANOUT_H
#define CLAIRON_HUB_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "hub/ask.h"
#include "hub/realm.h"

struct fanout;
struct session;

struct fanout *fanout_new(struct realm *realm, struct ask *ask);
void fanout_free(struct fanout *f); // sessions first, and fanout_idle

enum fanout_more {
    FANOUT_REST, // nothing to do until the log moves
    FANOUT_LAP,  // there is more of this lap
    FANOUT_NEXT, // the lap is over, and sessions are waiting for the next
    FANOUT_FULL, // and so is more of the log, for which the window had no room
};
// Looks at what is new, then serves the lap under way, or begins one of all who are to have
// something: at most so many sends. Called when the memory log moved, and until FANOUT_REST.
enum fanout_more fanout_run(struct fanout *f, unsigned sends_max);
// A turn for each session that is behind and wants to read on, after ask.again. True: some want
// another.
bool fanout_read_on(struct fanout *f);
// Is there anything for fanout_run to do?
bool fanout_has_news(const struct fanout *f);
bool fanout_idle(const struct fanout *f); // no read or snapshot under way
uint64_t fanout_position(const struct fanout *f);
// Gives back what was kept for sessions that are behind, when there are none. Now and then.
void fanout_trim(struct fanout *f);

// Calls `fn` with each session, which it may not free at once.
void fanout_each(struct fanout *f, void (*fn)(void *ctx, struct session *s), void *ctx);

struct fanout_stats {
    uint64_t deliveries, gaps; // since the start
    uint64_t runs;             // handed to transports
    unsigned sessions, behind; // now
};
struct fanout_stats fanout_stats(const struct fanout *f);

struct fanout_memory {
    size_t sessions; // and their subscriptions
    size_t topics;   // names and lists of subscribers
    size_t frames;   // encoded, and pages read for sessions that are behind
};
struct fanout_memory fanout_memory(const struct fanout *f);

#endif
