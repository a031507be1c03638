// SPDX-License-Identifier: MIT
// The store on disk: pages of events. Each topic has a few sources (rows of one job, of one kind,
// chunks of a log, …), each in order of ids. From each some rows are taken; what is complete in all
// of them is sorted and given out.
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/topic.h"
#include "store/chunk.h"
#include "store/page.h"
#include "store/sqlite_int.h"

// Rows of one source looked at for one page.
#define SOURCE_ROWS_MAX 2000

struct collecting {
    const struct store_query *query;
    const struct hash_key *key;
    struct db *db;
    struct event **events; // one reference each, unsorted, perhaps twice
    size_t count, cap;
    size_t bytes;   // taken from the source under way
    uint64_t bound; // forward: complete up to here; backward: complete above here
};

// --- rows as events ---

static int make(const struct event_init *init, const struct hash_key *key, struct event **ret)
{
    if (!event_init_valid(init)) {
        return -E_IO; // damaged
    }
    *ret = event_try_new(init, key);
    return *ret ? 0 : -E_NO_MEMORY;
}

int sqlite_row_event(sqlite3_stmt *s, const struct hash_key *key, struct event **ret)
{
    struct event_init init = {.id = (uint64_t)sqlite3_column_int64(s, 0),
                              .wall_ms = sqlite3_column_int64(s, 1),
                              .kind = (enum job_kind)sqlite3_column_int(s, 2),
                              .attempt = (uint32_t)sqlite3_column_int64(s, 3),
                              .type = column_str(s, 4),
                              .owner = column_str(s, 5),
                              .project = column_str(s, 6),
                              .data = column_str(s, 7),
                              .job_id = column_str(s, 8),
                              .scope = SCOPE_ALL};
    return init.kind < KIND_NR ? make(&init, key, ret) : -E_IO;
}

static int each_of(struct str bytes, struct event_init base, const struct hash_key *key,
                   int (*fn)(void *ctx, struct event *taken), void *ctx)
{
    struct chunk_iter it;
    if (!chunk_open(&it, bytes)) {
        return -E_IO;
    }
    for (;;) {
        struct event_init init = base;
        struct event *e;
        int more = chunk_next(&it, &init);
        if (more <= 0) {
            return more;
        }
        int err = make(&init, key, &e);
        err = err ? err : fn(ctx, e);
        if (err) {
            return err;
        }
    }
}

int sqlite_row_log(sqlite3_stmt *s, const struct hash_key *key,
                   int (*fn)(void *ctx, struct event *taken), void *ctx)
{
    struct event_init base = {.kind = (enum job_kind)sqlite3_column_int(s, 3),
                              .attempt = (uint32_t)sqlite3_column_int64(s, 4),
                              .owner = column_str(s, 5),
                              .project = column_str(s, 6),
                              .job_id = column_str(s, 8),
                              .scope = SCOPE_ALL};
    return base.kind < KIND_NR ? each_of(column_str(s, 7), base, key, fn, ctx) : -E_IO;
}

int sqlite_row_chunk(sqlite3_stmt *s, int column, const struct hash_key *key,
                     int (*fn)(void *ctx, struct event *taken), void *ctx)
{
    return each_of(column_str(s, column), (struct event_init){.kind = KIND_NONE}, key, fn, ctx);
}

// --- collecting ---

static bool on_topics(const struct event *e, const struct store_query *q)
{
    for (unsigned i = 0; i < q->topics_count; i++) {
        if (event_has_topic(e, q->topics[i])) {
            return true;
        }
    }
    return false;
}

static int collect(void *ctx, struct event *e)
{
    struct collecting *c = ctx;
    const struct store_query *q = c->query;
    bool in =
        e->id > q->after && (q->backward ? e->id < q->before : e->id <= q->upto) && on_topics(e, q);
    if (!in) {
        event_unref(e);
        return 0;
    }
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        struct event **grown = mem_try_realloc(c->events, cap * sizeof(*grown));
        if (!grown) {
            event_unref(e);
            return -E_NO_MEMORY;
        }
        c->events = grown;
        c->cap = cap;
    }
    c->events[c->count++] = e;
    c->bytes += event_bytes(e);
    return 0;
}

// What one kind of source's rows are.
enum source_rows { ROWS_EVENT, ROWS_LOG, ROWS_CHUNK };

