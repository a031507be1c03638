// SPDX-License-Identifier: MIT
// Tests of the door in: what a submit takes, what it refuses and why.
#include "hub/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static struct realm realm;
static struct principal *anyone, *admin;

static int set_up(void **state)
{
    (void)state;
    realm_init(&realm,
               &(struct realm_init){.epoch = 1, .key = {1, 2}, .limits = &memlog_limits_default});
    anyone = principal_new_anyone(false);
    admin = principal_new_anyone(true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    principal_unref(anyone);
    principal_unref(admin);
    realm_fini(&realm);
    return 0;
}

static struct json_val parse(const char *text)
{
    struct json_val v;
    size_t offset;
    assert_int_equal(json_parse(str_of(text), LIMIT_JSON_DEPTH, &v, &offset), 0);
    return v;
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        const char *says;
    } cases[] = {
        {"[]", -E_BAD_REQUEST, "object"},
        {"{}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"data\":{}}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"type\":7,\"data\":{}}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"type\":\"\",\"data\":{}}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"type\":\"1X\",\"data\":{}}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"type\":\"A B\",\"data\":{}}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"type\":\"subscribe\",\"data\":{}}", -E_UNKNOWN_TYPE, "type"},
        {"{\"topic\":\"t\",\"type\":\"SESSION_EXPIRED\",\"data\":{}}", -E_UNKNOWN_TYPE, "hub"},
        {"{\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "topic"},
        {"{\"topic\":\"\",\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "topic"},
        {"{\"topic\":7,\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "string"},
        {"{\"topic\":\"a\\u0007b\",\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "control"},
        {"{\"topics\":\"t\",\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "array"},
        {"{\"topics\":[],\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "topic"},
        {"{\"topics\":[\"t\",null],\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST, "string"},
        {"{\"topics\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"],\"type\":\"X\","
         "\"data\":{}}",
         -E_BAD_REQUEST, "8 topics"},
        {"{\"channel\":\"a\",\"topic\":\"channel:b\",\"type\":\"X\",\"data\":{}}", -E_BAD_REQUEST,
         "channel"},
        {"{\"topic\":\"t\",\"type\":\"X\",\"data\":[]}", -E_BAD_REQUEST, "data"},
    };
    struct submit *s = submit_new(&realm, anyone);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct report_fault fault = {0};
        int err = submit_add_publish(s, parse(cases[i].text), &fault);
        if (err != cases[i].err || !strstr(fault.text, cases[i].says)) {
            fail_msg("%s: %d %s", cases[i].text, err, fault.text);
        }
    }
    assert_int_equal(s->count, 0);
    submit_free(s);
}

static void test_publish(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type, *topics, *data;
        uint32_t flags;
    } cases[] = {
        {"{\"topic\":\"t\",\"type\":\"X\",\"data\":{ \"n\" : 1.10 }}", "X", "t", "{\"n\":1.10}", 0},
        {"{\"topics\":[\"a\",\"b\",\"a\"],\"type\":\"X\",\"data\":{}}", "X", "a b", "{}", 0},
        {"{\"topic\":\"a\",\"topics\":[\"b\"],\"type\":\"X\",\"data\":{}}", "X", "a b", "{}", 0},
        {"{\"user\":\"u\",\"type\":\"X\",\"data\":{}}", "X", "user:u event:X", "{}", 0},
        {"{\"channel\":\"c\",\"data\":[1, 2]}", "message", "channel:c", "[1,2]", EVENT_CHANNEL},
        {"{\"channel\":\"c\",\"type\":\"X\",\"data\":null}", "X", "channel:c", "null",
         EVENT_CHANNEL},
    };
    struct submit *s = submit_new(&realm, anyone);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct report_fault fault = {0};
        if (submit_add_publish(s, parse(cases[i].text), &fault)) {
            fail_msg("%s: %s", cases[i].text, fault.text);
        }
        assert_int_equal(s->count, i + 1);
        assert_false(s->items[i].is_report);
        const struct submit_event *e = &s->items[i].event;
        char topics[256] = "";
        for (unsigned t = 0; t < e->topics_count; t++) {
            (void)snprintf(topics + strlen(topics), sizeof(topics) - strlen(topics), "%s%.*s",
                           t ? " " : "", (int)e->topics[t].len, e->topics[t].p);
        }
        assert_string_equal(topics, cases[i].topics);
        assert_true(str_eq(e->type, str_of(cases[i].type)));
        assert_true(str_eq(e->data, str_of(cases[i].data)));
        assert_int_equal(e->flags, cases[i].flags);
    }
    submit_free(s);
}

static void test_hub_types_are_for_administrators_to_users(void **state)
{
    (void)state;
    static const char user[] = "{\"user\":\"u\",\"type\":\"SESSION_EXPIRED\",\"data\":{}}";
    static const char topic[] = "{\"topic\":\"t\",\"type\":\"SESSION_EXPIRED\",\"data\":{}}";
    struct report_fault fault;
    struct submit *s = submit_new(&realm, admin);
    assert_int_equal(submit_add_publish(s, parse(topic), &fault), -E_UNKNOWN_TYPE);
    assert_int_equal(submit_add_publish(s, parse(user), &fault), 0);
    submit_free(s);
    s = submit_new(&realm, anyone);
    assert_int_equal(submit_add_publish(s, parse(user), &fault), -E_UNKNOWN_TYPE);
    assert_int_equal(submit_add_client_event(s, STR("SESSION_EXPIRED"), parse("{}"), &fault),
                     -E_UNKNOWN_TYPE);
    submit_free(s);
}

// Whatever door it came by, an event of a job type that names its job is a report.
static void test_reports(void **state)
{
    (void)state;
    struct report_fault fault;
    struct submit *s = submit_new(&realm, anyone);
    struct json_val log = parse("{\"ticket_id\":7,\"message\":\"hello\"}");
    assert_int_equal(submit_add_client_event(s, STR("TICKET_LOG"), log, &fault), 0);
    struct json_val event = parse("{\"topic\":\"any\",\"type\":\"TICKET_LOG\",\"data\":"
                                  "{\"ticket_id\":\"7\",\"message\":\"hello\"}}");
    assert_int_equal(submit_add_publish(s, event, &fault), 0);
    assert_int_equal(submit_add_call(s, KIND_TICKET, REPORT_LOG, STR("7"),
                                     parse("{\"message\":\"hello\"}"), &fault),
                     0);
    assert_int_equal(s->count, 3);
    for (unsigned i = 0; i < s->count; i++) {
        assert_true(s->items[i].is_report);
        assert_int_equal(s->items[i].report.kind, KIND_TICKET);
        assert_int_equal(s->items[i].report.verb, REPORT_LOG);
        assert_true(str_eq(s->items[i].report.id, STR("7")));
    }
    submit_free(s);
}

static void test_channel_message(void **state)
{
    (void)state;
    struct report_fault fault;
    struct submit *s = submit_new(&realm, anyone);
    assert_int_equal(submit_add_channel(s, STR(""), parse("1"), &fault), -E_BAD_REQUEST);
    assert_int_equal(submit_add_channel(s, STR("chat"), parse("\"hi\""), &fault), 0);
    assert_int_equal(s->count, 1);
    assert_true(str_eq(s->items[0].event.topics[0], STR("channel:chat")));
    assert_true(str_eq(s->items[0].event.data, STR("\"hi\"")));
    submit_free(s);
}

// The arena takes memory by the page: the first allocations of a fresh submit are those that can
// fail.
static void test_no_memory(void **state)
{
    (void)state;
    mem_fail_nth(1);
    assert_null(submit_new(&realm, anyone));
    struct json_val v = parse("{\"topics\":[\"a\",\"b\"],\"type\":\"X\",\"data\":{\"n\":1}}");
    int err = -E_NO_MEMORY;
    unsigned long n = 0;
    while (err) {
        struct report_fault fault;
        struct submit *s = submit_new(&realm, anyone);
        mem_fail_nth(++n);
        err = submit_add_publish(s, v, &fault);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -E_NO_MEMORY);
        assert_int_equal(s->count, err ? 0 : 1);
        submit_free(s);
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_hub_types_are_for_administrators_to_users),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_channel_message),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
