// SPDX-License-Identifier: MIT
// Tests of what Socket.IO clients are sent: each event by each way it comes, on WebSockets and by
// polling, late comers, gaps, refusals.
#include "dialect/chef_view.h"

#include "dialect/view_testing.h"
#include "wire/socketio.h"

#define AT   "," VIEW_C("42")
#define HEAD "{\"jobId\":\"b-1\",\"projectId\":\"p-1\","
#define DATA "{\"jobId\":\"b-1\",\"projectId\":\"p-1\",\"attempt\":1,"

#define OBJECT(type, data)                                                                         \
    "{\"type\":\"" type "\",\"id\":" VIEW_C("42") ",\"timestamp\":" VIEW_TIME                      \
                                                  ",\"topic\":\"job:b-1\",\"data\":" data "}"

#define PROGRESS                                                                                   \
    DATA "\"status\":\"building\",\"progress\":1.10,\"message\":\"Running\",\"phase\":"            \
         "\"building\",\"timestamp\":\"t\",\"branch\":\"main\"}"
#define SHOWN_AS_PROGRESS                                                                          \
    HEAD "\"status\":\"building\",\"progress\":1.10,\"message\":\"Running\",\"phase\":"            \
         "\"building\"}"
#define LOG DATA "\"message\":\"one\\n\\\"two\\\"\\n\",\"level\":\"error\",\"line\":7,\"lines\":2}"
#define LINE(n, text)                                                                              \
    "{\"jobId\":\"b-1\",\"message\":\"" text "\",\"level\":\"error\",\"timestamp\":" VIEW_TIME     \
    ",\"line\":" n "}"

static const struct {
    const char *type, *data;
    unsigned looks;
    const char *expected; // each event with a newline behind it
} builds[] = {
    {"JOB_PROGRESS", PROGRESS, CHEF_JOB, "42[\"job:progress\"," SHOWN_AS_PROGRESS AT "]\n"},
    {"JOB_PROGRESS", PROGRESS, CHEF_PROJECT, "42[\"project:progress\"," SHOWN_AS_PROGRESS AT "]\n"},
    {"JOB_PROGRESS", PROGRESS, CHEF_NATIVE,
     "42[\"JOB_PROGRESS\"," OBJECT("JOB_PROGRESS", PROGRESS) AT "]\n"},
    {"JOB_PROGRESS", PROGRESS, CHEF_JOB | CHEF_PROJECT,
     "42[\"job:progress\"," SHOWN_AS_PROGRESS "]\n"
     "42[\"project:progress\"," SHOWN_AS_PROGRESS AT "]\n"},
    {"JOB_PROGRESS", PROGRESS, CHEF_JOB | CHEF_PROJECT | CHEF_NATIVE,
     "42[\"job:progress\"," SHOWN_AS_PROGRESS "]\n"
     "42[\"project:progress\"," SHOWN_AS_PROGRESS "]\n"
     "42[\"JOB_PROGRESS\"," OBJECT("JOB_PROGRESS", PROGRESS) AT "]\n"},
    {"JOB_PROGRESS",
     DATA "\"status\":\"building\",\"progress\":5,\"message\":null,\"phase\":\"building\","
          "\"step\":\"s\",\"stalled\":true}",
     CHEF_JOB,
     "42[\"job:progress\"," HEAD
     "\"status\":\"building\",\"progress\":5,\"message\":null,\"phase\":\"building\","
     "\"step\":\"s\",\"stalled\":true}" AT "]\n"},
    {"JOB_LOG", LOG, CHEF_JOB,
     "42[\"job:log\"," LINE("7", "one") "]\n42[\"job:log\"," LINE("8", "\\\"two\\\"") AT "]\n"},
    {"JOB_LOG", LOG, CHEF_JOB | CHEF_PROJECT, // there is no project:log
     "42[\"job:log\"," LINE("7", "one") "]\n42[\"job:log\"," LINE("8", "\\\"two\\\"") AT "]\n"},
    {"JOB_LOG", LOG, CHEF_PROJECT, ""},
    {"JOB_LOG", LOG, CHEF_JOB | CHEF_NATIVE,
     "42[\"job:log\"," LINE("7", "one") "]\n42[\"job:log\"," LINE(
         "8", "\\\"two\\\"") "]\n"
                             "42[\"JOB_LOG\"," OBJECT("JOB_LOG", LOG) AT "]\n"},
    {"JOB_COMPLETED",
     DATA "\"status\":\"completed\",\"progress\":100,\"message\":\"done\",\"result\":{\"a\":[1]},"
          "\"timestamp\":\"2024-11-28T22:30:00.000Z\"}",
     CHEF_JOB | CHEF_PROJECT,
     "42[\"job:completed\"," HEAD "\"status\":\"completed\",\"progress\":100,\"message\":\"done\","
     "\"result\":{\"a\":[1]},\"timestamp\":\"2024-11-28T22:30:00.000Z\"}]\n"
     "42[\"project:completed\"," HEAD
     "\"status\":\"completed\",\"progress\":100,\"message\":\"done\","
     "\"result\":{\"a\":[1]},\"timestamp\":\"2024-11-28T22:30:00.000Z\"}" AT "]\n"},
    {"JOB_ERROR", DATA "\"status\":\"cancelled\",\"error\":\"e\",\"message\":null}", CHEF_PROJECT,
     "42[\"project:error\"," HEAD "\"status\":\"cancelled\",\"error\":\"e\",\"message\":null,"
     "\"timestamp\":" VIEW_TIME "}" AT "]\n"},
};