static int take_row(struct collecting *c, sqlite3_stmt *s, enum source_rows rows)
{
    switch (rows) {
    case ROWS_EVENT: {
        struct event *e;
        int err = sqlite_row_event(s, c->key, &e);
        return err ? err : collect(c, e);
    }
    case ROWS_LOG:
        return sqlite_row_log(s, c->key, collect, c);
    case ROWS_CHUNK:
        return sqlite_row_chunk(s, 3, c->key, collect, c);
    }
    UNREACHABLE();
}

// Rows come by their highest id. Chunks of one commit may interleave, so a source is left only
// between commits: all that was not taken is then at or above the next one's batch. Backward: what
// was not taken is at or below the next one's last.
static int take_source(struct collecting *c, enum statement which, enum source_rows rows)
{
    const struct store_query *q = c->query;
    sqlite3_stmt *s = db_use(c->db, which);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 2, (int64_t)q->after);
    (void)sqlite3_bind_int64(s, 3, (int64_t)(q->backward ? q->before : q->upto));
    int err = 0, rc;
    uint64_t batch = 0;
    unsigned taken = 0;
    c->bytes = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && !err) {
        uint64_t next_batch = (uint64_t)sqlite3_column_int64(s, 0);
        uint64_t next_last = rows == ROWS_EVENT ? next_batch : (uint64_t)sqlite3_column_int64(s, 2);
        bool enough = taken >= SOURCE_ROWS_MAX || c->bytes > q->bytes_max || taken > q->count_max;
        if (enough && (q->backward || next_batch != batch)) {
            uint64_t bound = q->backward ? next_last : next_batch - 1;
            bool tighter = q->backward ? bound > c->bound : bound < c->bound;
            c->bound = tighter ? bound : c->bound;
            rc = SQLITE_DONE;
            break;
        }
        batch = next_batch;
        taken++;
        err = take_row(c, s, rows);
    }
    db_done(s);
    return err ? err : db_error(rc);
}

static int take_by(struct collecting *c, enum statement forward, enum statement backward,
                   enum source_rows rows, int64_t number, struct str text)
{
    enum statement which = c->query->backward ? backward : forward;
    sqlite3_stmt *s = db_use(c->db, which);
    if (!s) {
        return -E_IO;
    }
    if (text.p) {
        bind_str(s, 1, text);
    } else {
        (void)sqlite3_bind_int64(s, 1, number);
    }
    return take_source(c, which, rows);
}

static int take_job(struct collecting *c, enum job_kind kind, struct str id)
{
    int64_t ref = db_ref(c->db, kind, id);
    if (ref <= 0) {
        return (int)ref;
    }
    int err = take_by(c, S_F_EVENT_JOB, S_B_EVENT_JOB, ROWS_EVENT, ref, STR_NONE);
    return err ? err : take_by(c, S_F_LOG_JOB, S_B_LOG_JOB, ROWS_LOG, ref, STR_NONE);
}

static int take_kind(struct collecting *c, enum job_kind kind, bool events, bool logs)
{
    int err = 0;
    if (events) {
        err = take_by(c, S_F_EVENT_KIND, S_B_EVENT_KIND, ROWS_EVENT, (int64_t)kind, STR_NONE);
    }
    if (!err && logs) {
        err = take_by(c, S_F_LOG_KIND, S_B_LOG_KIND, ROWS_LOG, (int64_t)kind, STR_NONE);
    }
    return err;
}

static int take_user(struct collecting *c, struct str user)
{
    int err = take_by(c, S_F_EVENT_OWNER, S_B_EVENT_OWNER, ROWS_EVENT, 0, user);
    return err ? err : take_by(c, S_F_LOG_OWNER, S_B_LOG_OWNER, ROWS_LOG, 0, user);
}

static int take_type(struct collecting *c, struct str type)
{
    enum event_type t = event_type_parse(type);
    int err = 0;
    if (t == EVENT_TYPE_DEPLOYMENT_LOGS_UPDATE || t == EVENT_TYPE_TICKET_LOG ||
        t == EVENT_TYPE_JOB_LOG) {
        err = take_kind(c, event_type_family(t), false, true);
    }
    return err ? err : take_by(c, S_F_EVENT_TYPE, S_B_EVENT_TYPE, ROWS_EVENT, 0, type);
}

