// SPDX-License-Identifier: MIT
// The sequencer: what comes in, what goes out, and when the next batch starts.
#include "hub/sequencer.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/sequencer_int.h"

// A failed reservation of ids is tried again after this.
#define RESERVE_RETRY_MS 1000

struct sequencer *sequencer_new(struct realm *realm, const struct store_info *info,
                                const struct sequencer_ops *ops, void *ctx)
{
    struct sequencer *q = mem_alloc(sizeof(*q));
    q->realm = realm;
    q->ops = ops;
    q->ctx = ctx;
    q->next_id = info->visible + 1;
    q->reserved_top = info->reserved_top;
    job_cache_init(&q->jobs, &realm->key);
    list_init(&q->queue);
    list_init(&q->snapshots);
    list_init(&q->want_sync);
    list_init(&q->in_sync);
    list_init(&q->batch.submits);
    arena_init(&q->batch.arena, SIZE_MAX);
    atomic_store_explicit(&realm->reserved_top, info->reserved_top, memory_order_release);
    atomic_store_explicit(&realm->trimmed_max, info->trimmed_max, memory_order_release);
    return q;
}

void sequencer_free(struct sequencer *q)
{
    if (!q) {
        return;
    }
    ASSERT(sequencer_idle(q));
    job_cache_fini(&q->jobs);
    arena_fini(&q->batch.arena);
    mem_free(q->batch.events);
    mem_free(q->batch.touched);
    mem_free(q->batch.idems);
    mem_free(q);
}

void sequencer_answer(struct sequencer *q, struct submit *s)
{
    if (s->answer.err) {
        q->stats.refused++;
    }
    s->answered(s);
}

void sequencer_refuse(struct sequencer *q, struct submit *s, int err, const char *text)
{
    s->answer.err = err;
    (void)snprintf(s->answer.text, sizeof(s->answer.text), "%s", text);
    sequencer_answer(q, s);
}

static void reserve_if_needed(struct sequencer *q, struct now now)
{
    uint64_t left = q->reserved_top + 1 - q->next_id;
    if (q->reserving || left > LIMIT_ID_BLOCK / 2 || now.mono_ms < q->reserve_retry_mono_ms) {
        return;
    }
    q->reserving = true;
    q->ops->reserve(q->ctx, q->reserved_top + LIMIT_ID_BLOCK);
}

static void sync_if_needed(struct sequencer *q)
{
    if (q->syncing || list_empty(&q->want_sync)) {
        return;
    }
    struct list *node;
    while ((node = list_pop_front(&q->want_sync))) {
        list_push_back(&q->in_sync, node);
    }
    q->syncing = true;
    q->ops->sync(q->ctx);
}

static bool snapshot_try_answer(struct sequencer *q, struct snapshot_req *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        if (!job_cache_get(&q->jobs, r->keys[i].kind, r->keys[i].id)) {
            return false;
        }
    }
    for (unsigned i = 0; i < r->count; i++) {
        struct cached_job *cj = job_cache_get(&q->jobs, r->keys[i].kind, r->keys[i].id);
        r->jobs[i] = cj->job ? job_ref(cj->job) : NULL;
    }
    r->visible = memlog_visible(q->realm->log);
    list_del(&r->node);
    q->ops->snapshot_done(q->ctx, r);
    return true;
}

// Those whose rows are in memory can be answered at any time: what is cached is what is visible.
static void answer_snapshots(struct sequencer *q)
{
    LIST_FOREACH(node, &q->snapshots)
    {
        (void)snapshot_try_answer(q, LIST_ENTRY(node, struct snapshot_req, node));
    }
}

// Starts whatever can be started. Answers may hand in new work from inside: it is taken in the next
// round.
static void pump(struct sequencer *q, struct now now)
{
    if (q->pumping) {
        return;
    }
    q->pumping = true;
    for (;;) {
        reserve_if_needed(q, now);
        answer_snapshots(q);
        if (q->stage != STAGE_IDLE || !batch_start(q, now)) {
            break;
        }
    }
    sync_if_needed(q);
    if (q->stage == STAGE_IDLE) {
        job_cache_trim(&q->jobs);
    }
    q->pumping = false;
}

// What a row can't keep, because it is in the clock of the process that wrote it.
static void start_clocks(struct job *j, struct now now)
{
    if (j->lease_s) {
        j->lease_until_mono_ms = now.mono_ms + (int64_t)j->lease_s * 1000;
    } else if (j->cancel_requested && job_is_open(j)) {
        j->cancel_until_mono_ms = now.mono_ms + LIMIT_CANCEL_GRACE_MS;
    }
}

void sequencer_adopt_take(struct sequencer *q, struct job *j, struct now now)
{
    if (job_cache_get(&q->jobs, j->kind, str_of(j->id))) {
        job_unref(j);
        return;
    }
    start_clocks(j, now);
    (void)!job_cache_add_take(&q->jobs, j->kind, str_of(j->id), j);
}

