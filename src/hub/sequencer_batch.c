// SPDX-License-Identifier: MIT
// One batch: whole submits are taken, the rows they need are loaded, reports are reduced on private
// copies, ids are given, and everything is written in one transaction. Only then is it seen and
// answered. A submit that is refused takes back what it did; a batch that fails takes back
// everything, and its ids stay unused.
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/sequencer_int.h"

// More than any one batch can use: a batch stops taking submits at LIMIT_BATCH_ENTRIES items, the
// last of which may have LIMIT_EVENTS_PER_SUBMIT, and each may make several events.
#define BATCH_IDS_MAX                                                                              \
    ((uint64_t)(LIMIT_BATCH_ENTRIES + LIMIT_EVENTS_PER_SUBMIT) * REDUCTION_DRAFTS_MAX)

// --- collecting ---

// Whole submits, until the batch is big enough. Returns how many rows the load may need at most.
static unsigned take_submits(struct sequencer *q, unsigned *ret_idems)
{
    unsigned items = 0, idems = 0;
    while (items < LIMIT_BATCH_ENTRIES && !list_empty(&q->queue)) {
        struct list *node = list_pop_front(&q->queue);
        struct submit *s = LIST_ENTRY(node, struct submit, node);
        list_push_back(&q->batch.submits, node);
        items += s->count;
        idems += s->idem_key.p != NULL;
    }
    *ret_idems = idems;
    return items;
}

// Asks for a job's row once, unless it is cached. `seen` holds the keys asked for, as text in the
// arena.
static bool want_job(struct sequencer *q, struct map *seen, enum job_kind kind, struct str id)
{
    if (job_cache_get(&q->jobs, kind, id)) {
        return true;
    }
    struct batch *b = &q->batch;
    struct str key = {.p = arena_try_alloc(&b->arena, id.len + 1), .len = id.len + 1};
    if (!key.p) {
        return false;
    }
    char *text = (char *)(uintptr_t)key.p;
    text[0] = (char)('0' + (int)kind);
    memcpy(text + 1, id.p, id.len);
    if (map_get(seen, key)) {
        return true;
    }
    struct store_load_job *lj = &b->load.jobs[b->load.jobs_count];
    *lj = (struct store_load_job){.kind = kind, .id = str_from(key, 1)};
    if (map_add(seen, key, lj) != 0) {
        return false;
    }
    b->load.jobs_count++;
    return true;
}

static bool want_rows_of(struct sequencer *q, struct map *seen, const struct submit *s)
{
    struct batch *b = &q->batch;
    if (s->idem_key.p) {
        b->load.idems[b->load.idems_count++] = (struct store_load_idem){
            .scope = s->idem_scope, .key = s->idem_key, .arena = &b->arena};
    }
    for (unsigned i = 0; i < s->count; i++) {
        const struct submit_item *item = &s->items[i];
        if (item->is_report && !want_job(q, seen, item->report.kind, item->report.id)) {
            return false;
        }
    }
    return true;
}

static unsigned snapshot_keys(const struct sequencer *q)
{
    unsigned keys = 0;
    LIST_FOREACH(node, &q->snapshots)
    {
        keys += LIST_ENTRY(node, struct snapshot_req, node)->count;
    }
    return keys;
}

// Fills batch.load; false without memory, when those that lack their rows will be refused.
static bool collect_load(struct sequencer *q, unsigned items, unsigned idems, struct now now)
{
    struct batch *b = &q->batch;
    b->load = (struct store_load){.wall_ms = now.wall_ms};
    unsigned jobs = items + snapshot_keys(q);
    b->load.jobs = arena_try_alloc(&b->arena, (jobs + 1) * sizeof(*b->load.jobs));
    b->load.idems = arena_try_alloc(&b->arena, (idems + 1) * sizeof(*b->load.idems));
    if (!b->load.jobs || !b->load.idems) {
        return false;
    }
    struct map seen;
    map_init(&seen, &q->realm->key);
    bool ok = true;
    LIST_FOREACH(node, &b->submits)
    {
        ok = ok && want_rows_of(q, &seen, LIST_ENTRY(node, struct submit, node));
    }
    LIST_FOREACH(node, &q->snapshots)
    {
        struct snapshot_req *r = LIST_ENTRY(node, struct snapshot_req, node);
        for (unsigned i = 0; i < r->count; i++) {
            ok = ok && want_job(q, &seen, r->keys[i].kind, r->keys[i].id);
        }
    }
    map_fini(&seen);
    return ok;
}

