// SPDX-License-Identifier: MIT
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

static void test_rng(void **state)
{
    (void)state;
    struct rng a, b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint64_t n = rng_below(&a, 7);
        assert_true(n < 7);
        assert_true(n == rng_below(&b, 7)); // the same seed, the same numbers
        seen[n]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], 850, 1150);
    }
    assert_int_equal(rng_below(&a, 1), 0);
    unsigned low =
        0; // a bound at which a mere remainder would give the lowest third half of the time
    for (int i = 0; i < 3000; i++) {
        low += rng_below(&a, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    }
    assert_in_range(low, 850, 1150);
    rng_init(&b, 43);
    assert_true(rng_next(&a) != rng_next(&b));
    // The first outputs of xoshiro256** for the state 1, 2, 3, 4.
    struct rng known = {{1, 2, 3, 4}};
    static const uint64_t first[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        assert_true(rng_next(&known) == first[i]);
    }
    uint8_t x[64] = {0}, y[64] = {0};
    random_bytes(x, sizeof(x));
    random_bytes(y, sizeof(y));
    assert_memory_not_equal(x, y, sizeof(x));
    random_bytes(x, 0);
}

static void small_draws_are_all_different(void **state)
{
    static uint64_t drawn[1000]; // more than comes from the kernel at once
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(drawn); i++) {
        random_bytes(&drawn[i], sizeof(drawn[i]));
        for (size_t k = 0; k < i; k++) {
            assert_true(drawn[k] != drawn[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_draws_are_all_different),
        cmocka_unit_test(test_rng),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