void sequencer_submit_take(struct sequencer *q, struct submit *s, struct now now)
{
    if (q->draining) {
        sequencer_refuse(q, s, -E_UNAVAILABLE, "The hub is stopping: send again when it is back.");
        return;
    }
    list_push_back(&q->queue, &s->node);
    pump(q, now);
}

void sequencer_snapshot_take(struct sequencer *q, struct snapshot_req *r, struct now now)
{
    list_push_back(&q->snapshots, &r->node);
    pump(q, now);
}

void sequencer_tasks_take(struct sequencer *q, struct store_task *tasks, struct now now)
{
    ASSERT(!q->tasks);
    q->tasks = tasks;
    pump(q, now);
}

// Rows that were read become cached jobs; a snapshot that can't have its rows is told so.
void sequencer_on_loaded(struct sequencer *q, struct store_load *load, int err, struct now now)
{
    ASSERT(q->stage == STAGE_LOADING && load == &q->batch.load);
    for (unsigned i = 0; i < load->jobs_count; i++) {
        struct store_load_job *lj = &load->jobs[i];
        struct job *j = lj->job;
        lj->job = NULL;
        if (err) {
            job_unref(j);
            continue;
        }
        if (j) {
            start_clocks(j, now);
        }
        (void)!job_cache_add_take(&q->jobs, lj->kind, lj->id, j);
    }
    LIST_FOREACH(node, &q->snapshots)
    {
        struct snapshot_req *r = LIST_ENTRY(node, struct snapshot_req, node);
        if (!snapshot_try_answer(q, r) && err) {
            r->err = err;
            list_del(&r->node);
            q->ops->snapshot_done(q->ctx, r);
        }
    }
    batch_loaded(q, err, now);
    pump(q, now);
}

void sequencer_on_committed(struct sequencer *q, struct store_batch *batch, int err, struct now now)
{
    ASSERT(q->stage == STAGE_COMMITTING && batch == &q->batch.write);
    if (err) {
        q->stats.commits_failed++;
    } else {
        q->stats.commits++;
    }
    batch_committed(q, err, now);
    pump(q, now);
}

void sequencer_on_synced(struct sequencer *q, int err, struct now now)
{
    ASSERT(q->syncing);
    q->syncing = false;
    q->stats.syncs++;
    struct list done;
    list_init(&done);
    struct list *node;
    while ((node = list_pop_front(&q->in_sync))) {
        list_push_back(&done, node);
    }
    while ((node = list_pop_front(&done))) {
        struct submit *s = LIST_ENTRY(node, struct submit, node);
        if (!err) {
            s->answer.reached = DURABILITY_DISK;
            sequencer_answer(q, s);
            continue;
        }
        s->answer.published = true;
        sequencer_refuse(q, s, err, "The event was published but could not be synced to disk.");
    }
    pump(q, now);
}

void sequencer_on_reserved(struct sequencer *q, uint64_t top, int err, struct now now)
{
    ASSERT(q->reserving);
    q->reserving = false;
    if (err) {
        q->reserve_retry_mono_ms = now.mono_ms + RESERVE_RETRY_MS;
    } else {
        q->reserved_top = top;
        atomic_store_explicit(&q->realm->reserved_top, top, memory_order_release);
    }
    pump(q, now);
}

int64_t sequencer_tick(struct sequencer *q, struct now now)
{
    pump(q, now);
    struct cached_job *first = job_cache_first(&q->jobs);
    int64_t next = first ? first->deadline_mono_ms : INT64_MAX;
    if (q->reserved_top + 1 - q->next_id <= LIMIT_ID_BLOCK / 2 && !q->reserving &&
        q->reserve_retry_mono_ms < next) {
        next = q->reserve_retry_mono_ms;
    }
    // While a batch is away a deadline can't be met: its answer pumps again.
    return q->stage == STAGE_IDLE ? next : INT64_MAX;
}

bool sequencer_idle(const struct sequencer *q)
{
    return q->stage == STAGE_IDLE && list_empty(&q->queue) && list_empty(&q->snapshots) &&
           list_empty(&q->want_sync) && !q->syncing && !q->reserving && !q->tasks;
}

void sequencer_drain(struct sequencer *q, struct now now)
{
    q->draining = true;
    LIST_FOREACH(node, &q->jobs.lru)
    {
        struct cached_job *cj = LIST_ENTRY(node, struct cached_job, lru);
        if (cj->job && cj->job->dirty) {
            job_cache_schedule_at(&q->jobs, cj, now.mono_ms);
        }
    }
    pump(q, now);
}

uint64_t sequencer_last_id(const struct sequencer *q)
{
    return q->next_id - 1;
}

struct sequencer_stats sequencer_stats(const struct sequencer *q)
{
    struct sequencer_stats stats = q->stats;
    stats.jobs = q->jobs.count;
    return stats;
}
