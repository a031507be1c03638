// SPDX-License-Identifier: MIT
// Inside the SQLite store: shared by its files, each of which does one thing. Nobody else includes
// this.
#ifndef CLAIRON_STORE_SQLITE_INT_H
#define CLAIRON_STORE_SQLITE_INT_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/siphash.h"
#include "hub/store.h"

// Prepared once per connection. SQL(name, text).
#define STATEMENTS(SQL)                                                                            \
    SQL(BEGIN, "BEGIN IMMEDIATE")                                                                  \
    SQL(COMMIT, "COMMIT")                                                                          \
    SQL(ROLLBACK, "ROLLBACK")                                                                      \
    SQL(META_GET, "SELECT v FROM meta WHERE k=?1")                                                 \
    SQL(META_SET, "INSERT INTO meta(k,v) VALUES(?1,?2) ON CONFLICT(k) DO UPDATE SET v=excluded.v") \
    SQL(REF_GET, "SELECT ref FROM jobref WHERE kind=?1 AND id=?2")                                 \
    SQL(REF_ADD, "INSERT INTO jobref(kind,id) VALUES(?1,?2)")                                      \
    SQL(TOPIC_GET, "SELECT t FROM topic WHERE name=?1")                                            \
    SQL(TOPIC_ADD, "INSERT INTO topic(name) VALUES(?1)")                                           \
    SQL(JOB_LATEST, "SELECT data FROM job WHERE ref=?1 ORDER BY attempt DESC LIMIT 1")             \
    SQL(JOB_ATTEMPT, "SELECT data FROM job WHERE ref=?1 AND attempt=?2")                           \
    SQL(JOB_OLDER, "UPDATE job SET latest=0, open=0 WHERE ref=?1 AND attempt<?2 AND latest=1")     \
    SQL(JOB_PUT,                                                                                   \
        "INSERT OR REPLACE INTO job(ref,attempt,kind,id,latest,open,status,created,updated,data)"  \
        " VALUES(?1,?2,?3,?4,1,?5,?6,?7,?8,?9)")                                                   \
    SQL(JOB_IS_OLD, "SELECT 1 FROM job WHERE ref=?1 AND latest=1 AND open=0 AND updated<?2")       \
    SQL(JOB_DEL, "DELETE FROM job WHERE ref=?1")                                                   \
    SQL(JOB_OPEN, "SELECT data FROM job WHERE open=1")                                             \
    SQL(JOB_LIST,                                                                                  \
        "SELECT data,created,id FROM job WHERE latest=1 AND kind=?1 AND (?2 IS NULL OR status=?2)" \
        " AND (created,id)<(?3,?4) ORDER BY created DESC,id DESC LIMIT ?5")                        \
    SQL(JOB_OLD, "SELECT kind,id FROM job WHERE latest=1 AND open=0 AND updated<?1 ORDER BY "      \
                 "updated LIMIT 8")                                                                \
    SQL(EVENT_PUT, "INSERT INTO event(id,ref,kind,attempt,type,ts,owner,project,data)"             \
                   " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                          \
    SQL(EVENT_DEL_JOB, "DELETE FROM event WHERE ref=?1 AND id>?2")                                 \
    SQL(EVENT_OLDEST,                                                                              \
        "SELECT max(id) FROM (SELECT id,ts FROM event ORDER BY id LIMIT 200) WHERE ts<?1")         \
    SQL(EVENT_UPTO, EVENT_COLUMNS " WHERE e.id<=?1 ORDER BY e.id")                                 \
    SQL(EVENT_DEL_UPTO, "DELETE FROM event WHERE id<=?1")                                          \
    SQL(LOG_PUT,                                                                                   \
        "INSERT INTO "                                                                             \
        "logchunk(ref,attempt,kind,owner,project,batch,first,last,line,lastline,ts,bytes,body)"    \
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")                                     \
    SQL(LOG_RANGE, "SELECT min(line),max(lastline) FROM logchunk WHERE ref=?1 AND attempt=?2")     \
    SQL(LOG_LINES, LOG_COLUMNS                                                                     \
        " WHERE c.ref=?1 AND c.attempt=?2 AND c.lastline>=?3 AND c.line<=?4 ORDER BY c.lastline")  \
    SQL(LOG_OF_JOB, LOG_COLUMNS " WHERE c.ref=?1 ORDER BY c.last")                                 \
    SQL(LOG_DEL_JOB, "DELETE FROM logchunk WHERE ref=?1")                                          \
    SQL(LOG_OLDEST, LOG_COLUMNS " WHERE c.rowid<=?1 ORDER BY c.rowid")                             \
    SQL(LOG_OLD_UPTO, "SELECT max(rowid) FROM (SELECT rowid,ts FROM logchunk ORDER BY rowid "      \
                      "LIMIT 16) WHERE ts<?1")                                                     \
    SQL(LOG_DEL_UPTO, "DELETE FROM logchunk WHERE rowid<=?1")                                      \
    SQL(LOG_NEWEST, "SELECT ref,attempt FROM logchunk ORDER BY rowid DESC LIMIT 1000")             \
    SQL(LOG_SUM, "SELECT sum(bytes) FROM logchunk WHERE ref=?1 AND attempt=?2")                    \
    SQL(LOG_QUOTA, LOG_COLUMNS " WHERE c.ref=?1 AND c.attempt=?2 ORDER BY c.lastline LIMIT 8")     \
    SQL(LOG_DEL_LINES, "DELETE FROM logchunk WHERE ref=?1 AND attempt=?2 AND lastline<=?3")        \
    SQL(CHUNK_PUT, "INSERT INTO chunk(t,batch,first,last,ts,body) VALUES(?1,?2,?3,?4,?5,?6)")      \
    SQL(CHUNK_BETWEEN, "SELECT body FROM chunk WHERE rowid<=?1 AND rowid>?2 ORDER BY rowid")       \
    SQL(CHUNK_OLD_UPTO,                                                                            \
        "SELECT rowid FROM (SELECT rowid,ts FROM chunk ORDER BY rowid LIMIT ?2) WHERE ts<?1 "      \
        "ORDER BY rowid DESC")                                                                     \
    SQL(CHUNK_LAST, "SELECT rowid FROM chunk WHERE t=?1 ORDER BY last DESC LIMIT 1")               \
    SQL(CHUNK_DEL_BETWEEN, "DELETE FROM chunk WHERE rowid<=?1 AND rowid>?2")                       \
    SQL(IDEM_GET, "SELECT hash,expires,answer FROM idem WHERE scope=?1 AND key=?2 AND expires>?3") \
    SQL(IDEM_PUT,                                                                                  \
        "INSERT OR REPLACE INTO idem(scope,key,hash,expires,answer) VALUES(?1,?2,?3,?4,?5)")       \
    SQL(IDEM_OLD, "SELECT 1 FROM idem WHERE expires<=?1 LIMIT 1")                                  \
    SQL(IDEM_DEL,                                                                                  \
        "DELETE FROM idem WHERE rowid IN (SELECT rowid FROM idem WHERE expires<=?1 LIMIT 500)")    \
    SQL(REVOKE_PUT, "INSERT INTO revocation(what,name,before,until) VALUES(?1,?2,?3,?4) ON "       \
                    "CONFLICT(what,name) DO UPDATE SET before=max(before,excluded.before),"        \
                    "until=max(until,excluded.until)")                                             \
    SQL(REVOKE_LIST, "SELECT what,name,before,until,row FROM revocation WHERE row>?1 AND "         \
                     "until>?2 ORDER BY row")                                                      \
    SQL(REVOKE_OLD, "SELECT 1 FROM revocation WHERE until<=?1 LIMIT 1")                            \
    SQL(REVOKE_DEL, "DELETE FROM revocation WHERE row IN (SELECT row FROM revocation WHERE "       \
                    "until<=?1 LIMIT 500)")                                                        \
    SQL(RECALL_PUT, "INSERT OR REPLACE INTO recall(key,until,data) VALUES(?1,?2,?3)")              \
    SQL(RECALL_DEL, "DELETE FROM recall WHERE key=?1")                                             \
    SQL(RECALL_LIST, "SELECT key,until,data FROM recall")                                          \
    SQL(GAP_PUT, "INSERT INTO gap(topic,first,last,n,bytes,reason) VALUES(?1,?2,?3,?4,?5,?6)")     \
    SQL(GAP_GET, "SELECT first,last,n,bytes,reason FROM gap WHERE topic=?1 AND last>?2 AND "       \
                 "first<=?3 ORDER BY first")                                                       \
    SQL(GAP_MAX, "SELECT max(last) FROM gap")                                                      \
    /* A page's sources, forward: after ?2, up to ?3. */                                           \
    SQL(F_EVENT_JOB, EVENT_COLUMNS " WHERE e.ref=?1 AND e.id>?2 AND e.id<=?3 ORDER BY e.id")       \
    SQL(F_EVENT_KIND, EVENT_COLUMNS " WHERE e.kind=?1 AND e.id>?2 AND e.id<=?3 ORDER BY e.id")     \
    SQL(F_EVENT_TYPE, EVENT_COLUMNS " WHERE e.type=?1 AND e.id>?2 AND e.id<=?3 ORDER BY e.id")     \
    SQL(F_EVENT_OWNER, EVENT_COLUMNS " WHERE e.owner=?1 AND e.id>?2 AND e.id<=?3 ORDER BY e.id")   \
    SQL(F_EVENT_PROJECT,                                                                           \
        EVENT_COLUMNS " WHERE e.project=?1 AND e.id>?2 AND e.id<=?3 ORDER BY e.id")                \
    SQL(F_LOG_JOB, LOG_COLUMNS " WHERE c.ref=?1 AND c.last>?2 AND c.batch<=?3 ORDER BY c.last")    \
    SQL(F_LOG_KIND, LOG_COLUMNS " WHERE c.kind=?1 AND c.last>?2 AND c.batch<=?3 ORDER BY c.last")  \
    SQL(F_LOG_OWNER,                                                                               \
        LOG_COLUMNS " WHERE c.owner=?1 AND c.last>?2 AND c.batch<=?3 ORDER BY c.last")             \
    SQL(F_CHUNK, CHUNK_COLUMNS " WHERE c.t=?1 AND c.last>?2 AND c.batch<=?3 ORDER BY c.last")      \
    /* Backward: below ?3, above ?2. */                                                            \
    SQL(B_EVENT_JOB, EVENT_COLUMNS " WHERE e.ref=?1 AND e.id>?2 AND e.id<?3 ORDER BY e.id DESC")   \
    SQL(B_EVENT_KIND, EVENT_COLUMNS " WHERE e.kind=?1 AND e.id>?2 AND e.id<?3 ORDER BY e.id DESC") \
    SQL(B_EVENT_TYPE, EVENT_COLUMNS " WHERE e.type=?1 AND e.id>?2 AND e.id<?3 ORDER BY e.id DESC") \
    SQL(B_EVENT_OWNER,                                                                             \
        EVENT_COLUMNS " WHERE e.owner=?1 AND e.id>?2 AND e.id<?3 ORDER BY e.id DESC")              \
    SQL(B_EVENT_PROJECT,                                                                           \
        EVENT_COLUMNS " WHERE e.project=?1 AND e.id>?2 AND e.id<?3 ORDER BY e.id DESC")            \
    SQL(B_LOG_JOB,                                                                                 \
        LOG_COLUMNS " WHERE c.ref=?1 AND c.last>?2 AND c.first<?3 ORDER BY c.last DESC")           \
    SQL(B_LOG_KIND,                                                                                \
        LOG_COLUMNS " WHERE c.kind=?1 AND c.last>?2 AND c.first<?3 ORDER BY c.last DESC")          \
    SQL(B_LOG_OWNER,                                                                               \
        LOG_COLUMNS " WHERE c.owner=?1 AND c.last>?2 AND c.first<?3 ORDER BY c.last DESC")         \
    SQL(B_CHUNK, CHUNK_COLUMNS " WHERE c.t=?1 AND c.last>?2 AND c.first<?3 ORDER BY c.last DESC")

