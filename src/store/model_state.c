// SPDX-License-Identifier: MIT
// The state of the model store, and batches that change it.
#include "store/model_state.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "hub/topic.h"

// Events that one task takes away.
#define TASK_EVENTS_MAX 64

static void *grown(void *array, size_t *cap, size_t count, size_t bytes)
{
    if (count < *cap) {
        return array;
    }
    *cap = *cap ? *cap * 2 : 64;
    return mem_realloc(array, *cap * bytes);
}

#define PUT(array, count, cap, item)                                                               \
    do {                                                                                           \
        (array) = grown((array), &(cap), (count), sizeof(*(array)));                               \
        (array)[(count)++] = (item);                                                               \
    } while (0)

static struct str own(struct str s)
{
    return s.p ? str_make(mem_strdup(s), s.len) : STR_NONE;
}

static void disown(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static void idem_fini(struct model_idem *m)
{
    disown(m->row.scope);
    disown(m->row.key);
    disown(m->row.answer);
}

// --- life ---

void model_state_init(struct model_state *st, const struct hash_key *key)
{
    *st = (struct model_state){.key = *key};
}

void model_state_fini(struct model_state *st)
{
    for (size_t i = 0; i < st->events_count; i++) {
        event_unref(st->events[i]);
    }
    for (size_t i = 0; i < st->rows_count; i++) {
        job_unref(st->rows[i]);
    }
    for (size_t i = 0; i < st->idems_count; i++) {
        idem_fini(&st->idems[i]);
    }
    for (size_t i = 0; i < st->revocations_count; i++) {
        disown(st->revocations[i].row.name);
    }
    for (size_t i = 0; i < st->recalls_count; i++) {
        disown(st->recalls[i].key);
        disown(st->recalls[i].data);
    }
    for (size_t i = 0; i < st->gaps_count; i++) {
        disown(st->gaps[i].topic);
    }
    mem_free(st->recalls);
    mem_free(st->events);
    mem_free(st->rows);
    mem_free(st->idems);
    mem_free(st->revocations);
    mem_free(st->gaps);
    model_state_init(st, &st->key);
}

static void put_idem(struct model_state *st, const struct store_idem *row)
{
    struct model_idem m = {*row};
    m.row.scope = own(row->scope);
    m.row.key = own(row->key);
    m.row.answer = own(row->answer);
    for (size_t i = 0; i < st->idems_count; i++) {
        const struct store_idem *old = &st->idems[i].row;
        if (str_eq(old->scope, row->scope) && str_eq(old->key, row->key)) {
            idem_fini(&st->idems[i]);
            st->idems[i] = m;
            return;
        }
    }
    PUT(st->idems, st->idems_count, st->idems_cap, m);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void put_revocation(struct model_state *st, const struct store_revocation *row)
{
    for (size_t i = 0; i < st->revocations_count; i++) {
        struct store_revocation *old = &st->revocations[i].row;
        if (old->what == row->what && str_eq(old->name, row->name)) {
            old->before_ms = later(old->before_ms, row->before_ms);
            old->until_ms = later(old->until_ms, row->until_ms);
            return;
        }
    }
    struct model_revocation m = {*row};
    m.row.name = own(row->name.p ? row->name : STR(""));
    m.row.row = ++st->revocations_row;
    PUT(st->revocations, st->revocations_count, st->revocations_cap, m);
}

static void put_recall(struct model_state *st, const struct store_recall *row)
{
    for (size_t i = 0; i < st->recalls_count; i++) {
        if (str_eq(st->recalls[i].key, row->key)) {
            disown(st->recalls[i].key);
            disown(st->recalls[i].data);
            st->recalls[i] = st->recalls[--st->recalls_count];
            break;
        }
    }
    if (row->data.p) {
        struct store_recall m = {
            .key = own(row->key), .data = own(row->data), .until_ms = row->until_ms};
        PUT(st->recalls, st->recalls_count, st->recalls_cap, m);
    }
}

static void put_gap(struct model_state *st, struct str topic, const struct gap_row *row)
{
    struct model_gap gap = {.topic = own(topic), .row = *row};
    PUT(st->gaps, st->gaps_count, st->gaps_cap, gap);
}

void model_state_copy(struct model_state *to, const struct model_state *from)
{
    model_state_init(to, &from->key);
    to->trimmed_max = from->trimmed_max;
    for (size_t i = 0; i < from->events_count; i++) {
        PUT(to->events, to->events_count, to->events_cap, event_ref(from->events[i]));
    }
    for (size_t i = 0; i < from->rows_count; i++) {
        PUT(to->rows, to->rows_count, to->rows_cap, job_ref(from->rows[i]));
    }
    for (size_t i = 0; i < from->idems_count; i++) {
        put_idem(to, &from->idems[i].row);
    }
    for (size_t i = 0; i < from->revocations_count; i++) {
        to->revocations_row = from->revocations[i].row.row - 1;
        put_revocation(to, &from->revocations[i].row);
    }
    to->revocations_row = from->revocations_row;
    for (size_t i = 0; i < from->recalls_count; i++) {
        put_recall(to, &from->recalls[i]);
    }
    for (size_t i = 0; i < from->gaps_count; i++) {
        put_gap(to, from->gaps[i].topic, &from->gaps[i].row);
    }
}

// --- looking ---

struct job *model_state_row(const struct model_state *st, enum job_kind kind, struct str id,
                            uint32_t attempt)
{
    struct job *found = NULL;
    for (size_t i = 0; i < st->rows_count; i++) {
        struct job *j = st->rows[i];
        bool wanted = attempt ? j->attempt == attempt : !found || j->attempt > found->attempt;
        if (wanted && j->kind == kind && str_is(id, j->id)) {
            found = j;
        }
    }
    return found;
}

bool model_state_is_log_of(const struct event *e, enum job_kind kind, struct str id,
                           uint32_t attempt)
{
    return (e->flags & EVENT_LOG) && e->kind == kind && e->attempt == attempt &&
           str_eq(e->job_id, id);
}

// --- removing ---

struct removing {
    struct model_state *state;
    struct gap_set gaps;
    enum gap_reason reason;
    uint64_t max;
};

// Notes the events that `fn` wants gone and drops them, `limit` at most.
static void remove_events(struct removing *r, bool (*fn)(void *ctx, const struct event *e),
                          void *ctx, size_t limit)
{
    struct model_state *st = r->state;
    size_t kept = 0, removed = 0;
    for (size_t i = 0; i < st->events_count; i++) {
        struct event *e = st->events[i];
        if (removed == limit || !fn(ctx, e)) {
            st->events[kept++] = e;
            continue;
        }
        int err = gap_set_add_event(&r->gaps, e, r->reason);
        ASSERT(err == 0);
        r->max = e->id > r->max ? e->id : r->max;
        event_unref(e);
        removed++;
    }
    st->events_count = kept;
}

static void write_gaps(struct removing *r)
{
    struct gap_note *note;
    for (size_t i = 0; (note = map_next(&r->gaps.map, &i));) {
        put_gap(r->state, note->topic, &note->row);
    }
}

struct job_key {
    enum job_kind kind;
    struct str id;
};

static bool is_of_job(void *ctx, const struct event *e)
{
    const struct job_key *k = ctx;
    return e->kind == k->kind && str_eq(e->job_id, k->id);
}

static void remove_job(struct removing *r, enum job_kind kind, struct str id)
{
    struct model_state *st = r->state;
    struct job_key key = {kind, id};
    size_t kept = 0;
    remove_events(r, is_of_job, &key, SIZE_MAX);
    for (size_t i = 0; i < st->rows_count; i++) {
        struct job *j = st->rows[i];
        if (j->kind == kind && str_is(id, j->id)) {
            job_unref(j);
        } else {
            st->rows[kept++] = j;
        }
    }
    st->rows_count = kept;
}

bool model_task_takes(const struct model_task *t, const struct event *e)
{
    for (unsigned i = 0; i < t->kept_count; i++) {
        if (t->kept[i] == e->id) {
            return false;
        }
    }
    return e->wall_ms < t->cutoff_ms;
}

static bool is_old(void *ctx, const struct event *e)
{
    return model_task_takes(ctx, e);
}

struct over_quota {
    const struct model_task *task;
    uint64_t excess;
};

static bool is_over_quota(void *ctx, const struct event *e)
{
    struct over_quota *q = ctx;
    const struct model_task *t = q->task;
    if (q->excess == 0 || !model_state_is_log_of(e, t->kind, str_of(t->id), t->attempt)) {
        return false;
    }
    q->excess = q->excess > e->data.len ? q->excess - e->data.len : 0;
    return true;
}

static void run_quota(struct removing *r, const struct model_task *t)
{
    const struct model_state *st = r->state;
    uint64_t bytes = 0;
    for (size_t i = 0; i < st->events_count; i++) {
        const struct event *e = st->events[i];
        bytes += model_state_is_log_of(e, t->kind, str_of(t->id), t->attempt) ? e->data.len : 0;
    }
    struct over_quota q = {t, bytes > t->bytes ? bytes - t->bytes : 0};
    r->reason = GAP_QUOTA;
    remove_events(r, is_over_quota, &q, TASK_EVENTS_MAX);
}

// A job goes with all of its history, an attempt that is not its last alone.
static void run_rows(struct removing *r, const struct model_task *t)
{
    struct model_state *st = r->state;
    struct job *j = model_state_row(st, t->kind, str_of(t->id), t->attempt);
    if (!j || job_is_open(j) || j->updated_ms >= t->cutoff_ms) {
        return; // something happened since it was proposed
    }
    if (model_state_row(st, t->kind, str_of(t->id), 0) == j) {
        remove_job(r, t->kind, str_of(t->id));
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < st->rows_count; i++) {
        if (st->rows[i] != j) {
            st->rows[kept++] = st->rows[i];
        }
    }
    st->rows_count = kept;
    job_unref(j);
}

static void run_idems(struct model_state *st, int64_t cutoff_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < st->idems_count; i++) {
        if (st->idems[i].row.expires_wall_ms <= cutoff_ms) {
            idem_fini(&st->idems[i]);
        } else {
            st->idems[kept++] = st->idems[i];
        }
    }
    st->idems_count = kept;
}

static void run_revocations(struct model_state *st, int64_t cutoff_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < st->revocations_count; i++) {
        if (st->revocations[i].row.until_ms <= cutoff_ms) {
            disown(st->revocations[i].row.name);
        } else {
            st->revocations[kept++] = st->revocations[i];
        }
    }
    st->revocations_count = kept;
}