bool batch_start(struct sequencer *q, struct now now)
{
    bool work = !list_empty(&q->queue) || !list_empty(&q->snapshots) || q->tasks;
    if (!work && !job_cache_due(&q->jobs, now)) {
        return false;
    }
    if (sequencer_ids_left(q) < BATCH_IDS_MAX && q->reserving) {
        return false; // a moment later there are more
    }
    struct batch *b = &q->batch;
    b->tasks = q->tasks;
    q->tasks = NULL;
    unsigned idems, items = take_submits(q, &idems);
    if (!collect_load(q, items, idems, now)) {
        batch_loaded(q, -E_NO_MEMORY, now);
    } else if (b->load.jobs_count || b->load.idems_count) {
        q->stage = STAGE_LOADING;
        q->ops->load(q->ctx, &b->load);
    } else {
        batch_loaded(q, 0, now);
    }
    return true;
}

// --- writing ---

// Saves rows that must be, and those whose progress has waited long enough.
static bool row_due(const struct sequencer *q, const struct cached_job *cj, struct now now)
{
    if (!cj->copy || cj->save || cj->remove) {
        return cj->copy && cj->save;
    }
    return cj->copy->dirty &&
           (q->draining || cj->copy->saved_mono_ms + LIMIT_PROGRESS_SAVE_MS <= now.mono_ms);
}

// False without memory. The write borrows everything from the batch.
static bool make_write(struct sequencer *q, struct now now)
{
    struct batch *b = &q->batch;
    struct store_batch *w = &b->write;
    *w = (struct store_batch){.wall_ms = now.wall_ms, .tasks = b->tasks};
    w->events = arena_try_alloc(&b->arena, (b->events_count + 1) * sizeof(struct event *));
    w->jobs = arena_try_alloc(&b->arena, (b->touched_count + 1) * sizeof(struct job *));
    w->removes = arena_try_alloc(&b->arena, (b->touched_count + 1) * sizeof(*w->removes));
    if (!w->events || !w->jobs || !w->removes) {
        return false;
    }
    for (unsigned i = 0; i < b->events_count; i++) {
        if (!(b->events[i]->flags & EVENT_MEMORY)) {
            w->events[w->events_count++] = b->events[i];
        }
    }
    for (unsigned i = 0; i < b->touched_count; i++) {
        struct cached_job *cj = b->touched[i];
        if (cj->remove) {
            w->removes[w->removes_count].kind = cj->kind;
            w->removes[w->removes_count++].id = str_of(cj->copy->id);
        }
        if (row_due(q, cj, now)) {
            cj->copy->dirty = false;
            cj->copy->saved_mono_ms = now.mono_ms;
            w->jobs[w->jobs_count++] = cj->copy;
        }
    }
    w->idems = b->idems;
    w->idems_count = b->idems_count;
    return true;
}

void batch_loaded(struct sequencer *q, int err, struct now now)
{
    struct batch *b = &q->batch;
    b->load_failed = err != 0;
    b->first_id = q->next_id;
    b->reduced_mono_ms = now.mono_ms;
    batch_reduce_timers(q, now);
    LIST_FOREACH(node, &b->submits)
    {
        batch_reduce_submit(q, LIST_ENTRY(node, struct submit, node), now);
    }
    q->stage = STAGE_COMMITTING;
    if (!make_write(q, now) || memlog_reserve(q->realm->log, b->events_count) != 0) {
        batch_committed(q, -E_NO_MEMORY, now);
        return;
    }
    const struct store_batch *w = &b->write;
    if (!w->events_count && !w->jobs_count && !w->removes_count && !w->idems_count && !w->tasks) {
        batch_committed(q, 0, now);
        return;
    }
    q->ops->commit(q->ctx, &b->write);
}

