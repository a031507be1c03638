// SPDX-License-Identifier: MIT
// The sequencer: sole owner of job state, ids and order. It never touches the disk: it asks by its
// ops and is told by sequencer_on_*; at most one batch is at the store. One thread. Time and
// randomness are passed in.
//
//   IDLE --submits--> LOADING (rows it has not cached) --loaded--> reduce --> COMMITTING
//   --committed--> entries appended, visible moved, copies swapped in, answers sent (those that
//   asked for disk after a sync) --> IDLE
#ifndef CLAIRON_HUB_SEQUENCER_H
#define CLAIRON_HUB_SEQUENCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "hub/ask.h"
#include "hub/intake.h"
#include "hub/job.h"
#include "hub/realm.h"
#include "hub/store.h"

struct sequencer;

// load, commit, sync and reserve are asynchronous: each is answered once by the sequencer_on_* of
// its name, not from inside the call.
struct sequencer_ops {
    void (*load)(void *ctx, struct store_load *load);
    void (*commit)(void *ctx, struct store_batch *batch);
    void (*sync)(void *ctx);
    void (*reserve)(void *ctx, uint64_t top);
    // The memory log or `visible` moved: wake the workers.
    void (*moved)(void *ctx);
    // The answers to what was handed in below; all from inside some sequencer_* call.
    void (*snapshot_done)(void *ctx, struct snapshot_req *r);
    void (*tasks_done)(void *ctx, struct store_task *tasks, int err);
};

struct sequencer *sequencer_new(struct realm *realm, const struct store_info *info,
                                const struct sequencer_ops *ops, void *ctx);
void sequencer_free(struct sequencer *q); // only when sequencer_idle

// An open job found at start-up, for its lease. Takes the reference.
void sequencer_adopt_take(struct sequencer *q, struct job *j, struct now now);
void sequencer_submit_take(struct sequencer *q, struct submit *s, struct now now);

void sequencer_snapshot_take(struct sequencer *q, struct snapshot_req *r, struct now now);
// Upkeep from the maintenance reader, carried in the next batch.
void sequencer_tasks_take(struct sequencer *q, struct store_task *tasks, struct now now);

void sequencer_on_loaded(struct sequencer *q, struct store_load *load, int err, struct now now);
void sequencer_on_committed(struct sequencer *q, struct store_batch *batch, int err,
                            struct now now);
void sequencer_on_synced(struct sequencer *q, int err, struct now now);
void sequencer_on_reserved(struct sequencer *q, uint64_t top, int err, struct now now);

// Timers: leases, pending progress. Returns the mono_ms of the next one, INT64_MAX for none.
int64_t sequencer_tick(struct sequencer *q, struct now now);
// Nothing queued, nothing at the store.
bool sequencer_idle(const struct sequencer *q);
// From now on every submit is refused (503), pending progress is flushed and unsaved rows are
// saved.
void sequencer_drain(struct sequencer *q, struct now now);
uint64_t sequencer_last_id(const struct sequencer *q);

struct sequencer_stats {
    uint64_t events, refused, merged, commits, commits_failed, syncs;
    size_t jobs;
};
struct sequencer_stats sequencer_stats(const struct sequencer *q);

#endif
