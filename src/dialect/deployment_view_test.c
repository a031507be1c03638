// SPDX-License-Identifier: MIT
// Tests of the flat deployment messages: each event, late comers, gaps.
#include "dialect/deployment_view.h"

#include "dialect/view_testing.h"

#define D    "\"deployment_id\":\"d-1\""
#define ID   ",\"id\":" VIEW_C("42")
#define HEAD "{\"deployment_id\":\"d-1\",\"deploymentId\":\"d-1\",\"attempt\":1,"

static const struct {
    const char *type, *data, *expected;
} events[] = {
    {"DEPLOYMENT_STATUS_CHANGED",
     HEAD "\"status\":\"deploying\",\"old_status\":\"pending\",\"message\":\"go\",\"timestamp\":"
          "\"2024-11-28T22:30:00.000Z\"}",
     "{\"type\":\"status\"," D
     ",\"status\":\"deploying\",\"message\":\"go\",\"old_status\":\"pending\","
     "\"timestamp\":\"2024-11-28T22:30:00.000Z\",\"attempt\":1" ID "}\n"},
    {"DEPLOYMENT_STATUS_CHANGED",
     HEAD "\"status\":\"failed\",\"old_status\":null,\"error_message\":\"no \\u0000 disk\"}",
     "{\"type\":\"status\"," D ",\"status\":\"failed\",\"message\":null,\"old_status\":null,"
     "\"error_message\":\"no \\u0000 disk\",\"timestamp\":" VIEW_TIME ",\"attempt\":1" ID "}\n"},
    {"DEPLOYMENT_STATUS_CHANGED",
     HEAD "\"status\":\"running\",\"old_status\":\"deploying\",\"settled\":true,\"stalled\":false}",
     "{\"type\":\"status\"," D
     ",\"status\":\"running\",\"message\":null,\"old_status\":\"deploying\","
     "\"settled\":true,\"stalled\":false,\"timestamp\":" VIEW_TIME ",\"attempt\":1" ID "}\n"},
    {"DEPLOYMENT_PROGRESS",
     HEAD "\"progress\":1.10,\"current_step\":\"Validating\",\"step\":\"Validating\",\"step_"
          "index\":5,\"total_steps\":10}",
     "{\"type\":\"progress\"," D
     ",\"progress\":1.10,\"step\":\"Validating\",\"current_step\":5,\"total_steps\":10,"
     "\"timestamp\":" VIEW_TIME ",\"attempt\":1" ID "}\n"},
    {"DEPLOYMENT_PROGRESS", HEAD "\"progress\":50,\"current_step\":3}",
     "{\"type\":\"progress\"," D
     ",\"progress\":50,\"step\":null,\"current_step\":3,\"total_steps\":null,"
     "\"timestamp\":" VIEW_TIME ",\"attempt\":1" ID "}\n"},
    {"DEPLOYMENT_COMPLETE",
     HEAD "\"status\":\"success\",\"message\":\"done\",\"result\":{\"containers\":[\"web\",1.10]}}",
     "{\"type\":\"complete\"," D
     ",\"status\":\"success\",\"message\":\"done\",\"result\":{\"containers\":[\"web\",1.10]},"
     "\"timestamp\":" VIEW_TIME ",\"attempt\":1" ID "}\n"},
    {"DEPLOYMENT_CREATED", HEAD "\"name\":\"n\",\"status\":\"pending\",\"type\":\"x\",\"id\":7}",
     "{\"type\":\"DEPLOYMENT_CREATED\",\"deployment_id\":\"d-1\",\"deploymentId\":\"d-1\","
     "\"attempt\":1,\"name\":\"n\","
     "\"status\":\"pending\"" ID "}\n"},
    {"DEPLOYMENT_LOGS_UPDATE",
     HEAD "\"logs\":\"one\\ntwo\\n\",\"level\":\"info\",\"append\":true,\"line\":7,\"lines\":2}",
     "{\"type\":\"log\"," D ",\"level\":\"info\",\"message\":\"one\",\"timestamp\":" VIEW_TIME
     ",\"line\":7}\n"
     "{\"type\":\"log\"," D ",\"level\":\"info\",\"message\":\"two\",\"timestamp\":" VIEW_TIME
     ",\"line\":8" ID "}\n"},
    {"DEPLOYMENT_LOGS_UPDATE",
     HEAD "\"logs\":\"a\\nb\\n\",\"level\":\"info\",\"levels\":[\"error\",\"debug\"],\"cont\":[2],"
          "\"line\":1,\"lines\":2}",
     "{\"type\":\"log\"," D ",\"level\":\"error\",\"message\":\"a\",\"timestamp\":" VIEW_TIME
     ",\"line\":1}\n"
     "{\"type\":\"log\"," D ",\"level\":\"debug\",\"message\":\"b\",\"timestamp\":" VIEW_TIME
     ",\"line\":2,\"cont\":true" ID "}\n"},
    {"DEPLOYMENT_LOGS_UPDATE",
     HEAD "\"logs\":\"\",\"level\":\"info\",\"append\":false,\"line\":3,\"lines\":0}", ""},
};

