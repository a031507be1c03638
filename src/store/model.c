// SPDX-License-Identifier: MIT
// The model store: everything it was ever told, each piece marked with the batch that brought it,
// so that a loss of power can take the last batches back.
#include "store/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/topic.h"
#include "store/lines.h"
#include "store/page.h"

struct model_event {
    uint64_t batch;
    struct event *event;
};

// A job's row as one batch left it; `gone`: removed by it.
struct model_row {
    uint64_t batch;
    struct job *job;
    bool gone;
};

struct model_idem {
    uint64_t batch;
    char *scope, *key, *answer;
    uint8_t hash[32];
    int64_t expires_wall_ms;
};

struct model_gap {
    uint64_t batch;
    char *topic;
    struct gap_row row;
};

#define TABLE(type)                                                                                \
    struct {                                                                                       \
        type *p;                                                                                   \
        size_t count, cap;                                                                         \
    }

struct model {
    struct store base;
    struct hash_key key;
    struct rng epochs;
    uint64_t epoch, reserved_top, clean_id;
    bool clean;
    uint64_t batch, synced; // the last one committed, and the last one on disk
    TABLE(struct model_event) events;
    TABLE(struct model_row) rows;
    TABLE(struct model_idem) idems;
    TABLE(struct model_gap) gaps;
};

#define PUT(table, item)                                                                           \
    do {                                                                                           \
        if ((table)->count == (table)->cap) {                                                      \
            (table)->cap = (table)->cap ? (table)->cap * 2 : 64;                                   \
            (table)->p = mem_realloc((table)->p, (table)->cap * sizeof(*(table)->p));              \
        }                                                                                          \
        (table)->p[(table)->count++] = item;                                                       \
    } while (0)

static struct model *model_of(struct store *s)
{
    return (struct model *)(void *)s;
}

static const struct job *latest(const struct model *m, enum job_kind kind, struct str id,
                                uint32_t attempt)
{
    for (size_t i = m->rows.count; i-- > 0;) {
        const struct model_row *r = &m->rows.p[i];
        if (r->job->kind != kind || !str_is(id, r->job->id)) {
            continue;
        }
        if (r->gone) {
            return NULL;
        }
        if (attempt == 0 || r->job->attempt == attempt) {
            return r->job;
        }
    }
    return NULL;
}

// --- writing
// -------------------------------------------------------------------------------------------------------

static int model_load(struct store *s, struct store_load *load)
{
    struct model *m = model_of(s);
    for (unsigned i = 0; i < load->jobs_count; i++) {
        const struct job *j = latest(m, load->jobs[i].kind, load->jobs[i].id, 0);
        // Through its stored form, as it would come from a disk.
        load->jobs[i].job = NULL;
        if (j) {
            struct buf b;
            buf_init(&b, SIZE_MAX);
            job_encode(&b, j);
            int err = b.failed ? -E_NO_MEMORY : job_decode(buf_str(&b), &load->jobs[i].job);
            buf_fini(&b);
            ASSERT(err == 0);
        }
    }
    for (unsigned i = 0; i < load->idems_count; i++) {
        struct store_load_idem *want = &load->idems[i];
        for (size_t k = 0; k < m->idems.count; k++) {
            const struct model_idem *row = &m->idems.p[k];
            if (str_is(want->scope, row->scope) && str_is(want->key, row->key) &&
                row->expires_wall_ms > load->wall_ms) {
                want->found = true;
                want->row = (struct store_idem){.scope = want->scope,
                                                .key = want->key,
                                                .expires_wall_ms = row->expires_wall_ms};
                memcpy(want->row.body_hash, row->hash, sizeof(row->hash));
                want->row.answer = arena_try_copy(want->arena, str_of(row->answer));
                ASSERT(want->row.answer.p);
            }
        }
    }
    return 0;
}

static void remove_job(struct model *m, enum job_kind kind, struct str id, uint64_t *ret_max)
{
    struct gap_set gone;
    gap_set_init(&gone, &m->key);
    size_t kept = 0;
    for (size_t i = 0; i < m->events.count; i++) {
        struct event *e = m->events.p[i].event;
        if (e->kind == kind && str_eq(e->job_id, id)) {
            int err = gap_set_add_event(&gone, e, GAP_RETENTION);
            ASSERT(err == 0);
            *ret_max = e->id > *ret_max ? e->id : *ret_max;
            event_unref(e);
        } else {
            m->events.p[kept++] = m->events.p[i];
        }
    }
    m->events.count = kept;
    struct gap_note *note;
    for (size_t i = 0; (note = map_next(&gone.map, &i));) {
        PUT(&m->gaps, ((struct model_gap){
                          .batch = m->batch, .topic = mem_strdup(note->topic), .row = note->row}));
    }
    gap_set_fini(&gone);
}

