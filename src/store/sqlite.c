// SPDX-License-Identifier: MIT
// The store on disk: opening, identity, and the calls that are one statement.
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/sqlite_int.h"

#define APPLICATION_ID 0x434c5231 // "CLR1"
#define BUSY_MS        5000

// What leads from each version of the schema to the next, from none to the first on. A text that
// was released is never changed.
static const char *const schema_steps[] = {
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;"
    "CREATE TABLE jobref(ref INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id TEXT NOT NULL, "
    "UNIQUE(kind,id));"
    "CREATE TABLE job(ref INTEGER NOT NULL, attempt INTEGER NOT NULL, kind INTEGER NOT NULL, id "
    "TEXT NOT NULL,"
    " latest INTEGER NOT NULL, open INTEGER NOT NULL, status TEXT NOT NULL, created INTEGER NOT "
    "NULL,"
    " updated INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE(ref,attempt));"
    "CREATE INDEX job_list ON job(kind,created,id) WHERE latest=1;"
    "CREATE INDEX job_open ON job(open) WHERE open=1;"
    "CREATE INDEX job_old ON job(updated) WHERE latest=1 AND open=0;"
    "CREATE TABLE event(id INTEGER PRIMARY KEY, ref INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, type TEXT NOT NULL, ts INTEGER NOT NULL, owner TEXT, project TEXT, "
    "data BLOB NOT NULL);"
    "CREATE INDEX event_ref ON event(ref,id);"
    "CREATE INDEX event_kind ON event(kind,id);"
    "CREATE INDEX event_type ON event(type,id);"
    "CREATE INDEX event_owner ON event(owner,id) WHERE owner IS NOT NULL;"
    "CREATE INDEX event_project ON event(project,id) WHERE project IS NOT NULL;"
    "CREATE TABLE logchunk(ref INTEGER NOT NULL, attempt INTEGER NOT NULL, kind INTEGER NOT NULL, "
    "owner TEXT, project TEXT,"
    " batch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, line INTEGER NOT NULL,"
    " lastline INTEGER NOT NULL, ts INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX logchunk_line ON logchunk(ref,attempt,lastline);"
    "CREATE INDEX logchunk_ref ON logchunk(ref,last);"
    "CREATE INDEX logchunk_kind ON logchunk(kind,last);"
    "CREATE INDEX logchunk_owner ON logchunk(owner,last) WHERE owner IS NOT NULL;"
    "CREATE TABLE topic(t INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE chunk(t INTEGER NOT NULL, batch INTEGER NOT NULL, first INTEGER NOT NULL, last "
    "INTEGER NOT NULL,"
    " ts INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX chunk_t ON chunk(t,last);"
    "CREATE TABLE idem(scope TEXT NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL, expires INTEGER "
    "NOT NULL,"
    " answer TEXT NOT NULL, UNIQUE(scope,key));"
    "CREATE INDEX idem_expires ON idem(expires);"
    "CREATE TABLE gap(topic TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, n "
    "INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, reason INTEGER NOT NULL);"
    "CREATE INDEX gap_topic ON gap(topic,last);"
    "CREATE INDEX gap_last ON gap(last);",

    "CREATE TABLE revocation(row INTEGER PRIMARY KEY AUTOINCREMENT, what INTEGER NOT NULL, name "
    "TEXT NOT NULL,"
    " before INTEGER NOT NULL, until INTEGER NOT NULL, UNIQUE(what,name));"
    "CREATE INDEX revocation_until ON revocation(until);",

    "CREATE TABLE recall(key TEXT PRIMARY KEY, until INTEGER NOT NULL, data TEXT NOT NULL);",
};
#define SCHEMA_VERSION ((int64_t)ARRAY_LEN(schema_steps))

struct sqlite_store *sqlite_of(struct store *s)
{
    return CONTAINER_OF(s, struct sqlite_store, base);
}

struct sqlite_reader *sqlite_reader_of(struct store_reader *r)
{
    return CONTAINER_OF(r, struct sqlite_reader, base);
}

