// SPDX-License-Identifier: MIT
// Tests of kinds and event types.
#include "hub/kind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        enum job_kind kind;
        const char *name, *prefix, *wide, *id_field;
    } rows[] = {
        {KIND_DEPLOYMENT, "deployment", "deployment:", "deployment_events", "deployment_id"},
        {KIND_TICKET, "ticket", "ticket:", "tickets", "ticket_id"},
        {KIND_BUILD, "build", "job:", "jobs", "jobId"},
    };
    assert_int_equal(ARRAY_LEN(rows), KIND_NR);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_string_equal(kind_name(rows[i].kind), rows[i].name);
        assert_string_equal(kind_prefix(rows[i].kind), rows[i].prefix);
        assert_string_equal(kind_wide(rows[i].kind), rows[i].wide);
        assert_string_equal(kind_id_field(rows[i].kind), rows[i].id_field);
        assert_int_equal(kind_parse(str_of(rows[i].name)), rows[i].kind);
    }
    assert_int_equal(kind_parse(STR("job")), KIND_BUILD);
    static const char *const bad[] = {"", "jobs", "Build", "none", "deployment:", "NONE"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(kind_parse(str_of(bad[i])), KIND_NONE);
    }
}

static void test_types(void **state)
{
    (void)state;
    for (int t = 0; t < EVENT_TYPE_NR; t++) {
        const char *name = event_type_name((enum event_type)t);
        assert_int_equal(event_type_parse(str_of(name)), t);
        assert_true(event_type_valid(str_of(name)));
        bool hub = strncmp(name, "AUTH_", 5) == 0 || strncmp(name, "SESSION_", 8) == 0 ||
                   strncmp(name, "WEBSOCKET_", 10) == 0;
        assert_int_equal(event_type_hub_only((enum event_type)t), hub);
        enum job_kind family = strncmp(name, "DEPLOYMENT_", 11) == 0 ? KIND_DEPLOYMENT
                               : strncmp(name, "TICKET_", 7) == 0    ? KIND_TICKET
                               : strncmp(name, "JOB_", 4) == 0       ? KIND_BUILD
                                                                     : KIND_NONE;
        assert_int_equal(event_type_family((enum event_type)t), family);
    }
    assert_int_equal(EVENT_TYPE_NR, 24);
    assert_int_equal(event_type_parse(STR("job_log")), EVENT_TYPE_FREE);
    assert_int_equal(event_type_parse(STR("")), EVENT_TYPE_FREE);
    assert_int_equal(event_type_family(EVENT_TYPE_FREE), KIND_NONE);
    assert_false(event_type_hub_only(EVENT_TYPE_FREE));
}

static void test_type_names(void **state)
{
    (void)state;
    char longest[65], longer[66];
    memset(longest, 'a', sizeof(longest));
    memset(longer, 'a', sizeof(longer));
    assert_true(event_type_valid(str_make(longest, 64)));
    assert_false(event_type_valid(str_make(longer, 65)));
    static const char *const good[] = {"a",       "Z",  "chat.message", "a:b-c_d.e",
                                       "message", "A1", "Ping"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(event_type_valid(str_of(good[i])));
    }
    static const char *const bad[] = {
        "",
        "1a",
        "_a",
        "a b",
        "a/b",
        "a*",
        "\xc3\xa9",
        "a\n",
        "ping",
        "pong",
        "subscribe",
        "connected",
        "subscribed",
        "unsubscribed",
        "unsubscribe",
        "caught_up",
        "gap",
        "snapshot",
        "history",
        "published",
        "presence",
        "presence_join",
        "presence_leave",
        "stream",
        "stream_end",
        "stream_cancel",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(event_type_valid(str_of(bad[i])));
    }
    assert_false(event_type_valid(str_make("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_type_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