static int model_commit(struct store *s, struct store_batch *b)
{
    struct model *m = model_of(s);
    m->batch++;
    m->clean = false;
    b->trimmed_max = 0;
    for (unsigned i = 0; i < b->removes_count; i++) {
        remove_job(m, b->removes[i].kind, b->removes[i].id, &b->trimmed_max);
        struct model_row row = {
            .batch = m->batch, .job = job_new(b->removes[i].kind, b->removes[i].id), .gone = true};
        PUT(&m->rows, row);
    }
    for (unsigned i = 0; i < b->events_count; i++) {
        PUT(&m->events,
            ((struct model_event){.batch = m->batch, .event = event_ref(b->events[i])}));
    }
    for (unsigned i = 0; i < b->jobs_count; i++) {
        PUT(&m->rows, ((struct model_row){.batch = m->batch, .job = job_ref(b->jobs[i])}));
    }
    for (unsigned i = 0; i < b->idems_count; i++) {
        const struct store_idem *row = &b->idems[i];
        struct model_idem copy = {.batch = m->batch,
                                  .scope = mem_strdup(row->scope),
                                  .key = mem_strdup(row->key),
                                  .answer = mem_strdup(row->answer),
                                  .expires_wall_ms = row->expires_wall_ms};
        memcpy(copy.hash, row->body_hash, sizeof(copy.hash));
        PUT(&m->idems, copy);
    }
    return 0;
}

static int model_reserve(struct store *s, uint64_t top)
{
    struct model *m = model_of(s);
    m->reserved_top = top > m->reserved_top ? top : m->reserved_top;
    m->synced = m->batch; // what is before it in the write-ahead log goes to disk with it
    return 0;
}

static int model_save_clean(struct store *s, uint64_t last_id)
{
    struct model *m = model_of(s);
    m->clean = true;
    m->clean_id = last_id;
    m->synced = m->batch;
    return 0;
}

static int model_sync(struct store *s)
{
    struct model *m = model_of(s);
    m->synced = m->batch;
    return 0;
}

// --- reading
// -------------------------------------------------------------------------------------------------------

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

