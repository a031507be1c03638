// SPDX-License-Identifier: MIT
#include "cli/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_what_a_terminal_may_have(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "plain"},
        {"tab\there", "tab\there"},
        {"\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac"},
        {"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"},
        {"\x1b[1;38;5;9mred", "\x1b[1;38;5;9mred\x1b[0m"},
        {"\x1b[2Jclear", "clear"},
        {"\x1b[10;10Hmove", "move"},
        {"\x1b[?25lhide", "hide"},
        {"\x1b]0;title\x07text", "text"},
        {"\x1b]0;title\x1b\\text", "text"},
        {"\x1bPdevice\x1b\\text", "text"},
        {"\x1b]0;never ends", ""},
        {"\x1b"
         "creset",
         "reset"},
        {"\x1b[31", ""},
        {"\x1b", ""},
        {"bell\x07 back\x08 cr\r del\x7f", "bell back cr del"},
        {"c1\xc2\x9b"
         "2J",
         "c12J"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        view_put_safe(&b, str_of(rows[i].in));
        if (!str_is(buf_str(&b), rows[i].out)) {
            fail_msg("row %zu: %.*s", i, STR_ARG(buf_str(&b)));
        }
        buf_fini(&b);
    }
}

static void test_elapsed(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {-5, "0:00"},       {0, "0:00"},          {999, "0:00"},          {61000, "1:01"},
        {3599999, "59:59"}, {3600000, "1:00:00"}, {90061000, "25:01:01"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        view_put_elapsed(&b, rows[i].ms);
        assert_true(str_is(buf_str(&b), rows[i].text));
        buf_fini(&b);
    }
}

// However long what it says, however wide its letters: a bar is shorter than the row.
static void test_bar_fits(void **state)
{
    (void)state;
    struct track t = {.kind = CLAIRON_BUILD,
                      .id = "\xe4\xbd\xa0\xe5\xa5\xbd",
                      .known = true,
                      .progress = 100,
                      .started_wall_ms = 1};
    for (size_t i = 0; i + 4 < sizeof(t.message); i += 3) {
        memcpy(t.message + i, "\xe2\x82\xac", 4);
    }
    for (int columns = 20; columns < 300; columns++) {
        struct view v = {.terminal = true, .columns = columns};
        buf_init(&v.out, 10000);
        view_bar(&v, &t, NULL, 100000);
        int cells = 0;
        for (size_t i = 4; i < v.out.len; i++) { // behind CR and ESC [ K
            unsigned char c = (unsigned char)v.out.p[i];
            cells += c < 0x80 ? 1 : c >= 0xc0 ? 2 : 0;
        }
        assert_true(cells < columns);
        buf_fini(&v.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_terminal_may_have),
        cmocka_unit_test(test_elapsed),
        cmocka_unit_test(test_bar_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
