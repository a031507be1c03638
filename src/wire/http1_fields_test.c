// SPDX-License-Identifier: MIT
#include "wire/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"

// A head of given fields, without a message around them.
static struct http1_head *new_head(const struct http1_field *fields, size_t count)
{
    struct http1_head *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    memcpy(h->fields, fields, count * sizeof(*fields));
    h->count = count;
    return h;
}

static void test_looking_up(void **state)
{
    (void)state;
    static const struct http1_field fields[] = {
        {STR("Accept"), STR("a/b, ,\t c/d,")},
        {STR("X"), STR("")},
        {STR("ACCEPT"), STR(",")},
        {STR("accept"), STR("E/f")},
    };
    struct http1_head *h = new_head(fields, ARRAY_LEN(fields));
    assert_true(str_is(http1_field(h, "accept"), "a/b, ,\t c/d,"));
    assert_true(http1_field(h, "x").p && http1_field(h, "x").len == 0);
    assert_null(http1_field(h, "xx").p);
    assert_int_equal(http1_field_count(h, "aCCept"), 3);
    assert_int_equal(http1_field_count(h, "acc"), 0);
    static const char *const items[] = {"a/b", "c/d", "E/f"};
    struct str item;
    size_t n = 0;
    for (struct http1_list it = http1_list(h, "Accept"); http1_list_next(&it, &item); n++) {
        assert_true(n < ARRAY_LEN(items) && str_is(item, items[n]));
    }
    assert_int_equal(n, ARRAY_LEN(items));
    assert_true(http1_has_token(h, "accept", "e/F"));
    assert_false(http1_has_token(h, "accept", "a"));
    assert_false(http1_has_token(h, "accept", ""));
    assert_false(http1_has_token(h, "x", ""));
    assert_false(http1_has_token(h, "none", "a/b"));
    free(h);
}

static void test_writing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    http1_put_field(&b, "X-A", STR("b c"));
    http1_put_chunk(&b, STR(""));
    http1_put_chunk(&b, STR("0123456789abcdef"));
    assert_true(str_is(buf_str(&b), "X-A: b c\r\n10\r\n0123456789abcdef\r\n"));
    static const char *const bad[] = {"a\r\nSet-Cookie: x", "a\n", "\r"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_clear(&b);
        http1_put_field(&b, "Location", str_of(bad[i]));
        assert_true(b.failed);
        assert_int_equal(b.len, 0);
    }
    buf_clear(&b);
    http1_put_field(&b, "Location", str_make("a\0b", 3));
    assert_true(b.failed);
    buf_fini(&b);
    for (int e = 0; e < E_NR; e++) { // every status of the table has a name
        assert_string_not_equal(http1_reason(err_http_status(e)), "");
    }
    assert_string_equal(http1_reason(299), "");
    assert_string_equal(http1_method_name(HTTP1_TRACE), "TRACE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looking_up),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
