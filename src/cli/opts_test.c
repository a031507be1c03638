// SPDX-License-Identifier: MIT
#include "cli/opts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "cli/cli.h"

enum { WORDS_MAX = 12, PASSED = -1 };

static struct values {
    bool flag;
    const char *text;
    unsigned number;
    struct opt_list list;
} got;

static const struct opt table[] = {
    {"flag", OPT_FLAG, &got.flag, NULL, "a flag"},
    {"text", OPT_TEXT, &got.text, "TEXT", "a text"},
    {"number", OPT_UINT, &got.number, "N", "a number"},
    {"item", OPT_LIST, &got.list, "ITEM", "an item"},
};

// The words in a row, by blanks; the status, or PASSED with the other words in `out`.
static int parse(bool words_last, const char *in, char out[256])
{
    char copy[256];
    char *argv[WORDS_MAX + 1] = {0};
    int argc = 0;
    size_t len = strlen(in);
    assert_true(len < sizeof(copy));
    memcpy(copy, in, len + 1);
    for (char *p = copy; p && argc < WORDS_MAX;) {
        char *blank = strchr(p, ' ');
        if (blank) {
            *blank++ = '\0';
        }
        argv[argc++] = p;
        p = blank;
    }
    static char kept[256]; // what OPT_TEXT points into
    const struct opts o = {.command = "x",
                           .words = "A [B]",
                           .about = "x",
                           .table = table,
                           .count = ARRAY_LEN(table),
                           .words_min = 1,
                           .words_max = words_last ? -1 : 2,
                           .words_last = words_last};
    int words, status;
    got = (struct values){.number = 7};
    if (!opts_parse(&o, argc, argv, &words, &status)) {
        return status;
    }
    out[0] = '\0';
    for (int i = 1; i <= words; i++) {
        size_t at = strlen(out);
        size_t part = strlen(argv[i]);
        memcpy(out + at, argv[i], part);
        out[at + part] = i < words ? ' ' : '\0';
        out[at + part + 1] = '\0';
    }
    assert_null(argv[words + 1]);
    if (got.text) {
        size_t part = strlen(got.text);
        memcpy(kept, got.text, part + 1);
        got.text = kept;
    }
    return PASSED;
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        int status;
        const char *words;
        bool flag;
        const char *text;
        unsigned number, items;
    } rows[] = {
        {"x a", PASSED, "a", false, NULL, 7, 0},
        {"x a b", PASSED, "a b", false, NULL, 7, 0},
        {"x --flag a", PASSED, "a", true, NULL, 7, 0},
        {"x a --flag b", PASSED, "a b", true, NULL, 7, 0},
        {"x a --text v", PASSED, "a", false, "v", 7, 0},
        {"x a --text=v=w", PASSED, "a", false, "v=w", 7, 0},
        {"x a --text=", PASSED, "a", false, "", 7, 0},
        {"x a --text --flag", PASSED, "a", false, "--flag", 7, 0},
        {"x a --number 12", PASSED, "a", false, NULL, 12, 0},
        {"x a --item 1 --item=2", PASSED, "a", false, NULL, 7, 2},
        {"x -- --flag", PASSED, "--flag", false, NULL, 7, 0},
        {"x a -", PASSED, "a -", false, NULL, 7, 0},
        {"x -5", PASSED, "-5", false, NULL, 7, 0},
        {"x", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x --flag", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a b c", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --nope", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --fla", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a -f", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --flag=1", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --text", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --number", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --number -1", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --number 1s", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --number=", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x a --number 99999999999999999999", EXIT_USAGE, NULL, false, NULL, 0, 0},
        {"x --help", EXIT_OK, NULL, false, NULL, 0, 0},
        {"x a --nope --help", EXIT_USAGE, NULL, false, NULL, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char words[256];
        int status = parse(false, rows[i].in, words);
        if (status != rows[i].status) {
            fail_msg("%s: status %d", rows[i].in, status);
        }
        if (status == PASSED) {
            assert_string_equal(words, rows[i].words);
            assert_int_equal(got.flag, rows[i].flag);
            assert_int_equal(got.number, rows[i].number);
            assert_int_equal(got.list.count, rows[i].items);
            assert_true(str_eq(str_of(got.text), str_of(rows[i].text)));
        }
    }
}

// The words of `clairon run` are another command's.
static void test_words_last(void **state)
{
    (void)state;
    static const struct {
        const char *in, *words;
        bool flag;
    } rows[] = {
        {"x cmd --flag", "cmd --flag", false},
        {"x --flag cmd --flag --nope -x", "cmd --flag --nope -x", true},
        {"x -- cmd -- --flag", "cmd -- --flag", false},
        {"x cmd -- y", "cmd -- y", false},
        {"x -- --flag", "--flag", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char words[256];
        assert_int_equal(parse(true, rows[i].in, words), PASSED);
        assert_string_equal(words, rows[i].words);
        assert_int_equal(got.flag, rows[i].flag);
    }
}

static void test_secret(void **state)
{
    (void)state;
    const char *secret = NULL;
    const struct opt secrets[] = {{"token", OPT_SECRET, &secret, "TOKEN", "a secret"}};
    const struct opts o = {.command = "x",
                           .words = "A",
                           .about = "x",
                           .table = secrets,
                           .count = 1,
                           .words_min = 1,
                           .words_max = 1};
    static const char *const ways[] = {"--token\0abc\0a", "--token=abc\0a"};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        char first[16], second[16], last[16], name[] = "x";
        const char *p = ways[i];
        (void)snprintf(first, sizeof(first), "%s", p);
        p += strlen(p) + 1;
        (void)snprintf(second, sizeof(second), "%s", p);
        p += strlen(p) + 1;
        (void)snprintf(last, sizeof(last), "%s", i == 0 ? p : "");
        char *argv[] = {name, first, second, i == 0 ? last : NULL, NULL};
        int words, status;
        assert_true(opts_parse(&o, i == 0 ? 4 : 3, argv, &words, &status));
        assert_string_equal(secret, "abc");
        assert_string_equal(i == 0 ? second : first, i == 0 ? "***" : "--token=***");
        assert_string_equal(argv[1], "a");
    }
    char name[] = "x", option[] = "--token", a[] = "a", longest[8194];
    memset(longest, 't', sizeof(longest));
    for (size_t len = 8193; len >= 8192; len--) {
        longest[len] = '\0';
        char *argv[] = {name, option, longest, a, NULL};
        int words, status = EXIT_OK;
        assert_int_equal(opts_parse(&o, 4, argv, &words, &status), len == 8192);
        assert_int_equal(status, len == 8192 ? EXIT_OK : EXIT_USAGE);
    }
    assert_int_equal(strlen(secret), 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_words_last),
                                       cmocka_unit_test(test_secret)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
