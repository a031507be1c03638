// SPDX-License-Identifier: MIT
// The model store. There are two states: `now`, which readers see, and `synced`, which a loss of
// power leaves. Batches between the two wait in a list; a sync applies them to `synced`.
#include "store/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/lines.h"
#include "store/model_state.h"
#include "store/page.h"

struct model {
    struct store base;
    struct hash_key key;
    struct rng epochs;
    struct model_state now, synced;
    struct model_batch **unsynced; // oldest first
    size_t unsynced_count, unsynced_cap;
    struct model_batch *unknown; // the commit before failed; it may still be there after a crash
    uint64_t epoch, reserved_top, clean_id;
    bool clean;
    bool sync_broken;
    int fail[MODEL_CALL_NR]; // 0: the next call of the kind works
};

static struct model *model_of(struct store *s)
{
    return CONTAINER_OF(s, struct model, base);
}

static int injected(struct model *m, enum model_call call)
{
    int err = m->fail[call];
    m->fail[call] = 0;
    return err;
}

// --- writing ---

static void load_idem(const struct model *m, struct store_load_idem *want, int64_t wall_ms)
{
    for (size_t i = 0; i < m->now.idems_count; i++) {
        const struct store_idem *row = &m->now.idems[i].row;
        if (str_eq(want->scope, row->scope) && str_eq(want->key, row->key) &&
            row->expires_wall_ms > wall_ms) {
            want->found = true;
            want->row = *row;
            want->row.scope = want->scope;
            want->row.key = want->key;
            want->row.answer = arena_try_copy(want->arena, row->answer);
            ASSERT(want->row.answer.p);
        }
    }
}

static int model_load(struct store *s, struct store_load *load)
{
    struct model *m = model_of(s);
    int err = injected(m, MODEL_LOAD);
    if (err) {
        return err;
    }
    for (unsigned i = 0; i < load->jobs_count; i++) {
        struct job *j = model_state_row(&m->now, load->jobs[i].kind, load->jobs[i].id, 0);
        load->jobs[i].job = j ? job_ref(j) : NULL;
    }
    for (unsigned i = 0; i < load->idems_count; i++) {
        load_idem(m, &load->idems[i], load->wall_ms);
    }
    return 0;
}

static void sync_all(struct model *m)
{
    for (size_t i = 0; i < m->unsynced_count; i++) {
        (void)model_state_apply(&m->synced, &m->unsynced[i]->batch);
        model_batch_free(m->unsynced[i]);
    }
    m->unsynced_count = 0;
}

// The place in the write-ahead log that a commit of unknown outcome had is written over.
static void settle(struct model *m)
{
    model_batch_free(m->unknown);
    m->unknown = NULL;
    m->clean = false;
}

static uint64_t add_batch_take(struct model *m, struct model_batch *mb)
{
    if (m->unsynced_count == m->unsynced_cap) {
        m->unsynced_cap = m->unsynced_cap ? m->unsynced_cap * 2 : 64;
        m->unsynced = mem_realloc(m->unsynced, m->unsynced_cap * sizeof(struct model_batch *));
    }
    m->unsynced[m->unsynced_count++] = mb;
    return model_state_apply(&m->now, &mb->batch);
}

static int model_commit(struct store *s, struct store_batch *b)
{
    struct model *m = model_of(s);
    struct model_batch *mb = model_batch_new(b, &m->key);
    settle(m);
    b->trimmed_max = 0;
    int err = injected(m, MODEL_COMMIT);
    if (!err) {
        b->trimmed_max = add_batch_take(m, mb);
        return 0;
    }
    if (err == -E_IO) {
        m->unknown = mb;
    } else {
        model_batch_free(mb);
    }
    return err;
}

static int model_sync(struct store *s)
{
    struct model *m = model_of(s);
    int err = injected(m, MODEL_SYNC);
    m->sync_broken = m->sync_broken || err;
    if (m->sync_broken) {
        return err ? err : -E_IO;
    }
    sync_all(m);
    return 0;
}

static int model_reserve(struct store *s, uint64_t top)
{
    struct model *m = model_of(s);
    int err = injected(m, MODEL_RESERVE);
    if (err || m->sync_broken) {
        return err ? err : -E_IO;
    }
    settle(m);
    m->reserved_top = top > m->reserved_top ? top : m->reserved_top;
    sync_all(m); // what is before it in the write-ahead log goes to disk with it
    return 0;
}

static int model_save_clean(struct store *s, uint64_t last_id)
{
    struct model *m = model_of(s);
    if (m->sync_broken) {
        return -E_IO;
    }
    settle(m);
    m->clean = true;
    m->clean_id = last_id;
    sync_all(m);
    return 0;
}

