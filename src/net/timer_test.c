// SPDX-License-Identifier: MIT
// Tests of the timer heap: order, disarming anywhere, re-arming, against a plain search.
#include "net/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static void never(struct timer *t)
{
    (void)t;
    fail();
}

static void pops_in_order(void **state)
{
    (void)state;
    static const int64_t due[] = {50, 10, 40, 10, 30, 20, 60};
    struct timer_heap h = {0};
    struct timer t[7];
    assert_true(timer_heap_due_ms(&h) == INT64_MAX);
    for (size_t i = 0; i < 7; i++) {
        timer_init(&t[i], never);
        timer_heap_arm(&h, &t[i], due[i]);
    }
    assert_null(timer_heap_pop(&h, 9));
    int64_t last = 0;
    for (size_t i = 0; i < 7; i++) {
        struct timer *got = timer_heap_pop(&h, 100);
        assert_non_null(got);
        assert_false(timer_armed(got));
        assert_true(got->due_ms >= last);
        last = got->due_ms;
    }
    assert_null(timer_heap_pop(&h, 100));
}

static void arming_again_moves_it(void **state)
{
    (void)state;
    struct timer_heap h = {0};
    struct timer a, b;
    timer_init(&a, never);
    timer_init(&b, never);
    timer_heap_arm(&h, &a, 10);
    timer_heap_arm(&h, &b, 20);
    timer_heap_arm(&h, &a, 30);
    assert_ptr_equal(timer_heap_pop(&h, 25), &b);
    assert_null(timer_heap_pop(&h, 25));
    timer_heap_disarm(&h, &a);
    timer_heap_disarm(&h, &a);
    assert_null(timer_heap_pop(&h, 1000));
}

enum { MANY = 500 };

static int64_t earliest(const struct timer *t)
{
    int64_t min = INT64_MAX;
    for (size_t i = 0; i < MANY; i++) {
        if (timer_armed(&t[i]) && t[i].due_ms < min) {
            min = t[i].due_ms;
        }
    }
    return min;
}

static void random_operations_agree_with_a_search(void **state)
{
    (void)state;
    static struct timer t[MANY];
    struct timer_heap h = {0};
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < MANY; i++) {
        timer_init(&t[i], never);
    }
    for (int step = 0; step < 20000; step++) {
        struct timer *one = &t[rng_below(&rng, MANY)];
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            timer_heap_arm(&h, one, (int64_t)rng_below(&rng, 1000));
            break;
        case 2:
            timer_heap_disarm(&h, one);
            assert_false(timer_armed(one));
            break;
        default: {
            int64_t due = earliest(t);
            struct timer *got = timer_heap_pop(&h, 500);
            if (due <= 500) {
                assert_non_null(got);
                assert_true(got->due_ms == due);
            } else {
                assert_null(got);
            }
        }
        }
        assert_true(timer_heap_due_ms(&h) == earliest(t));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pops_in_order),
        cmocka_unit_test(arming_again_moves_it),
        cmocka_unit_test(random_operations_agree_with_a_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
