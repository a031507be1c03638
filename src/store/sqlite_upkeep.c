// SPDX-License-Identifier: MIT
// The store on disk: what goes away, and the gap that is written in the same transaction for each
// topic it was on. A reader proposes, a batch of the writer's carries out: a few rows at a time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/page.h"
#include "store/sqlite_int.h"

// Below this the write-ahead log is left alone.
#define CHECKPOINT_BYTES (4 << 20)
#define CHUNKS_AT_ONCE   16

enum task_what {
    TASK_EVENTS,
    TASK_LOGS,
    TASK_CHUNKS,
    TASK_QUOTA,
    TASK_JOB,
    TASK_IDEMS,
    TASK_REVOCATIONS
};

struct task {
    struct store_task base;
    enum task_what what;
    int64_t upto; // id or rowid
    int64_t ref, attempt;
    int64_t wall_ms;
    enum job_kind kind;
    char id[LIMIT_ID_BYTES + 1];
    int64_t *kept; // rows that stay, rising; owned, NULL: none
    unsigned kept_count;
};

static struct task *task_of(struct store_task *t)
{
    return CONTAINER_OF(t, struct task, base);
}

// --- proposing ---

static int64_t ask_int(struct db *db, enum statement which, int64_t a, int64_t b)
{
    sqlite3_stmt *s = db_use(db, which);
    if (!s) {
        return 0;
    }
    int params = sqlite3_bind_parameter_count(s);
    if (params > 0) {
        (void)sqlite3_bind_int64(s, 1, a);
    }
    if (params > 1) {
        (void)sqlite3_bind_int64(s, 2, b);
    }
    int64_t value = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    db_done(s);
    return value;
}

static struct task *propose(struct store_task **list, enum task_what what, int64_t upto)
{
    struct task *t = mem_try_alloc(sizeof(*t));
    if (t) {
        t->what = what;
        t->upto = upto;
        t->base.next = *list;
        *list = &t->base;
    }
    return t;
}