int db_error(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_FULL:
        return -E_STORAGE_FULL;
    case SQLITE_NOMEM:
        return -E_NO_MEMORY;
    default:
        return -E_IO;
    }
}

sqlite3_stmt *db_use(struct db *db, enum statement which)
{
    static const char *const texts[] = {
#define SQL(name, text) [S_##name] = text,
        STATEMENTS(SQL)
#undef SQL
    };
    if (!db->statements[which]) {
        int rc = sqlite3_prepare_v3(db->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    &db->statements[which], NULL);
        ASSERT(rc != SQLITE_ERROR); // the text is ours
    }
    return db->statements[which];
}

void db_done(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
}

int db_run(struct db *db, enum statement which)
{
    sqlite3_stmt *s = db_use(db, which);
    if (!s) {
        return -E_IO;
    }
    int rc = sqlite3_step(s);
    db_done(s);
    return db_error(rc);
}

void bind_str(sqlite3_stmt *stmt, int index, struct str s)
{
    if (s.p) {
        (void)sqlite3_bind_text(stmt, index, s.p, (int)s.len, SQLITE_STATIC);
    } else {
        (void)sqlite3_bind_null(stmt, index);
    }
}

struct str column_str(sqlite3_stmt *stmt, int index)
{
    if (sqlite3_column_type(stmt, index) == SQLITE_NULL) {
        return STR_NONE;
    }
    const char *p = sqlite3_column_blob(stmt, index);
    return str_make(p ? p : "", (size_t)sqlite3_column_bytes(stmt, index));
}

static int64_t get_int(sqlite3_stmt *s)
{
    if (!s) {
        return -E_IO;
    }
    int rc = sqlite3_step(s);
    int64_t found = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    db_done(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? found : db_error(rc);
}

int64_t db_ref(struct db *db, enum job_kind kind, struct str id)
{
    sqlite3_stmt *s = db_use(db, S_REF_GET);
    if (s) {
        (void)sqlite3_bind_int(s, 1, (int)kind);
        bind_str(s, 2, id);
    }
    return get_int(s);
}

int64_t db_topic(struct db *db, struct str name)
{
    sqlite3_stmt *s = db_use(db, S_TOPIC_GET);
    if (s) {
        bind_str(s, 1, name);
    }
    return get_int(s);
}

// --- connections ---

static void db_close(struct db *db)
{
    for (size_t i = 0; i < S_NR; i++) {
        (void)sqlite3_finalize(db->statements[i]);
    }
    (void)sqlite3_close(db->handle);
    *db = (struct db){0};
}

static int db_open(struct db *db, const char *path, bool writer)
{
    *db = (struct db){0};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_busy_timeout(db->handle, BUSY_MS);
        (void)sqlite3_extended_result_codes(db->handle, 1);
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        // Page size and vacuum mode only have effect before the first table.
        rc = sqlite3_exec(
            db->handle,
            writer
                ? "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                  "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA "
                  "cell_size_check=ON;"
                  "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384"
                : "PRAGMA query_only=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"
                  "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096",
            NULL, NULL, NULL);
    }
    return rc;
}

static int64_t pragma_int(struct db *db, const char *text)
{
    sqlite3_stmt *s = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db->handle, text, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        value = sqlite3_column_int64(s, 0);
    }
    (void)sqlite3_finalize(s);
    return value;
}

// --- the calls that are one statement ---

static int meta_set(struct db *db, const char *key, int64_t value)
{
    sqlite3_stmt *s = db_use(db, S_META_SET);
    if (!s) {
        return -E_IO;
    }
    bind_str(s, 1, str_of(key));
    (void)sqlite3_bind_int64(s, 2, value);
    int rc = sqlite3_step(s);
    db_done(s);
    return db_error(rc);
}

static int meta_set_text(struct db *db, const char *key, const char *value)
{
    sqlite3_stmt *s = db_use(db, S_META_SET);
    if (!s) {
        return -E_IO;
    }
    bind_str(s, 1, str_of(key));
    bind_str(s, 2, str_of(value));
    int rc = sqlite3_step(s);
    db_done(s);
    return db_error(rc);
}

