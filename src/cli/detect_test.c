// SPDX-License-Identifier: MIT
#include "cli/detect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int percent; // -1: none
    } rows[] = {
        {"", -1},
        {"nothing here", -1},
        {"[1/4] CC main.c", 25},
        {"[ 1/4] CC main.c", 25},
        {"[1/3]", 33},
        {"[2/3]", 66},
        {"[3/3] done", 100},
        {"[0/3]", 0},
        {"[4/3]", -1},
        {"[1/0]", -1},
        {"[1/]", -1},
        {"[/3]", -1},
        {"[1/3", -1},
        {"[a/b]", -1},
        {"[1/2/3]", -1},
        {"[100000000000000000000/100000000000000000001]", -1},
        {"[ 45%] Building C object", 45},
        {"50%", 50},
        {"50 %", 50},
        {"12.5%", 12},
        {"99.99%", 99},
        {"100%", 100},
        {"100.0%", 100},
        {"100.1%", -1},
        {"101%", -1},
        {"150%", -1},
        {"-5%", -1},
        {"v1.50%", -1},
        {"x50%", -1},
        {"a=50%", 50},
        {"50%20", -1},
        {"http://x/a%20b", -1},
        {"%", -1},
        {"5", -1},
        {"######      42.7%", 42},
        {"\x1b[32m[3/4]\x1b[0m", 75},
        {"\x1b[1;32m80%\x1b[0m", 80},
        {"\x1b[K\x1b[2K7%", 7},
        {"\x1b[", -1},
        {"10% of 20%", 10},
        {"4% and [3/4]", 4},
        {"1.2.3%", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned percent = 0;
        int got = detect_progress(str_of(rows[i].line), &percent) ? (int)percent : -1;
        if (got != rows[i].percent) {
            fail_msg("%s: %d, not %d", rows[i].line, got, rows[i].percent);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
