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
// What time should have done to a job is tried again after this when its batch failed.
#define TIMER_RETRY_MS 1000

// --- collecting
// --------------------------------------------------------------------------------------------------

static uint64_t ids_left(const struct sequencer *q)
{
    return q->reserved_top + 1 - q->next_id;
}

static bool timers_due(const struct sequencer *q, struct now now)
{
    struct cached_job *first = job_cache_first(&q->jobs);
    return first && first->deadline_mono_ms <= now.mono_ms;
}

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
    if (!work && !timers_due(q, now)) {
        return false;
    }
    if (ids_left(q) < BATCH_IDS_MAX && q->reserving) {
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

// --- reducing
// ----------------------------------------------------------------------------------------------------

// What one submit did to a job, to be taken back when a later item of it is refused.
struct undo {
    struct undo *next;
    struct cached_job *cj;
    struct job *copy; // before this submit; the reference moves here
    bool save, remove;
};

struct reducing {
    struct sequencer *q;
    struct submit *submit; // NULL: time
    struct now now;
    struct undo *undo;
    uint64_t first_id;
    unsigned first_event;
    enum durability effect;
};

static bool grow(void **array, unsigned *cap, unsigned count, size_t bytes)
{
    if (count < *cap) {
        return true;
    }
    unsigned more = *cap ? *cap * 2 : 64;
    void *p = mem_try_realloc(*array, (size_t)more * bytes);
    if (!p) {
        return false;
    }
    *array = p;
    *cap = more;
    return true;
}

// Gives the job a private copy for this submit and remembers the one before.
static int touch(struct reducing *r, struct cached_job *cj, enum job_kind kind, struct str id)
{
    for (struct undo *u = r->undo; u; u = u->next) {
        if (u->cj == cj) {
            return 0;
        }
    }
    struct batch *b = &r->q->batch;
    struct undo *u = arena_try_alloc(&b->arena, sizeof(*u));
    if (!u || !grow((void **)&b->touched, &b->touched_cap, b->touched_count, sizeof(*b->touched))) {
        return -E_NO_MEMORY;
    }
    const struct job *from = cj->copy ? cj->copy : cj->job;
    bool gone = cj->remove && !cj->save; // deleted earlier in this batch
    struct job *copy = from && !gone ? job_copy(from) : job_new(kind, id);
    if (!copy) {
        return -E_NO_MEMORY;
    }
    *u = (struct undo){r->undo, cj, cj->copy, cj->save, cj->remove};
    r->undo = u;
    cj->copy = copy;
    if (!cj->in_batch) {
        cj->in_batch = true;
        b->touched[b->touched_count++] = cj;
    }
    return 0;
}

static void keep(struct reducing *r)
{
    for (struct undo *u = r->undo; u; u = u->next) {
        job_unref(u->copy);
    }
    r->undo = NULL;
}

static void take_back(struct reducing *r)
{
    for (struct undo *u = r->undo; u; u = u->next) {
        job_unref(u->cj->copy);
        u->cj->copy = u->copy;
        u->cj->save = u->save;
        u->cj->remove = u->remove;
    }
    r->undo = NULL;
    struct batch *b = &r->q->batch;
    while (b->events_count > r->first_event) {
        event_unref(b->events[--b->events_count]);
    }
    r->q->next_id = r->first_id;
}

static int put_event(struct reducing *r, struct event_init *init, uint64_t *ret_id)
{
    struct sequencer *q = r->q;
    struct batch *b = &q->batch;
    if (ids_left(q) == 0 ||
        !grow((void **)&b->events, &b->events_cap, b->events_count, sizeof(*b->events))) {
        return -E_UNAVAILABLE;
    }
    init->id = q->next_id;
    init->wall_ms = r->now.wall_ms;
    init->origin = r->submit ? r->submit->origin : 0;
    struct event *e = event_try_new(init, &q->realm->key);
    if (!e) {
        return -E_NO_MEMORY;
    }
    q->next_id++;
    b->events[b->events_count++] = e;
    *ret_id = e->id;
    return 0;
}

static int put_plain(struct reducing *r, struct submit_item *item)
{
    const struct submit_event *e = &item->event;
    struct event_init init = {.flags = e->flags,
                              .type = e->type,
                              .data = e->data,
                              .kind = KIND_NONE,
                              .topics_count = (uint8_t)e->topics_count};
    memcpy(init.topics, e->topics, sizeof(init.topics));
    enum durability effect = e->to_user ? DURABILITY_DISK : DURABILITY_PROCESS;
    if (effect > r->effect) {
        r->effect = effect;
    }
    return put_event(r, &init, &item->id);
}

// The events of a reduction, and what it says of the job's row.
static int put_reduction(struct reducing *r, struct cached_job *cj, const struct report *report,
                         const struct reduction *red)
{
    uint64_t ids[REDUCTION_DRAFTS_MAX];
    const struct job *j = cj->copy;
    for (unsigned i = 0; i < red->count; i++) {
        const struct event_draft *d = &red->drafts[i];
        struct event_init init = {.flags = d->flags,
                                  .type = d->type,
                                  .data = d->data,
                                  .kind = j->kind,
                                  .attempt = d->attempt,
                                  .job_id = str_of(j->id),
                                  .owner = str_of(j->owner),
                                  .project = str_of(j->project),
                                  .line = d->line,
                                  .lines = d->lines,
                                  .scope = d->scope};
        int err = put_event(r, &init, &ids[i]);
        if (err) {
            return err;
        }
    }
    reduce_set_ids(cj->copy, report, red, ids, r->now.wall_ms);
    cj->save = !red->remove && (cj->save || red->save);
    cj->remove =
        cj->remove || red->remove; // carried out before rows: a job made again starts empty
    if (red->effect > r->effect) {
        r->effect = red->effect;
    }
    return 0;
}

static int reduce_item(struct reducing *r, struct submit_item *item)
{
    struct sequencer *q = r->q;
    struct submit *s = r->submit;
    const struct report *report = &item->report;
    struct cached_job *cj = job_cache_get(&q->jobs, report->kind, report->id);
    if (!cj) {
        return q->batch.load_failed ? -E_IO : -E_NO_MEMORY;
    }
    int err = touch(r, cj, report->kind, report->id);
    if (err) {
        return err;
    }
    struct reduction red = {0};
    err = reduce_report(cj->copy, report, r->now, &q->batch.arena, &red);
    if (err) {
        (void)snprintf(s->answer.text, sizeof(s->answer.text), "%s", red.fault);
        return err;
    }
    if (q->batch.load_failed && red.effect > DURABILITY_MEMORY) {
        return -E_IO;
    }
    if (s->want > DURABILITY_MEMORY && !red.duplicate) {
        red.save = true; // asked for more than progress gets by itself: the row carries it
    }
    uint64_t before = q->next_id;
    err = put_reduction(r, cj, report, &red);
    if (err) {
        return err;
    }
    if (red.duplicate) {
        s->answer.duplicate = true;
        item->id = red.duplicate_id;
        r->effect = DURABILITY_DISK; // whatever the first answer promised holds for this one
    } else {
        item->id = q->next_id > before ? q->next_id - 1 : cj->copy->cursor_id;
    }
    item->merged = red.merged;
    q->stats.merged += red.merged;
    job_unref(s->answer.job);
    s->answer.job = job_ref(cj->copy);
    return 0;
}

// --- Idempotency-Key
// -----------------------------------------------------------------------------------------------

static const struct store_idem *find_idem(const struct sequencer *q, const struct submit *s)
{
    const struct batch *b = &q->batch;
    for (unsigned i = 0; i < b->idems_count; i++) {
        if (str_eq(b->idems[i].key, s->idem_key) && str_eq(b->idems[i].scope, s->idem_scope)) {
            return &b->idems[i];
        }
    }
    for (unsigned i = 0; i < b->load.idems_count; i++) {
        const struct store_load_idem *row = &b->load.idems[i];
        if (row->found && str_eq(row->key, s->idem_key) && str_eq(row->scope, s->idem_scope)) {
            return &row->row;
        }
    }
    return NULL;
}

// 1: answered as the first one was. 0: go on.
static int check_idem(struct reducing *r)
{
    struct submit *s = r->submit;
    if (!s->idem_key.p) {
        return 0;
    }
    if (r->q->batch.load_failed) {
        return -E_IO;
    }
    const struct store_idem *first = find_idem(r->q, s);
    if (!first) {
        return 0;
    }
    if (memcmp(first->body_hash, s->idem_hash, sizeof(s->idem_hash)) != 0) {
        (void)snprintf(s->answer.text, sizeof(s->answer.text),
                       "That Idempotency-Key came before with another body.");
        return -E_CONFLICT;
    }
    s->answer.idem_answer = arena_try_copy(&s->arena, first->answer);
    if (!s->answer.idem_answer.p) {
        return -E_NO_MEMORY;
    }
    s->answer.duplicate = true;
    r->effect = DURABILITY_DISK;
    return 1;
}

static int put_idem(struct reducing *r)
{
    struct submit *s = r->submit;
    struct batch *b = &r->q->batch;
    if (!s->idem_key.p) {
        return 0;
    }
    if (!grow((void **)&b->idems, &b->idems_cap, b->idems_count, sizeof(*b->idems))) {
        return -E_NO_MEMORY;
    }
    struct buf text;
    buf_init(&text, LIMIT_BODY_BYTES);
    s->idem_put(&text, s);
    struct store_idem row = {.scope = s->idem_scope,
                             .key = s->idem_key,
                             .expires_wall_ms = r->now.wall_ms + LIMIT_IDEMPOTENCY_MS};
    memcpy(row.body_hash, s->idem_hash, sizeof(row.body_hash));
    row.answer = text.failed ? STR_NONE : arena_try_copy(&b->arena, buf_str(&text));
    buf_fini(&text);
    if (!row.answer.p) {
        return -E_NO_MEMORY;
    }
    b->idems[b->idems_count++] = row;
    return 0;
}

// --- a whole submit
// ------------------------------------------------------------------------------------------------

static int reduce_items(struct reducing *r)
{
    struct submit *s = r->submit;
    int err = check_idem(r);
    if (err) {
        return err < 0 ? err : 0;
    }
    for (unsigned i = 0; i < s->count; i++) {
        struct submit_item *item = &s->items[i];
        if (!item->is_report && r->q->batch.load_failed) {
            return -E_IO;
        }
        err = item->is_report ? reduce_item(r, item) : put_plain(r, item);
        if (err) {
            s->answer.index = i;
            return err;
        }
    }
    return put_idem(r);
}

// Afterwards answer.err, or answer.reached = the level it must reach before it is answered.
static void reduce_submit(struct sequencer *q, struct submit *s, struct now now)
{
    struct reducing r = {.q = q,
                         .submit = s,
                         .now = now,
                         .first_id = q->next_id,
                         .first_event = q->batch.events_count};
    s->answer.err = reduce_items(&r);
    if (s->answer.err) {
        job_unref(s->answer.job);
        s->answer.job = NULL;
        take_back(&r);
        return;
    }
    keep(&r);
    s->answer.reached = s->want > r.effect ? s->want : r.effect;
}

// What time does to the jobs whose deadline has come.
static void reduce_timers(struct sequencer *q, struct now now)
{
    while (timers_due(q, now)) {
        struct cached_job *cj = job_cache_first(&q->jobs);
        job_cache_schedule_at(&q->jobs, cj, INT64_MAX); // finish_jobs puts it back
        struct reducing r = {
            .q = q, .now = now, .first_id = q->next_id, .first_event = q->batch.events_count};
        struct reduction red = {0};
        int err = touch(&r, cj, cj->kind, str_of(cj->job->id));
        if (!err) {
            err = reduce_timer(cj->copy, now, &q->batch.arena, &red);
        }
        if (!err) {
            err = put_reduction(&r, cj, NULL, &red);
        }
        if (err) {
            take_back(&r);
            if (!cj->in_batch) { // else finish_jobs does
                job_cache_schedule_at(&q->jobs, cj, now.mono_ms + TIMER_RETRY_MS);
            }
            continue;
        }
        keep(&r);
    }
}

// --- writing
// -------------------------------------------------------------------------------------------------------

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
    reduce_timers(q, now);
    LIST_FOREACH(node, &b->submits)
    {
        reduce_submit(q, LIST_ENTRY(node, struct submit, node), now);
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

// --- the end
// -------------------------------------------------------------------------------------------------------

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