static void run_task(struct removing *r, struct model_task *t)
{
    r->reason = GAP_RETENTION;
    switch (t->what) {
    case MODEL_TASK_AGE:
        remove_events(r, is_old, t, TASK_EVENTS_MAX);
        return;
    case MODEL_TASK_QUOTA:
        run_quota(r, t);
        return;
    case MODEL_TASK_ROWS:
        run_rows(r, t);
        return;
    case MODEL_TASK_IDEMS:
        run_idems(r->state, t->cutoff_ms);
        return;
    case MODEL_TASK_REVOCATIONS:
        run_revocations(r->state, t->cutoff_ms);
        return;
    }
    UNREACHABLE();
}

// --- reading ---

void model_state_each_open(const struct model_state *st,
                           bool (*fn)(void *ctx, struct job *borrowed), void *ctx)
{
    bool more = true;
    for (size_t i = 0; i < st->rows_count && more; i++) {
        struct job *j = st->rows[i];
        if (job_is_open(j) && model_state_row(st, j->kind, str_of(j->id), 0) == j) {
            more = fn(ctx, j);
        }
    }
}

void model_state_each_revocation(const struct model_state *st, uint64_t after, int64_t wall_ms,
                                 bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                                 void *ctx)
{
    bool more = true;
    for (size_t i = 0; i < st->revocations_count && more; i++) {
        const struct store_revocation *row = &st->revocations[i].row;
        if (row->row > after && row->until_ms > wall_ms) {
            more = fn(ctx, row);
        }
    }
}