static int take_topic(struct collecting *c, struct str topic)
{
    struct str id, text = STR_NONE;
    enum job_kind kind = topic_one_job(topic, &id);
    int err = 0;
    if (kind != KIND_NONE) {
        err = take_job(c, kind, id);
    }
    for (unsigned k = 0; k < KIND_NR && !err; k++) {
        if (str_is(topic, kind_wide((enum job_kind)k))) {
            err = take_kind(c, (enum job_kind)k, true, k != KIND_BUILD);
        }
    }
    if (!err && str_starts(topic, STR("event:"))) {
        text = str_from(topic, 6);
        err = take_type(c, text);
    } else if (!err && str_starts(topic, STR("user:"))) {
        err = take_user(c, str_from(topic, 5));
    } else if (!err && str_starts(topic, STR("project:"))) {
        err = take_by(c, S_F_EVENT_PROJECT, S_B_EVENT_PROJECT, ROWS_EVENT, 0, str_from(topic, 8));
    }
    int64_t t = err ? err : db_topic(c->db, topic);
    return t > 0 ? take_by(c, S_F_CHUNK, S_B_CHUNK, ROWS_CHUNK, t, STR_NONE) : (int)t;
}

// --- giving out ---

static int by_id(const void *a, const void *b)
{
    const struct event *x = *(struct event *const *)a, *y = *(struct event *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int give_forward(struct collecting *c, struct store_page *page)
{
    struct page_fill fill = {.query = c->query, .page = page};
    page->examined = c->bound;
    for (size_t i = 0; i < c->count; i++) {
        struct event *e = c->events[i];
        if (e->id > c->bound || (i > 0 && c->events[i - 1]->id == e->id)) {
            continue;
        }
        if (!page_has_room(&fill, e)) {
            page->examined = e->id - 1;
            return 0;
        }
        int err = page_put_take(&fill, event_ref(e));
        if (err) {
            return err;
        }
    }
    return 0;
}

static int give_backward(struct collecting *c, struct store_page *page)
{
    struct page_fill fill = {.query = c->query, .page = page};
    page->more = c->bound > c->query->after;
    for (size_t i = c->count; i-- > 0;) {
        struct event *e = c->events[i];
        if (e->id <= c->bound || (i + 1 < c->count && c->events[i + 1]->id == e->id)) {
            continue;
        }
        if (!page_has_room(&fill, e)) {
            page->more = true;
            break;
        }
        int err = page_put_take(&fill, event_ref(e));
        if (err) {
            return err;
        }
    }
    page_reverse(page);
    return 0;
}

int sqlite_read_gaps(struct store_reader *base, const struct store_query *q,
                     struct store_page *page)
{
    struct db *db = &sqlite_reader_of(base)->db;
    for (unsigned i = 0; i < q->topics_count; i++) {
        sqlite3_stmt *s = db_use(db, S_GAP_GET);
        if (!s) {
            return -E_IO;
        }
        bind_str(s, 1, q->topics[i]);
        (void)sqlite3_bind_int64(s, 2, (int64_t)q->after);
        (void)sqlite3_bind_int64(s, 3, (int64_t)q->upto);
        struct gap_told told = {.after = q->after, .upto = q->upto};
        int rc;
        bool good = true;
        while (good && (rc = sqlite3_step(s)) == SQLITE_ROW) {
            const struct gap_row row = {.first = (uint64_t)sqlite3_column_int64(s, 0),
                                        .last = (uint64_t)sqlite3_column_int64(s, 1),
                                        .count = (uint64_t)sqlite3_column_int64(s, 2),
                                        .bytes = (uint64_t)sqlite3_column_int64(s, 3),
                                        .reason = (enum gap_reason)sqlite3_column_int(s, 4)};
            good = row.first > 0 && row.first <= row.last && row.reason <= GAP_EPOCH;
            if (good) {
                gap_told_add(&told, &row);
            }
        }
        db_done(s);
        int err = good ? db_error(rc) : -E_IO;
        err = err ? err : page_put_gap(page, q->topics[i], &told);
        if (err) {
            return err;
        }
    }
    return 0;
}

int sqlite_read(struct store_reader *base, const struct store_query *q, struct store_page *page)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    struct collecting c = {.query = q,
                           .key = &sqlite_of(base->store)->key,
                           .db = &r->db,
                           .bound = q->backward ? q->after : q->upto};
    int err = 0;
    for (unsigned i = 0; i < q->topics_count && !err; i++) {
        err = take_topic(&c, q->topics[i]);
    }
    if (!err) {
        if (c.count) {
            qsort(c.events, c.count, sizeof(*c.events), by_id);
        }
        err = q->backward ? give_backward(&c, page) : give_forward(&c, page);
    }
    for (size_t i = 0; i < c.count; i++) {
        event_unref(c.events[i]);
    }
    mem_free(c.events);
    if (!err && !q->backward) {
        struct store_query seen = *q;
        seen.upto = page->examined;
        err = sqlite_read_gaps(base, &seen, page);
    }
    return err;
}
