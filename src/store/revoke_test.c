// SPDX-License-Identifier: MIT
// What every store must do with revocations.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/contract.h"
#include "store/model.h"

#define ROWS_MAX 8

struct seen {
    struct store_revocation rows[ROWS_MAX];
    char names[ROWS_MAX][16];
    unsigned count, wanted; // 0: all
};

static bool see(void *ctx, const struct store_revocation *r)
{
    struct seen *s = ctx;
    assert_in_range(s->count, 0, ROWS_MAX - 1);
    assert_true(r->name.p && r->name.len < sizeof(s->names[0]));
    s->rows[s->count] = *r;
    (void)snprintf(s->names[s->count], sizeof(s->names[0]), "%.*s", STR_ARG(r->name));
    assert_true(s->count == 0 || r->row > s->rows[s->count - 1].row);
    return ++s->count != s->wanted;
}

static struct seen read_all(struct contract *c, uint64_t after, unsigned wanted)
{
    struct seen s = {.wanted = wanted};
    assert_int_equal(c->store->ops->read_revocations(c->reader, after, c->wall_ms, see, &s), 0);
    return s;
}

static void assert_row(const struct seen *s, unsigned i, unsigned what, const char *name,
                       int64_t before_ms, int64_t until_ms)
{
    assert_true(i < s->count);
    assert_int_equal(s->rows[i].what, what);
    assert_string_equal(s->names[i], name);
    assert_int_equal(s->rows[i].before_ms, before_ms);
    assert_int_equal(s->rows[i].until_ms, until_ms);
}

static void test_none(void **state)
{
    assert_int_equal(read_all(*state, 0, 0).count, 0);
}

static void test_kept_as_given(void **state)
{
    struct contract *c = *state;
    int64_t far = c->wall_ms + 1000;
    contract_put_revocation(c, 0, "j-1", 0, far);
    contract_put_revocation(c, 1, "alice", 5, INT64_MAX);
    contract_put_revocation(c, 0, "alice", INT64_MIN, far); // another thing of that name
    contract_put_revocation(c, 2, NULL, INT64_MAX, INT64_MAX);
    contract_commit(c);
    for (unsigned round = 0; round < 2; round++) {
        struct seen s = read_all(c, 0, 0);
        assert_int_equal(s.count, 4);
        assert_row(&s, 0, 0, "j-1", 0, far);
        assert_row(&s, 1, 1, "alice", 5, INT64_MAX);
        assert_row(&s, 2, 0, "alice", INT64_MIN, far);
        assert_row(&s, 3, 2, "", INT64_MAX, INT64_MAX);
        contract_reopen(c, END_CRASH);
    }
}

static void test_second_widens_the_first(void **state)
{
    struct contract *c = *state;
    int64_t at = c->wall_ms + 1000;
    contract_put_revocation(c, 1, "bob", 7, at);
    contract_commit(c);
    contract_put_revocation(c, 1, "bob", 6, at + 5);
    contract_put_revocation(c, 2, NULL, 1, at);
    contract_put_revocation(c, 2, "", 3, at); // no name is an empty name
    contract_commit(c);
    contract_put_revocation(c, 1, "bob", 8, at + 1);
    contract_commit(c);
    struct seen s = read_all(c, 0, 0);
    assert_int_equal(s.count, 2);
    assert_row(&s, 0, 1, "bob", 8, at + 5);
    assert_row(&s, 1, 2, "", 3, at);
}

static void test_pages(void **state)
{
    struct contract *c = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        contract_put_revocation(c, 0, names[i], 0, INT64_MAX);
    }
    contract_commit(c);
    struct seen first = read_all(c, 0, 2);
    assert_int_equal(first.count, 2);
    struct seen second = read_all(c, first.rows[1].row, 2);
    assert_int_equal(second.count, 2);
    assert_row(&second, 0, 0, "c", 0, INT64_MAX);
    struct seen third = read_all(c, second.rows[1].row, 2);
    assert_int_equal(third.count, 1);
    assert_int_equal(read_all(c, third.rows[0].row, 2).count, 0);
}

