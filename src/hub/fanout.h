// SPDX-License-Identifier: MIT
// One worker's end of the log: reads the memory log at its own pace and gives each event to the
// live sessions on its topics; keeps the table from topics to sessions; lets sessions that are
// behind read on. One thread.
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
// Reads up to a budget of entries (about 64) and lets sessions that are behind read on. True: there
// is more to do now. Called when the memory log moved, and after ask.again.
bool fanout_run(struct fanout *f);
bool fanout_idle(const struct fanout *f); // no read or snapshot under way
uint64_t fanout_position(const struct fanout *f);
struct realm *fanout_realm(const struct fanout *f);

struct fanout_stats {
    uint64_t deliveries, gaps; // since the start
    unsigned sessions;         // now
};
struct fanout_stats fanout_stats(const struct fanout *f);
unsigned
fanout_behind(const struct fanout *f); // sessions that are behind now; walks over all of them

#endif
