// SPDX-License-Identifier: MIT
// The store on disk: rows a batch needs, and the batch itself in one transaction.
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/chunk.h"
#include "store/sqlite_int.h"

#define BATCH_ARENA_BYTES ((size_t)256 << 20)
#define CHUNK_BYTES_MAX   ((size_t)512 << 20)

// --- load ---

int sqlite_read_row(sqlite3_stmt *stmt, struct job **ret)
{
    int rc = sqlite3_step(stmt);
    int err = db_error(rc);
    *ret = NULL;
    if (rc == SQLITE_ROW) {
        err = job_decode(column_str(stmt, 0), ret);
        err = err == -E_BAD_JSON ? -E_IO : err;
    }
    db_done(stmt);
    return err;
}

static int load_job(struct db *db, struct store_load_job *want)
{
    int64_t ref = db_ref(db, want->kind, want->id);
    if (ref <= 0) {
        return (int)ref;
    }
    sqlite3_stmt *s = db_use(db, S_JOB_LATEST);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, ref);
    return sqlite_read_row(s, &want->job);
}

static int load_idem(struct db *db, struct store_load_idem *want, int64_t wall_ms)
{
    sqlite3_stmt *s = db_use(db, S_IDEM_GET);
    if (!s) {
        return -E_IO;
    }
    bind_str(s, 1, want->scope);
    bind_str(s, 2, want->key);
    (void)sqlite3_bind_int64(s, 3, wall_ms);
    int rc = sqlite3_step(s), err = db_error(rc);
    if (rc == SQLITE_ROW) {
        struct str hash = column_str(s, 0);
        want->row = (struct store_idem){.scope = want->scope,
                                        .key = want->key,
                                        .expires_wall_ms = sqlite3_column_int64(s, 1),
                                        .answer = arena_try_copy(want->arena, column_str(s, 2))};
        if (hash.len == sizeof(want->row.body_hash)) {
            memcpy(want->row.body_hash, hash.p, hash.len);
        }
        want->found = want->row.answer.p != NULL;
        err = want->found ? 0 : -E_NO_MEMORY;
    }
    db_done(s);
    return err;
}

int sqlite_load(struct store *base, struct store_load *load)
{
    struct db *db = &sqlite_of(base)->db;
    int err = 0;
    for (unsigned i = 0; i < load->jobs_count && !err; i++) {
        err = load_job(db, &load->jobs[i]);
    }
    for (unsigned i = 0; i < load->idems_count && !err; i++) {
        err = load_idem(db, &load->idems[i], load->wall_ms);
    }
    for (unsigned i = 0; i < load->jobs_count && err; i++) {
        job_unref(load->jobs[i].job);
        load->jobs[i].job = NULL;
    }
    return err;
}

// --- chunks of a commit: one per job's log, and one per explicit topic ---

struct group {
    struct group *next;
    struct str topic;          // p = NULL: a job's log
    const struct event *first; // what its events have in common
    const struct event *last;
    size_t bytes;
    struct buf body;
};

struct groups {
    struct arena arena;
    struct map map;
    struct group *first, **end;
};

static int put_in_group(struct groups *g, struct str key, struct str topic, const struct event *e)
{
    struct group *group = map_get(&g->map, key);
    if (!group) {
        group = arena_try_alloc(&g->arena, sizeof(*group));
        struct str kept = arena_try_copy(&g->arena, key);
        if (!group || !kept.p || map_add(&g->map, kept, group) != 0) {
            return -E_NO_MEMORY;
        }
        group->topic = topic;
        group->first = e;
        buf_init(&group->body, CHUNK_BYTES_MAX);
        chunk_begin(&group->body);
        *g->end = group;
        g->end = &group->next;
    }
    chunk_put(&group->body, e);
    group->last = e;
    group->bytes += e->data.len;
    return 0;
}

// Lines of one attempt of one job, of one owner and project: from those the topics follow.
static int group_log(struct groups *g, const struct event *e)
{
    struct buf key;
    buf_init(&key, 4096);
    buf_putf(&key, "%u:%u:", (unsigned)e->kind, e->attempt);
    buf_put(&key, e->job_id);
    buf_putc(&key, '\0');
    buf_put(&key, e->owner);
    buf_putc(&key, '\0');
    buf_put(&key, e->project);
    int err = key.failed ? -E_NO_MEMORY : put_in_group(g, buf_str(&key), STR_NONE, e);
    buf_fini(&key);
    return err;
}

