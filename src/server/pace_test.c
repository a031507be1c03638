// SPDX-License-Identifier: MIT
#include "server/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HAND_OUT_US 2000

struct course {
    struct pace pace;
    int64_t now_us;
    uint64_t seen;
    unsigned waits, hand_outs;
};

static void hand_out(struct course *c)
{
    if (!pace_is_due(&c->pace, c->now_us)) {
        c->waits++;
        c->now_us += 1000 * pace_wait_ms(&c->pace, c->now_us);
        assert_true(pace_is_due(&c->pace, c->now_us));
    }
    pace_note(&c->pace, c->now_us, c->now_us + HAND_OUT_US);
    c->now_us += HAND_OUT_US;
    c->hand_outs++;
}

// An event each `every_us`, whatever the hand-outs do.
static void open_loop(struct course *c, unsigned events, int64_t every_us)
{
    int64_t first_us = c->now_us;
    uint64_t first = c->seen;
    c->waits = c->hand_outs = 0;
    while (c->seen - first < events) {
        int64_t next_us = first_us + (int64_t)(c->seen - first + 1) * every_us;
        c->now_us = next_us > c->now_us ? next_us : c->now_us;
        if (!pace_is_due(&c->pace, c->now_us)) {
            c->waits++;
            pace_saw(&c->pace, c->seen + 1);
            c->now_us += 1000 * pace_wait_ms(&c->pace, c->now_us);
        }
        c->seen = first + (uint64_t)((c->now_us - first_us) / every_us);
        pace_saw(&c->pace, c->seen);
        pace_note(&c->pace, c->now_us, c->now_us + HAND_OUT_US);
        c->now_us += HAND_OUT_US;
        c->hand_outs++;
        c->seen = first + (uint64_t)((c->now_us - first_us) / every_us);
        pace_saw(&c->pace, c->seen);
    }
}

static void test_at_once_when_there_is_time(void **state)
{
    (void)state;
    struct course c = {.now_us = 1000000};
    open_loop(&c, 1000, HAND_OUT_US * 2);
    assert_int_equal(c.waits, 0);
}

static void test_fewer_hand_outs_near_saturation(void **state)
{
    (void)state;
    struct course c = {.now_us = 1000000};
    open_loop(&c, 1000, HAND_OUT_US * 10 / 9);
    assert_in_range(c.hand_outs, 400, 800);
    open_loop(&c, 10000, HAND_OUT_US / 4); // more than could be handed out one by one
    assert_in_range(c.hand_outs, 1000, 1700);
    open_loop(&c, 1000, HAND_OUT_US * 3);
    assert_in_range(c.waits, 0, 20); // until the means have come down
}

static void test_no_waits_in_vain(void **state)
{
    (void)state;
    struct course c = {.now_us = 1000000};
    for (unsigned i = 0; i < 10000; i++) { // the next event when the last was handed out
        pace_saw(&c.pace, ++c.seen);
        hand_out(&c);
        c.now_us += 50;
    }
    assert_in_range(c.waits, PACE_TRIAL / 2, 300);
}

static void test_bounds(void **state)
{
    (void)state;
    struct pace p = {0};
    assert_true(pace_is_due(&p, 5)); // the first at once
    pace_note(&p, 50000, 59000);
    assert_int_equal(pace_wait_ms(&p, 50000), PACE_US_MAX / 1000);
    assert_int_equal(pace_wait_ms(&p, 50001), PACE_US_MAX / 1000); // rounded up
    assert_int_equal(pace_wait_ms(&p, 50000 + PACE_US_MAX), 0);
    assert_true(pace_is_due(&p, 59000)); // one hand-out is no load
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once_when_there_is_time),
        cmocka_unit_test(test_fewer_hand_outs_near_saturation),
        cmocka_unit_test(test_no_waits_in_vain),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
