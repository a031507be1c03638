// SPDX-License-Identifier: MIT
#include "client/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"

enum { MEMORY = 1000, FILE_BYTES = 10000, HEAD = 6 };

// A record that says which it is, of a length that follows from it.
static struct str text_of(uint64_t n, char out[400])
{
    size_t len = (size_t)(n * 7919 % 300);
    memset(out, 'a' + (int)(n % 26), len);
    int head = snprintf(out, 32, "%llu ", (unsigned long long)n);
    return str_make(out, (size_t)head > len ? (size_t)head : (out[head] = '.', len));
}

static bool put(struct spool *s, uint64_t n)
{
    char text[400];
    return spool_put(s,
                     (struct spool_record){.type = (uint8_t)(n % 5),
                                           .flags = (uint8_t)(n % 3),
                                           .text = text_of(n, text)},
                     0);
}

static void take(struct spool *s, uint64_t n)
{
    char text[400];
    struct spool_record r;
    assert_true(spool_peek(s, &r));
    assert_true(str_eq(r.text, text_of(n, text)));
    assert_int_equal(r.type, n % 5);
    assert_int_equal(r.flags, n % 3);
    spool_drop(s);
}

// However puts and takes mix, what comes out is what went in, through memory, file and the file's
// end.
static void test_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct spool s;
        struct rng rng;
        uint64_t in = 0, out = 0;
        rng_init(&rng, seed);
        spool_init(&s, MEMORY, FILE_BYTES);
        for (int i = 0; i < 3000; i++) {
            bool filling = i / 300 % 2 == 0;
            if (rng_below(&rng, 10) < (filling ? 7 : 3)) {
                in += put(&s, in);
            } else if (out < in) {
                take(&s, out++);
            }
            assert_int_equal(s.records, in - out);
        }
        while (out < in) {
            take(&s, out++);
        }
        struct spool_record r;
        assert_false(spool_peek(&s, &r));
        assert_int_equal(spool_file_bytes(&s), 0);
        spool_fini(&s);
        spool_fini(&s);
    }
}

static void test_full(void **state)
{
    (void)state;
    struct spool s;
    uint64_t in = 0, out = 0;
    spool_init(&s, MEMORY, FILE_BYTES);
    while (put(&s, in)) {
        in++;
    }
    assert_true(spool_file_bytes(&s) <= FILE_BYTES);
    assert_true(spool_file_bytes(&s) > FILE_BYTES - 400);
    take(&s, out++); // from memory, so the file is as full as before
    char text[400] = {0};
    struct spool_record r = {.text = str_make(text, 399)};
    assert_false(spool_put(&s, r, 0));
    while (out < in) {
        take(&s, out++);
    }
    r.text.len = 1;
    for (int i = 0; i < 2000; i++) {
        if (!spool_put(&s, r, 3000)) {
            break;
        }
    }
    assert_true(spool_file_bytes(&s) <= FILE_BYTES - 3000);
    assert_true(spool_put(&s, r, 0));
    spool_fini(&s);
}

static void test_no_file_to_be_had(void **state)
{
    (void)state;
    struct spool s;
    uint64_t in = 0, out = 0;
    setenv("TMPDIR", "/proc/none", 1);
    spool_init(&s, MEMORY, FILE_BYTES);
    while (put(&s, in)) {
        in++;
    }
    assert_true(s.broken);
    assert_true(in > 0);
    while (out < in) {
        take(&s, out++);
    }
    assert_true(put(&s, in)); // memory is there again
    take(&s, in);
    spool_fini(&s);
    unsetenv("TMPDIR");
}

// A file that can't be read back loses what was in it, and says how much.
static void test_file_fails(void **state)
{
    (void)state;
    struct spool s;
    uint64_t in = 0, out = 0;
    spool_init(&s, MEMORY, FILE_BYTES);
    while (put(&s, in)) {
        in++;
    }
    uint64_t in_file = s.file_records;
    assert_true(in_file > 0);
    assert_int_equal(ftruncate(s.fd, 0), 0);
    while (out < in - in_file) {
        take(&s, out++);
    }
    struct spool_record r;
    assert_false(spool_peek(&s, &r));
    assert_int_equal(s.lost, in_file);
    assert_int_equal(s.records, 0);
    assert_true(put(&s, in));
    take(&s, in);
    spool_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_file_to_be_had),
        cmocka_unit_test(test_file_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
