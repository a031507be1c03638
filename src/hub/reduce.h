// SPDX-License-Identifier: MIT
// The reducer: what a report does to a job, and which events it makes. Pure: time is passed in, the
// job is the sequencer's private copy, nothing is allocated but in the given arena and the job.
#ifndef CLAIRON_HUB_REDUCE_H
#define CLAIRON_HUB_REDUCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "hub/event.h"
#include "hub/job.h"
#include "hub/report.h"
#include "hub/topic.h"

// An event to be made: the sequencer adds id, topics (from the job and the scope) and hands it to
// the log. The bytes live in the arena.
struct event_draft {
    struct str type;
    struct str data; // minified JSON
    uint32_t flags;  // EVENT_MEMORY, EVENT_LOG
    enum topic_scope scope;
    uint32_t attempt; // may be the one before, when a new attempt pushes out the last progress of
                      // the old one
    uint32_t line, lines;
};

#define REDUCTION_DRAFTS_MAX 8 // pending progress, stalled, logs, status, completion

struct reduction {
    unsigned count;
    struct event_draft drafts[REDUCTION_DRAFTS_MAX];
    enum durability effect; // by what changed
    bool merged;            // progress taken, no event yet
    bool duplicate;         // producer and seq seen before: nothing changed; `duplicate_id` is that
                            // report's event
    uint64_t duplicate_id;
    bool save;       // the job must be written with this batch (false: see job.dirty)
    bool remove;     // the job, its log and its history go
    bool created;    // a new attempt began
    char fault[160]; // with an error: what was wrong
};

// Applies the report to the copy and fills `ret`. Errors leave the copy to be thrown away:
// -E_CONFLICT (the state machine, an old attempt, an open attempt), -E_NOT_FOUND (cancel, delete or
// mere lease of nothing), -E_TOO_LARGE, -E_NO_MEMORY. After ids are given the sequencer calls
// reduce_set_ids.
int reduce_report(struct job *copy, const struct report *r, struct now now, struct arena *a,
                  struct reduction *ret) MUST_CHECK;
// What time does: pending progress flushed, lease missed (stalled:true), grace over (failed),
// cancel grace over. count = 0 and save = false when there was nothing to do.
int reduce_timer(struct job *copy, struct now now, struct arena *a,
                 struct reduction *ret) MUST_CHECK;
// The ids the drafts got (same order; last = the answer's): sets cursor_id, the last progress event
// and the producer's entry (only when r is not NULL and names one).
void reduce_set_ids(struct job *copy, const struct report *r, const struct reduction *red,
                    const uint64_t *ids, int64_t wall_ms);

#endif