void model_state_each_recall(const struct model_state *st,
                             bool (*fn)(void *ctx, const struct store_recall *borrowed), void *ctx)
{
    bool more = true;
    for (size_t i = 0; i < st->recalls_count && more; i++) {
        more = fn(ctx, &st->recalls[i]);
    }
}

// --- batches ---

static void put_row(struct model_state *st, struct job *row)
{
    for (size_t i = 0; i < st->rows_count; i++) {
        struct job *j = st->rows[i];
        if (j->kind == row->kind && j->attempt == row->attempt && strcmp(j->id, row->id) == 0) {
            st->rows[i] = job_ref(row);
            job_unref(j);
            return;
        }
    }
    PUT(st->rows, st->rows_count, st->rows_cap, job_ref(row));
}

uint64_t model_state_apply(struct model_state *st, const struct store_batch *b)
{
    struct removing r = {.state = st, .reason = GAP_RETENTION};
    gap_set_init(&r.gaps, &st->key);
    for (unsigned i = 0; i < b->removes_count; i++) {
        remove_job(&r, b->removes[i].kind, b->removes[i].id);
    }
    for (unsigned i = 0; i < b->events_count; i++) {
        PUT(st->events, st->events_count, st->events_cap, event_ref(b->events[i]));
    }
    for (unsigned i = 0; i < b->jobs_count; i++) {
        put_row(st, b->jobs[i]);
    }
    for (unsigned i = 0; i < b->idems_count; i++) {
        put_idem(st, &b->idems[i]);
    }
    for (unsigned i = 0; i < b->revocations_count; i++) {
        put_revocation(st, &b->revocations[i]);
    }
    for (unsigned i = 0; i < b->recalls_count; i++) {
        put_recall(st, &b->recalls[i]);
    }
    for (struct store_task *t = b->tasks; t; t = t->next) {
        run_task(&r, CONTAINER_OF(t, struct model_task, base));
    }
    write_gaps(&r);
    gap_set_fini(&r.gaps);
    st->trimmed_max = r.max > st->trimmed_max ? r.max : st->trimmed_max;
    return r.max;
}