static void each_event_has_its_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct event *e = view_event(KIND_DEPLOYMENT, "d-1", events[i].type, events[i].data);
        struct frames f;
        frames_init(&f);
        deployment_put_event(&f, e, VIEW_EPOCH);
        view_expect(&f, events[i].expected);
        frames_fini(&f);
        event_unref(e);
    }
}

static void other_events_go_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *type, *data, *expected;
    } cases[] = {
        {"HELLO",
         "{\"a\":1.10,\"b\":18446744073709551616,\"type\":\"x\",\"t\\u0079pe\":\"y\",\"id\":7}",
         "{\"type\":\"HELLO\",\"a\":1.10,\"b\":18446744073709551616" ID "}\n"},
        {"HELLO", "{}", "{\"type\":\"HELLO\"" ID "}\n"},
        {"HELLO", "[1,2]", "{\"type\":\"HELLO\",\"data\":[1,2]" ID "}\n"},
        // Not about a job, in spite of its type.
        {"DEPLOYMENT_STATUS_CHANGED", "{\"status\":\"x\"}",
         "{\"type\":\"DEPLOYMENT_STATUS_CHANGED\",\"status\":\"x\"" ID "}\n"},
        {"HELLO", "broken", "{\"type\":\"HELLO\",\"data\":null" ID "}\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event *e = view_event(KIND_NONE, "deployment:d-1", cases[i].type, cases[i].data);
        struct frames f;
        frames_init(&f);
        deployment_put_event(&f, e, VIEW_EPOCH);
        view_expect(&f, cases[i].expected);
        frames_fini(&f);
        event_unref(e);
    }
}

static struct job *ended_job(void)
{
    struct job *j = job_new(KIND_DEPLOYMENT, STR("d-1"));
    assert_non_null(j);
    j->attempt = 2;
    j->status = STATUS_DEPLOYMENT_FAILED;
    j->progress = 33.25;
    j->progress_known = true;
    j->step = mem_strdup(STR("pull"));
    j->step_index = 3;
    j->steps_total = 10;
    j->message = mem_strdup(STR("over"));
    j->error = mem_strdup(STR("disk"));
    j->updated_ms = VIEW_WALL;
    return j;
}