static struct event *build_event(const char *type, const char *data)
{
    static const struct hash_key key = {1, 2};
    struct event *e = event_try_new(&(struct event_init){.id = 42,
                                                         .wall_ms = VIEW_WALL,
                                                         .type = str_of(type),
                                                         .data = str_of(data),
                                                         .kind = KIND_BUILD,
                                                         .attempt = 1,
                                                         .job_id = STR("b-1"),
                                                         .project = STR("p-1"),
                                                         .scope = SCOPE_ALL},
                                    &key);
    assert_non_null(e);
    return e;
}

// The packets, each with a newline behind it.
static void expect_packets(const struct buf *out, const char *expected)
{
    struct buf lines;
    buf_init(&lines, SIZE_MAX);
    assert_false(out->failed);
    for (size_t i = 0; i < out->len; i++) {
        if (out->p[i] != '\x1e') {
            buf_putc(&lines, out->p[i]);
        }
        if (i + 1 == out->len || out->p[i + 1] == '\x1e') {
            buf_putc(&lines, '\n');
        }
    }
    buf_putc(&lines, '\0');
    assert_true(out->len == 0 || out->p[0] == '\x1e');
    assert_string_equal(lines.p, expected);
    buf_fini(&lines);
}

// As both kinds of transports see it, and as valid Socket.IO.
static void expect_event(const struct event *e, unsigned looks, bool in_bracket,
                         const char *expected)
{
    struct sink_variant variant = {.looks = looks};
    struct sink_encoding how = {.epoch = VIEW_EPOCH, .in_bracket = in_bracket, .variant = &variant};
    struct buf out;
    buf_init(&out, SIZE_MAX);
    chef_put_packets(&out, e, &how);
    expect_packets(&out, expected);
    buf_fini(&out);
    buf_init(&out, SIZE_MAX);
    chef_put_frames(&out, e, &how);
    struct ws_decoder d;
    ws_decoder_init(&d, WS_CLIENT, (size_t)16 << 20);
    char *p = out.p;
    size_t len = out.len;
    struct ws_event got;
    const char *at = expected;
    while (len > 0 && ws_decoder_next(&d, &p, &len, &got) == 0) {
        assert_int_equal(got.type, WS_TEXT);
        assert_memory_equal(at, got.data.p, got.data.len);
        at += got.data.len;
        assert_int_equal(*at++, '\n');
        struct socketio_limits limits = {.depth_max = 32, .nsp_bytes_max = 10};
        struct socketio_packet packet;
        const char *why;
        assert_int_equal(socketio_decode(str_from(got.data, 1), &limits, &packet, &why), 0);
    }
    assert_int_equal(*at, '\0');
    ws_decoder_fini(&d);
    buf_fini(&out);
}

static void builds_have_names_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(builds); i++) {
        struct event *e = build_event(builds[i].type, builds[i].data);
        expect_event(e, builds[i].looks, false, builds[i].expected);
        event_unref(e);
    }
}

static void brackets_move_no_cursor(void **state)
{
    (void)state;
    struct event *e = build_event("JOB_PROGRESS", PROGRESS);
    expect_event(e, CHEF_JOB, true, "42[\"job:progress\"," SHOWN_AS_PROGRESS "]\n");
    event_unref(e);
}