// --- the end ---

static void finish_jobs(struct sequencer *q, int err, struct now now)
{
    struct batch *b = &q->batch;
    for (unsigned i = 0; i < b->touched_count; i++) {
        struct cached_job *cj = b->touched[i];
        if (err) {
            job_unref(cj->copy);
        } else if (cj->remove && !cj->save) {
            job_unref(cj->copy);
            job_unref(cj->job);
            cj->job = NULL;
        } else if (cj->copy) {
            job_unref(cj->job);
            cj->job = cj->copy;
        }
        cj->copy = NULL;
        cj->in_batch = cj->save = cj->remove = false;
        job_cache_schedule(&q->jobs, cj);
        // What was due and could not be done must not be due at once again.
        if (cj->deadline_mono_ms <= (err ? now.mono_ms : b->reduced_mono_ms)) {
            job_cache_schedule_at(&q->jobs, cj, now.mono_ms + TIMER_RETRY_MS);
        }
    }
    b->touched_count = 0;
}

static void finish_events(struct sequencer *q, int err)
{
    struct batch *b = &q->batch;
    for (unsigned i = 0; i < b->events_count; i++) {
        if (err) {
            event_unref(b->events[i]);
            continue;
        }
        int full = memlog_append_take(q->realm->log, b->events[i]);
        ASSERT(full == 0); // memlog_reserve made room
    }
    if (!err) {
        q->stats.events += b->events_count;
    }
    b->events_count = 0;
    if (q->next_id != b->first_id) {
        memlog_set_visible(q->realm->log, q->next_id - 1);
        q->ops->moved(q->ctx);
    }
}

static void answer(struct sequencer *q, struct submit *s, int batch_err, bool written)
{
    if (batch_err) {
        job_unref(s->answer.job);
        s->answer.job = NULL;
        sequencer_refuse(q, s, batch_err, "The store did not take it: send it again.");
        return;
    }
    if (s->answer.err) {
        if (!s->answer.text[0]) {
            (void)snprintf(s->answer.text, sizeof(s->answer.text), "%s", err_text(s->answer.err));
        }
        sequencer_answer(q, s);
        return;
    }
    if (s->answer.reached == DURABILITY_DISK) {
        s->answer.reached = written ? DURABILITY_PROCESS : DURABILITY_MEMORY;
        list_push_back(&q->want_sync, &s->node);
        return;
    }
    sequencer_answer(q, s);
}

void batch_committed(struct sequencer *q, int err, struct now now)
{
    struct batch *b = &q->batch;
    bool written = b->write.events_count || b->write.jobs_count;
    finish_events(q, err);
    finish_jobs(q, err, now);
    uint64_t trimmed = atomic_load_explicit(&q->realm->trimmed_max, memory_order_relaxed);
    if (!err && b->write.trimmed_max > trimmed) {
        atomic_store_explicit(&q->realm->trimmed_max, b->write.trimmed_max, memory_order_release);
    }
    struct store_task *tasks = b->tasks;
    b->tasks = NULL;
    // The batch is over before anyone is told: an answer may hand in the next submit.
    struct list submits;
    list_init(&submits);
    struct list *node;
    while ((node = list_pop_front(&b->submits))) {
        list_push_back(&submits, node);
    }
    b->idems_count = 0;
    b->write = (struct store_batch){0};
    b->load = (struct store_load){0};
    q->stage = STAGE_IDLE;
    bool pumping = q->pumping;
    q->pumping = true; // those who answer from inside only queue
    while ((node = list_pop_front(&submits))) {
        answer(q, LIST_ENTRY(node, struct submit, node), err, written);
    }
    if (tasks) {
        q->ops->tasks_done(q->ctx, tasks, err);
    }
    q->pumping = pumping;
    arena_fini(&b->arena);
    arena_init(&b->arena, SIZE_MAX);
}