static void late_comers_see_where_it_stands(void **state)
{
    (void)state;
    struct job *j = ended_job();
    struct joblog_line lines[] = {
        {.line = 8, .level = STR("info"), .message = STR("x \"y\""), .wall_ms = VIEW_WALL},
        {.line = 9,
         .level = STR("warning"),
         .message = STR(""),
         .wall_ms = VIEW_WALL,
         .cont = true},
    };
    struct store_lines tail = {.lines = lines, .count = 2};
    struct sink_snapshot s = {
        .topic = STR("deployment:d-1"), .cursor = 99, .job = j, .tail = &tail};
    struct frames f;
    frames_init(&f);
    deployment_put_snapshot(&f, &s, VIEW_EPOCH);
    view_expect(
        &f,
        "{\"type\":\"log\"," D
        ",\"level\":\"info\",\"message\":\"x \\\"y\\\"\",\"timestamp\":" VIEW_TIME
        ",\"line\":8,\"snapshot\":true}\n"
        "{\"type\":\"log\"," D ",\"level\":\"warning\",\"message\":\"\",\"timestamp\":" VIEW_TIME
        ",\"line\":9,\"cont\":true,\"snapshot\":true}\n"
        "{\"type\":\"progress\"," D
        ",\"progress\":33.25,\"step\":\"pull\",\"current_step\":3,\"total_steps\":10,"
        "\"timestamp\":" VIEW_TIME ",\"snapshot\":true}\n"
        "{\"type\":\"status\"," D ",\"status\":\"failed\",\"message\":\"over\",\"old_status\":null,"
        "\"error_message\":\"disk\",\"timestamp\":" VIEW_TIME ",\"attempt\":2,\"snapshot\":true,"
        "\"id\":" VIEW_C("99") "}\n");
    frames_fini(&f);
    job_unref(j);
}

static void an_unknown_one_has_nothing_to_show(void **state)
{
    (void)state;
    struct sink_snapshot s = {.topic = STR("deployment:d-1"), .cursor = 99};
    struct frames f;
    frames_init(&f);
    deployment_put_connected(&f, STR("d-1"));
    deployment_put_snapshot(&f, &s, VIEW_EPOCH);
    view_expect(&f, "{\"type\":\"connected\"," D "}\n");
    frames_fini(&f);
}

static void gaps_are_lines(void **state)
{
    (void)state;
    struct gap gap = {.topic = STR("deployment:d-1"), .from = 3, .to = 8, .count = 5, .bytes = 700};
    struct flat_gap g = {.gap = &gap, .id = STR("d-1"), .epoch = VIEW_EPOCH, .wall_ms = VIEW_WALL};
    struct frames f;
    frames_init(&f);
    deployment_put_gap(&f, &g);
    gap.count = gap.bytes = 0;
    gap.reason = GAP_EPOCH;
    g.id = STR_NONE;
    deployment_put_gap(&f, &g);
    view_expect(
        &f,
        "{\"type\":\"log\"," D
        ",\"level\":\"warning\",\"message\":\"5 events were lost (retention).\","
        "\"timestamp\":" VIEW_TIME
        ",\"gap\":{\"type\":\"gap\",\"topic\":\"deployment:d-1\",\"from\":" VIEW_C(
            "3") ",\"to\":" VIEW_C("8") ",\"count\":5,\"bytes\":700,\"reason\":\"retention\"}}\n"
                                        "{\"type\":\"log\",\"level\":\"warning\",\"message\":"
                                        "\"Some events may be missing here (epoch).\","
                                        "\"timestamp\":" VIEW_TIME
                                        ",\"gap\":{\"type\":\"gap\",\"topic\":\"deployment:d-1\","
                                        "\"from\":" VIEW_C("3") ",\"to\":" VIEW_C(
                                            "8") ",\"count\":null,\"bytes\":null,\"reason\":"
                                                 "\"epoch\"}}\n");
    frames_fini(&f);
}

static void want_of_memory_is_noticed(void **state)
{
    (void)state;
    struct event *e = view_event(KIND_DEPLOYMENT, "d-1", events[7].type, events[7].data);
    bool whole = false;
    for (unsigned long nth = 1; !whole; nth++) {
        struct frames f;
        frames_init(&f);
        mem_fail_nth(nth);
        deployment_put_event(&f, e, VIEW_EPOCH);
        mem_fail_nth(0);
        whole = !frames_failed(&f);
        if (whole) {
            view_expect(&f, events[7].expected);
        }
        frames_fini(&f);
        assert_true(nth < 1000);
    }
    event_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_has_its_message),
        cmocka_unit_test(other_events_go_as_they_are),
        cmocka_unit_test(late_comers_see_where_it_stands),
        cmocka_unit_test(an_unknown_one_has_nothing_to_show),
        cmocka_unit_test(gaps_are_lines),
        cmocka_unit_test(want_of_memory_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
