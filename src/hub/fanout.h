// SPDX-License-Identifier: MIT
// One worker's end of the log. It reads the memory log at its own pace, a window of events at a
// time, marks which session is to have which of them, and then hands each session its run: one
// send, whatever the number of events and topics. It keeps the table from topics to sessions, and
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

struct fanout *fanout_new(struct realm *realm, struct ask *ask);
void fanout_free(struct fanout *f); // sessions first, and fanout_idle

enum fanout_more {
    FANOUT_REST, // nothing to do until the log moves
    FANOUT_MORE, // sessions that are behind want to read on
    FANOUT_FULL, // the window was full: the next one is waiting
};
// One window, and a turn for each session that is behind. Called when the memory log moved, and
// after ask.again.
enum fanout_more fanout_run(struct fanout *f);
// Does the log hold anything that fanout_run has not come to?
bool fanout_has_news(const struct fanout *f);
bool fanout_idle(const struct fanout *f); // no read or snapshot under way
uint64_t fanout_position(const struct fanout *f);
struct realm *fanout_realm(const struct fanout *f);
// Gives back what was kept for sessions that are behind, when there are none. Now and then.
void fanout_trim(struct fanout *f);

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
