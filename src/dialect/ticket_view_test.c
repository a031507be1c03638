// SPDX-License-Identifier: MIT
// Tests of the flat ticket messages: each event, late comers, gaps.
#include "dialect/ticket_view.h"

#include "dialect/view_testing.h"

#define K  "\"ticket_id\":\"t-1\""
#define ID ",\"id\":" VIEW_C("42")

static const struct {
    const char *type, *data, *expected;
} events[] = {
    {"TICKET_STATUS_CHANGED",
     "{\"ticket_id\":\"t-1\",\"attempt\":1,\"status\":\"IN_PROGRESS\",\"message\":\"Préparation\","
     "\"step\":\"prepare_repository\","
     "\"progress\":20,\"error\":null,\"timestamp\":\"2025-01-02T10:30:00.000Z\",\"iteration\":2,"
     "\"own\":1}",
     "{\"type\":\"status_update\"," K
     ",\"status\":\"IN_PROGRESS\",\"message\":\"Préparation\",\"step\":\"prepare_repository\","
     "\"progress\":20,\"timestamp\":\"2025-01-02T10:30:00.000Z\",\"iteration\":2,\"attempt\":1" ID
     "}\n"},
    {"TICKET_STATUS_CHANGED",
     "{\"ticket_id\":\"t-1\",\"status\":\"FAILED\",\"error\":\"Repository not found\"}",
     "{\"type\":\"status_update\"," K
     ",\"status\":\"FAILED\",\"error\":\"Repository not found\",\"timestamp\":" VIEW_TIME ID "}\n"},
    {"TICKET_LOG",
     "{\"ticket_id\":\"t-1\",\"level\":\"warning\",\"message\":\"a\\nb\",\"line\":1,\"lines\":2}",
     "{\"type\":\"log\"," K ",\"level\":\"WARNING\",\"message\":\"a\",\"timestamp\":" VIEW_TIME
     ",\"line\":1}\n"
     "{\"type\":\"log\"," K ",\"level\":\"WARNING\",\"message\":\"b\",\"timestamp\":" VIEW_TIME
     ",\"line\":2" ID "}\n"},
};

static void each_event_has_its_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct event *e = view_event(KIND_TICKET, "t-1", events[i].type, events[i].data);
        struct frames f;
        frames_init(&f);
        ticket_put_event(&f, e, VIEW_EPOCH);
        view_expect(&f, events[i].expected);
        frames_fini(&f);
        event_unref(e);
    }
}

static void other_events_go_as_they_are(void **state)
{
    (void)state;
    struct event *e = view_event(KIND_NONE, "tickets", "HELLO", "{\"n\":1.10}");
    struct frames f;
    frames_init(&f);
    ticket_put_event(&f, e, VIEW_EPOCH);
    view_expect(&f, "{\"type\":\"HELLO\",\"n\":1.10" ID "}\n");
    frames_fini(&f);
    event_unref(e);
}

static void late_comers_see_where_it_stands(void **state)
{
    (void)state;
    struct job *j = job_new(KIND_TICKET, STR("t-1"));
    assert_non_null(j);
    j->attempt = 1;
    j->status = STATUS_TICKET_IN_PROGRESS;
    j->progress = 30;
    j->progress_known = true;
    j->step = mem_strdup(STR("call_llm"));
    j->iteration = 2;
    j->updated_ms = VIEW_WALL;
    struct joblog_line line = {
        .line = 1, .level = STR("error"), .message = STR("x"), .wall_ms = VIEW_WALL};
    struct store_lines tail = {.lines = &line, .count = 1};
    struct sink_snapshot s = {.topic = STR("ticket:t-1"), .cursor = 99, .job = j, .tail = &tail};
    struct frames f;
    frames_init(&f);
    ticket_put_connected(&f, STR("t-1"));
    ticket_put_connected(&f, STR_NONE);
    ticket_put_snapshot(&f, &s, VIEW_EPOCH);
    ticket_put_update(&f, j, VIEW_EPOCH, 0);
    view_expect(&f, "{\"type\":\"connected\"," K "}\n"
                    "{\"type\":\"connected\"}\n"
                    "{\"type\":\"log\"," K
                    ",\"level\":\"ERROR\",\"message\":\"x\",\"timestamp\":" VIEW_TIME
                    ",\"line\":1,\"snapshot\":true}\n"
                    "{\"type\":\"status_update\"," K
                    ",\"status\":\"IN_PROGRESS\",\"step\":\"call_llm\",\"progress\":30,"
                    "\"timestamp\":" VIEW_TIME
                    ",\"iteration\":2,\"attempt\":1,\"snapshot\":true,\"id\":" VIEW_C(
                        "99") "}\n"
                              "{\"type\":\"status_update\"," K
                              ",\"status\":\"IN_PROGRESS\",\"step\":\"call_llm\",\"progress\":30,"
                              "\"timestamp\":" VIEW_TIME
                              ",\"iteration\":2,\"attempt\":1,\"snapshot\":true}\n");
    frames_fini(&f);
    job_unref(j);
}

static void gaps_are_lines_in_upper_case(void **state)
{
    (void)state;
    struct gap gap = {.topic = STR("ticket:t-1"), .to = 8, .count = 1, .reason = GAP_QUOTA};
    struct flat_gap g = {.gap = &gap, .id = STR("t-1"), .epoch = VIEW_EPOCH, .wall_ms = VIEW_WALL};
    struct frames f;
    frames_init(&f);
    ticket_put_gap(&f, &g);
    view_expect(
        &f,
        "{\"type\":\"log\"," K ",\"level\":\"WARNING\",\"message\":\"1 event was lost (quota).\","
        "\"timestamp\":" VIEW_TIME
        ",\"gap\":{\"type\":\"gap\",\"topic\":\"ticket:t-1\",\"from\":" VIEW_C(
            "0") ",\"to\":" VIEW_C("8") ",\"count\":1,\"bytes\":null,\"reason\":\"quota\"}}\n");
    frames_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_has_its_message),
        cmocka_unit_test(other_events_go_as_they_are),
        cmocka_unit_test(late_comers_see_where_it_stands),
        cmocka_unit_test(gaps_are_lines_in_upper_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