static void propose_by_age(struct db *db, struct store_task **list, int64_t cutoff_ms)
{
    static const struct {
        enum statement oldest;
        enum task_what what;
    } places[] = {{S_EVENT_OLDEST, TASK_EVENTS}, {S_LOG_OLD_UPTO, TASK_LOGS}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        int64_t upto = ask_int(db, places[i].oldest, cutoff_ms, 0);
        if (upto > 0) {
            (void)propose(list, places[i].what, upto);
        }
    }
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

// The rows that hold the last messages of channels that keep theirs, rising.
static unsigned find_kept(struct db *db, const struct store_policy *policy,
                          int64_t kept[STORE_RETAINED_MAX])
{
    char name[LIMIT_TOPIC_BYTES + 1];
    unsigned count = 0;
    ASSERT(policy->retained_count <= STORE_RETAINED_MAX);
    for (unsigned i = 0; i < policy->retained_count; i++) {
        int len = snprintf(name, sizeof(name), "channel:%.*s", STR_ARG(policy->retained[i]));
        if (len >= (int)sizeof(name)) {
            continue; // no topic has such a name
        }
        int64_t t = db_topic(db, str_make(name, (size_t)len));
        int64_t row = t > 0 ? ask_int(db, S_CHUNK_LAST, t, 0) : 0;
        if (row > 0) {
            kept[count++] = row;
        }
    }
    qsort(kept, count, sizeof(*kept), by_number);
    return count;
}

static bool is_kept(const int64_t *kept, unsigned count, int64_t row)
{
    return bsearch(&row, kept, count, sizeof(*kept), by_number) != NULL;
}

// The newest of the oldest rows that is too old, and is not to stay; 0: there is none.
static int64_t find_old_chunk(struct db *db, int64_t cutoff_ms, const int64_t *kept, unsigned count)
{
    sqlite3_stmt *s = db_use(db, S_CHUNK_OLD_UPTO);
    int64_t upto = 0;
    if (!s) {
        return 0;
    }
    (void)sqlite3_bind_int64(s, 1, cutoff_ms);
    (void)sqlite3_bind_int64(s, 2, CHUNKS_AT_ONCE + (int64_t)count);
    while (!upto && sqlite3_step(s) == SQLITE_ROW) {
        int64_t row = sqlite3_column_int64(s, 0);
        upto = is_kept(kept, count, row) ? 0 : row;
    }
    db_done(s);
    return upto;
}

static void propose_chunks(struct db *db, struct store_task **list, int64_t cutoff_ms,
                           const struct store_policy *policy)
{
    int64_t kept[STORE_RETAINED_MAX];
    unsigned count = find_kept(db, policy, kept);
    int64_t upto = find_old_chunk(db, cutoff_ms, kept, count);
    int64_t *own = upto && count ? mem_try_alloc(count * sizeof(*own)) : NULL;
    if (!upto || (count && !own)) {
        return;
    }
    struct task *t = propose(list, TASK_CHUNKS, upto);
    if (!t) {
        mem_free(own);
        return;
    }
    if (count) {
        memcpy(own, kept, count * sizeof(*own));
    }
    t->kept = own;
    t->kept_count = count;
}

// The attempts that wrote last are the ones that may have written too much.
static void propose_quota(struct db *db, struct store_task **list, uint64_t bytes_max)
{
    sqlite3_stmt *s = db_use(db, S_LOG_NEWEST);
    int64_t ref = 0, attempt = 0;
    while (s && sqlite3_step(s) == SQLITE_ROW) {
        if (ref == sqlite3_column_int64(s, 0) && attempt == sqlite3_column_int64(s, 1)) {
            continue;
        }
        ref = sqlite3_column_int64(s, 0);
        attempt = sqlite3_column_int64(s, 1);
        if ((uint64_t)ask_int(db, S_LOG_SUM, ref, attempt) > bytes_max) {
            struct task *t = propose(list, TASK_QUOTA, 0);
            if (t) {
                t->ref = ref;
                t->attempt = attempt;
            }
            break;
        }
    }
    if (s) {
        db_done(s);
    }
}

static void propose_jobs(struct db *db, struct store_task **list, int64_t cutoff_ms)
{
    sqlite3_stmt *s = db_use(db, S_JOB_OLD);
    if (!s) {
        return;
    }
    (void)sqlite3_bind_int64(s, 1, cutoff_ms);
    while (sqlite3_step(s) == SQLITE_ROW) {
        struct task *t = propose(list, TASK_JOB, 0);
        struct str id = column_str(s, 1);
        if (t && id.len < sizeof(t->id)) {
            t->wall_ms = cutoff_ms;
            t->kind = (enum job_kind)sqlite3_column_int(s, 0);
            memcpy(t->id, id.p, id.len);
        }
    }
    db_done(s);
}

static void propose_expired(struct db *db, struct store_task **list, int64_t wall_ms)
{
    static const struct {
        enum statement any;
        enum task_what what;
    } places[] = {{S_IDEM_OLD, TASK_IDEMS}, {S_REVOKE_OLD, TASK_REVOCATIONS}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct task *t =
            ask_int(db, places[i].any, wall_ms, 0) ? propose(list, places[i].what, 0) : NULL;
        if (t) {
            t->wall_ms = wall_ms;
        }
    }
}

struct store_task *sqlite_plan(struct store_reader *r, int64_t wall_ms,
                               const struct store_policy *policy)
{
    struct db *db = &sqlite_reader_of(r)->db;
    struct store_task *list = NULL;
    int64_t cutoff_ms = wall_ms - policy->retention_ms;
    propose_by_age(db, &list, cutoff_ms);
    propose_chunks(db, &list, cutoff_ms, policy);
    propose_quota(db, &list, policy->job_log_bytes);
    propose_jobs(db, &list, cutoff_ms);
    propose_expired(db, &list, wall_ms);
    return list;
}

void sqlite_tasks_free(struct store_task *t)
{
    while (t) {
        struct store_task *next = t->next;
        mem_free(task_of(t)->kept);
        mem_free(task_of(t));
        t = next;
    }
}

int sqlite_checkpoint(struct store_reader *r)
{
    struct sqlite_store *store = sqlite_of(r->store);
    if (atomic_load(&store->sync_broken)) {
        // Whole, so that the database itself holds what the log may have lost.
        int rc = sqlite3_wal_checkpoint_v2(sqlite_reader_of(r)->db.handle, NULL,
                                           SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (rc == SQLITE_OK) {
            atomic_store(&store->sync_broken, false);
        }
        return db_error(rc);
    }
    char path[4300];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%.4200s-wal", sqlite_of(r->store)->path);
    if (stat(path, &st) == -1 || st.st_size < CHECKPOINT_BYTES) {
        return 0;
    }
    int rc = sqlite3_wal_checkpoint_v2(sqlite_reader_of(r)->db.handle, NULL,
                                       SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_BUSY ? 0 : db_error(rc);
}

// --- carrying out ---

struct removing {
    struct sqlite_store *store;
    struct gap_set gone;
    enum gap_reason reason;
    uint64_t max;
};

static int note(void *ctx, struct event *e)
{
    struct removing *r = ctx;
    int err = gap_set_add_event(&r->gone, e, r->reason);
    r->max = e->id > r->max ? e->id : r->max;
    event_unref(e);
    return err;
}

static int write_gaps(struct removing *r)
{
    struct gap_note *n;
    for (size_t i = 0; (n = map_next(&r->gone.map, &i));) {
        sqlite3_stmt *s = db_use(&r->store->db, S_GAP_PUT);
        if (!s) {
            return -E_IO;
        }
        bind_str(s, 1, n->topic);
        (void)sqlite3_bind_int64(s, 2, (int64_t)n->row.first);
        (void)sqlite3_bind_int64(s, 3, (int64_t)n->row.last);
        (void)sqlite3_bind_int64(s, 4, (int64_t)n->row.count);
        (void)sqlite3_bind_int64(s, 5, (int64_t)n->row.bytes);
        (void)sqlite3_bind_int(s, 6, (int)r->reason);
        int rc = sqlite3_step(s);
        db_done(s);
        if (rc != SQLITE_DONE) {
            return db_error(rc);
        }
    }
    return 0;
}

enum noted { NOTE_EVENT, NOTE_LOG, NOTE_CHUNK };

// Notes every event of the rows, then `del` removes them; both take the same numbers.
static int note_rows(struct removing *r, sqlite3_stmt *s, enum noted what)
{
    const struct hash_key *key = &r->store->key;
    int rc = SQLITE_DONE, err = 0;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (what == NOTE_EVENT) {
            struct event *e;
            err = sqlite_row_event(s, key, &e);
            err = err ? err : note(r, e);
        } else {
            err = what == NOTE_LOG ? sqlite_row_log(s, key, note, r)
                                   : sqlite_row_chunk(s, 0, key, note, r);
        }
    }
    db_done(s);
    return err ? err : db_error(rc);
}

static int remove_rows(struct removing *r, enum statement rows, enum statement del, enum noted what,
                       int64_t a, int64_t b)
{
    const enum statement both[] = {rows, del};
    for (unsigned i = 0; i < 2; i++) {
        sqlite3_stmt *s = db_use(&r->store->db, both[i]);
        if (!s) {
            return -E_IO;
        }
        int params = sqlite3_bind_parameter_count(s);
        (void)sqlite3_bind_int64(s, 1, a);
        if (params > 1) {
            (void)sqlite3_bind_int64(s, 2, b);
        }
        if (params > 2) {
            (void)sqlite3_bind_int64(s, 3, INT64_MAX);
        }
        int err = note_rows(r, s, what);
        if (err) {
            return err;
        }
    }
    return 0;
}

// The oldest chunks of an attempt that is over its quota.
static int run_quota(struct removing *r, const struct task *t)
{
    r->reason = GAP_QUOTA;
    sqlite3_stmt *s = db_use(&r->store->db, S_LOG_QUOTA);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, t->ref);
    (void)sqlite3_bind_int64(s, 2, t->attempt);
    int rc = SQLITE_DONE, err = 0;
    int64_t last_line = 0;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        last_line = sqlite3_column_int64(s, 9);
        err = sqlite_row_log(s, &r->store->key, note, r);
    }
    db_done(s);
    sqlite3_stmt *del =
        err || rc != SQLITE_DONE || !last_line ? NULL : db_use(&r->store->db, S_LOG_DEL_LINES);
    if (!del) {
        return err ? err : db_error(rc);
    }
    (void)sqlite3_bind_int64(del, 1, t->ref);
    (void)sqlite3_bind_int64(del, 2, t->attempt);
    (void)sqlite3_bind_int64(del, 3, last_line);
    rc = sqlite3_step(del);
    db_done(del);
    return db_error(rc);
}

