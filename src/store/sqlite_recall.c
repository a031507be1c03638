// SPDX-License-Identifier: MIT
// The store on disk: clients that may come back.
#include "base/err.h"
#include "store/sqlite_int.h"

int sqlite_write_recall(struct db *db, const struct store_recall *r)
{
    sqlite3_stmt *s = db_use(db, r->data.p ? S_RECALL_PUT : S_RECALL_DEL);
    if (!s) {
        return -E_IO;
    }
    bind_str(s, 1, r->key);
    if (r->data.p) {
        (void)sqlite3_bind_int64(s, 2, r->until_ms);
        bind_str(s, 3, r->data);
    }
    int rc = sqlite3_step(s);
    db_done(s);
    return db_error(rc);
}

int sqlite_read_recalls(struct store_reader *r,
                        bool (*fn)(void *ctx, const struct store_recall *borrowed), void *ctx)
{
    sqlite3_stmt *s = db_use(&sqlite_reader_of(r)->db, S_RECALL_LIST);
    if (!s) {
        return -E_IO;
    }
    int rc = SQLITE_DONE;
    bool more = true;
    while (more && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_recall row = {.key = column_str(s, 0),
                                   .until_ms = sqlite3_column_int64(s, 1),
                                   .data = column_str(s, 2)};
        more = fn(ctx, &row);
    }
    db_done(s);
    return db_error(rc);
}
