// SPDX-License-Identifier: MIT
// Inside the sequencer: shared by sequencer.c (what comes in and goes out), sequencer_batch.c (one
// batch from collecting to commit) and sequencer_cache.c (jobs in memory and their deadlines).
// Nobody else includes this.
#ifndef CLAIRON_HUB_SEQUENCER_INT_H
#define CLAIRON_HUB_SEQUENCER_INT_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "hub/reduce.h"
#include "hub/sequencer.h"

// A job in memory. `job` is what everyone sees (NULL: there is none, and that is known); `copy` is
// what the batch under way makes of it (NULL: untouched).
struct cached_job {
    struct list lru; // in sequencer.lru: least recently used first
    struct str key;  // "<kind number>:<id>", owned
    enum job_kind kind;
    struct job *job;
    struct job *copy;
    bool in_batch;            // is in batch.touched
    bool save, remove;        // what the batch does with its row
    int64_t deadline_mono_ms; // INT64_MAX: none
    size_t heap_index;        // in sequencer.heap, when it has a deadline
};

struct job_cache {
    struct map map;
    struct list lru;
    struct cached_job **heap; // binary heap by deadline
    size_t heap_count, heap_cap;
    size_t count;
};

void job_cache_init(struct job_cache *c, const struct hash_key *key);
void job_cache_fini(struct job_cache *c);
// NULL when it is not cached. Marks it as used.
struct cached_job *job_cache_get(struct job_cache *c, enum job_kind kind, struct str id);
// Takes the reference (NULL: a job that does not exist). NULL without memory.
struct cached_job *job_cache_add_take(struct job_cache *c, enum job_kind kind, struct str id,
                                      struct job *job) MUST_CHECK;
// After cj->job changed.
void job_cache_schedule(struct job_cache *c, struct cached_job *cj);
// Puts its deadline at a given time whatever its job says; INT64_MAX: none until it is scheduled
// again.
void job_cache_schedule_at(struct job_cache *c, struct cached_job *cj, int64_t mono_ms);
bool job_cache_due(const struct job_cache *c, struct now now); // has some deadline come?
// The one whose deadline is next, or NULL.
struct cached_job *job_cache_first(const struct job_cache *c);
// Drops what has not been used for long, has no deadline and is in no batch, down to the limit.
void job_cache_trim(struct job_cache *c);

enum sequencer_stage { STAGE_IDLE, STAGE_LOADING, STAGE_COMMITTING };

// What one batch holds. Emptied between batches; the arrays keep their memory.
struct batch {
    struct list submits; // taken for this batch, in order
    struct arena arena;  // drafts, keys, idempotency answers
    struct store_load load;
    bool load_failed;
    struct event **events; // all of it, memory-only ones too: one reference each
    unsigned events_count, events_cap;
    struct cached_job **touched;
    unsigned touched_count, touched_cap;
    struct store_idem *idems;
    unsigned idems_count, idems_cap;
    struct store_task *tasks;
    struct store_batch write;
    uint64_t first_id; // id before the batch took any
    int64_t reduced_mono_ms;
};

struct sequencer {
    struct realm *realm;
    const struct sequencer_ops *ops;
    void *ctx;
    struct job_cache jobs;
    enum sequencer_stage stage;
    bool pumping, draining;
    struct list queue;     // submits not yet in a batch
    struct list snapshots; // requests not yet answered
    struct list want_sync; // committed, to be answered after the next sync
    struct list in_sync;   // committed before the sync under way
    bool syncing;
    struct store_task *tasks; // not yet in a batch
    uint64_t next_id, reserved_top;
    bool reserving;
    int64_t reserve_retry_mono_ms;
    struct batch batch;
    struct sequencer_stats stats;
};

// Answers: the submit leaves the sequencer.
void sequencer_answer(struct sequencer *q, struct submit *s);
void sequencer_refuse(struct sequencer *q, struct submit *s, int err, const char *text);

static inline uint64_t sequencer_ids_left(const struct sequencer *q)
{
    return q->reserved_top + 1 - q->next_id;
}

// What time should have done to a job is tried again after this when its batch failed.
#define TIMER_RETRY_MS 1000

// sequencer_reduce.c: afterwards answer.err, or answer.reached = the level it must reach before it
// is answered.
void batch_reduce_submit(struct sequencer *q, struct submit *s, struct now now);
// What time does to the jobs whose deadline has come.
void batch_reduce_timers(struct sequencer *q, struct now now);

// sequencer_batch.c: takes what is queued and due; false when there is nothing to do.
bool batch_start(struct sequencer *q, struct now now);
void batch_loaded(struct sequencer *q, int err, struct now now);
void batch_committed(struct sequencer *q, int err, struct now now);

#endif
