// SPDX-License-Identifier: MIT
#include "load/marker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/mem.h"

static void test_put(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    marker_put(&b, (struct marker){7, 1234}, 14, MARKER_FILL_X);
    assert_true(str_is(buf_str(&b), "#S.7.1234.xxxx"));
    buf_clear(&b);
    marker_put(&b, (struct marker){7, 1234}, 3, MARKER_FILL_X);
    assert_true(str_is(buf_str(&b), "#S.7.1234."));
    buf_clear(&b);
    marker_put(&b, (struct marker){UINT64_C(9999999999999999999), INT64_MAX}, 1, MARKER_FILL_X);
    assert_in_range(b.len, 1, MARKER_MAX);
    buf_fini(&b);
}

// The same for an event each time, another for another, and never what JSON or a marker would mind.
static void test_words(void **state)
{
    (void)state;
    struct buf first, second;
    buf_init(&first, 1000);
    buf_init(&second, 1000);
    marker_put(&first, (struct marker){7, 1234}, 200, MARKER_FILL_WORDS);
    marker_put(&second, (struct marker){7, 1234}, 200, MARKER_FILL_WORDS);
    assert_int_equal(first.len, 200);
    assert_memory_equal(first.p, second.p, 200);
    buf_clear(&second);
    marker_put(&second, (struct marker){8, 1234}, 200, MARKER_FILL_WORDS);
    assert_memory_not_equal(first.p, second.p, 200);
    for (size_t i = strlen("#S.7.1234."); i < first.len; i++) {
        char c = first.p[i];
        assert_true(c == ' ' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'));
    }
    buf_fini(&first);
    buf_fini(&second);
}

static const struct {
    const char *text;
    unsigned count;
    struct marker first, last;
} texts[] = {
    {"", 0, {0}, {0}},
    {"nothing here", 0, {0}, {0}},
    {"#", 0, {0}, {0}},
    {"##S.1.2.", 1, {1, 2}, {1, 2}},
    {"{\"p\":\"#S.12.345.xx\"}", 1, {12, 345}, {12, 345}},
    {"#S.1.2.#S.3.4.", 2, {1, 2}, {3, 4}},
    {"#S.1.2.x#s.3.4.#S.5.6.x", 2, {1, 2}, {5, 6}},
    {"#S..2.", 0, {0}, {0}},
    {"#S.1..", 0, {0}, {0}},
    {"#S.1.2", 0, {0}, {0}},
    {"#S.-1.2.", 0, {0}, {0}},
    {"#S.1 .2.#S.8.9.", 1, {8, 9}, {8, 9}},
    {"#S.12345678901234567890.2.", 0, {0}, {0}},
    {"#S.1.12345678901234567890.", 0, {0}, {0}},
    {"#S.9999999999999999999.1.",
     1,
     {UINT64_C(9999999999999999999), 1},
     {UINT64_C(9999999999999999999), 1}},
    {"#S.#S.1.2.#S.1.#S.3.4.", 2, {1, 2}, {3, 4}},
};

static void check(size_t row, const struct marker *found, unsigned count)
{
    assert_int_equal(count, texts[row].count);
    if (count > 0) {
        assert_memory_equal(&found[0], &texts[row].first, sizeof(*found));
        assert_memory_equal(&found[count - 1], &texts[row].last, sizeof(*found));
    }
}

static void test_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        // A copy of just this length, so that a byte too many is noticed.
        size_t len = strlen(texts[i].text);
        char *copy = mem_alloc(len + 1);
        memcpy(copy, texts[i].text, len);
        copy = mem_realloc(copy, len > 0 ? len : 1);
        struct marker found[8];
        unsigned count = 0;
        const char *at = copy;
        while (marker_next(&at, copy + len, &found[count])) {
            count++;
        }
        check(i, found, count);
        mem_free(copy);
    }
}

// Whatever the pieces, the same markers come out.
static void test_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len = strlen(texts[i].text);
        for (size_t piece_len = 1; piece_len <= len + 1; piece_len++) {
            struct marker_stream s = {0};
            struct marker found[8];
            unsigned count = 0;
            for (size_t at = 0; at < len; at += piece_len) {
                size_t left = len - at;
                struct str piece =
                    str_make(texts[i].text + at, left < piece_len ? left : piece_len);
                while (marker_stream_next(&s, &piece, &found[count])) {
                    count++;
                }
                assert_int_equal(piece.len, 0);
            }
            check(i, found, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