// Through its stored form, as it would come from a disk.
static struct job *stored_form(const struct job *j)
{
    struct buf text;
    struct job *copy = NULL;
    buf_init(&text, SIZE_MAX);
    job_encode(&text, j);
    int err = text.failed ? -1 : job_decode(buf_str(&text), &copy);
    ASSERT(err == 0);
    buf_fini(&text);
    return copy;
}

static struct event *stored_event(const struct event *e, const struct hash_key *key)
{
    struct event_init init = {.id = e->id,
                              .wall_ms = e->wall_ms,
                              .flags = e->flags,
                              .type = e->type,
                              .data = e->data,
                              .kind = e->kind,
                              .attempt = e->attempt,
                              .job_id = e->job_id,
                              .owner = e->owner,
                              .project = e->project,
                              .line = e->line,
                              .lines = e->lines,
                              .scope = SCOPE_ALL};
    for (; e->kind == KIND_NONE && init.topics_count < e->topics_count; init.topics_count++) {
        init.topics[init.topics_count] = e->topics[init.topics_count].name;
    }
    struct event *copy = event_try_new(&init, key);
    ASSERT(copy);
    return copy;
}

static void *take(struct arena *a, size_t count, size_t bytes)
{
    void *p = arena_try_alloc(a, (count + 1) * bytes);
    ASSERT(p);
    return p;
}

static struct str take_str(struct arena *a, struct str s)
{
    struct str copy = arena_try_copy(a, s);
    ASSERT(copy.p);
    return copy;
}

struct model_batch *model_batch_new(const struct store_batch *b, const struct hash_key *key)
{
    struct model_batch *mb = mem_alloc(sizeof(*mb));
    struct arena *a = &mb->arena;
    arena_init(a, SIZE_MAX);
    struct store_batch *to = &mb->batch;
    *to = *b;
    to->events = take(a, b->events_count, sizeof(*to->events));
    to->jobs = take(a, b->jobs_count, sizeof(*to->jobs));
    to->removes = take(a, b->removes_count, sizeof(*to->removes));
    to->idems = take(a, b->idems_count, sizeof(*to->idems));
    for (unsigned i = 0; i < b->events_count; i++) {
        to->events[i] = stored_event(b->events[i], key);
    }
    for (unsigned i = 0; i < b->jobs_count; i++) {
        to->jobs[i] = stored_form(b->jobs[i]);
    }
    for (unsigned i = 0; i < b->removes_count; i++) {
        to->removes[i].kind = b->removes[i].kind;
        to->removes[i].id = take_str(a, b->removes[i].id);
    }
    for (unsigned i = 0; i < b->idems_count; i++) {
        to->idems[i] = b->idems[i];
        to->idems[i].scope = take_str(a, b->idems[i].scope);
        to->idems[i].key = take_str(a, b->idems[i].key);
        to->idems[i].answer = take_str(a, b->idems[i].answer);
    }
    struct store_revocation *revocations = take(a, b->revocations_count, sizeof(*to->revocations));
    for (unsigned i = 0; i < b->revocations_count; i++) {
        revocations[i] = b->revocations[i];
        revocations[i].name = take_str(a, b->revocations[i].name);
    }
    to->revocations = revocations;
    struct store_recall *recalls = take(a, b->recalls_count, sizeof(*to->recalls));
    for (unsigned i = 0; i < b->recalls_count; i++) {
        recalls[i] = b->recalls[i];
        recalls[i].key = take_str(a, b->recalls[i].key);
        recalls[i].data = b->recalls[i].data.p ? take_str(a, b->recalls[i].data) : STR_NONE;
    }
    to->recalls = recalls;
    struct store_task **end = &to->tasks;
    for (struct store_task *t = b->tasks; t; t = t->next) {
        struct model_task *copy = take(a, 1, sizeof(*copy));
        *copy = *CONTAINER_OF(t, struct model_task, base);
        *end = &copy->base;
        end = &copy->base.next;
    }
    *end = NULL;
    return mb;
}

void model_batch_free(struct model_batch *mb)
{
    if (!mb) {
        return;
    }
    for (unsigned i = 0; i < mb->batch.events_count; i++) {
        event_unref(mb->batch.events[i]);
    }
    for (unsigned i = 0; i < mb->batch.jobs_count; i++) {
        job_unref(mb->batch.jobs[i]);
    }
    arena_fini(&mb->arena);
    mem_free(mb);
}
