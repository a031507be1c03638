// SPDX-License-Identifier: MIT
#include "server/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_pace(void **state)
{
    (void)state;
    struct pace p = {0};
    assert_true(pace_is_due(&p, 5)); // the first at once
    pace_note(&p, 1000, 1500);
    assert_false(pace_is_due(&p, 1500));
    assert_false(pace_is_due(&p, 1000 + 500 * PACE_FACTOR - 1));
    assert_true(pace_is_due(&p, 1000 + 500 * PACE_FACTOR));
    assert_int_equal(pace_wait_ms(&p, 1000 + 500 * PACE_FACTOR), 0);
    assert_int_equal(pace_wait_ms(&p, 1000 + 500 * PACE_FACTOR - 1), 1); // rounded up
    pace_note(&p, 50000, 500000); // never longer than the maximum: then it is due already
    assert_true(pace_is_due(&p, 500000));
    pace_note(&p, 50000, 59000);
    assert_int_equal(pace_wait_ms(&p, 50000), PACE_US_MAX / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