static int64_t meta_get(struct db *db, const char *key)
{
    sqlite3_stmt *s = db_use(db, S_META_GET);
    if (s) {
        bind_str(s, 1, str_of(key));
    }
    return get_int(s);
}

static bool meta_is(struct db *db, const char *key, const char *value)
{
    sqlite3_stmt *s = db_use(db, S_META_GET);
    if (!s) {
        return false;
    }
    bind_str(s, 1, str_of(key));
    bool same = sqlite3_step(s) == SQLITE_ROW && str_is(column_str(s, 0), value);
    db_done(s);
    return same;
}

// What is in the write-ahead log is on disk when this returns; what left it was synced by the
// checkpoint.
static int sqlite_sync(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    if (atomic_load(&s->sync_broken) || fdatasync(s->wal_fd) != 0) {
        atomic_store(&s->sync_broken, true); // the kernel reports a lost page once
        return -E_IO;
    }
    return 0;
}

static int sqlite_reserve(struct store *base, uint64_t top)
{
    int err = meta_set(&sqlite_of(base)->db, "reserved_top", (int64_t)top);
    return err ? err : sqlite_sync(base);
}

static int sqlite_save_clean(struct store *base, uint64_t last_id)
{
    struct sqlite_store *s = sqlite_of(base);
    int err = meta_set(&s->db, "clean", (int64_t)last_id + 1);
    s->marked_clean = true;
    return err ? err : sqlite_sync(base);
}

int sqlite_unmark_clean(struct sqlite_store *s)
{
    int err = s->marked_clean ? meta_set(&s->db, "clean", 0) : 0;
    s->marked_clean = s->marked_clean && err;
    return err;
}

static struct store_reader *sqlite_reader_new(struct store *base)
{
    struct sqlite_reader *r = mem_try_alloc(sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->base.store = base;
    if (db_open(&r->db, sqlite_of(base)->path, false) != SQLITE_OK) {
        db_close(&r->db);
        mem_free(r);
        return NULL;
    }
    return &r->base;
}

static void sqlite_reader_free(struct store_reader *base)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    db_close(&r->db);
    mem_free(r);
}

static void sqlite_free(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    db_close(&s->db);
    if (s->wal_fd != -1) {
        (void)close(s->wal_fd);
    }
    if (s->lock_fd != -1) {
        (void)close(s->lock_fd);
    }
    mem_free(s);
}

static const struct store_ops sqlite_ops = {
    .load = sqlite_load,
    .commit = sqlite_commit,
    .reserve = sqlite_reserve,
    .save_clean = sqlite_save_clean,
    .sync = sqlite_sync,
    .reader_new = sqlite_reader_new,
    .reader_free = sqlite_reader_free,
    .read = sqlite_read,
    .read_lines = sqlite_read_lines,
    .read_jobs = sqlite_read_jobs,
    .read_job = sqlite_read_job,
    .read_open = sqlite_read_open,
    .read_revocations = sqlite_read_revocations,
    .read_recalls = sqlite_read_recalls,
    .read_gaps = sqlite_read_gaps,
    .plan = sqlite_plan,
    .tasks_free = sqlite_tasks_free,
    .checkpoint = sqlite_checkpoint,
    .free = sqlite_free,
};

// --- opening ---

#define FAULT_MAX 256

static int fault_set(char fault[FAULT_MAX], int err, const char *dir, const char *what)
{
    (void)snprintf(fault, FAULT_MAX, "data directory %.160s %.79s", dir, what);
    return err;
}

static int errno_fault(char fault[FAULT_MAX], const char *dir)
{
    int why = errno;
    char what[100];
    (void)snprintf(what, sizeof(what), "can't be used: %s", strerror(why));
    return fault_set(fault, why == ENOSPC || why == EDQUOT ? -E_STORAGE_FULL : -E_IO, dir, what);
}

