// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"

static char said[100000]; // what went to standard error

// Runs `body` with standard error going into a file, then reads the file.
static void capture(void (*body)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_true(file && saved >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    body();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    size_t len = fread(said, 1, sizeof(said) - 1, file);
    said[len] = 0;
    fclose(file);
}

static void say_levels(void)
{
    log_set_level(LOG_DEBUG);
    log_debug("test.a", "n=%d", 1);
    log_info("test.b", "x");
    log_set_level(LOG_WARN);
    log_info("test.b", "not shown");
    log_warn("test.c", "y");
    log_error("test.d", "z");
    log_set_level(LOG_INFO);
}

static void test_levels(void **state)
{
    (void)state;
    capture(say_levels);
    assert_string_equal(said, "debug test.a n=1\ninfo test.b x\nwarn test.c y\nerror test.d z\n");
}

static void say_hostile(void)
{
    log_info("h.1", "name=%s", "a\r\nerror fake line");
    log_info("h.2", "name=%s", "\x1b[2J\x07\x7f\t");
    log_info("h.3", "name=%s", "\xff\xc0\x80\xe2\x82");
    log_info("h.4", "name=%s",
             "\xc2\x9b"
             "2J \xe2\x80\xae right \xe2\x81\xa6");
    log_info("h.5", "name=%s", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void test_hostile(void **state)
{
    (void)state;
    capture(say_hostile);
    assert_string_equal(said, "info h.1 name=a\\x0d\\x0aerror fake line\n"
                              "info h.2 name=\\x1b[2J\\x07\\x7f\\x09\n"
                              "info h.3 name=\\xff\\xc0\\x80\\xe2\\x82\n"
                              "info h.4 name=\\xc2\\x9b2J \\xe2\\x80\\xae right \\xe2\\x81\\xa6\n"
                              "info h.5 name=\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\n");
}

static void say_long(void)
{
    char text[5000];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = 0;
    log_info("l.1", "%s", text);
    memset(text, 1, sizeof(text) - 1);
    log_info("l.2", "%s", text);
}

static void test_long(void **state)
{
    (void)state;
    capture(say_long);
    struct str rest = str_of(said);
    struct str first = str_cut(&rest, '\n'), second = str_cut(&rest, '\n');
    assert_true(first.len > 4000 && first.len < 4150);
    assert_true(str_ends(first, STR("aaa\xe2\x80\xa6")));
    assert_true(second.len > 16000 && second.len < 16500);
    assert_true(rest.p && rest.len == 0);
}

static void say_json(void)
{
    log_set_format(LOG_JSON);
    log_info("j.1", "plain \"text\" of \\ %d%%", 5);
    log_warn("j.2", "refused: user=%s count=%lu", "eve admin=1 \"x\", \"y\":2", 7UL);
    log_warn("j.3", "a=%.*s and b=%s of %s", 2, "abc", "", "c=3");
    log_error("j.4", "name=%s", "\r\n{\x1b[2J\xff\xe2\x80\xae");
    log_info("j.5", "percent=%d%% left", -3);
    log_set_format(LOG_TEXT);
}

// A value can't be a member of its own making, nor end the line.
static void test_json(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        ",\"level\":\"info\",\"id\":\"j.1\",\"message\":\"plain \\\"text\\\" of \\\\ 5%\"}",
        ",\"level\":\"warn\",\"id\":\"j.2\",\"message\":\"refused:\",\"user\":"
        "\"eve admin=1 \\\"x\\\", \\\"y\\\":2\",\"count\":7}",
        ",\"level\":\"warn\",\"id\":\"j.3\",\"message\":\"and of c=3\",\"a\":\"ab\",\"b\":\"\"}",
        ",\"level\":\"error\",\"id\":\"j.4\",\"message\":\"\",\"name\":"
        "\"\\\\x0d\\\\x0a{\\\\x1b[2J\\\\xff\\\\xe2\\\\x80\\\\xae\"}",
        ",\"level\":\"info\",\"id\":\"j.5\",\"message\":\"percent=-3% left\"}",
    };
    capture(say_json);
    struct str rest = str_of(said);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct str line = str_cut(&rest, '\n');
        static const char pattern[] = "{\"time\":\"dddd-dd-ddTdd:dd:dd.dddZ\"";
        assert_true(line.len > sizeof(pattern));
        for (size_t at = 0; at < sizeof(pattern) - 1; at++) {
            bool digit = line.p[at] >= '0' && line.p[at] <= '9';
            bool fits = at >= 9 && pattern[at] == 'd' ? digit : line.p[at] == pattern[at];
            assert_true(fits);
        }
        struct str after = str_from(line, sizeof(pattern) - 1);
        assert_int_equal(after.len, strlen(wanted[i]));
        assert_memory_equal(after.p, wanted[i], after.len);
    }
    assert_int_equal(rest.len, 0);
}

static void say_json_long(void)
{
    char text[5000];
    memset(text, 1, sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    log_set_format(LOG_JSON);
    log_info("k.1", "value=%s n=%d", text, 3);
    log_set_format(LOG_TEXT);
}

static void test_json_long(void **state)
{
    (void)state;
    capture(say_json_long);
    struct str rest = str_of(said);
    struct str line = str_cut(&rest, '\n');
    assert_true(line.len > 20000 && line.len < 21000);
    assert_true(str_ends(line, STR("x01\"}")));
    assert_int_equal(rest.len, 0);
}

static void say_often(void)
{
    for (int i = 0; i < 1000; i++) {
        log_info("often", "n=%d", i);
        log_info("rare", "n=%d", i < 3 ? i : 3);
    }
}

// Ten a second of each id. The thousand may straddle a second, never three.
static void test_rate(void **state)
{
    (void)state;
    capture(say_often);
    size_t often = 0;
    struct str rest = str_of(said);
    while (rest.p) {
        often += str_starts(str_cut(&rest, '\n'), STR("info often "));
    }
    assert_in_range(often, 10, 20);
    assert_non_null(strstr(said, "info rare n=0\n"));
}

static void say_from_many_ids(void)
{
    char id[20];
    for (int i = 0; i < 200; i++) { // more ids than are watched at a time
        snprintf(id, sizeof(id), "many.%d", i);
        log_info(id, "x");
    }
}

static void test_many_ids(void **state)
{
    (void)state;
    capture(say_from_many_ids);
    size_t lines = 0;
    for (const char *c = said; *c; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),   cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long),     cmocka_unit_test(test_rate),
        cmocka_unit_test(test_json),     cmocka_unit_test(test_json_long),
        cmocka_unit_test(test_many_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