#define EVENT_COLUMNS                                                                              \
    "SELECT e.id,e.ts,e.kind,e.attempt,e.type,e.owner,e.project,e.data,j.id FROM event e JOIN "    \
    "jobref j ON j.ref=e.ref"
#define LOG_COLUMNS                                                                                \
    "SELECT c.batch,c.first,c.last,c.kind,c.attempt,c.owner,c.project,c.body,j.id,c.lastline"      \
    " FROM logchunk c JOIN jobref j ON j.ref=c.ref"
#define CHUNK_COLUMNS "SELECT c.batch,c.first,c.last,c.body FROM chunk c"

enum statement {
#define SQL(name, text) S_##name,
    STATEMENTS(SQL)
#undef SQL
        S_NR
};

// One connection, used by one thread at a time. Statements are prepared when first used.
struct db {
    sqlite3 *handle;
    sqlite3_stmt *statements[S_NR];
};

struct sqlite_store {
    struct store base;
    struct db db; // the writer's
    struct hash_key key;
    char path[4200]; // of the database
    int lock_fd, wal_fd;
    atomic_bool sync_broken; // a sync failed: none succeeds before a whole checkpoint
    bool marked_clean;       // by this process: the next commit takes the mark back
};

struct sqlite_reader {
    struct store_reader base;
    struct db db;
};