// --- reading ---

static struct store_reader *model_reader_new(struct store *s)
{
    struct store_reader *r = mem_alloc(sizeof(*r));
    r->store = s;
    return r;
}

static void model_reader_free(struct store_reader *r)
{
    mem_free(r);
}

static bool on_topics(const struct event *e, const struct store_query *q)
{
    for (unsigned i = 0; i < q->topics_count; i++) {
        if (event_has_topic(e, q->topics[i])) {
            return true;
        }
    }
    return false;
}

static int put_gaps(const struct model *m, const struct store_query *q, uint64_t upto,
                    struct store_page *page)
{
    for (unsigned i = 0; i < q->topics_count; i++) {
        struct gap_told told = {.after = q->after, .upto = upto};
        for (size_t k = 0; k < m->now.gaps_count; k++) {
            if (str_eq(q->topics[i], m->now.gaps[k].topic)) {
                gap_told_add(&told, &m->now.gaps[k].row);
            }
        }
        int err = page_put_gap(page, q->topics[i], &told);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int model_read_gaps(struct store_reader *r, const struct store_query *q,
                           struct store_page *page)
{
    struct model *m = model_of(r->store);
    int err = injected(m, MODEL_READ);
    return err ? err : put_gaps(m, q, q->upto, page);
}

// The first event with an id above this one.
static size_t first_after(const struct model *m, uint64_t id)
{
    size_t low = 0, high = m->now.events_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->now.events[middle]->id <= id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int read_backward(const struct model *m, struct page_fill *fill)
{
    const struct store_query *q = fill->query;
    for (size_t i = first_after(m, q->before - 1); i-- > 0;) {
        struct event *e = m->now.events[i];
        if (e->id <= q->after) {
            break;
        }
        if (!on_topics(e, q)) {
            continue;
        }
        if (!page_has_room(fill, e)) {
            fill->page->more = true;
            break;
        }
        int err = page_put_take(fill, event_ref(e));
        if (err) {
            return err;
        }
    }
    page_reverse(fill->page);
    return 0;
}

static int read_forward(const struct model *m, struct page_fill *fill)
{
    const struct store_query *q = fill->query;
    fill->page->examined = q->upto;
    for (size_t i = first_after(m, q->after); i < m->now.events_count; i++) {
        struct event *e = m->now.events[i];
        if (e->id > q->upto) {
            break;
        }
        if (!on_topics(e, q)) {
            continue;
        }
        if (!page_has_room(fill, e)) {
            fill->page->examined = e->id - 1;
            break;
        }
        int err = page_put_take(fill, event_ref(e));
        if (err) {
            return err;
        }
    }
    return put_gaps(m, q, fill->page->examined, fill->page);
}

static int model_read(struct store_reader *r, const struct store_query *q, struct store_page *page)
{
    struct model *m = model_of(r->store);
    struct page_fill fill = {.query = q, .page = page};
    int err = injected(m, MODEL_READ);
    if (err) {
        return err;
    }
    return q->backward ? read_backward(m, &fill) : read_forward(m, &fill);
}

static int model_read_lines(struct store_reader *r, const struct store_lines_query *q,
                            struct store_lines *ret)
{
    struct model *m = model_of(r->store);
    int err = injected(m, MODEL_READ);
    const struct job *j = model_state_row(&m->now, q->kind, q->id, q->attempt);
    if (err || !j) {
        return err;
    }
    ret->attempt = j->attempt;
    struct lines_fill fill;
    for (size_t i = 0; i < m->now.events_count; i++) {
        const struct event *e = m->now.events[i];
        if (model_state_is_log_of(e, q->kind, q->id, ret->attempt)) {
            ret->first_kept = ret->first_kept ? ret->first_kept : e->line;
            ret->last = e->line + e->lines - 1;
        }
    }
    err = lines_start(&fill, q, ret);
    for (size_t i = 0; i < m->now.events_count && !err && !fill.full; i++) {
        const struct event *e = m->now.events[i];
        if (model_state_is_log_of(e, q->kind, q->id, ret->attempt)) {
            err = lines_put(&fill, e->type, e->data, e->wall_ms);
        }
    }
    return err;
}

static int newest_first(const void *a, const void *b)
{
    const struct job *x = *(struct job *const *)a, *y = *(struct job *const *)b;
    if (x->created_ms != y->created_ms) {
        return x->created_ms < y->created_ms ? 1 : -1;
    }
    return str_cmp(str_of(y->id), str_of(x->id));
}

static int model_read_jobs(struct store_reader *r, const struct store_jobs_query *q,
                           struct store_jobs *ret)
{
    struct model *m = model_of(r->store);
    struct jobs_mark after;
    int err = injected(m, MODEL_READ);
    err = err ? err : jobs_mark_parse(q->after, &after);
    if (err) {
        return err;
    }
    struct job **all = mem_calloc(m->now.rows_count + 1, sizeof(struct job *));
    unsigned count = 0;
    for (size_t i = 0; i < m->now.rows_count; i++) {
        struct job *j = m->now.rows[i];
        if (j->kind == q->kind && model_state_row(&m->now, j->kind, str_of(j->id), 0) == j &&
            (!q->status.p || str_is(q->status, job_status_text(j))) &&
            jobs_mark_before(&after, j)) {
            all[count++] = j;
        }
    }
    qsort(all, count, sizeof(struct job *), newest_first);
    ret->jobs = mem_calloc(q->limit + 1, sizeof(struct job *));
    for (; ret->count < count && ret->count < q->limit; ret->count++) {
        ret->jobs[ret->count] = job_ref(all[ret->count]);
    }
    if (ret->count < count && ret->count) {
        jobs_mark_put(ret, ret->jobs[ret->count - 1]);
    }
    mem_free(all);
    return 0;
}

static int model_read_job(struct store_reader *r, enum job_kind kind, struct str id,
                          uint32_t attempt, struct job **ret)
{
    struct model *m = model_of(r->store);
    int err = injected(m, MODEL_READ);
    if (!err) {
        struct job *j = model_state_row(&m->now, kind, id, attempt);
        *ret = j ? job_ref(j) : NULL;
    }
    return err;
}

static int model_read_open(struct store_reader *r, bool (*fn)(void *ctx, struct job *borrowed),
                           void *ctx)
{
    model_state_each_open(&model_of(r->store)->now, fn, ctx);
    return 0;
}

static int model_read_revocations(struct store_reader *r, uint64_t after, int64_t wall_ms,
                                  bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                                  void *ctx)
{
    struct model *m = model_of(r->store);
    int err = injected(m, MODEL_READ);
    if (!err) {
        model_state_each_revocation(&m->now, after, wall_ms, fn, ctx);
    }
    return err;
}

static int model_read_recalls(struct store_reader *r,
                              bool (*fn)(void *ctx, const struct store_recall *borrowed), void *ctx)
{
    model_state_each_recall(&model_of(r->store)->now, fn, ctx);
    return 0;
}

// --- upkeep ---

static struct model_task *propose(struct store_task **list, enum model_task_what what,
                                  int64_t cutoff_ms)
{
    struct model_task *t = mem_alloc(sizeof(*t));
    t->what = what;
    t->cutoff_ms = cutoff_ms;
    t->base.next = *list;
    *list = &t->base;
    return t;
}

static void set_job(struct model_task *t, enum job_kind kind, const char *id, uint32_t attempt)
{
    t->kind = kind;
    t->attempt = attempt;
    (void)snprintf(t->id, sizeof(t->id), "%s", id);
}

static void propose_for_rows(const struct model_state *st, struct store_task **list,
                             int64_t cutoff_ms, uint64_t bytes_max)
{
    for (size_t i = 0; i < st->rows_count; i++) {
        const struct job *j = st->rows[i];
        if (!job_is_open(j) && j->updated_ms < cutoff_ms) {
            set_job(propose(list, MODEL_TASK_ROWS, cutoff_ms), j->kind, j->id, j->attempt);
            return; // one at a time
        }
        uint64_t bytes = 0;
        for (size_t k = 0; k < st->events_count; k++) {
            const struct event *e = st->events[k];
            bool of = model_state_is_log_of(e, j->kind, str_of(j->id), j->attempt);
            bytes += of ? e->data.len : 0;
        }
        if (bytes > bytes_max) {
            struct model_task *t = propose(list, MODEL_TASK_QUOTA, 0);
            set_job(t, j->kind, j->id, j->attempt);
            t->bytes = bytes_max;
        }
    }
}

static void find_kept(const struct model_state *st, const struct store_policy *policy,
                      struct model_task *t)
{
    char name[LIMIT_TOPIC_BYTES + 1];
    for (unsigned i = 0; i < policy->retained_count; i++) {
        int len = snprintf(name, sizeof(name), "channel:%.*s", STR_ARG(policy->retained[i]));
        for (size_t k = st->events_count; k-- > 0;) {
            if (event_has_topic(st->events[k], str_make(name, (size_t)len))) {
                t->kept[t->kept_count++] = st->events[k]->id;
                break;
            }
        }
    }
}

static struct store_task *model_plan(struct store_reader *r, int64_t wall_ms,
                                     const struct store_policy *policy)
{
    const struct model_state *st = &model_of(r->store)->now;
    struct store_task *list = NULL;
    int64_t cutoff_ms = wall_ms - policy->retention_ms;
    struct model_task age = {.what = MODEL_TASK_AGE, .cutoff_ms = cutoff_ms};
    find_kept(st, policy, &age);
    for (size_t i = 0; i < st->events_count && !list; i++) {
        if (model_task_takes(&age, st->events[i])) {
            age.base = propose(&list, MODEL_TASK_AGE, cutoff_ms)->base;
            *CONTAINER_OF(list, struct model_task, base) = age;
        }
    }
    propose_for_rows(st, &list, cutoff_ms, policy->job_log_bytes);
    for (size_t i = 0; i < st->idems_count; i++) {
        if (st->idems[i].row.expires_wall_ms <= wall_ms) {
            (void)propose(&list, MODEL_TASK_IDEMS, wall_ms);
            break;
        }
    }
    for (size_t i = 0; i < st->revocations_count; i++) {
        if (st->revocations[i].row.until_ms <= wall_ms) {
            (void)propose(&list, MODEL_TASK_REVOCATIONS, wall_ms);
            break;
        }
    }
    return list;
}

static void model_tasks_free(struct store_task *t)
{
    while (t) {
        struct store_task *next = t->next;
        mem_free(CONTAINER_OF(t, struct model_task, base));
        t = next;
    }
}

static int model_checkpoint(struct store_reader *r)
{
    struct model *m = model_of(r->store);
    if (m->sync_broken) {
        sync_all(m);
        m->sync_broken = false;
    }
    return 0;
}

// --- life ---

static void drop_unsynced(struct model *m)
{
    for (size_t i = 0; i < m->unsynced_count; i++) {
        model_batch_free(m->unsynced[i]);
    }
    m->unsynced_count = 0;
}

static void model_free(struct store *s)
{
    struct model *m = model_of(s);
    drop_unsynced(m);
    mem_free(m->unsynced);
    model_batch_free(m->unknown);
    model_state_fini(&m->now);
    model_state_fini(&m->synced);
    mem_free(m);
}

static const struct store_ops model_ops = {
    .load = model_load,
    .commit = model_commit,
    .reserve = model_reserve,
    .save_clean = model_save_clean,
    .sync = model_sync,
    .reader_new = model_reader_new,
    .reader_free = model_reader_free,
    .read = model_read,
    .read_lines = model_read_lines,
    .read_jobs = model_read_jobs,
    .read_job = model_read_job,
    .read_open = model_read_open,
    .read_revocations = model_read_revocations,
    .read_recalls = model_read_recalls,
    .read_gaps = model_read_gaps,
    .plan = model_plan,
    .tasks_free = model_tasks_free,
    .checkpoint = model_checkpoint,
    .free = model_free,
};

static uint64_t new_epoch(struct model *m)
{
    return rng_next(&m->epochs) >> 1 | 1;
}

static void tell(const struct model *m, struct store_info *info)
{
    *info = (struct store_info){.epoch = m->epoch,
                                .reserved_top = m->reserved_top,
                                .visible = m->clean ? m->clean_id : m->reserved_top,
                                .trimmed_max = m->now.trimmed_max,
                                .clean = m->clean};
}

struct store *store_model_new(const struct hash_key *key, uint64_t seed, struct store_info *info)
{
    struct model *m = mem_alloc(sizeof(*m));
    m->base.ops = &model_ops;
    m->key = *key;
    model_state_init(&m->now, key);
    model_state_init(&m->synced, key);
    rng_init(&m->epochs, seed);
    m->epoch = new_epoch(m);
    tell(m, info);
    return &m->base;
}

void store_model_crash(struct store *s, bool power_loss, struct rng *rng, struct store_info *info)
{
    struct model *m = model_of(s);
    if (m->unknown && rng_below(rng, 2)) {
        (void)add_batch_take(m, m->unknown);
        m->unknown = NULL;
    }
    model_batch_free(m->unknown);
    m->unknown = NULL;
    if (power_loss) {
        size_t kept = (size_t)rng_below(rng, m->unsynced_count + 1);
        for (size_t i = 0; i < kept; i++) {
            (void)model_state_apply(&m->synced, &m->unsynced[i]->batch);
        }
        drop_unsynced(m);
        model_state_fini(&m->now);
        model_state_copy(&m->now, &m->synced);
        m->epoch = m->clean ? m->epoch : new_epoch(m);
    }
    m->sync_broken = false;
    memset(m->fail, 0, sizeof(m->fail));
    tell(m, info);
    m->clean = false;
}

void store_model_fail(struct store *s, enum model_call call, int err)
{
    model_of(s)->fail[call] = err;
}
