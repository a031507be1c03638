// SPDX-License-Identifier: MIT
// What we sign is what we accept, and says what was asked for.
#include "auth/issue.h"

#include <stdio.h>

#include "auth/jwt.h"
#include "auth/sign.h"
#include "auth/testing.h"
#include "base/err.h"

#define NOW_MS INT64_C(1800000000999)

static struct policy *make_policy(const char *issuer, const char *audience)
{
    struct policy *p;
    struct key_fault fault;
    const struct policy_spec spec = {.issuer = str_of(issuer), .audience = str_of(audience)};
    struct keys *keys = keys_new();
    assert_int_equal(keys_add_secrets(keys, "secret", STR(TEST_SECRET), &fault), 0);
    assert_int_equal(policy_new_take(&spec, keys, &p, &fault), 0);
    return p;
}

static struct token *issued(const struct issue *issue, struct policy *policy, char *jti)
{
    struct key key;
    const char *what;
    struct buf claims, text;
    struct token *t = NULL;
    enum why why;
    buf_init(&claims, JWT_BYTES_MAX);
    buf_init(&text, JWT_BYTES_MAX);
    assert_int_equal(key_init_secret(&key, STR(TEST_SECRET), &what), 0);
    issue_put_claims(&claims, issue, NOW_MS, jti);
    assert_int_equal(sign_token(&key, buf_str(&claims), &text), 0);
    assert_int_equal(jwt_verify(policy, buf_str(&text), NOW_MS, &t, &why), 0);
    buf_fini(&claims);
    buf_fini(&text);
    key_fini(&key);
    return t;
}

static void test_everything(void **state)
{
    (void)state;
    struct policy *policy = make_policy("us", "hub");
    char jti[ISSUE_JTI_SIZE], other[ISSUE_JTI_SIZE];
    struct issue issue = {
        .sub = STR("al\"ice"),
        .role = STR("worker"),
        .issuer = STR("us"),
        .audience = STR("hub"),
        .ttl_s = 60,
        .patterns = {[GRANT_SUBSCRIBE] = {.items = {STR("job:*"), STR("tickets")},
                                          .count = 2,
                                          .named = true},
                     [GRANT_PUBLISH] = {.named = true}},
    };
    assert_null(issue_fault(&issue));
    struct token *t = issued(&issue, policy, jti);
    assert_true(str_is(t->sub, "al\"ice"));
    assert_true(str_is(t->role, "worker"));
    assert_true(str_is(t->jti, jti));
    assert_int_equal(t->issued_ms, 1800000000000);
    assert_int_equal(t->expires_ms, 1800000060000);
    assert_false(t->grants.admin);
    assert_true(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("job:1")));
    assert_true(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("tickets")));
    assert_false(grants_allow(&t->grants, GRANT_SUBSCRIBE, STR("jobs")));
    assert_false(grants_allow(&t->grants, GRANT_PUBLISH, STR("job:1")));
    token_unref(t);
    token_unref(issued(&issue, policy, other));
    assert_string_not_equal(jti, other);
    policy_unref(policy);
}

static void test_nothing(void **state)
{
    (void)state;
    struct policy *policy = make_policy(NULL, NULL);
    char jti[ISSUE_JTI_SIZE];
    struct token *t = issued(&(struct issue){.ttl_s = 1}, policy, jti);
    assert_null(t->sub.p);
    assert_null(t->role.p);
    assert_int_equal(t->expires_ms, 1800000001000);
    token_unref(t);
    policy_unref(policy);
}

static void test_faults(void **state)
{
    (void)state;
    char long_name[130];
    memset(long_name, 'a', sizeof(long_name));
    long_name[129] = '\0';
    const struct str bad_names[] = {STR(""), str_of(long_name), STR("\xff")};
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
        struct issue role = {.role = bad_names[i]}, iss = {.issuer = bad_names[i]},
                     aud = {.audience = bad_names[i]}, sub = {.sub = bad_names[i]};
        assert_string_equal(issue_fault(&role), "role");
        assert_string_equal(issue_fault(&iss), "iss");
        assert_string_equal(issue_fault(&aud), "aud");
        assert_string_equal(issue_fault(&sub), "sub");
    }
    static const char *const bad_users[] = {"a/b", "a b", "*", "a\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad_users); i++) {
        struct issue sub = {.sub = str_of(bad_users[i])};
        assert_string_equal(issue_fault(&sub), "sub");
    }
    static const char *const bad_patterns[] = {"", "a*b", "**", "a\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad_patterns); i++) {
        struct issue bad = {.ttl_s = 1};
        bad.patterns[GRANT_PUBLISH] =
            (struct issue_patterns){.items = {STR("a"), str_of(bad_patterns[i])}, .count = 2};
        assert_string_equal(issue_fault(&bad), "publish");
        bad.patterns[GRANT_SUBSCRIBE] = bad.patterns[GRANT_PUBLISH];
        assert_string_equal(issue_fault(&bad), "subscribe");
    }
}

static void test_ttl(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t s; // 0: refused
    } rows[] = {
        {"1", 1},     {"90", 90},      {"90s", 90},
        {"15m", 900}, {"1h", 3600},    {"366d", 366 * 86400},
        {"", 0},      {"0", 0},        {"0d", 0},
        {"367d", 0},  {"31622401", 0}, {"-1", 0},
        {"1w", 0},    {"1.5h", 0},     {"h", 0},
        {" 1h", 0},   {"1h ", 0},      {"18446744073709551615d", 0},
        {"1hh", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t s = 0;
        int err = issue_read_ttl(str_of(rows[i].text), &s);
        if ((err == 0) != (rows[i].s != 0) || s != rows[i].s) {
            fail_msg("\"%s\": %d, %llu s", rows[i].text, err, (unsigned long long)s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_ttl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