struct sqlite_store *sqlite_of(struct store *s);
struct sqlite_reader *sqlite_reader_of(struct store_reader *r);

// sqlite.c
int sqlite_unmark_clean(struct sqlite_store *s);
int db_error(int rc); // SQLite's code as ours
// Ready to bind; NULL when it can't be prepared. Give it back with db_done.
sqlite3_stmt *db_use(struct db *db, enum statement which);
void db_done(sqlite3_stmt *stmt);
int db_run(struct db *db, enum statement which);            // one without parameters
void bind_str(sqlite3_stmt *stmt, int index, struct str s); // p = NULL: NULL
struct str column_str(sqlite3_stmt *stmt, int index);
// 0 when there is none, -E_* on failure.
int64_t db_ref(struct db *db, enum job_kind kind, struct str id);
int64_t db_topic(struct db *db, struct str name);

// sqlite_write.c
int sqlite_load(struct store *s, struct store_load *load);
int sqlite_commit(struct store *s, struct store_batch *b);
int sqlite_read_row(sqlite3_stmt *stmt, struct job **ret); // column 0

// sqlite_revoke.c
int sqlite_write_revocation(struct db *db, const struct store_revocation *r);
int sqlite_read_revocations(struct store_reader *r, uint64_t after, int64_t wall_ms,
                            bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                            void *ctx);