static int make_dirs(const char *dir, char fault[FAULT_MAX])
{
    static const char *const parts[] = {"", "/realms", "/realms/default"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char path[4200];
        struct stat st;
        (void)snprintf(path, sizeof(path), "%.4000s%s", dir, parts[i]);
        if (mkdir(path, 0700) == -1 && errno != EEXIST) {
            return errno_fault(fault, dir);
        }
        if (stat(path, &st) == -1) {
            return errno_fault(fault, dir);
        }
        if (!S_ISDIR(st.st_mode)) {
            return fault_set(fault, -E_IO, dir, "can't be used: it is not a directory");
        }
        if (st.st_mode & S_IWOTH) {
            (void)snprintf(fault, FAULT_MAX,
                           "data directory: everyone can write %.95s: chmod o-w %.95s", path, path);
            return -E_IO;
        }
    }
    return 0;
}

static int take_lock(struct sqlite_store *s, const char *dir, char fault[FAULT_MAX])
{
    char path[4200];
    (void)snprintf(path, sizeof(path), "%.4000s/realms/default/lock", dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd == -1) {
        return errno_fault(fault, dir);
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == -1) {
        return errno == EWOULDBLOCK ? fault_set(fault, -E_CONFLICT, dir, "is in use by another hub")
                                    : errno_fault(fault, dir);
    }
    return 0;
}

// From the version that is there (0: nothing) to ours, in one transaction: after a failure, or a
// crash, the database is as it was.
static int update_schema(struct db *db, int64_t version)
{
    char text[120];
    (void)snprintf(text, sizeof(text), "PRAGMA application_id=%d; PRAGMA user_version=%d",
                   APPLICATION_ID, (int)SCHEMA_VERSION);
    int rc = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t i = version; i < SCHEMA_VERSION && rc == SQLITE_OK; i++) {
        rc = sqlite3_exec(db->handle, schema_steps[i], NULL, NULL, NULL);
    }
    rc = rc == SQLITE_OK ? sqlite3_exec(db->handle, text, NULL, NULL, NULL) : rc;
    rc = rc == SQLITE_OK ? sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL) : rc;
    return rc;
}

// SQLite's code; SQLITE_CORRUPT and SQLITE_NOTADB lead to quarantine. `*ret_err` when it is not for
// us.
static int open_database(struct sqlite_store *s, const char *dir, int *ret_err,
                         char fault[FAULT_MAX])
{
    int rc = db_open(&s->db, s->path, true);
    if (rc != SQLITE_OK) {
        return rc;
    }
    int64_t version = pragma_int(&s->db, "PRAGMA user_version"),
            app = pragma_int(&s->db, "PRAGMA application_id");
    int64_t tables = pragma_int(&s->db, "SELECT count(*) FROM sqlite_schema");
    if (version == 0 && app == 0 && tables == 0) {
        return update_schema(&s->db, 0);
    }
    if (tables == -1) {
        return SQLITE_CORRUPT;
    }
    if (app != APPLICATION_ID || version < 1) {
        *ret_err = fault_set(fault, -E_CONFLICT, dir, "holds a database of another program");
    } else if (version > SCHEMA_VERSION) {
        *ret_err = fault_set(fault, -E_CONFLICT, dir, "was written by a newer version of clairon");
    }
    return *ret_err || version == SCHEMA_VERSION ? SQLITE_OK : update_schema(&s->db, version);
}

static void quarantine(struct sqlite_store *s, int64_t wall_ms)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    db_close(&s->db);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char from[4300], to[4400];
        (void)snprintf(from, sizeof(from), "%.4200s%s", s->path, parts[i]);
        (void)snprintf(to, sizeof(to), "%.4200s.quarantined-%lld%s", s->path, (long long)wall_ms,
                       parts[i]);
        (void)rename(from, to);
    }
}

static void read_boot_id(char out[64], const char *given)
{
    out[0] = '\0';
    FILE *f = given ? NULL : fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f) {
        if (!fgets(out, 64, f)) {
            out[0] = '\0';
        }
        (void)fclose(f);
    } else {
        (void)snprintf(out, 64, "%s", given ? given : "");
    }
    out[strcspn(out, "\n")] = '\0';
}

// The lock file and the database hold the same token, new at each opening: a database that was put
// back from a copy has an old one.
static bool token_matches(struct sqlite_store *s)
{
    char token[40] = "";
    ssize_t n = pread(s->lock_fd, token, sizeof(token) - 1, 0);
    return n > 0 && meta_is(&s->db, "token", token);
}