static void others_go_as_they_are(void **state)
{
    (void)state;
#define OTHER(type, topic)                                                                         \
    "{\"type\":\"" type "\",\"id\":" VIEW_C("42") ",\"timestamp\":" VIEW_TIME                      \
                                                  ",\"topic\":\"" topic                            \
                                                  "\",\"data\":{\"a\":1.10}}"
    struct event *e = view_event(KIND_NONE, "user:u", "NOTE", "{\"a\":1.10}");
    expect_event(e, 0, false, "42[\"NOTE\"," OTHER("NOTE", "user:u") AT "]\n");
    event_unref(e);
    e = view_event(KIND_NONE, "job:b-1", "NOTE", "{\"a\":1.10}"); // no build's, though on its topic
    expect_event(e, CHEF_JOB | CHEF_PROJECT, false,
                 "42[\"NOTE\"," OTHER("NOTE", "job:b-1") AT "]\n");
    event_unref(e);
    e = view_event(KIND_NONE, "t", "disconnect", "{\"a\":1.10}"); // what the client says to itself
    expect_event(e, 0, false, "42[\"event\"," OTHER("disconnect", "t") AT "]\n");
    event_unref(e);
}

static void topics_have_looks(void **state)
{
    (void)state;
    assert_int_equal(chef_looks_of(STR("job:1")), CHEF_JOB);
    assert_int_equal(chef_looks_of(STR("project:1")), CHEF_PROJECT);
    assert_int_equal(chef_looks_of(STR("jobs")), CHEF_NATIVE);
    assert_int_equal(chef_looks_of(STR("event:JOB_LOG")), CHEF_NATIVE);
    assert_int_equal(chef_looks_of(STR("user:u")), 0);
    assert_int_equal(chef_looks_of(STR("deployment:1")), 0);
}

struct seen {
    struct chef_out out;
    struct buf all;
};

static void see(struct chef_out *o)
{
    struct seen *s = CONTAINER_OF(o, struct seen, out);
    buf_put(&s->all, chef_payload(o));
    buf_putc(&s->all, '\n');
}

static struct seen seen_new(void)
{
    struct seen s;
    chef_out_init(&s.out, see);
    buf_init(&s.all, SIZE_MAX);
    return s;
}

static void expect_seen(struct seen *s, const char *expected)
{
    buf_putc(&s->all, '\0');
    assert_string_equal(s->all.p, expected);
    chef_out_fini(&s->out);
    buf_fini(&s->all);
}

static void expect_snapshot(struct job *j, const char *expected)
{
    struct joblog_line line = {
        .line = 3, .level = STR("info"), .message = STR("hi"), .wall_ms = VIEW_WALL, .cont = true};
    struct store_lines tail = {.lines = &line, .count = 1};
    struct sink_snapshot snapshot = {.topic = STR("job:b-1"), .cursor = 9, .job = j, .tail = &tail};
    struct seen s = seen_new();
    chef_put_snapshot(&s.out, &snapshot, VIEW_EPOCH);
    expect_seen(&s, expected);
}

static void late_comers_see_what_was(void **state)
{
    (void)state;
#define TAIL                                                                                       \
    "[\"job:log\",{\"jobId\":\"b-1\",\"message\":\"hi\",\"level\":\"info\","                       \
    "\"timestamp\":" VIEW_TIME ",\"line\":3,\"cont\":true,\"snapshot\":true}]\n"
    struct job *j = job_new(KIND_BUILD, STR("b-1"));
    assert_non_null(j);
    assert_int_equal(job_set_text(&j->project, STR("p-1")), 0);
    assert_int_equal(job_set_text(&j->phase, STR("building")), 0);
    assert_int_equal(job_set_text(&j->message, STR("m")), 0);
    j->attempt = 1;
    j->status = STATUS_BUILD_BUILDING;
    j->progress = 70;
    expect_snapshot(j, TAIL "[\"job:progress\"," HEAD
                            "\"status\":\"building\",\"progress\":70,\"message\":\"m\","
                            "\"phase\":\"building\",\"snapshot\":true}]\n");
    j->status = STATUS_BUILD_COMPLETED;
    j->progress = 100;
    j->ended_ms = VIEW_WALL;
    assert_int_equal(job_set_text(&j->phase, STR("completed")), 0);
    assert_int_equal(job_set_text(&j->result, STR("{\"r\":1.10}")), 0);
    expect_snapshot(j, TAIL
                    "[\"job:progress\"," HEAD
                    "\"status\":\"completed\",\"progress\":100,\"message\":\"m\",\"phase\":"
                    "\"completed\",\"snapshot\":true}]\n"
                    "[\"job:completed\"," HEAD
                    "\"status\":\"completed\",\"progress\":100,\"message\":\"m\",\"result\":{\"r\":"
                    "1.10},\"timestamp\":" VIEW_TIME ",\"snapshot\":true}]\n");
    j->status = STATUS_BUILD_FAILED;
    assert_int_equal(job_set_text(&j->error, STR("why")), 0);
    expect_snapshot(
        j, TAIL "[\"job:progress\"," HEAD
                "\"status\":\"failed\",\"progress\":100,\"message\":\"m\",\"phase\":"
                "\"completed\",\"snapshot\":true}]\n"
                "[\"job:error\"," HEAD
                "\"status\":\"failed\",\"error\":\"why\",\"message\":\"m\",\"timestamp\":" VIEW_TIME
                ",\"snapshot\":true}]\n");
    expect_snapshot(NULL, ""); // nobody has reported on it
    job_unref(j);
}

