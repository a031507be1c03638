// SPDX-License-Identifier: MIT
// Tests of grants: what matches, what covers, what two have in common.
#include "auth/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

// A list from words with a space between.
static void make(struct grant_maker *m, const char *words)
{
    struct str rest = str_of(words);
    grant_maker_init(m);
    while (rest.len > 0) {
        assert_int_equal(grant_maker_add(m, str_cut(&rest, ' ')), 0);
    }
}

static bool allows(const char *words, const char *topic)
{
    struct grant_maker m;
    make(&m, words);
    struct grants g = {.lists[GRANT_SUBSCRIBE] = grant_maker_list(&m)};
    assert_false(grants_allow(&g, GRANT_PUBLISH, str_of(topic)));
    bool yes = grants_allow(&g, GRANT_SUBSCRIBE, str_of(topic));
    grant_maker_fini(&m);
    return yes;
}

static void test_patterns_refused(void **state)
{
    (void)state;
    char longest[256], longer[257];
    memset(longest, 'a', sizeof(longest));
    memset(longer, 'a', sizeof(longer));
    const struct {
        struct str pattern;
        bool valid;
    } cases[] = {
        {STR(""), false},
        {STR("a*b"), false},
        {STR("**"), false},
        {STR("*a"), false},
        {STR("a\nb"), false},
        {STR("a\0b"), false},
        {STR("a\x7f"), false},
        {STR("a\xc2\x85"), false},
        {STR("a\xff"), false},
        {STR("\xc0\xaf"), false},
        {str_make(longer, 256), false},
        {str_make(longest, 255), true},
        {STR("*"), true},
        {STR("job:*"), true},
        {STR("caf\xc3\xa9 *"), true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct grant_maker m;
        grant_maker_init(&m);
        int rc = grant_maker_add(&m, cases[i].pattern);
        if (rc != (cases[i].valid ? 0 : -E_BAD_REQUEST)) {
            fail_msg("%.*s: %d", STR_ARG(cases[i].pattern), rc);
        }
        grant_maker_fini(&m);
    }
}

static void test_users_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "*",   "a*",    "a/b",     "../x",
                                      "a b", "a\n", "a\xff", "\xc2\x80"};
    static const char *const good[] = {"u1", "auth0|12", "a@example.com"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(grant_user_valid(str_of(bad[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(grant_user_valid(str_of(good[i])));
    }
    char text[129];
    memset(text, 'u', sizeof(text));
    assert_true(grant_user_valid(str_make(text, 128)));
    assert_false(grant_user_valid(str_make(text, 129)));
}

static void test_matching(void **state)
{
    (void)state;
    static const struct {
        const char *patterns, *topic;
        bool allowed;
    } cases[] = {
        {"", "job:1", false},
        {"job:1", "job:1", true},
        {"job:1", "job:10", false},
        {"job:1", "job:", false},
        {"job:1", "JOB:1", false},
        {"job:*", "job:1", true},
        {"job:*", "job:", true},
        {"job:*", "jobs", false},
        {"*", "anything", true},
        {"*", "", false},
        {"a b c:*", "c:d", true},
        // A subscription that is itself a pattern.
        {"job:1", "job:*", false},
        {"job:*", "job:*", true},
        {"job:*", "job:ab*", true},
        {"job:ab*", "job:*", false},
        {"job:ab*", "*", false},
        {"*", "*", true},
        // A deployment's logs and progress.
        {"deployment:d1", "deployment_logs_d1", true},
        {"deployment:d1", "deployment_progress_d1", true},
        {"deployment:d1", "deployment_logs_d10", false},
        {"deployment:d1", "deployment_logs_*", false},
        {"deployment:d1", "deployment_events", false},
        {"deployment:*", "deployment_logs_d1", true},
        {"deployment:*", "deployment_progress_*", true},
        {"deployment:*", "deployment_events", false},
        {"deployment_logs_d1", "deployment:d1", false},
        {"deployment*", "deployment_logs_d1", true},
        // Nobody's user topic is allowed by itself.
        {"job:*", "user:u1", false},
        {"user:u1", "user:u1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (allows(cases[i].patterns, cases[i].topic) != cases[i].allowed) {
            fail_msg("[%s] and %s", cases[i].patterns, cases[i].topic);
        }
    }
}

static void test_own_user_and_admin(void **state)
{
    (void)state;
    struct grants g = {.user = STR("u1")}, admin = {.admin = true}, none = {0};
    for (enum grant_to to = 0; to < GRANT_NR; to++) {
        assert_true(grants_allow(&g, to, STR("user:u1")));
        assert_false(grants_allow(&g, to, STR("user:u10")));
        assert_false(grants_allow(&g, to, STR("user:u1*")));
        assert_false(grants_allow(&g, to, STR("user:")));
        assert_false(grants_allow(&g, to, STR("user:*")));
        assert_true(grants_allow(&admin, to, STR("user:u1")));
        assert_true(grants_allow(&admin, to, STR("*")));
        assert_false(grants_allow(&none, to, STR("user:")));
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct grant_maker m;
    char text[256];
    grant_maker_init(&m);
    for (int i = 0; i < GRANT_PATTERNS_MAX; i++) {
        int len = snprintf(text, sizeof(text), "deployment:%d-%0230d", i, 0);
        assert_int_equal(grant_maker_add(&m, str_make(text, (size_t)len)), 0);
    }
    assert_int_equal(grant_maker_add(&m, STR("one:more")), -E_LIMIT);
    struct grants g = {.lists[GRANT_PUBLISH] = grant_maker_list(&m)};
    assert_true(grants_allow(&g, GRANT_PUBLISH, str_make(text, strlen(text))));
    grant_maker_fini(&m);

    // Longer than any topic is what follows from it: left out.
    memset(text, 'd', sizeof(text));
    memcpy(text, "deployment:", 11);
    make(&m, "");
    assert_int_equal(grant_maker_add(&m, str_make(text, 255)), 0);
    assert_int_equal(m.records.len, 256);
    grant_maker_fini(&m);

    grant_maker_init(&m);
    mem_fail_nth(1);
    assert_int_equal(grant_maker_add(&m, STR("a")), -E_NO_MEMORY);
    mem_fail_nth(0);
    grant_maker_fini(&m);
}

static void test_cover_and_intersect(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool a_covers_b;
        const char *both, *neither;
    } cases[] = {
        {"job:*", "job:1 job:2", true, "job:1", "job:3"},
        {"job:1", "job:1 job:2", false, "job:1", "job:2"},
        {"job:ab*", "job:a*", false, "job:abc", "job:ac"},
        {"*", "x y:*", true, "y:1", "z"},
        {"a", "b", false, NULL, "a"},
        {"deployment:*", "deployment_logs_a*", true, "deployment_logs_ab", "deployment_logs_b"},
        {"deployment:ab*", "deployment_logs_*", false, "deployment_logs_abc", "deployment_logs_c"},
        {"a* ab*", "ab abc*", true, "abcd", "ac"},
        {"", "a", false, NULL, "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct grant_maker a, b, both;
        make(&a, cases[i].a);
        make(&b, cases[i].b);
        grant_maker_init(&both);
        struct grants ga = {.lists[0] = grant_maker_list(&a)};
        struct grants gb = {.lists[0] = grant_maker_list(&b)};
        assert_int_equal(grants_cover(&ga, &gb), cases[i].a_covers_b);
        assert_int_equal(grants_intersect(&ga, &gb, 0, &both), 0);
        struct grants g = {.lists[0] = grant_maker_list(&both)};
        if (cases[i].both && !grants_allow(&g, 0, str_of(cases[i].both))) {
            fail_msg("lost: %s", cases[i].both);
        }
        if (grants_allow(&g, 0, str_of(cases[i].neither))) {
            fail_msg("won: %s", cases[i].neither);
        }
        assert_true(grants_cover(&ga, &g) && grants_cover(&gb, &g));
        grant_maker_fini(&a);
        grant_maker_fini(&b);
        grant_maker_fini(&both);
    }
}

static void test_cover_of_users_and_admins(void **state)
{
    (void)state;
    struct grant_maker m, both;
    make(&m, "*");
    grant_maker_init(&both);
    struct grants all = {.lists = {grant_maker_list(&m), grant_maker_list(&m)}};
    struct grants u1 = {.user = STR("u1")}, u2 = {.user = STR("u2")}, admin = {.admin = true};
    assert_true(grants_cover(&u1, &u1));
    assert_false(grants_cover(&u1, &u2));
    assert_true(grants_cover(&all, &u1));
    assert_true(grants_cover(&admin, &all));
    assert_false(grants_cover(&all, &admin));
    assert_int_equal(grants_intersect(&admin, &u1, GRANT_PUBLISH, &both), 0);
    struct grants g = {.lists[GRANT_PUBLISH] = grant_maker_list(&both)};
    assert_true(grants_allow(&g, GRANT_PUBLISH, STR("user:u1")));
    assert_false(grants_allow(&g, GRANT_PUBLISH, STR("user:u2")));
    grant_maker_fini(&m);
    grant_maker_fini(&both);
}

// Random lists over two letters, against the definition: a topic is allowed by the intersection
// iff both allow it; by a cover it is allowed when by the covered.
static void test_random(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    for (int round = 0; round < 3000; round++) {
        struct grant_maker m[3];
        struct grants g[3] = {0};
        for (int side = 0; side < 2; side++) {
            grant_maker_init(&m[side]);
            for (uint64_t n = rng_below(&rng, 4); n > 0; n--) {
                char text[8];
                size_t len = 0;
                while (len < 4 && rng_below(&rng, 3) > 0) {
                    text[len++] = (char)('a' + rng_below(&rng, 2));
                }
                text[len++] = rng_below(&rng, 2) ? '*' : 'b';
                assert_int_equal(grant_maker_add(&m[side], str_make(text, len)), 0);
            }
            g[side].lists[0] = grant_maker_list(&m[side]);
        }
        grant_maker_init(&m[2]);
        assert_int_equal(grants_intersect(&g[0], &g[1], 0, &m[2]), 0);
        g[2].lists[0] = grant_maker_list(&m[2]);
        bool cover = grants_cover(&g[0], &g[1]);
        for (unsigned code = 0; code < 62; code++) { // all words of one to five letters
            char text[8];
            size_t len = 0;
            for (unsigned rest = code + 2; rest > 1; rest /= 2) {
                text[len++] = (char)('a' + rest % 2);
            }
            struct str topic = str_make(text, len);
            bool a = grants_allow(&g[0], 0, topic), b = grants_allow(&g[1], 0, topic);
            assert_int_equal(grants_allow(&g[2], 0, topic), a && b);
            assert_true(!cover || !b || a);
        }
        for (int i = 0; i < 3; i++) {
            grant_maker_fini(&m[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_refused),
        cmocka_unit_test(test_users_refused),
        cmocka_unit_test(test_matching),
        cmocka_unit_test(test_own_user_and_admin),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_cover_and_intersect),
        cmocka_unit_test(test_cover_of_users_and_admins),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
