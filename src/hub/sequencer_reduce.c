// SPDX-License-Identifier: MIT
// What a batch does with one submit, and with time: reports are reduced on private copies, events
// get their ids. A submit that is refused takes back all it did.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/sequencer_int.h"

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
    if (sequencer_ids_left(q) == 0 ||
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
    if (item->if_owned && !principal_is_user(s->principal, cj->copy->owner)) {
        return -E_FORBIDDEN; // the same for a job that is not there
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

// --- Idempotency-Key ---

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

// --- a whole submit ---

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
void batch_reduce_submit(struct sequencer *q, struct submit *s, struct now now)
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
void batch_reduce_timers(struct sequencer *q, struct now now)
{
    while (job_cache_due(&q->jobs, now)) {
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