static void other_snapshots_go_as_they_are(void **state)
{
    (void)state;
    struct sink_snapshot snapshot = {.topic = STR("ticket:t"), .cursor = 9};
    struct seen s = seen_new();
    chef_put_snapshot(&s.out, &snapshot, VIEW_EPOCH);
    expect_seen(&s, "[\"snapshot\",{\"type\":\"snapshot\",\"topic\":\"ticket:t\",\"data\":null,"
                    "\"cursor\":" VIEW_C("9") "}]\n");
}

static void gaps_are_warnings(void **state)
{
    (void)state;
#define GAP(topic)                                                                                 \
    "\"gap\":{\"type\":\"gap\",\"topic\":\"" topic "\",\"from\":" VIEW_C("1") ",\"to\":" VIEW_C(   \
        "3") ",\"count\":2,\"bytes\":9,\"reason\":\"retention\"}}]\n"
#define WARNING "[\"job:log\",{\"message\":\"2 events were lost (retention).\""
#define LEVEL   "\"level\":\"warning\",\"timestamp\":" VIEW_TIME ","
    struct gap gap = {.topic = STR("job:b-1"),
                      .from = 1,
                      .to = 3,
                      .count = 2,
                      .bytes = 9,
                      .reason = GAP_RETENTION};
    struct seen s = seen_new();
    chef_put_gap(&s.out, &gap, VIEW_EPOCH, VIEW_WALL);
    gap.topic = STR("project:p");
    chef_put_gap(&s.out, &gap, VIEW_EPOCH, VIEW_WALL);
    gap.topic = STR("jobs");
    chef_put_gap(&s.out, &gap, VIEW_EPOCH, VIEW_WALL);
    expect_seen(&s, WARNING ",\"jobId\":\"b-1\"," LEVEL GAP("job:b-1") WARNING
                ",\"projectId\":\"p\"," LEVEL GAP("project:p") WARNING "," LEVEL GAP("jobs"));
}

static void the_hub_speaks(void **state)
{
    (void)state;
    struct seen s = seen_new();
    chef_put_connected(&s.out, VIEW_EPOCH, 0);
    chef_put_message(&s.out, "SESSION_EXPIRED", STR("{\"reason\":\"token_expires\"}"));
    chef_put_refusal(&s.out,
                     &(struct chef_refusal){.err = -E_FORBIDDEN, .text = "no", .topic = STR("t")});
    expect_seen(
        &s, "[\"connected\",{\"cursor\":" VIEW_C("0") "}," VIEW_C(
                "0") "]\n"
                     "[\"SESSION_EXPIRED\",{\"type\":\"SESSION_EXPIRED\",\"data\":{\"reason\":"
                     "\"token_expires\"}}]\n"
                     "[\"WEBSOCKET_ERROR\",{\"type\":\"WEBSOCKET_ERROR\",\"data\":{\"code\":"
                     "\"forbidden\",\"message\":\"no\"},\"code\":\"forbidden\",\"message\":\"no\","
                     "\"topic\":\"t\"}]\n");
    struct buf b;
    buf_init(&b, SIZE_MAX);
    chef_put_done(&b, VIEW_EPOCH, 7);
    chef_put_refused(&b, &(struct chef_refusal){.err = -E_UNKNOWN_TYPE, .text = "x"});
    buf_putc(&b, '\0');
    assert_string_equal(b.p,
                        "[{\"ok\":true,\"cursor\":" VIEW_C(
                            "7") "}]"
                                 "[{\"ok\":false,\"error\":{\"code\":\"unknown_type\",\"message\":"
                                 "\"x\"}}]");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_have_names_of_their_own),
        cmocka_unit_test(brackets_move_no_cursor),
        cmocka_unit_test(others_go_as_they_are),
        cmocka_unit_test(topics_have_looks),
        cmocka_unit_test(late_comers_see_what_was),
        cmocka_unit_test(other_snapshots_go_as_they_are),
        cmocka_unit_test(gaps_are_warnings),
        cmocka_unit_test(the_hub_speaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
