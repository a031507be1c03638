// SPDX-License-Identifier: MIT
// One worker's end of the log: reads the memory log at its own pace and gives each event to the live sessions on its
// topics; keeps the table from topics to sessions; lets sessions that are behind read on. One thread.
#ifndef CLAIRON_HUB_FANOUT_H
#define CLAIRON_HUB_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/mailbox.h"
#include "base/str.h"
#include "hub/realm.h"
#include "hub/sequencer.h"
#include "hub/store.h"

struct fanout;

// A page from the store, asked by a session; done(r) is called on the fanout's thread.
struct read_req {
    struct mail mail; // for whoever carries it
    enum { READ_PAGE, READ_GAPS, READ_LINES } what;
    struct store_query query; // topics' spans live in `arena`
    struct store_lines_query lines_query;
    struct store_page page;
    struct store_lines lines;
    int err;
    struct arena arena;
    void (*done)(struct read_req *r);
    void *ctx; // NULL: nobody waits any more
    void *carrier; // the server's: which worker to go home to
};

struct fanout_ops {
    // Starts a read on a reader's thread. The answer must come even when it failed.
    void (*read)(void *ctx, struct read_req *r);
    // Asks the sequencer for jobs as of now (sequencer.h); answered on the fanout's thread by r->done.
    void (*snapshot)(void *ctx, struct snapshot_req *r);
    // fanout_run wants to be called again soon though no new entry came.
    void (*again)(void *ctx);
};

struct fanout *fanout_new(struct realm *realm, const struct fanout_ops *ops, void *ctx);
void fanout_free(struct fanout *f); // sessions first; reads under way must be answered first (fanout_idle)
// Reads up to a budget of entries (about 64) and lets sessions that are behind read on. True: there is more to do now.
bool fanout_run(struct fanout *f);
bool fanout_idle(const struct fanout *f); // no read or snapshot under way
uint64_t fanout_position(const struct fanout *f);
struct realm *fanout_realm(const struct fanout *f);

struct fanout_stats {
    uint64_t deliveries, gaps; // since the start
    unsigned sessions, behind;
};
struct fanout_stats fanout_stats(const struct fanout *f);

#endif
