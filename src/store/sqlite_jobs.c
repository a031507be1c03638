// SPDX-License-Identifier: MIT
// The store on disk: jobs, and lines of their logs.
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/lines.h"
#include "store/sqlite_int.h"

int sqlite_read_job(struct store_reader *base, enum job_kind kind, struct str id, uint32_t attempt,
                    struct job **ret)
{
    struct db *db = &sqlite_reader_of(base)->db;
    *ret = NULL;
    int64_t ref = db_ref(db, kind, id);
    if (ref <= 0) {
        return (int)ref;
    }
    sqlite3_stmt *s = db_use(db, attempt ? S_JOB_ATTEMPT : S_JOB_LATEST);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, ref);
    if (attempt) {
        (void)sqlite3_bind_int64(s, 2, attempt);
    }
    return sqlite_read_row(s, ret);
}

int sqlite_read_open(struct store_reader *base, bool (*fn)(void *ctx, struct job *borrowed),
                     void *ctx)
{
    sqlite3_stmt *s = db_use(&sqlite_reader_of(base)->db, S_JOB_OPEN);
    if (!s) {
        return -E_IO;
    }
    int rc, err = 0;
    bool more = true;
    while (more && !err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct job *j;
        err = job_decode(column_str(s, 0), &j);
        if (!err) {
            more = fn(ctx, j);
            job_unref(j);
        }
    }
    db_done(s);
    return err == -E_BAD_JSON ? -E_IO : err;
}

// --- lists ---

// `next` is "<created>-<id>" of the last one given.
static int parse_next(struct str text, int64_t *created, struct str *id)
{
    uint64_t ms;
    ptrdiff_t dash = str_chr(text, '-', 0);
    if (dash < 0 || str_to_u64(str_make(text.p, (size_t)dash), &ms) != 0) {
        return -E_BAD_REQUEST;
    }
    *created = (int64_t)ms;
    *id = str_from(text, (size_t)dash + 1);
    return 0;
}

int sqlite_read_jobs(struct store_reader *base, const struct store_jobs_query *q,
                     struct store_jobs *ret)
{
    int64_t created = INT64_MAX;
    struct str id = STR("\x7f");
    if (q->after.p && parse_next(q->after, &created, &id) != 0) {
        return -E_BAD_REQUEST;
    }
    sqlite3_stmt *s = db_use(&sqlite_reader_of(base)->db, S_JOB_LIST);
    ret->jobs = mem_try_alloc((q->limit + 1) * sizeof(struct job *));
    if (!s || !ret->jobs) {
        return s ? -E_NO_MEMORY : -E_IO;
    }
    (void)sqlite3_bind_int(s, 1, (int)q->kind);
    bind_str(s, 2, q->status);
    (void)sqlite3_bind_int64(s, 3, created);
    bind_str(s, 4, id);
    (void)sqlite3_bind_int64(s, 5, (int64_t)q->limit + 1);
    int rc = SQLITE_DONE, err = 0;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (ret->count == q->limit) {
            const struct job *last = ret->count ? ret->jobs[ret->count - 1] : NULL;
            if (last) {
                (void)snprintf(ret->next, sizeof(ret->next), "%lld-%s", (long long)last->created_ms,
                               last->id);
            }
            rc = SQLITE_DONE;
            break;
        }
        err = job_decode(column_str(s, 0), &ret->jobs[ret->count]);
        ret->count += err == 0;
    }
    db_done(s);
    err = err == -E_BAD_JSON ? -E_IO : err;
    return err ? err : db_error(rc);
}

// --- lines ---

static int latest_attempt(struct store_reader *base, const struct store_lines_query *q,
                          uint32_t *ret)
{
    struct job *j;
    int err = sqlite_read_job(base, q->kind, q->id, q->attempt, &j);
    *ret = !err && j ? j->attempt : 0;
    job_unref(j);
    return err;
}

static int put_event(void *ctx, struct event *e)
{
    struct lines_fill *fill = ctx;
    int err = fill->full ? 0 : lines_put(fill, e->type, e->data, e->wall_ms);
    event_unref(e);
    return err;
}

static int find_range(struct db *db, int64_t ref, struct store_lines *ret)
{
    sqlite3_stmt *s = db_use(db, S_LOG_RANGE);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, ref);
    (void)sqlite3_bind_int64(s, 2, ret->attempt);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        ret->first_kept = (uint32_t)sqlite3_column_int64(s, 0);
        ret->last = (uint32_t)sqlite3_column_int64(s, 1);
    }
    db_done(s);
    return db_error(rc);
}

int sqlite_read_lines(struct store_reader *base, const struct store_lines_query *q,
                      struct store_lines *ret)
{
    struct db *db = &sqlite_reader_of(base)->db;
    int64_t ref = db_ref(db, q->kind, q->id);
    int err = ref < 0 ? (int)ref : 0;
    if (!err && ref) {
        err = latest_attempt(base, q, &ret->attempt);
    }
    if (err || !ret->attempt) {
        return err;
    }
    struct lines_fill fill;
    err = find_range(db, ref, ret);
    err = err ? err : lines_start(&fill, q, ret);
    sqlite3_stmt *s = err || fill.full ? NULL : db_use(db, S_LOG_LINES);
    if (!s) {
        return err ? err : fill.full ? 0 : -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, ref);
    (void)sqlite3_bind_int64(s, 2, ret->attempt);
    (void)sqlite3_bind_int64(s, 3, fill.first);
    (void)sqlite3_bind_int64(s, 4, fill.last);
    int rc = SQLITE_DONE;
    while (!err && !fill.full && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        err = sqlite_row_log(s, &sqlite_of(base->store)->key, put_event, &fill);
    }
    db_done(s);
    return err ? err : db_error(rc);
}
