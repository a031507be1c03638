// SPDX-License-Identifier: MIT
// Tests of the cache of good tokens.
#include "auth/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static const struct hash_key hash_key = {3, 4};

static struct cache_key key_of(unsigned n)
{
    return cache_key_of(str_make((const char *)&n, sizeof(n)));
}

static void put(struct cache *c, unsigned n, int64_t until_ms, int64_t now)
{
    struct cache_key key = key_of(n);
    struct token *t = token_try_new(&(struct token){.taken_until_ms = until_ms, .issued_ms = n});
    assert_non_null(t);
    cache_put(c, &key, t, now);
    token_unref(t);
}

static bool has(struct cache *c, unsigned n, int64_t now)
{
    struct cache_key key = key_of(n);
    struct token *t = cache_get(c, &key, now);
    assert_true(!t || t->issued_ms == n);
    token_unref(t);
    return t;
}

static void test_expiry(void **state)
{
    (void)state;
    struct cache c;
    cache_init(&c, 4, &hash_key);
    assert_false(has(&c, 1, 0));
    put(&c, 1, 100, 0);
    put(&c, 1, 100, 0);
    assert_int_equal(c.count, 1);
    assert_true(has(&c, 1, 99));
    assert_false(has(&c, 2, 99));
    assert_false(has(&c, 1, 100));
    assert_int_equal(c.count, 0);
    put(&c, 1, 200, 100);
    cache_clear(&c);
    assert_false(has(&c, 1, 100));
    cache_fini(&c);
}

static void test_clock(void **state)
{
    (void)state;
    struct cache c;
    cache_init(&c, 4, &hash_key);
    for (unsigned n = 0; n < 4; n++) {
        put(&c, n, 100, 0);
    }
    assert_true(has(&c, 0, 0) && has(&c, 2, 0) && has(&c, 3, 0));
    put(&c, 4, 100, 0); // in the place of 1, which nobody asked for
    assert_true(has(&c, 0, 0) && has(&c, 2, 0) && has(&c, 3, 0) && has(&c, 4, 0));
    assert_false(has(&c, 1, 0));
    put(&c, 5, 100, 0); // all were asked for: one goes all the same
    assert_int_equal(c.count, 4);
    assert_true(has(&c, 5, 0));
    // A token that stays in use outlives a flood of others.
    for (unsigned n = 10; n < 1000; n++) {
        assert_true(has(&c, 5, 0));
        put(&c, n, 100, 0);
    }
    cache_fini(&c);
}

static void test_of_one(void **state)
{
    (void)state;
    struct cache c;
    cache_init(&c, 1, &hash_key);
    for (unsigned n = 0; n < 10; n++) {
        put(&c, n, 100, 0);
        assert_true(has(&c, n, 0));
        assert_true(n == 0 || !has(&c, n - 1, 0));
    }
    cache_fini(&c);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct cache c;
    struct cache_key key = key_of(1);
    struct token *t = token_try_new(&(struct token){.taken_until_ms = 100});
    cache_init(&c, 4, &hash_key);
    for (unsigned nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        cache_put(&c, &key, t, 0);
        mem_fail_nth(0);
        assert_int_equal(c.count, 0);
    }
    cache_fini(&c);
    token_unref(t);
}

static void test_random(void **state)
{
    (void)state;
    struct cache c;
    struct rng rng;
    rng_init(&rng, 9);
    cache_init(&c, 16, &hash_key);
    for (int64_t now = 0; now < 20000; now++) {
        unsigned n = (unsigned)rng_below(&rng, 40);
        if (!has(&c, n, now) && rng_below(&rng, 2)) {
            put(&c, n, now + 1 + (int64_t)rng_below(&rng, 50), now);
            assert_true(has(&c, n, now));
        }
        assert_true(c.count <= 16 && c.map.count == c.count);
    }
    cache_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry), cmocka_unit_test(test_clock),
        cmocka_unit_test(test_of_one), cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
