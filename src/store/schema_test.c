// SPDX-License-Identifier: MIT
// Databases of older versions of the schema: brought up to date when opened, whole or not at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/err.h"
#include "store/contract.h"
#include "store/sqlite.h"

static void change(const struct contract *c, const char *text)
{
    char path[200];
    sqlite3 *db;
    (void)snprintf(path, sizeof(path), "%s/realms/default/clairon.db", c->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t version(const struct contract *c)
{
    char path[200];
    sqlite3 *db;
    sqlite3_stmt *s;
    (void)snprintf(path, sizeof(path), "%s/realms/default/clairon.db", c->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t found = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return found;
}

// Closes the store and makes its database one of version 1.
static void go_back(struct contract *c)
{
    c->store->ops->reader_free(c->reader);
    c->store->ops->free(c->store);
    change(c, "DROP TABLE recall; DROP TABLE revocation; PRAGMA user_version=1");
    assert_int_equal(version(c), 1);
}

static int try_open(struct contract *c, char fault[256])
{
    struct store_sqlite_options o = {
        .key = c->key, .now = {.wall_ms = c->wall_ms}, .boot_id = c->boot_id};
    return store_sqlite_open(c->dir, &o, &c->store, &c->info, fault);
}

static void open_again(struct contract *c)
{
    char fault[256];
    assert_int_equal(try_open(c, fault), 0);
    assert_string_equal(fault, "");
    c->reader = c->store->ops->reader_new(c->store);
    assert_non_null(c->reader);
}

static void test_first_version(void **state)
{
    struct contract *c = *state;
    contract_put(c, "t", "message", "{}");
    contract_commit(c);
    uint64_t epoch = c->info.epoch;
    int64_t ours = version(c);
    go_back(c);
    open_again(c);
    assert_int_equal(c->info.epoch, epoch); // the same log
    assert_int_equal(version(c), ours);
    contract_put(c, "t", "message", "{}");
    contract_put_revocation(c, 0, "a", 0, INT64_MAX);
    contract_commit(c);
    struct store_page page;
    contract_read(c, "t", 0, &page);
    assert_int_equal(page.count, 2);
    store_page_fini(&page);
    contract_reopen(c, END_CLEAN); // and stays so
}

static void test_failure_changes_nothing(void **state)
{
    struct contract *c = *state;
    char fault[256];
    contract_put(c, "t", "message", "{}");
    contract_commit(c);
    go_back(c);
    change(c, "CREATE TABLE revocation_until(x)"); // in the way of an index, after the table
    assert_int_not_equal(try_open(c, fault), 0);
    assert_non_null(strstr(fault, "can't be used"));
    assert_int_equal(version(c), 1);
    change(c, "CREATE TABLE revocation(x); DROP TABLE revocation; DROP TABLE revocation_until");
    open_again(c);
    struct store_page page;
    contract_read(c, "t", 0, &page);
    assert_int_equal(page.count, 1);
    store_page_fini(&page);
}

static void test_not_for_us(void **state)
{
    static const struct {
        const char *change, *fault;
    } cases[] = {
        {"PRAGMA user_version=1000000", "newer version"},
        {"PRAGMA user_version=0", "another program"},
        {"PRAGMA user_version=-5", "another program"},
        {"PRAGMA application_id=7; PRAGMA user_version=1", "another program"},
    };
    struct contract *c = *state;
    char fault[256], back[80];
    int64_t ours = version(c);
    go_back(c);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        change(c, cases[i].change);
        assert_int_equal(try_open(c, fault), -E_CONFLICT);
        assert_non_null(strstr(fault, cases[i].fault));
    }
    (void)snprintf(back, sizeof(back), "PRAGMA application_id=%d; PRAGMA user_version=1",
                   0x434c5231);
    change(c, back);
    open_again(c);
    assert_int_equal(version(c), ours);
}

int main(void)
{
    static const struct contract_backend sqlite = {"sqlite", true};
    void *state = (void *)(uintptr_t)&sqlite;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_first_version, contract_setup,
                                                 contract_teardown, state),
        cmocka_unit_test_prestate_setup_teardown(test_failure_changes_nothing, contract_setup,
                                                 contract_teardown, state),
        cmocka_unit_test_prestate_setup_teardown(test_not_for_us, contract_setup, contract_teardown,
                                                 state),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
