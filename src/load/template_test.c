// SPDX-License-Identifier: MIT
#include "load/template.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/compiler.h"

static void test_put(void **state)
{
    (void)state;
    static const uint32_t topics[] = {3, 17};
    const struct template_values v = {
        .prefix = "channel:a",
        .topics = topics,
        .topics_count = 2,
        .extra = 1,
        .client = 42,
        .seq = 7,
        .payload = STR("#S.1.2.xx"),
        .events = STR("{},{}"),
    };
    static const struct {
        const char *text, *filled;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"%t", "channel:a3"},
        {"%n", "a3"},
        {"%T", "[\"channel:a3\",\"channel:a17\",\"channel:a42.0\"]"},
        {"/x?%q", "/x?topic=channel:a3&topic=channel:a17&topic=channel:a42.0"},
        {"<%c>", "<42>"},
        {"{\"progress\":%s}", "{\"progress\":7}"},
        {"{\"p\":\"%p\"}", "{\"p\":\"#S.1.2.xx\"}"},
        {"{\"events\":%b}", "{\"events\":[{},{}]}"},
        {"100%%", "100%"},
        {"%%t", "%t"},
        {"%", "%"},
        {"a%20b%", "a%20b%"},
        {"%x%t", "%xchannel:a3"},
        {"%c%c", "4242"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        template_put(&b, rows[i].text, &v);
        assert_int_equal(b.len, strlen(rows[i].filled));
        assert_memory_equal(buf_str(&b).p, rows[i].filled, b.len);
        buf_fini(&b);
    }
}

// One after the other: the topics, then the client's own.
static void test_first(void **state)
{
    (void)state;
    static const uint32_t topics[] = {3, 17};
    static const char *const filled[] = {"b:3 3", "b:17 17", "b:5.0 5.0", "b:5.1 5.1"};
    struct template_values v = {
        .prefix = "b:", .topics = topics, .topics_count = 2, .extra = 2, .client = 5};
    for (v.first = 0; v.first < ARRAY_LEN(filled); v.first++) {
        struct buf b;
        buf_init(&b, 1000);
        template_put(&b, "%t %n", &v);
        assert_true(str_is(buf_str(&b), filled[v.first]));
        buf_fini(&b);
    }
}

static void test_has(void **state)
{
    (void)state;
    assert_true(template_has("a%pb", 'p'));
    assert_true(template_has("%%%p", 'p'));
    assert_true(template_has("%t%p", 'p'));
    assert_false(template_has("%%p", 'p'));
    assert_false(template_has("p%", 'p'));
    assert_false(template_has("", 'p'));
}

static void test_prefix(void **state)
{
    (void)state;
    static const char *const good[] = {"", "bench:", "channel:x-", "a/b_c."};
    static const char *const bad[] = {
        "a b",      "a\"", "a\\",
        "a#",       "a%",  "a&b",
        "a+",       "a?",  "\x7f",
        "\xc3\xa4", "a\n", "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(template_prefix_valid(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(template_prefix_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_has),
        cmocka_unit_test(test_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
