// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_put(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    assert_true(str_is(buf_str(&b), ""));
    assert_null(b.p);
    buf_put(&b, STR("a"));
    buf_put(&b, STR_NONE);
    buf_putc(&b, 'b');
    buf_putf(&b, "%d-%s", 42, "x");
    buf_put_u64(&b, 0);
    buf_putc(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    buf_putc(&b, ' ');
    buf_put_i64(&b, INT64_MIN);
    buf_putc(&b, ' ');
    buf_put_i64(&b, -1);
    buf_put_i64(&b, INT64_MAX);
    assert_true(str_is(buf_str(&b),
                       "ab42-x0 18446744073709551615 -9223372036854775808 -19223372036854775807"));
    buf_consume(&b, 2);
    assert_true(str_starts(buf_str(&b), STR("42-x")));
    buf_consume(&b, b.len);
    assert_int_equal(b.len, 0);
    buf_putf(&b, "%0500d", 7); // longer than the formatter's own room
    assert_int_equal(b.len, 500);
    assert_int_equal(b.p[499], '7');
    buf_clear(&b);
    char *to = buf_reserve(&b, 1000);
    assert_non_null(to);
    memset(to, 'z', 1000);
    buf_commit(&b, 3);
    assert_true(str_is(buf_str(&b), "zzz"));
    buf_fini(&b);
    buf_fini(&b);
}

static void test_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_put(&b, STR("abc"));
    buf_put(&b, STR("def")); // does not fit, and neither does anything after it
    assert_true(b.failed);
    buf_putc(&b, 'x');
    assert_true(str_is(buf_str(&b), "abc"));
    buf_clear(&b);
    assert_false(b.failed);
    buf_put(&b, STR("abcde"));
    assert_false(b.failed);
    assert_true(b.cap <= 5);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_fini(&b);
    assert_int_equal(b.max, 5);
    buf_putf(&b, "%s", "123456");
    assert_true(b.failed && b.len == 0);
    buf_fini(&b);
}

static void test_no_memory(void **state)
{
    (void)state;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct buf b;
        buf_init(&b, 100000);
        mem_fail_nth(nth);
        for (int i = 0; i < 1000; i++) {
            buf_put(&b, STR("0123456789"));
        }
        mem_fail_nth(0);
        failed = b.failed;
        assert_true(failed ? b.len < 10000 && b.len % 10 == 0 : b.len == 10000);
        assert_true(failed || nth > 4);
        buf_fini(&b);
    }
}

static void test_json(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *json;
    } rows[] = {
        {STR(""), "\"\""},
        {STR("plain"), "\"plain\""},
        {STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
        {STR("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {STR("a\0b"), "\"a\\u0000b\""},
        {STR("\xc3\xa4\xe2\x82\xac"), "\"\xc3\xa4\xe2\x82\xac\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        buf_put_json(&b, rows[i].text);
        assert_true(str_is(buf_str(&b), rows[i].json));
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 10);
    buf_put_json(&b, STR_NONE);
    assert_true(str_is(buf_str(&b), "\"\""));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