static int group_topics(struct groups *g, const struct event *e)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        char key[LIMIT_TOPIC_BYTES + 1];
        struct str name = e->topics[i].name;
        key[0] = 't';
        memcpy(key + 1, name.p, name.len);
        int err = put_in_group(g, str_make(key, name.len + 1), name, e);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int insert(struct db *db, sqlite3_stmt *s, int64_t *ret_id)
{
    if (!s) {
        return -E_IO;
    }
    int rc = sqlite3_step(s);
    db_done(s);
    if (ret_id) {
        *ret_id = sqlite3_last_insert_rowid(db->handle);
    }
    return db_error(rc);
}

static int ref_of(struct db *db, enum job_kind kind, struct str id, int64_t *ret)
{
    *ret = db_ref(db, kind, id);
    if (*ret) {
        return *ret < 0 ? (int)*ret : 0;
    }
    sqlite3_stmt *s = db_use(db, S_REF_ADD);
    if (s) {
        (void)sqlite3_bind_int(s, 1, (int)kind);
        bind_str(s, 2, id);
    }
    return insert(db, s, ret);
}

static int topic_of(struct db *db, struct str name, int64_t *ret)
{
    *ret = db_topic(db, name);
    if (*ret) {
        return *ret < 0 ? (int)*ret : 0;
    }
    sqlite3_stmt *s = db_use(db, S_TOPIC_ADD);
    if (s) {
        bind_str(s, 1, name);
    }
    return insert(db, s, ret);
}

static int write_log(struct db *db, const struct group *g, uint64_t batch)
{
    const struct event *e = g->first;
    int64_t ref;
    int err = ref_of(db, e->kind, e->job_id, &ref);
    sqlite3_stmt *s = err ? NULL : db_use(db, S_LOG_PUT);
    if (!s) {
        return err ? err : -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, ref);
    (void)sqlite3_bind_int64(s, 2, e->attempt);
    (void)sqlite3_bind_int(s, 3, (int)e->kind);
    bind_str(s, 4, e->owner);
    bind_str(s, 5, e->project);
    (void)sqlite3_bind_int64(s, 6, (int64_t)batch);
    (void)sqlite3_bind_int64(s, 7, (int64_t)e->id);
    (void)sqlite3_bind_int64(s, 8, (int64_t)g->last->id);
    (void)sqlite3_bind_int64(s, 9, e->line);
    (void)sqlite3_bind_int64(s, 10, (int64_t)g->last->line + g->last->lines - 1);
    (void)sqlite3_bind_int64(s, 11, g->last->wall_ms);
    (void)sqlite3_bind_int64(s, 12, (int64_t)g->bytes);
    (void)sqlite3_bind_blob64(s, 13, g->body.p, g->body.len, SQLITE_STATIC);
    return insert(db, s, NULL);
}

static int write_chunk(struct db *db, const struct group *g, uint64_t batch)
{
    int64_t topic;
    int err = topic_of(db, g->topic, &topic);
    sqlite3_stmt *s = err ? NULL : db_use(db, S_CHUNK_PUT);
    if (!s) {
        return err ? err : -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, topic);
    (void)sqlite3_bind_int64(s, 2, (int64_t)batch);
    (void)sqlite3_bind_int64(s, 3, (int64_t)g->first->id);
    (void)sqlite3_bind_int64(s, 4, (int64_t)g->last->id);
    (void)sqlite3_bind_int64(s, 5, g->last->wall_ms);
    (void)sqlite3_bind_blob64(s, 6, g->body.p, g->body.len, SQLITE_STATIC);
    return insert(db, s, NULL);
}

static int write_event(struct db *db, const struct event *e)
{
    int64_t ref;
    int err = ref_of(db, e->kind, e->job_id, &ref);
    sqlite3_stmt *s = err ? NULL : db_use(db, S_EVENT_PUT);
    if (!s) {
        return err ? err : -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, (int64_t)e->id);
    (void)sqlite3_bind_int64(s, 2, ref);
    (void)sqlite3_bind_int(s, 3, (int)e->kind);
    (void)sqlite3_bind_int64(s, 4, e->attempt);
    bind_str(s, 5, e->type);
    (void)sqlite3_bind_int64(s, 6, e->wall_ms);
    bind_str(s, 7, e->owner);
    bind_str(s, 8, e->project);
    (void)sqlite3_bind_blob64(s, 9, e->data.p, e->data.len, SQLITE_STATIC);
    return insert(db, s, NULL);
}

static int write_groups(struct db *db, struct groups *g, uint64_t batch)
{
    int err = 0;
    for (struct group *group = g->first; group && !err; group = group->next) {
        chunk_end(&group->body);
        if (group->body.failed) {
            err = -E_NO_MEMORY;
        } else {
            err = group->topic.p ? write_chunk(db, group, batch) : write_log(db, group, batch);
        }
    }
    return err;
}