static void test_expired_are_not_read_and_go(void **state)
{
    struct contract *c = *state;
    const struct store_policy policy = {.retention_ms = 1000000, .job_log_bytes = 1 << 20};
    int64_t now = c->wall_ms;
    contract_put_revocation(c, 0, "now", 0, now);
    contract_put_revocation(c, 0, "soon", 0, now + 1);
    contract_put_revocation(c, 0, "ever", 0, INT64_MAX);
    contract_commit(c);
    struct seen s = read_all(c, 0, 0);
    assert_int_equal(s.count, 2);
    assert_int_equal(contract_upkeep(c, &policy), 1);
    c->wall_ms = now - 1;
    assert_int_equal(read_all(c, 0, 0).count, 2); // it is gone, not only hidden
    assert_int_equal(contract_upkeep(c, &policy), 0);
    c->wall_ms = now + 1;
    assert_int_equal(contract_upkeep(c, &policy), 1);
    s = read_all(c, 0, 0);
    assert_int_equal(s.count, 1);
    assert_row(&s, 0, 0, "ever", 0, INT64_MAX);
    uint64_t last = s.rows[0].row;
    c->wall_ms = INT64_MAX - 1;
    assert_int_equal(contract_upkeep(c, &policy), 0);
    contract_put_revocation(c, 0, "more", 0, INT64_MAX);
    contract_commit(c);
    assert_int_equal(read_all(c, last, 0).count, 1);
}

static void test_synced_survives_power(void **state)
{
    struct contract *c = *state;
    for (unsigned i = 0; i < 4; i++) {
        contract_put_revocation(c, 0, (const char *[]){"a", "b", "c", "d"}[i], 0, INT64_MAX);
        contract_commit(c);
        if (i == 1) {
            assert_int_equal(c->store->ops->sync(c->store), 0);
        }
    }
    contract_reopen(c, END_POWER);
    struct seen s = read_all(c, 0, 0);
    assert_in_range(s.count, 2, 4);
    assert_row(&s, 0, 0, "a", 0, INT64_MAX);
    assert_row(&s, 1, 0, "b", 0, INT64_MAX);
    c->wall_ms++;
    contract_put_revocation(c, 0, "e", 0, INT64_MAX);
    contract_commit(c);
    assert_int_equal(read_all(c, 0, 0).count, s.count + 1);
}

static void test_with_events_all_or_nothing(void **state)
{
    struct contract *c = *state;
    if (!c->backend->sqlite) {
        store_model_fail(c->store, MODEL_COMMIT, -E_STORAGE_FULL);
        contract_put(c, "t", "message", "{}");
        contract_put_revocation(c, 0, "a", 0, INT64_MAX);
        assert_int_equal(contract_try_commit(c), -E_STORAGE_FULL);
        assert_int_equal(read_all(c, 0, 0).count, 0);
        store_model_fail(c->store, MODEL_READ, -E_IO);
        assert_int_equal(c->store->ops->read_revocations(c->reader, 0, 0, see, NULL), -E_IO);
    }
    contract_put(c, "t", "message", "{}");
    contract_put_revocation(c, 0, "a", 0, INT64_MAX);
    contract_commit(c);
    assert_int_equal(read_all(c, 0, 0).count, 1);
    struct store_page page;
    contract_read(c, "t", 0, &page);
    assert_int_equal(page.count, 1);
    store_page_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_kept_as_given),
        cmocka_unit_test(test_second_widens_the_first),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_expired_are_not_read_and_go),
        cmocka_unit_test(test_synced_survives_power),
        cmocka_unit_test(test_with_events_all_or_nothing),
    };
    return contract_run("revocations", tests, ARRAY_LEN(tests));
}
