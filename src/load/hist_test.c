// SPDX-License-Identifier: MIT
#include "load/hist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/mem.h"

static struct hist *make(void)
{
    return mem_alloc(sizeof(struct hist));
}

static void test_empty(void **state)
{
    (void)state;
    struct hist *h = make();
    assert_int_equal(hist_at(h, 0.5), 0);
    assert_int_equal(hist_at(h, 1), 0);
    assert_true(hist_mean(h) == 0);
    mem_free(h);
}

static void test_exact_when_small(void **state)
{
    (void)state;
    struct hist *h = make();
    for (uint64_t v = 100; v >= 1; v--) {
        hist_add(h, v);
    }
    static const struct {
        double share;
        uint64_t value;
    } rows[] = {{0, 1},    {0.005, 1}, {0.01, 1},  {0.011, 2},
                {0.5, 50}, {0.9, 90},  {0.99, 99}, {1, 100}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(hist_at(h, rows[i].share), rows[i].value);
    }
    assert_int_equal(h->max, 100);
    assert_true(hist_mean(h) == 50.5);
    mem_free(h);
}

// What comes out for a single value among a greater one is never below it and at most 1/128 above.
static void test_error_is_bounded(void **state)
{
    (void)state;
    struct hist *h = make();
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t power = UINT64_C(1) << bit;
        const uint64_t rows[] = {power, power - 1, power + 1, power + power / 3,
                                 power + (power - 1)};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            *h = (struct hist){0};
            hist_add(h, rows[i]);
            hist_add(h, UINT64_MAX);
            uint64_t got = hist_at(h, 0.5);
            assert_true(got >= rows[i]);
            assert_true(got - rows[i] <= rows[i] / 128);
            assert_true(hist_at(h, 1) == UINT64_MAX);
        }
    }
    mem_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_exact_when_small),
        cmocka_unit_test(test_error_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