static int write_events(struct sqlite_store *store, const struct store_batch *b)
{
    struct groups g = {.end = &g.first};
    arena_init(&g.arena, BATCH_ARENA_BYTES);
    map_init(&g.map, &store->key);
    int err = 0;
    for (unsigned i = 0; i < b->events_count && !err; i++) {
        const struct event *e = b->events[i];
        if (e->kind == KIND_NONE) {
            err = group_topics(&g, e);
        } else {
            err = e->flags & EVENT_LOG ? group_log(&g, e) : write_event(&store->db, e);
        }
    }
    if (!err && b->events_count) {
        err = write_groups(&store->db, &g, b->events[0]->id);
    }
    for (struct group *group = g.first; group; group = group->next) {
        buf_fini(&group->body);
    }
    map_fini(&g.map);
    arena_fini(&g.arena);
    return err;
}

// --- rows ---

static int write_older(struct db *db, int64_t ref, uint32_t attempt)
{
    sqlite3_stmt *s = db_use(db, S_JOB_OLDER);
    if (s) {
        (void)sqlite3_bind_int64(s, 1, ref);
        (void)sqlite3_bind_int64(s, 2, attempt);
    }
    return insert(db, s, NULL);
}

static int write_job(struct db *db, const struct job *j)
{
    int64_t ref;
    int err = ref_of(db, j->kind, str_of(j->id), &ref);
    if (!err && j->attempt > 1) {
        err = write_older(db, ref, j->attempt);
    }
    sqlite3_stmt *s = err ? NULL : db_use(db, S_JOB_PUT);
    if (!s) {
        return err ? err : -E_IO;
    }
    struct buf data;
    buf_init(&data, CHUNK_BYTES_MAX);
    job_encode(&data, j);
    (void)sqlite3_bind_int64(s, 1, ref);
    (void)sqlite3_bind_int64(s, 2, j->attempt);
    (void)sqlite3_bind_int(s, 3, (int)j->kind);
    bind_str(s, 4, str_of(j->id));
    (void)sqlite3_bind_int(s, 5, job_is_open(j));
    bind_str(s, 6, str_of(job_status_text(j)));
    (void)sqlite3_bind_int64(s, 7, j->created_ms);
    (void)sqlite3_bind_int64(s, 8, j->updated_ms);
    (void)sqlite3_bind_blob64(s, 9, data.p, data.len, SQLITE_STATIC);
    if (data.failed) {
        db_done(s);
        err = -E_NO_MEMORY;
    } else {
        err = insert(db, s, NULL);
    }
    buf_fini(&data);
    return err;
}

static int write_idem(struct db *db, const struct store_idem *row)
{
    sqlite3_stmt *s = db_use(db, S_IDEM_PUT);
    if (s) {
        bind_str(s, 1, row->scope);
        bind_str(s, 2, row->key);
        (void)sqlite3_bind_blob(s, 3, row->body_hash, sizeof(row->body_hash), SQLITE_STATIC);
        (void)sqlite3_bind_int64(s, 4, row->expires_wall_ms);
        bind_str(s, 5, row->answer);
    }
    return insert(db, s, NULL);
}

int sqlite_commit(struct store *base, struct store_batch *b)
{
    struct sqlite_store *store = sqlite_of(base);
    struct db *db = &store->db;
    b->trimmed_max = 0;
    int err = db_run(db, S_BEGIN);
    if (err) {
        return err;
    }
    err = sqlite_unmark_clean(store);
    for (unsigned i = 0; i < b->removes_count && !err; i++) {
        err = sqlite_remove_job(store, b->removes[i].kind, b->removes[i].id, GAP_RETENTION,
                                &b->trimmed_max);
    }
    err = err ? err : write_events(store, b);
    for (unsigned i = 0; i < b->jobs_count && !err; i++) {
        err = write_job(db, b->jobs[i]);
    }
    for (unsigned i = 0; i < b->idems_count && !err; i++) {
        err = write_idem(db, &b->idems[i]);
    }
    for (unsigned i = 0; i < b->revocations_count && !err; i++) {
        err = sqlite_write_revocation(db, &b->revocations[i]);
    }
    for (unsigned i = 0; i < b->recalls_count && !err; i++) {
        err = sqlite_write_recall(db, &b->recalls[i]);
    }
    if (!err && b->tasks) {
        err = sqlite_run_tasks(store, b->tasks, &b->trimmed_max);
    }
    err = err ? err : db_run(db, S_COMMIT);
    if (err && !sqlite3_get_autocommit(db->handle)) {
        (void)db_run(db, S_ROLLBACK);
    }
    return err;
}
