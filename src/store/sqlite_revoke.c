// SPDX-License-Identifier: MIT
// The store on disk: tokens that are no longer taken.
#include "base/err.h"
#include "store/sqlite_int.h"

int sqlite_write_revocation(struct db *db, const struct store_revocation *r)
{
    sqlite3_stmt *s = db_use(db, S_REVOKE_PUT);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, r->what);
    bind_str(s, 2, r->name.p ? r->name : STR(""));
    (void)sqlite3_bind_int64(s, 3, r->before_ms);
    (void)sqlite3_bind_int64(s, 4, r->until_ms);
    int rc = sqlite3_step(s);
    db_done(s);
    return db_error(rc);
}

int sqlite_read_revocations(struct store_reader *r, uint64_t after, int64_t wall_ms,
                            bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                            void *ctx)
{
    sqlite3_stmt *s = db_use(&sqlite_reader_of(r)->db, S_REVOKE_LIST);
    if (!s) {
        return -E_IO;
    }
    (void)sqlite3_bind_int64(s, 1, (int64_t)after);
    (void)sqlite3_bind_int64(s, 2, wall_ms);
    int rc = SQLITE_DONE;
    bool more = true;
    while (more && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_revocation row = {.what = (unsigned)sqlite3_column_int64(s, 0),
                                       .name = column_str(s, 1),
                                       .before_ms = sqlite3_column_int64(s, 2),
                                       .until_ms = sqlite3_column_int64(s, 3),
                                       .row = (uint64_t)sqlite3_column_int64(s, 4)};
        more = fn(ctx, &row);
    }
    db_done(s);
    return db_error(rc);
}
