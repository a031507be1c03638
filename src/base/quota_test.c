// SPDX-License-Identifier: MIT
// Tests of places and rates per key: what is refused, what comes back, what is forgotten.
#include "base/quota.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

static const struct hash_key secret = {1, 2};

static enum quota_verdict take(struct quotas *q, const char *key, struct quota_rule rule,
                               int64_t now_ms)
{
    struct quota *e;
    return quotas_take(q, str_of(key), &rule, now_ms, &e);
}

static void places_run_out_and_come_back(void **state)
{
    struct quotas *q = quotas_new(10, &secret);
    struct quota_rule rule = {.places = {2}};
    struct quota *a, *b;
    (void)state;
    assert_int_equal(quotas_take(q, STR("a"), &rule, 0, &a), QUOTA_TAKEN);
    assert_int_equal(quotas_take(q, STR("a"), &rule, 0, &b), QUOTA_TAKEN);
    assert_ptr_equal(a, b);
    assert_int_equal(take(q, "a", rule, 1 << 20), QUOTA_NO_PLACE);
    quotas_give(q, a, 0);
    assert_int_equal(quotas_take(q, STR("a"), &rule, 0, &a), QUOTA_TAKEN);
    // Others have their own.
    assert_int_equal(quotas_take(q, STR("b"), &rule, 0, &b), QUOTA_TAKEN);
    quotas_give(q, b, 0);
    quotas_give(q, a, 0);
    quotas_give(q, a, 0);
    quotas_free(q);
}

static void sorts_are_counted_apart(void **state)
{
    struct quotas *q = quotas_new(10, &secret);
    struct quota_rule rule = {.places = {9, 1}};
    struct quota *a;
    (void)state;
    assert_int_equal(quotas_take(q, STR("a"), &rule, 0, &a), QUOTA_TAKEN);
    assert_int_equal(take(q, "a", rule, 0), QUOTA_NO_PLACE_OF_SECOND);
    quotas_give(q, a, 1);
    assert_int_equal(quotas_take(q, STR("a"), &rule, 0, &a), QUOTA_TAKEN);
    assert_int_equal(take(q, "a", (struct quota_rule){.places = {2}}, 0), QUOTA_NO_PLACE);
    quotas_give(q, a, 1);
    quotas_give(q, a, 0);
    quotas_give(q, a, 0);
    quotas_free(q);
}

static void a_rate_allows_a_burst_and_recovers(void **state)
{
    struct quotas *q = quotas_new(10, &secret);
    struct quota_rule rule = {.per_second = 10};
    (void)state;
    for (int i = 0; i < 10 * QUOTA_BURST_S; i++) {
        assert_int_equal(take(q, "a", rule, 1000), QUOTA_TAKEN);
    }
    assert_int_equal(take(q, "a", rule, 1000), QUOTA_TOO_FAST);
    assert_int_equal(take(q, "a", rule, 1099), QUOTA_TOO_FAST);
    assert_int_equal(take(q, "a", rule, 1100), QUOTA_TAKEN);
    assert_int_equal(take(q, "a", rule, 1100), QUOTA_TOO_FAST);
    assert_int_equal(take(q, "b", rule, 1100), QUOTA_TAKEN);
    assert_int_equal(take(q, "a", rule, 900), QUOTA_TOO_FAST); // a clock that went back
    // Never more than the burst.
    for (int i = 0; i < 10 * QUOTA_BURST_S; i++) {
        assert_int_equal(take(q, "a", rule, INT64_MAX / 2), QUOTA_TAKEN);
    }
    assert_int_equal(take(q, "a", rule, INT64_MAX / 2), QUOTA_TOO_FAST);
    quotas_free(q);
}

static void who_finds_no_place_keeps_its_rate(void **state)
{
    struct quotas *q = quotas_new(10, &secret);
    struct quota_rule rule = {.places = {1}, .per_second = 1};
    struct quota *a;
    (void)state;
    assert_int_equal(quotas_take(q, STR("a"), &rule, 0, &a), QUOTA_TAKEN);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(take(q, "a", rule, 0), QUOTA_NO_PLACE);
    }
    quotas_give(q, a, 0);
    assert_int_equal(take(q, "a", rule, 0), QUOTA_TAKEN);
    quotas_give(q, a, 0);
    quotas_free(q);
}

static void the_table_is_bounded_and_forgets(void **state)
{
    struct quotas *q = quotas_new(3, &secret);
    struct quota_rule place = {.places = {1}}, rate = {.per_second = 1};
    struct quota *a;
    (void)state;
    assert_int_equal(quotas_take(q, STR("a"), &place, 0, &a), QUOTA_TAKEN);
    assert_int_equal(take(q, "b", rate, 0), QUOTA_TAKEN);
    assert_int_equal(take(q, "c", rate, 0), QUOTA_TAKEN);
    assert_int_equal(take(q, "d", rate, 0), QUOTA_FULL);
    assert_int_equal(take(q, "d", rate, 4999), QUOTA_FULL);
    assert_int_equal(take(q, "c", rate, 4999), QUOTA_TAKEN); // who is known goes on
    assert_int_equal(take(q, "d", rate, 5000), QUOTA_TAKEN); // in the place of b
    assert_int_equal(quotas_count(q), 3);
    quotas_give(q, a, 0);
    assert_int_equal(take(q, "e", rate, 1 << 20), QUOTA_TAKEN);
    assert_int_equal(take(q, "e", rate, 1 << 20), QUOTA_TAKEN);
    assert_int_equal(quotas_count(q), 1);
    quotas_free(q);
}

static void want_of_memory_is_told(void **state)
{
    struct quotas *q = quotas_new(10, &secret);
    (void)state;
    for (unsigned long nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        assert_int_equal(take(q, "a", (struct quota_rule){.per_second = 1}, 0), QUOTA_FULL);
        mem_fail_nth(0);
        assert_int_equal(quotas_count(q), 0);
    }
    quotas_free(q);
}

// ---- Threads ----

static void *hammer(void *arg)
{
    static const struct quota_rule rule = {.places = {1000, 1000}, .per_second = 1000000};
    struct quotas *q = arg;
    for (int i = 0; i < 10000; i++) {
        struct quota *e;
        char key[] = {(char)('a' + i % 7)};
        if (quotas_take(q, str_make(key, 1), &rule, i, &e) == QUOTA_TAKEN) {
            quotas_give(q, e, 0);
            quotas_give(q, e, 1);
        }
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    struct quotas *q = quotas_new(100, &secret);
    pthread_t threads[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, q), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(quotas_count(q), 7);
    quotas_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_run_out_and_come_back),
        cmocka_unit_test(sorts_are_counted_apart),
        cmocka_unit_test(a_rate_allows_a_burst_and_recovers),
        cmocka_unit_test(who_finds_no_place_keeps_its_rate),
        cmocka_unit_test(the_table_is_bounded_and_forgets),
        cmocka_unit_test(want_of_memory_is_told),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
