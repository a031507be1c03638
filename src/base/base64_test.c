// SPDX-License-Identifier: MIT
// Tests of base64 and base64url: the vectors of RFC 4648 10, and all that is refused.
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        struct str bytes, text;
    } rows[] = {
        {STR(""), STR("")},
        {STR("f"), STR("Zg==")},
        {STR("fo"), STR("Zm8=")},
        {STR("foo"), STR("Zm9v")},
        {STR("foob"), STR("Zm9vYg==")},
        {STR("fooba"), STR("Zm9vYmE=")},
        {STR("foobar"), STR("Zm9vYmFy")},
        {STR("\x01\x02\x03\x04"), STR("AQIDBA==")},
        {STR("\xfb\xff\xfe\0"), STR("+//+AA==")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        base64_put(&b, rows[i].bytes);
        assert_true(str_eq(buf_str(&b), rows[i].text));
        assert_int_equal(base64_chars(rows[i].bytes.len), rows[i].text.len);
        buf_clear(&b);
        assert_int_equal(base64_decode(rows[i].text, &b), 0);
        assert_true(str_eq(buf_str(&b), rows[i].bytes));
        buf_fini(&b);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        STR("Z"),     STR("Zg"),       STR("Zg="),
        STR("Zm8"),   STR("="),        STR("===="),
        STR("Z==="),  STR("Zg==="),    STR("Zg==Zg=="),
        STR("Zg=8"),  STR("Zm9_"),     STR("Zm9-"),
        STR("Zm 9"),  STR("Zm9v\n"),   STR("\nZm9v\n\n\n"),
        STR("Zm\0v"), STR("Zm9\xc3"),  STR("Zh=="),
        STR("Zm9="),  STR("AAAAZm9="), // bits that mean nothing
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf b;
        buf_init(&b, 100);
        buf_putc(&b, 'x');
        if (base64_decode(bad[i], &b) != -E_BAD_REQUEST || b.len != 1) {
            fail_msg("row %zu", i);
        }
        buf_fini(&b);
    }
}

static void test_round(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        char bytes[64];
        size_t len = (size_t)rng_below(&rng, sizeof(bytes));
        for (size_t k = 0; k < len; k++) {
            bytes[k] = (char)rng_next(&rng);
        }
        struct buf text, back;
        buf_init(&text, 200);
        buf_init(&back, 200);
        base64_put(&text, str_make(bytes, len));
        assert_int_equal(base64_decode(buf_str(&text), &back), 0);
        assert_true(str_eq(buf_str(&back), str_make(bytes, len)));
        buf_fini(&text);
        buf_fini(&back);
    }
}

static void test_room(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 7);
    base64_put(&b, STR("foob"));
    assert_true(b.failed);
    buf_clear(&b);
    assert_int_equal(base64_decode(STR("Zm9vYmFyZm9v"), &b), 0);
    assert_true(b.failed && b.len == 0);
    buf_clear(&b);
    mem_fail_nth(1);
    base64_put(&b, STR("foo"));
    mem_fail_nth(0);
    assert_true(b.failed);
    buf_fini(&b);
}

static void test_digits(void **state)
{
    (void)state;
    struct str digits = STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    for (unsigned c = 0; c < 256; c++) {
        assert_int_equal(base64_is_digit((char)c), str_chr(digits, (char)c, 0) >= 0);
    }
}

// --- base64url ---

static void test_url_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "A",     "AAAAA",  "Zg==",        "Zm8=", "Zm9v=",      "=",    " Zm9v",
        "Zm9v ", "Zm9v\n", "Zm 9v",       "Zm+v", "Zm/v",       "Zm.v", "Zh",
        "Zm9",   "Zm9vZ",  "\xc3\xa4Zm9", "Zm9*", "_\xff\xff_",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char out[16];
        assert_true(base64url_bytes(strlen(cases[i])) <= sizeof(out));
        if (base64url_decode(str_of(cases[i]), out) != -E_BAD_REQUEST) {
            fail_msg("taken: %s", cases[i]);
        }
    }
    unsigned char out[3];
    assert_int_equal(base64url_decode(str_make("Zm\0v", 4), out), -E_BAD_REQUEST);
}

static void test_url_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str bytes = str_of(cases[i].bytes), text = str_of(cases[i].text);
        char out[16];
        struct buf b;
        assert_int_equal(base64url_bytes(text.len), bytes.len);
        assert_int_equal(base64url_decode(text, out), 0);
        assert_true(str_eq(str_make(out, bytes.len), bytes));
        buf_init(&b, 100);
        base64url_put(&b, bytes.p, bytes.len);
        assert_true(str_eq(buf_str(&b), text));
        buf_fini(&b);
    }
}

// Whatever is written reads back, and no other text of its length reads as the same bytes.
static void test_url_one_text_for_each(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 11);
    for (int round = 0; round < 2000; round++) {
        unsigned char bytes[40], out[40], other[40];
        size_t len = (size_t)rng_below(&rng, sizeof(bytes));
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (unsigned char)rng_next(&rng);
        }
        struct buf b;
        buf_init(&b, 100);
        base64url_put(&b, bytes, len);
        assert_int_equal(base64url_bytes(b.len), len);
        assert_int_equal(base64url_decode(buf_str(&b), out), 0);
        assert_memory_equal(out, bytes, len);
        if (len > 0) {
            size_t at = (size_t)rng_below(&rng, b.len);
            char was = b.p[at];
            b.p[at] = (char)rng_next(&rng);
            int rc = base64url_decode(buf_str(&b), other);
            assert_true(rc != 0 || b.p[at] == was || memcmp(other, bytes, len) != 0);
        }
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round),       cmocka_unit_test(test_room),
        cmocka_unit_test(test_digits),      cmocka_unit_test(test_url_refused),
        cmocka_unit_test(test_url_vectors), cmocka_unit_test(test_url_one_text_for_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
