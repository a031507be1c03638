// SPDX-License-Identifier: MIT
// What every store must do with clients that may come back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/contract.h"
#include "store/model.h"

struct seen {
    char text[200];
    size_t len;
    unsigned wanted; // 0: all
    unsigned count;
};

static bool see(void *ctx, const struct store_recall *r)
{
    struct seen *s = ctx;
    int len = snprintf(s->text + s->len, sizeof(s->text) - s->len, "%.*s=%.*s@%lld ",
                       STR_ARG(r->key), STR_ARG(r->data), (long long)r->until_ms);
    s->len += (size_t)len;
    return ++s->count != s->wanted;
}

static struct seen read_all(struct contract *c, unsigned wanted)
{
    struct seen s = {.wanted = wanted};
    assert_int_equal(c->store->ops->read_recalls(c->reader, see, &s), 0);
    return s;
}

static void put(struct contract *c, const char *key, const char *data, int64_t until_ms)
{
    struct store_recall row = {.key = str_of(key), .data = str_of(data), .until_ms = until_ms};
    c->batch.recalls = &row;
    c->batch.recalls_count = 1;
    contract_commit(c);
    c->batch.recalls = NULL;
}

static void test_rows(void **state)
{
    struct contract *c = *state;
    assert_string_equal(read_all(c, 0).text, "");
    put(c, "a", "{}", INT64_MAX);
    put(c, "a", "{\"x\":1}", 5); // in place of the first
    assert_string_equal(read_all(c, 0).text, "a={\"x\":1}@5 ");
    put(c, "b", "2", 7);
    assert_int_equal(read_all(c, 0).count, 2);
    assert_int_equal(read_all(c, 1).count, 1);
    put(c, "a", NULL, 0);
    put(c, "nobody", NULL, 0);
    assert_string_equal(read_all(c, 0).text, "b=2@7 ");
}

static void test_kept_over_ends(void **state)
{
    struct contract *c = *state;
    put(c, "a", "1", 5);
    contract_reopen(c, END_CLEAN);
    put(c, "b", "2", 6);
    contract_reopen(c, END_CRASH);
    assert_int_equal(read_all(c, 0).count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_kept_over_ends),
    };
    return contract_run("recall", tests, ARRAY_LEN(tests));
}
