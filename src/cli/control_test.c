// SPDX-License-Identifier: MIT
#include "cli/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *line, *name, *message;
        double percent; // -1: not understood
    } rows[] = {
        {"progress 5", NULL, NULL, 5},
        {"progress 5 some words", NULL, "some words", 5},
        {"progress 42.5", NULL, NULL, 42.5},
        {"progress 42%", NULL, NULL, 42},
        {"progress 100", NULL, NULL, 100},
        {"progress 100.5", NULL, NULL, -1},
        {"progress 101", NULL, NULL, -1},
        {"progress -1", NULL, NULL, -1},
        {"progress", NULL, NULL, -1},
        {"progress ", NULL, NULL, -1},
        {"progress x", NULL, NULL, -1},
        {"progress 5.", NULL, NULL, -1},
        {"progress .5", NULL, NULL, -1},
        {"progress 1e1", NULL, NULL, -1},
        {"step build", "build", NULL, 0},
        {"step build and more", "build", "and more", 0},
        {"step two words\tand more", "two words", "and more", 0},
        {"step two words\t", "two words", NULL, 0},
        {"step", NULL, NULL, -1},
        {"step ", NULL, NULL, -1},
        {"", NULL, NULL, -1},
        {"stepping stone", NULL, NULL, -1},
        {"Progress 5", NULL, NULL, -1},
        {" progress 5", NULL, NULL, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct control c;
        bool good = control_parse(str_of(rows[i].line), &c);
        if (good != (rows[i].percent >= 0)) {
            fail_msg("%s", rows[i].line);
        }
        if (good) {
            assert_int_equal(c.type, rows[i].name ? CONTROL_STEP : CONTROL_PROGRESS);
            assert_true(c.percent > rows[i].percent - 0.001 && c.percent < rows[i].percent + 0.001);
            assert_true(str_eq(c.name, str_of(rows[i].name)));
            assert_true(str_eq(c.message, str_of(rows[i].message)));
            assert_true((c.message.p == NULL) == (rows[i].message == NULL));
        }
    }
}

// What is sent is one line, is understood, and never longer than a pipe takes in one piece.
static void test_send(void **state)
{
    (void)state;
    int ends[2];
    char number[16];
    char *large = mem_alloc(20001);
    memset(large, 'x', 20000);
    assert_int_equal(pipe(ends), 0);
    snprintf(number, sizeof(number), "%d", ends[1]);
    setenv("CLAIRON_FD", number, 1);
    const struct {
        const char *word, *value, *message;
        size_t bytes;
    } rows[] = {
        {"progress", "5", NULL, 12},
        {"progress", "5", "a\nb", 15},
        {"step", "two words", "m", 17},
        {"step", "s", large, CONTROL_LINE_BYTES_MAX - 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[8192];
        struct control c;
        assert_int_equal(control_send("x", rows[i].word, rows[i].value, rows[i].message), 0);
        ssize_t n = read(ends[0], line, sizeof(line));
        assert_int_equal(n, rows[i].bytes);
        assert_ptr_equal(memchr(line, '\n', (size_t)n), line + n - 1);
        assert_true(control_parse(str_make(line, (size_t)n - 1), &c));
    }
    close(ends[0]);
    assert_int_equal(control_send("x", "progress", "5", NULL), 1);
    close(ends[1]);
    assert_int_equal(control_send("x", "progress", "5", NULL), 1);
    setenv("CLAIRON_FD", "x", 1);
    assert_int_equal(control_send("x", "progress", "5", NULL), 1);
    unsetenv("CLAIRON_FD");
    assert_int_equal(control_send("x", "progress", "5", NULL), 1);
    mem_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_send)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