// sqlite_recall.c
int sqlite_write_recall(struct db *db, const struct store_recall *r);
int sqlite_read_recalls(struct store_reader *r,
                        bool (*fn)(void *ctx, const struct store_recall *borrowed), void *ctx);

// sqlite_read.c
int sqlite_read(struct store_reader *r, const struct store_query *q, struct store_page *page);
int sqlite_read_gaps(struct store_reader *r, const struct store_query *q, struct store_page *page);
// Events of the row a statement stands on; `fn` gets one reference each. -E_IO: damaged.
int sqlite_row_event(sqlite3_stmt *stmt, const struct hash_key *key, struct event **ret);
int sqlite_row_log(sqlite3_stmt *stmt, const struct hash_key *key,
                   int (*fn)(void *ctx, struct event *taken), void *ctx);
int sqlite_row_chunk(sqlite3_stmt *stmt, int column, const struct hash_key *key,
                     int (*fn)(void *ctx, struct event *taken), void *ctx);

// sqlite_jobs.c
int sqlite_read_lines(struct store_reader *r, const struct store_lines_query *q,
                      struct store_lines *ret);
int sqlite_read_jobs(struct store_reader *r, const struct store_jobs_query *q,
                     struct store_jobs *ret);
int sqlite_read_job(struct store_reader *r, enum job_kind kind, struct str id, uint32_t attempt,
                    struct job **ret);
int sqlite_read_open(struct store_reader *r, bool (*fn)(void *ctx, struct job *borrowed),
                     void *ctx);

// sqlite_upkeep.c
struct store_task *sqlite_plan(struct store_reader *r, int64_t wall_ms,
                               const struct store_policy *policy);
void sqlite_tasks_free(struct store_task *t);
int sqlite_run_tasks(struct sqlite_store *s, struct store_task *t, uint64_t *trimmed_max);
int sqlite_remove_job(struct sqlite_store *s, enum job_kind kind, struct str id,
                      enum gap_reason reason, uint64_t *trimmed_max);
int sqlite_checkpoint(struct store_reader *r);

#endif