static int del_by(struct db *db, enum statement which, int64_t number)
{
    sqlite3_stmt *s = db_use(db, which);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, number);
    int rc = sqlite3_step(s);
    db_done(s);
    return db_error(rc);
}

static int run_remove_job(struct removing *r, enum job_kind kind, struct str id)
{
    struct db *db = &r->store->db;
    int64_t ref = db_ref(db, kind, id);
    if (ref <= 0) {
        return (int)ref;
    }
    int err = remove_rows(r, S_F_EVENT_JOB, S_EVENT_DEL_JOB, NOTE_EVENT, ref, 0);
    err = err ? err : remove_rows(r, S_LOG_OF_JOB, S_LOG_DEL_JOB, NOTE_LOG, ref, 0);
    return err ? err : del_by(db, S_JOB_DEL, ref);
}

// Between those that stay.
static int run_chunks(struct removing *r, const struct task *t)
{
    int64_t after = 0;
    int err = 0;
    for (unsigned i = 0; i <= t->kept_count && after < t->upto && !err; i++) {
        int64_t kept = i < t->kept_count && t->kept[i] <= t->upto ? t->kept[i] : t->upto + 1;
        if (kept - 1 > after) {
            err = remove_rows(r, S_CHUNK_BETWEEN, S_CHUNK_DEL_BETWEEN, NOTE_CHUNK, kept - 1, after);
        }
        after = kept;
    }
    return err;
}

