// SPDX-License-Identifier: MIT
#include "server/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_waits(void **state)
{
    (void)state;
    struct pace p = {0};
    assert_true(pace_is_due(&p, 5, 1)); // the first at once
    pace_note(&p, 1000, 1500, 1);
    assert_false(pace_is_due(&p, 1500, 2));
    assert_false(pace_is_due(&p, 1000 + 500 * PACE_FACTOR - 1, 2));
    assert_true(pace_is_due(&p, 1000 + 500 * PACE_FACTOR, 3));
    assert_int_equal(pace_wait_ms(&p, 1000 + 500 * PACE_FACTOR), 0);
    assert_int_equal(pace_wait_ms(&p, 1000 + 500 * PACE_FACTOR - 1), 1); // rounded up
    pace_note(&p, 50000, 500000, 3); // never longer than the maximum: then it is due already
    assert_true(pace_is_due(&p, 500000, 4));
    pace_note(&p, 50000, 59000, 4);
    assert_int_equal(pace_wait_ms(&p, 50000), PACE_US_MAX / 1000);
}

// One event at a time, as soon as the last was handed out: returns how many hand-outs waited.
static unsigned closed_loop(struct pace *p, unsigned events, int64_t *now_us, uint64_t *seen)
{
    unsigned waits = 0;
    for (unsigned i = 0; i < events; i++) {
        ++*seen;
        if (!pace_is_due(p, *now_us, *seen)) {
            waits++;
            *now_us += 1000 * pace_wait_ms(p, *now_us);
            assert_true(pace_is_due(p, *now_us, *seen));
        }
        pace_note(p, *now_us, *now_us + 2000, *seen);
        *now_us += 2000;
    }
    return waits;
}

static void test_waits_in_vain(void **state)
{
    (void)state;
    struct pace p = {0};
    int64_t now_us = 1;
    uint64_t seen = 0;
    assert_in_range(closed_loop(&p, 1000, &now_us, &seen), 5, 30);
    assert_in_range(closed_loop(&p, 10 * (PACE_SKIP_MAX + 1), &now_us, &seen), 10, 11);

    // Something comes while it waits: from then on it waits each time.
    while (pace_is_due(&p, now_us, seen)) {
        pace_note(&p, now_us, now_us + 2000, ++seen);
        now_us += 2000;
    }
    for (unsigned i = 0; i < 100; i++) {
        seen += 2;
        now_us += 1000 * pace_wait_ms(&p, now_us);
        assert_true(pace_is_due(&p, now_us, seen));
        pace_note(&p, now_us, now_us + 2000, seen);
        now_us += 2000;
        assert_false(pace_is_due(&p, now_us, ++seen));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_waits_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
