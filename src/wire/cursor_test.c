// SPDX-License-Identifier: MIT
#include "wire/cursor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/err.h"

static void test_round_trip(void **state)
{
    (void)state;
    static const struct {
        struct cursor c;
        const char *text;
    } rows[] = {
        {{0, 0}, "0000000000000000-0"},
        {{0x0123456789abcdef, 42}, "0123456789abcdef-42"},
        {{UINT64_MAX, INT64_MAX}, "ffffffffffffffff-9223372036854775807"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[CURSOR_TEXT_MAX];
        struct cursor c;
        assert_int_equal(cursor_text(rows[i].c, text), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(cursor_parse(str_of(text), &c), 0);
        assert_true(c.epoch == rows[i].c.epoch && c.id == rows[i].c.id);
        struct buf b;
        buf_init(&b, 100);
        cursor_put(&b, rows[i].c);
        assert_true(str_is(buf_str(&b), rows[i].text));
        buf_fini(&b);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "-",
        "0123456789abcdef",
        "0123456789abcdef-",
        "0123456789abcde-1",
        "0123456789ABCDEF-1",
        "0123456789abcdeg-1",
        "0123456789abcdef_1",
        "0123456789abcdef-01",
        "0123456789abcdef-+1",
        "0123456789abcdef--1",
        "0123456789abcdef-1 ",
        " 0123456789abcdef-1",
        "0123456789abcdef-9223372036854775808",
        "0123456789abcdef-18446744073709551616",
        "0123456789abcdef-99999999999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cursor c = {1, 2};
        assert_int_equal(cursor_parse(str_of(rows[i]), &c), -E_BAD_REQUEST);
        assert_true(c.epoch == 1 && c.id == 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
