// SPDX-License-Identifier: MIT
// Tests of revocation.
#include "auth/revoke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static const struct hash_key hash_key = {1, 2};

static void test_refused(void **state)
{
    (void)state;
    struct revoked set;
    char longer[REVOKE_NAME_BYTES_MAX + 1];
    memset(longer, 'a', sizeof(longer));
    revoke_init(&set, &hash_key);
    const struct revocation bad[] = {
        {REVOKE_TOKEN, STR(""), 0, 2},
        {REVOKE_USER, STR_NONE, 0, 2},
        {REVOKE_ALL, STR("x"), 0, 2},
        {REVOKE_NR, STR("x"), 0, 2},
        {REVOKE_USER, {longer, sizeof(longer)}, 0, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(revoke_add(&set, &bad[i], 1), -E_BAD_REQUEST);
    }
    const struct revocation late = {REVOKE_USER, STR("u"), 0, 1};
    assert_int_equal(revoke_add(&set, &late, 1), 0);
    assert_int_equal(revoke_count(&set), 0);
    const struct revocation good = {REVOKE_USER, {longer, REVOKE_NAME_BYTES_MAX}, 0, 2};
    for (unsigned nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        assert_int_equal(revoke_add(&set, &good, 1), -E_NO_MEMORY);
        mem_fail_nth(0);
    }
    assert_int_equal(revoke_add(&set, &good, 1), 0);
    revoke_fini(&set);
}

static void test_what_is_covered(void **state)
{
    (void)state;
    static const struct {
        struct revocation r;
        struct token t;
        int64_t now;
        bool covered;
    } cases[] = {
        {{REVOKE_TOKEN, STR("j1"), 0, 100}, {.jti = STR("j1"), .issued_ms = 5}, 50, true},
        {{REVOKE_TOKEN, STR("j1"), 0, 100}, {.jti = STR("j1"), .issued_ms = 5}, 100, false},
        {{REVOKE_TOKEN, STR("j1"), 0, 100}, {.jti = STR("j2"), .issued_ms = 5}, 50, false},
        {{REVOKE_TOKEN, STR("j1"), 0, 100}, {.sub = STR("j1"), .issued_ms = 5}, 50, false},
        {{REVOKE_TOKEN, STR("j1"), 0, 100}, {.issued_ms = 5}, 50, false},
        {{REVOKE_USER, STR("u"), REVOKE_ALWAYS, 100}, {.sub = STR("u"), .issued_ms = 99}, 50, true},
        {{REVOKE_USER, STR("u"), 10, 100}, {.sub = STR("u"), .issued_ms = 9}, 50, true},
        {{REVOKE_USER, STR("u"), 10, 100}, {.sub = STR("u"), .issued_ms = 10}, 50, false},
        {{REVOKE_USER, STR("u"), 10, 100}, {.sub = STR("u"), .issued_ms = TOKEN_NO_TIME}, 50, true},
        {{REVOKE_USER, STR("u"), 10, 100}, {.sub = STR("v"), .issued_ms = 9}, 50, false},
        {{REVOKE_USER, STR("u"), 10, 100}, {.jti = STR("u"), .issued_ms = 9}, 50, false},
        {{REVOKE_ALL, STR_NONE, 10, 100}, {.sub = STR("u"), .issued_ms = 9}, 50, true},
        {{REVOKE_ALL, STR_NONE, 10, 100}, {.issued_ms = TOKEN_NO_TIME}, 50, true},
        {{REVOKE_ALL, STR_NONE, 10, 100}, {.sub = STR("u"), .issued_ms = 11}, 50, false},
        {{REVOKE_ALL, STR_NONE, 10, REVOKE_ALWAYS}, {.issued_ms = 9}, INT64_MAX - 1, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct revoked set;
        revoke_init(&set, &hash_key);
        assert_false(revoke_covers(&set, &cases[i].t, cases[i].now));
        assert_int_equal(revoke_add(&set, &cases[i].r, 0), 0);
        if (revoke_covers(&set, &cases[i].t, cases[i].now) != cases[i].covered) {
            fail_msg("case %zu", i);
        }
        revoke_fini(&set);
    }
}

// A second entry never narrows the first.
static void test_widening(void **state)
{
    (void)state;
    struct revoked set;
    const struct revocation entries[] = {{REVOKE_USER, STR("u"), 10, 50},
                                         {REVOKE_USER, STR("u"), 5, 100},
                                         {REVOKE_USER, STR("u"), 20, 30}};
    const struct token t = {.sub = STR("u"), .issued_ms = 19};
    revoke_init(&set, &hash_key);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        assert_false(revoke_covers(&set, &t, 0));
        assert_int_equal(revoke_add(&set, &entries[i], 0), 0);
    }
    assert_int_equal(revoke_count(&set), 1);
    assert_true(revoke_covers(&set, &t, 99));
    revoke_fini(&set);
}

static void test_bound_and_sweep(void **state)
{
    (void)state;
    struct revoked set;
    char text[32];
    revoke_init(&set, &hash_key);
    for (int i = 0; i < REVOKE_MAX; i++) {
        int len = snprintf(text, sizeof(text), "j%d", i);
        const struct revocation r = {REVOKE_TOKEN, {text, (size_t)len}, 0, i % 2 ? 10 : 20};
        assert_int_equal(revoke_add(&set, &r, 0), 0);
    }
    const struct revocation more = {REVOKE_TOKEN, STR("more"), 0, 20},
                            known = {REVOKE_TOKEN, STR("j0"), 0, 30};
    assert_int_equal(revoke_add(&set, &more, 9), -E_LIMIT);
    assert_int_equal(revoke_add(&set, &known, 9), 0);
    assert_int_equal(revoke_add(&set, &more, 10), 0); // half has expired
    assert_int_equal(revoke_count(&set), REVOKE_MAX / 2 + 1);
    assert_int_equal(revoke_sweep(&set, 20), REVOKE_MAX / 2);
    assert_int_equal(revoke_count(&set), 1);
    revoke_fini(&set);
}

// What is saved and loaded covers the same.
static void test_save_and_load(void **state)
{
    (void)state;
    struct revoked set, other;
    const struct revocation entries[] = {{REVOKE_USER, STR("u"), 10, 50},
                                         {REVOKE_TOKEN, STR("j"), 0, 100},
                                         {REVOKE_ALL, STR_NONE, 3, 30}};
    revoke_init(&set, &hash_key);
    revoke_init(&other, &(struct hash_key){7, 8});
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        assert_int_equal(revoke_add(&set, &entries[i], 0), 0);
    }
    const struct revocation *r;
    size_t seen = 0;
    for (size_t i = 0; (r = revoke_next(&set, &i)); seen++) {
        const struct revocation *e = &entries[r->what == REVOKE_USER    ? 0
                                              : r->what == REVOKE_TOKEN ? 1
                                                                        : 2];
        assert_true(r->what == e->what && str_eq(r->name, e->name));
        assert_true(r->before_ms == e->before_ms && r->until_ms == e->until_ms);
        assert_int_equal(revoke_add(&other, r, 0), 0);
    }
    assert_int_equal(seen, 3);
    assert_int_equal(revoke_count(&other), 3);
    revoke_fini(&set);
    assert_true(revoke_covers(&other, &(struct token){.jti = STR("j"), .issued_ms = 40}, 0));
    revoke_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_what_is_covered),
        cmocka_unit_test(test_widening),      cmocka_unit_test(test_bound_and_sweep),
        cmocka_unit_test(test_save_and_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