// Unless something has happened to it since it was proposed.
static int run_old_job(struct removing *r, const struct task *t)
{
    struct db *db = &r->store->db;
    int64_t ref = db_ref(db, t->kind, str_of(t->id));
    if (ref <= 0) {
        return (int)ref;
    }
    return ask_int(db, S_JOB_IS_OLD, ref, t->wall_ms) ? run_remove_job(r, t->kind, str_of(t->id))
                                                      : 0;
}

static int run_task(struct removing *r, const struct task *t)
{
    r->reason = GAP_RETENTION;
    switch (t->what) {
    case TASK_EVENTS:
        return remove_rows(r, S_EVENT_UPTO, S_EVENT_DEL_UPTO, NOTE_EVENT, t->upto, 0);
    case TASK_LOGS:
        return remove_rows(r, S_LOG_OLDEST, S_LOG_DEL_UPTO, NOTE_LOG, t->upto, 0);
    case TASK_CHUNKS:
        return run_chunks(r, t);
    case TASK_QUOTA:
        return run_quota(r, t);
    case TASK_JOB:
        return run_old_job(r, t);
    case TASK_IDEMS:
        return del_by(&r->store->db, S_IDEM_DEL, t->wall_ms);
    case TASK_REVOCATIONS:
        return del_by(&r->store->db, S_REVOKE_DEL, t->wall_ms);
    }
    UNREACHABLE();
}

static int finish(struct removing *r, int err, uint64_t *trimmed_max)
{
    err = err ? err : write_gaps(r);
    gap_set_fini(&r->gone);
    *trimmed_max = r->max > *trimmed_max ? r->max : *trimmed_max;
    return err;
}

int sqlite_run_tasks(struct sqlite_store *s, struct store_task *t, uint64_t *trimmed_max)
{
    int err = 0;
    for (; t && !err; t = t->next) {
        struct removing r = {.store = s};
        gap_set_init(&r.gone, &s->key);
        err = finish(&r, run_task(&r, task_of(t)), trimmed_max);
    }
    return err;
}

int sqlite_remove_job(struct sqlite_store *s, enum job_kind kind, struct str id,
                      enum gap_reason reason, uint64_t *trimmed_max)
{
    struct removing r = {.store = s, .reason = reason};
    gap_set_init(&r.gone, &s->key);
    return finish(&r, run_remove_job(&r, kind, id), trimmed_max);
}
