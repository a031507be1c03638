// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

// By the definition, one code point at a time: the other way to say what table 3-7 says.
static size_t point_at(const unsigned char *p, size_t len)
{
    unsigned c = p[0];
    if (c < 0x80) {
        return 1;
    }
    size_t need = c >= 0xf0 && c < 0xf8   ? 4
                  : c >= 0xe0 && c < 0xf0 ? 3
                  : c >= 0xc0 && c < 0xe0 ? 2
                                          : 0;
    if (need == 0 || need > len) {
        return 0;
    }
    uint32_t point = c & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (p[i] & 0x3f);
    }
    uint32_t least = need == 2 ? 0x80 : need == 3 ? 0x800 : 0x10000;
    bool good = point >= least && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return good ? need : 0;
}

static bool valid_by_definition(const unsigned char *p, size_t len)
{
    while (len > 0) {
        size_t n = point_at(p, len);
        if (n == 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

// Every pair of bytes, followed by bytes at the bounds of what may follow.
static void test_all_sequences(void **state)
{
    (void)state;
    static const unsigned char edge[] = {0x00, 0x7f, 0x80, 0x8f, 0x90,
                                         0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            for (unsigned c = 0; c < ARRAY_LEN(edge); c++) {
                for (unsigned d = 0; d < ARRAY_LEN(edge); d++) {
                    unsigned char s[4] = {(unsigned char)a, (unsigned char)b, edge[c], edge[d]};
                    for (size_t len = 1; len <= 4; len++) {
                        struct str text = str_make((const char *)s, len);
                        if (utf8_valid(text) != valid_by_definition(s, len)) {
                            fail_msg("%02x %02x %02x %02x, %zu bytes", a, b, edge[c], edge[d], len);
                        }
                    }
                }
            }
        }
    }
}

static void test_streaming(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ptrdiff_t bad; // the byte at which it is refused; -1: at the end only; -2: valid
    } rows[] = {
        {"plain text longer than one word", -2},
        {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbf \xf4\x8f\xbf\xbf", -2},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"\x80", 0},
        {"\xe0\x80\x80", 1},
        {"\xed\xa0\x80", 1},
        {"\xf0\x80\x80\x80", 1},
        {"\xf4\x90\x80\x80", 1},
        {"\xe2\x82\x28", 2},
        {"0123456789\xff", 10},
        {"\xe2\x82", -1},
        {"\xf0\x9f\x98", -1},
        {"0123456\xc3", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct utf8_state st = {0};
        struct str s = str_of(rows[i].text);
        ptrdiff_t bad = -2;
        for (size_t at = 0; at < s.len && bad == -2; at++) {
            bad = utf8_feed(&st, str_make(s.p + at, 1)) ? -2 : (ptrdiff_t)at;
        }
        if (bad == -2 && !utf8_done(&st)) {
            bad = -1;
        }
        assert_int_equal(bad, rows[i].bad);
        assert_int_equal(utf8_valid(s), rows[i].bad == -2);
        for (size_t split = 0; split <= s.len; split++) {
            struct utf8_state two = {0};
            bool good = utf8_feed(&two, str_make(s.p, split)) &&
                        utf8_feed(&two, str_from(s, split)) && utf8_done(&two);
            assert_int_equal(good, rows[i].bad == -2);
        }
    }
    assert_true(utf8_valid(STR_NONE));
}

static void test_plain_text(void **state)
{
    (void)state;
    static const struct str good[] = {STR_NONE, STR(" "), STR("~"), STR("\xc2\xa0"),
                                      STR("\xe2\x82\xac")};
    static const struct str bad[] = {STR("\0"),    STR("a\x1f"),    STR("\n"),
                                     STR("a\x7f"), STR("\xc2\x80"), STR("a\xc2\x9f"),
                                     STR("\xc2"),  STR("\xff"),     STR("\xed\xa0\x80")};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(utf8_is_plain_text(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(utf8_is_plain_text(bad[i]));
    }
}

static void test_prefix(void **state)
{
    (void)state;
    struct str s = STR("a\xe2\x82\xac"
                       "b");
    static const size_t lens[] = {0, 1, 1, 1, 4, 5, 5};
    for (size_t max = 0; max < ARRAY_LEN(lens); max++) {
        assert_int_equal(utf8_prefix(s, max), lens[max]);
    }
    assert_int_equal(utf8_prefix(STR_NONE, 3), 0);
}

static void test_lossy(void **state)
{
    (void)state;
#define R "\xef\xbf\xbd"
    static const char *const rows[][2] = {
        {"", ""},
        {"plain \xe2\x82\xac", "plain \xe2\x82\xac"},
        {"\xff", R},
        {"a\xff\xfe"
         "b",
         "a" R R "b"},
        {"a\xe2\x82", "a" R R},
        {"\xe2\x82"
         "b",
         R R "b"},
        {"\xe2\x82\xe2\x82\xac", R R "\xe2\x82\xac"},
        {"\xed\xa0\x80", R R R},
        {"\xf0\x9f\x98\xf0\x9f\x98\x80", R R R "\xf0\x9f\x98\x80"},
        {"\x80\xc3", R R},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        utf8_put_lossy(&b, str_of(rows[i][0]));
        assert_true(str_is(buf_str(&b), rows[i][1]));
        assert_true(utf8_valid(buf_str(&b)));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sequences), cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_plain_text),    cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_lossy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