static int new_token(struct sqlite_store *s)
{
    uint64_t random[2];
    char token[40];
    random_bytes(random, sizeof(random));
    int len = snprintf(token, sizeof(token), "%016llx%016llx", (unsigned long long)random[0],
                       (unsigned long long)random[1]);
    int err = meta_set_text(&s->db, "token", token);
    if (!err &&
        (ftruncate(s->lock_fd, 0) == -1 || pwrite(s->lock_fd, token, (size_t)len, 0) != len)) {
        err = errno == ENOSPC ? -E_STORAGE_FULL : -E_IO;
    }
    return err;
}

// Says what is there, and marks that it is in use: until a clean end the next to open finds it so.
static int read_identity(struct sqlite_store *s, const struct store_sqlite_options *o,
                         struct store_info *info)
{
    struct db *db = &s->db;
    char boot[64];
    read_boot_id(boot, o->boot_id);
    int64_t clean = meta_get(db, "clean"), epoch = meta_get(db, "epoch"),
            top = meta_get(db, "reserved_top");
    sqlite3_stmt *gap = db_use(db, S_GAP_MAX);
    *info = (struct store_info){.epoch = (uint64_t)epoch,
                                .reserved_top = (uint64_t)top,
                                .clean = clean > 0,
                                .visible = clean > 0 ? (uint64_t)clean - 1 : (uint64_t)top,
                                .trimmed_max = (uint64_t)get_int(gap)};
    bool same_boot = meta_is(db, "boot", boot);
    if (epoch == 0 || !token_matches(s) || (!info->clean && !same_boot)) {
        random_bytes(&info->epoch, sizeof(info->epoch));
        info->epoch >>= 1; // fits SQLite's signed integers
        info->epoch |= 1;
    }
    int err = db_run(db, S_BEGIN);
    err = err ? err : meta_set(db, "epoch", (int64_t)info->epoch);
    err = err ? err : meta_set_text(db, "boot", boot);
    err = err ? err : meta_set(db, "clean", 0);
    err = err ? err : new_token(s);
    err = err ? err : db_run(db, S_COMMIT);
    return err;
}

static int open_wal(struct sqlite_store *s)
{
    char path[4300];
    (void)snprintf(path, sizeof(path), "%.4200s-wal", s->path);
    s->wal_fd = open(path, O_RDWR | O_CLOEXEC);
    return s->wal_fd == -1 ? -E_IO : sqlite_sync(&s->base);
}

int store_sqlite_open(const char *dir, const struct store_sqlite_options *o, struct store **ret,
                      struct store_info *info, char fault[FAULT_MAX])
{
    struct sqlite_store *s = mem_alloc(sizeof(*s));
    s->base.ops = &sqlite_ops;
    s->key = o->key;
    s->lock_fd = s->wal_fd = -1;
    fault[0] = '\0';
    (void)snprintf(s->path, sizeof(s->path), "%.4000s/realms/default/clairon.db", dir);
    int err = make_dirs(dir, fault);
    err = err ? err : take_lock(s, dir, fault);
    if (!err) {
        int rc = open_database(s, dir, &err, fault);
        if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
            quarantine(s, o->now.wall_ms);
            (void)fault_set(fault, 0, dir,
                            "was damaged: its database was put aside, and a new one begun");
            rc = open_database(s, dir, &err, fault);
        }
        if (!err && rc != SQLITE_OK) {
            char what[120];
            (void)snprintf(what, sizeof(what), "can't be used: %s", sqlite3_errstr(rc));
            err = fault_set(fault, db_error(rc), dir, what);
        }
    }
    if (!err) {
        err = read_identity(s, o, info);
        err = err ? err : open_wal(s);
        if (err) {
            err = fault_set(fault, err, dir,
                            err == -E_STORAGE_FULL ? "is on a full disk" : "can't be written");
        }
    }
    if (err) {
        sqlite_free(&s->base);
        return err;
    }
    *ret = &s->base;
    return 0;
}
