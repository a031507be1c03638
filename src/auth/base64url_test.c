// SPDX-License-Identifier: MIT
// Tests of base64url: the vectors of RFC 4648 10, and all that is refused.
#include "auth/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"

static void test_refused(void **state)
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

static void test_vectors(void **state)
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
static void test_one_text_for_each(void **state)
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
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_one_text_for_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