static int model_read_gaps(struct store_reader *r, const struct store_query *q,
                           struct store_page *page)
{
    const struct model *m = model_of(r->store);
    for (unsigned i = 0; i < q->topics_count; i++) {
        struct gap_told told = {.after = q->after, .upto = q->upto};
        for (size_t k = 0; k < m->gaps.count; k++) {
            if (str_is(q->topics[i], m->gaps.p[k].topic)) {
                gap_told_add(&told, &m->gaps.p[k].row);
            }
        }
        int err = page_put_gap(page, q->topics[i], &told);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int read_backward(const struct model *m, struct page_fill *fill)
{
    const struct store_query *q = fill->query;
    for (size_t i = m->events.count; i-- > 0;) {
        struct event *e = m->events.p[i].event;
        if (e->id >= q->before || e->id <= q->after || !on_topics(e, q)) {
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

static int model_read(struct store_reader *r, const struct store_query *q, struct store_page *page)
{
    const struct model *m = model_of(r->store);
    struct page_fill fill = {.query = q, .page = page};
    if (q->backward) {
        return read_backward(m, &fill);
    }
    page->examined = q->upto;
    for (size_t i = 0; i < m->events.count; i++) {
        struct event *e = m->events.p[i].event;
        if (e->id <= q->after || e->id > q->upto || !on_topics(e, q)) {
            continue;
        }
        if (!page_has_room(&fill, e)) {
            page->examined = e->id - 1;
            break;
        }
        int err = page_put_take(&fill, event_ref(e));
        if (err) {
            return err;
        }
    }
    struct store_query seen = *q;
    seen.upto = page->examined;
    return model_read_gaps(r, &seen, page);
}

static int model_read_lines(struct store_reader *r, const struct store_lines_query *q,
                            struct store_lines *ret)
{
    const struct model *m = model_of(r->store);
    const struct job *j = latest(m, q->kind, q->id, q->attempt);
    ret->attempt = j ? j->attempt : 0;
    struct lines_fill fill;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; j && i < m->events.count; i++) {
            const struct event *e = m->events.p[i].event;
            if (!(e->flags & EVENT_LOG) || e->kind != q->kind || e->attempt != j->attempt ||
                !str_eq(e->job_id, q->id)) {
                continue;
            }
            if (pass == 0) {
                ret->first_kept = ret->first_kept ? ret->first_kept : e->line;
                ret->last = e->line + e->lines - 1;
            } else if (!fill.full) {
                int err = lines_put(&fill, e->type, e->data, e->wall_ms);
                if (err) {
                    return err;
                }
            }
        }
        if (pass == 0) {
            int err = lines_start(&fill, q, ret);
            if (err) {
                return err;
            }
        }
    }
    return 0;
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
    const struct model *m = model_of(r->store);
    struct job **all = mem_calloc(m->rows.count + 1, sizeof(struct job *));
    unsigned count = 0;
    for (size_t i = 0; i < m->rows.count; i++) {
        struct job *j = m->rows.p[i].job;
        if (j->kind == q->kind && latest(m, j->kind, str_of(j->id), 0) == j &&
            (!q->status.p || str_is(q->status, job_status_text(j)))) {
            all[count++] = j;
        }
    }
    qsort(all, count, sizeof(struct job *), newest_first);
    ret->jobs = mem_calloc(q->limit + 1, sizeof(struct job *));
    bool begun = !q->after.p;
    for (unsigned i = 0; i < count; i++) {
        char mark[160];
        (void)snprintf(mark, sizeof(mark), "%lld-%s", (long long)all[i]->created_ms, all[i]->id);
        if (begun && ret->count == q->limit) {
            (void)snprintf(ret->next, sizeof(ret->next), "%lld-%s",
                           (long long)ret->jobs[ret->count - 1]->created_ms,
                           ret->jobs[ret->count - 1]->id);
            break;
        }
        if (begun) {
            ret->jobs[ret->count++] = job_ref(all[i]);
        }
        begun = begun || str_is(q->after, mark);
    }
    mem_free(all);
    return 0;
}

static int model_read_job(struct store_reader *r, enum job_kind kind, struct str id,
                          uint32_t attempt, struct job **ret)
{
    const struct job *j = latest(model_of(r->store), kind, id, attempt);
    *ret = j ? job_ref((struct job *)(uintptr_t)j) : NULL;
    return 0;
}

static int model_read_open(struct store_reader *r, bool (*fn)(void *ctx, struct job *borrowed),
                           void *ctx)
{
    struct model *m = model_of(r->store);
    for (size_t i = 0; i < m->rows.count; i++) {
        struct job *j = m->rows.p[i].job;
        if (!m->rows.p[i].gone && job_is_open(j) && latest(m, j->kind, str_of(j->id), 0) == j) {
            struct job *copy = job_copy(j);
            ASSERT(copy);
            bool more = fn(ctx, copy);
            job_unref(copy);
            if (!more) {
                break;
            }
        }
    }
    return 0;
}

static struct store_task *model_plan(struct store_reader *r, int64_t wall_ms,
                                     const struct store_policy *policy)
{
    (void)r;
    (void)wall_ms;
    (void)policy;
    return NULL; // it keeps everything
}

static void model_tasks_free(struct store_task *t)
{
    ASSERT(!t);
}

static int model_checkpoint(struct store_reader *r)
{
    (void)r;
    return 0;
}

// --- life
// ------------------------------------------------------------------------------------------------------------

static void idem_fini(struct model_idem *row)
{
    mem_free(row->scope);
    mem_free(row->key);
    mem_free(row->answer);
}

// Takes back everything that later batches brought. Removes are not undone: nobody is owed what was
// deleted.
static void roll_back(struct model *m, uint64_t batch)
{
    while (m->events.count && m->events.p[m->events.count - 1].batch > batch) {
        event_unref(m->events.p[--m->events.count].event);
    }
    while (m->rows.count && m->rows.p[m->rows.count - 1].batch > batch) {
        job_unref(m->rows.p[--m->rows.count].job);
    }
    while (m->idems.count && m->idems.p[m->idems.count - 1].batch > batch) {
        idem_fini(&m->idems.p[--m->idems.count]);
    }
    m->batch = m->synced = batch;
}

static void model_free(struct store *s)
{
    struct model *m = model_of(s);
    for (size_t i = 0; i < m->gaps.count; i++) {
        mem_free(m->gaps.p[i].topic);
    }
    roll_back(m, 0);
    mem_free(m->events.p);
    mem_free(m->rows.p);
    mem_free(m->idems.p);
    mem_free(m->gaps.p);
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
    .read_gaps = model_read_gaps,
    .plan = model_plan,
    .tasks_free = model_tasks_free,
    .checkpoint = model_checkpoint,
    .free = model_free,
};

static void tell(const struct model *m, struct store_info *info)
{
    *info = (struct store_info){.epoch = m->epoch,
                                .reserved_top = m->reserved_top,
                                .clean = m->clean,
                                .visible = m->clean ? m->clean_id : m->reserved_top};
    for (size_t i = 0; i < m->gaps.count; i++) {
        uint64_t last = m->gaps.p[i].row.last;
        info->trimmed_max = last > info->trimmed_max ? last : info->trimmed_max;
    }
}

struct store *store_model_new(const struct hash_key *key, uint64_t seed, struct store_info *info)
{
    struct model *m = mem_alloc(sizeof(*m));
    m->base.ops = &model_ops;
    m->key = *key;
    rng_init(&m->epochs, seed);
    m->epoch = rng_next(&m->epochs);
    tell(m, info);
    return &m->base;
}

void store_model_crash(struct store *s, bool power_loss, struct rng *rng, struct store_info *info)
{
    struct model *m = model_of(s);
    if (power_loss) {
        roll_back(m, m->synced + rng_below(rng, m->batch - m->synced + 1));
        m->epoch = rng_next(&m->epochs);
    }
    tell(m, info);
}
