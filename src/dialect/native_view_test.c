// SPDX-License-Identifier: MIT
// Tests of native JSON: the hub's own messages, events, snapshots, answers.
#include "dialect/native_view.h"

#include "dialect/view_testing.h"
#include "hub/principal.h"
#include "hub/realm.h"

static void expect(struct buf *b, const char *expected)
{
    assert_false(b->failed);
    struct json_val v;
    size_t offset;
    assert_int_equal(json_parse(buf_str(b), 64, &v, &offset), 0);
    buf_putc(b, '\0');
    assert_string_equal(b->p, expected);
    buf_fini(b);
}

static struct buf fresh(void)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    return b;
}

static void it_says_who_is_connected(void **state)
{
    (void)state;
    struct native_hello h = {.connection_id = STR("c1"), .epoch = VIEW_EPOCH, .position = 7};
    struct buf b = fresh();
    native_put_connected(&b, &h);
    expect(&b, "{\"type\":\"connected\",\"data\":{\"connection_id\":\"c1\",\"user_id\":null,"
               "\"cursor\":" VIEW_C("7") ",\"heartbeat\":25}}");
    h.user_id = STR("u\"1");
    b = fresh();
    native_put_connected(&b, &h);
    expect(&b, "{\"type\":\"connected\",\"data\":{\"connection_id\":\"c1\",\"user_id\":\"u\\\"1\","
               "\"cursor\":" VIEW_C("7") ",\"heartbeat\":25}}");
}

static void brackets_echo_what_was_asked(void **state)
{
    (void)state;
    struct native_answer a = {.topic = STR("event:X"), .epoch = VIEW_EPOCH, .cursor = 7};
    struct buf b = fresh();
    native_put_subscribed(&b, &a);
    expect(&b, "{\"type\":\"subscribed\",\"topic\":\"event:X\",\"cursor\":" VIEW_C(
                   "7") ",\"recovered\":false}");
    a.event = STR("X");
    a.ref = STR("{\"n\":1.10}");
    a.recovered = true;
    b = fresh();
    native_put_subscribed(&b, &a);
    expect(&b, "{\"type\":\"subscribed\",\"topic\":\"event:X\",\"event\":\"X\",\"cursor\":" VIEW_C(
                   "7") ",\"recovered\":true,\"ref\":{\"n\":1.10}}");
    b = fresh();
    native_put_caught_up(&b, &a);
    expect(&b, "{\"type\":\"caught_up\",\"topic\":\"event:X\",\"event\":\"X\",\"cursor\":" VIEW_C(
                   "7") ",\"ref\":{\"n\":1.10}}");
    b = fresh();
    native_put_unsubscribed(&b, &a);
    expect(
        &b,
        "{\"type\":\"unsubscribed\",\"topic\":\"event:X\",\"event\":\"X\",\"ref\":{\"n\":1.10}}");
}

static void events_are_event_objects(void **state)
{
    (void)state;
    struct event *e = view_event(KIND_NONE, "news", "HELLO", "{\"n\":1.10,\"z\":\"\\u0000\"}");
    struct frames f;
    frames_init(&f);
    native_put_event(&f, e, VIEW_EPOCH);
    view_expect(&f, "{\"type\":\"HELLO\",\"id\":" VIEW_C(
                        "42") ",\"timestamp\":" VIEW_TIME ",\"topic\":\"news\","
                              "\"data\":{\"n\":1.10,\"z\":\"\\u0000\"}}\n");
    frames_fini(&f);
    event_unref(e);
}

static void a_snapshot_is_a_job_or_nothing(void **state)
{
    (void)state;
    struct sink_snapshot s = {.topic = STR("job:j"), .cursor = 9};
    struct buf b = fresh();
    sink_snapshot_put_json(&b, &s, VIEW_EPOCH);
    expect(&b,
           "{\"type\":\"snapshot\",\"topic\":\"job:j\",\"data\":null,\"cursor\":" VIEW_C("9") "}");

    struct job *j = job_new(KIND_BUILD, STR("j"));
    assert_non_null(j);
    j->attempt = 1;
    j->status = STATUS_BUILD_QUEUED;
    struct joblog_line line = {
        .line = 1, .level = STR("info"), .message = STR("x"), .wall_ms = VIEW_WALL};
    struct store_lines tail = {.lines = &line, .count = 1};
    s.job = j;
    s.tail = &tail;
    b = fresh();
    sink_snapshot_put_json(&b, &s, VIEW_EPOCH);
    struct json_val v;
    size_t offset;
    assert_int_equal(json_parse(buf_str(&b), 64, &v, &offset), 0);
    struct json_val data = json_get(v, "data");
    assert_true(json_string_is(json_get(data, "kind"), STR("build")));
    assert_true(json_string_is(json_get(data, "jobId"), STR("j")));
    struct str log = json_get(data, "log").raw;
    const char *expected =
        "[{\"line\":1,\"level\":\"info\",\"message\":\"x\",\"timestamp\":" VIEW_TIME "}]";
    assert_true(str_is(log, expected));
    buf_fini(&b);
    job_unref(j);
}

static void what_was_published_is_said(void **state)
{
    (void)state;
    struct realm realm;
    realm_init(&realm, &(struct realm_init){.epoch = VIEW_EPOCH, .limits = &memlog_limits_default});
    struct submit_item item = {.id = 5};
    struct submit s = {.realm = &realm, .items = &item, .count = 1};
    s.answer.reached = DURABILITY_PROCESS;
    struct buf b = fresh();
    native_put_published(&b, &s, STR("\"r\""));
    expect(&b, "{\"type\":\"published\",\"id\":" VIEW_C(
                   "5") ",\"durability\":\"process\",\"ref\":\"r\"}");
    item.merged = true;
    s.answer.duplicate = true;
    b = fresh();
    native_put_published(&b, &s, STR("1"));
    expect(&b, "{\"type\":\"published\",\"id\":null,\"merged\":true,\"durability\":\"process\","
               "\"duplicate\":true,\"ref\":1}");
    b = fresh();
    native_put_history(&b, STR("a"), STR("\"events\":[]"), STR_NONE);
    expect(&b, "{\"type\":\"history\",\"topic\":\"a\",\"events\":[]}");
    realm_fini(&realm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_who_is_connected),
        cmocka_unit_test(brackets_echo_what_was_asked),
        cmocka_unit_test(events_are_event_objects),
        cmocka_unit_test(a_snapshot_is_a_job_or_nothing),
        cmocka_unit_test(what_was_published_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
