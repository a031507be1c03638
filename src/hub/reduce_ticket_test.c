// SPDX-License-Identifier: MIT
// Tests of the ticket machine: every move, what is published, iterations.
#include "hub/reduce_world.h"

#define S REPORT_STATUS
#define L REPORT_LOG

static const char *const names[] = {"IDLE",      "PENDING", "IN_PROGRESS",
                                    "COMPLETED", "FAILED",  "CANCELLED"};
#define STATES 6

static int say(struct world *w, enum report_verb verb, const char *status)
{
    char body[64];
    (void)snprintf(body, sizeof(body), "{\"status\":\"%s\"}", status);
    return world_call(w, verb, body);
}

static void test_moves(void **state)
{
    (void)state;
    static const char *const table[STATES] = {"smmmmm", "csmmmm", "ccsmmm",
                                              "cccscc", "ccccsc", "cccccs"};
    for (unsigned from = 0; from < STATES; from++) {
        for (unsigned to = 0; to < STATES; to++) {
            struct world w;
            world_init(&w, KIND_TICKET);
            assert_int_equal(say(&w, S, names[from]), 0);
            assert_int_equal(w.red.count, 1);
            int err = say(&w, S, names[to]);
            char want = table[from][to];
            assert_int_equal(err, want == 'c' ? -E_CONFLICT : 0);
            assert_string_equal(job_status_text(w.j), names[want == 'm' ? to : from]);
            if (want == 'c') {
                assert_non_null(strstr(w.text.p, names[from]));
                assert_non_null(strstr(w.text.p, names[to]));
            } else {
                assert_int_equal(w.red.count, want == 'm');
                assert_int_equal(w.red.effect, want == 'm' ? DURABILITY_DISK : DURABILITY_MEMORY);
            }
            world_fini(&w);
        }
    }
}

static void test_reports_in_states(void **state)
{
    (void)state;
    for (unsigned from = 0; from < STATES; from++) {
        struct world w;
        world_init(&w, KIND_TICKET);
        assert_int_equal(say(&w, S, names[from]), 0);
        bool ended = from >= 3, open = from == 1 || from == 2;
        assert_int_equal(world_call(&w, S, "{\"progress\":5}"), ended ? -E_CONFLICT : 0);
        assert_int_equal(world_call(&w, S, "{\"step\":\"s\"}"), ended ? -E_CONFLICT : 0);
        assert_int_equal(world_call(&w, L, "{\"message\":\"x\"}"), 0);
        assert_int_equal(w.red.count, 1);
        assert_int_equal(world_call(&w, S, "{\"lease\":5}"), 0);
        assert_int_equal(w.red.count, 0);
        assert_int_equal(w.j->lease_s, open ? 5 : 0);
        assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), open ? 0 : -E_CONFLICT);
        // The same end again publishes nothing, whatever else it says.
        char body[64];
        (void)snprintf(body, sizeof(body), "{\"status\":\"%s\",\"message\":\"again\"}",
                       names[from]);
        world_wait(&w, LIMIT_PROGRESS_MS);
        assert_int_equal(world_call(&w, S, body), 0);
        assert_int_equal(w.red.count, !ended);
        assert_int_equal(world_call(&w, REPORT_START, "{\"ticket_id\":\"X\"}"),
                         open ? -E_CONFLICT : 0);
        assert_int_equal(w.j->attempt, open ? 1 : 2);
        world_fini(&w);
    }
}

static void test_life(void **state)
{
    (void)state;
    static const struct world_step steps[] = {
        {0, REPORT_START, "{\"ticket_id\":\"X\"}",
         "TICKET_STATUS_CHANGED{\"status\":\"PENDING\",\"message\":\"Processing is "
         "starting\",\"progress\":0,"
         "\"attempt\":1} | disk save"},
        {0, REPORT_START, "{\"ticket_id\":\"X\"}", "conflict: Attempt 1 is still open (PENDING)."},
        {0, S,
         "{\"status\":\"IN_PROGRESS\",\"message\":\"m\",\"step\":\"call_llm\",\"progress\":50}",
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"message\":\"m\",\"step\":\"call_llm\","
         "\"progress\":50,"
         "\"attempt\":1} | disk save"},
        {0, S,
         "{\"status\":\"IN_PROGRESS\",\"message\":\"m\",\"step\":\"call_llm\",\"progress\":50}",
         "memory"},
        {0, S, "{\"status\":\"IN_PROGRESS\",\"progress\":51}",
         "TICKET_STATUS_CHANGED~{\"status\":\"IN_PROGRESS\",\"message\":\"m\",\"step\":\"call_"
         "llm\",\"progress\":51,"
         "\"attempt\":1} | memory"},
        {0, S, "{\"message\":\"n\"}", "memory merged"},
        {0, S, "{\"status\":\"IN_PROGRESS\",\"step\":\"run_ci\"}",
         "TICKET_STATUS_CHANGED~{\"status\":\"IN_PROGRESS\",\"message\":\"n\",\"step\":\"call_"
         "llm\",\"progress\":51,"
         "\"attempt\":1} | "
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"step\":\"run_ci\",\"attempt\":1} | "
         "disk save"},
        {0, S, "{\"status\":\"IN_PROGRESS\",\"iteration\":2,\"progress\":5}",
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"progress\":5,\"iteration\":2,"
         "\"attempt\":1} | disk save"},
        {0, S, "{\"status\":\"IN_PROGRESS\",\"iteration\":2}", "memory"},
        {0, S, "{\"status\":\"IN_PROGRESS\",\"note\":\"x\"}",
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"note\":\"x\",\"attempt\":1} | process "
         "save"},
        {0, L, "{\"level\":\"warn\",\"message\":\"a\\nb\"}",
         "TICKET_LOG{\"message\":\"a\\nb\",\"level\":\"WARNING\",\"line\":1,\"lines\":2,"
         "\"attempt\":1} | process save"},
        {0, L,
         "{\"lines\":[{\"message\":\"c\"},{\"message\":\"d\",\"level\":\"ERROR\"}],\"append\":"
         "false,\"k\":1}",
         "TICKET_LOG{\"message\":\"c\\nd\",\"level\":\"INFO\",\"levels\":[\"INFO\",\"ERROR\"],"
         "\"append\":false,"
         "\"line\":3,\"lines\":2,\"k\":1,\"attempt\":1} | process save"},
        {0, S, "{\"status\":\"FAILED\",\"message\":\"m\",\"error\":\"e\",\"logs\":\"last\"}",
         "TICKET_LOG{\"message\":\"last\",\"level\":\"INFO\",\"line\":5,\"lines\":1,\"attempt\":1} "
         "| "
         "TICKET_STATUS_CHANGED{\"status\":\"FAILED\",\"message\":\"m\",\"error\":\"e\","
         "\"attempt\":1} | disk save"},
        {0, S, "{\"status\":\"FAILED\",\"message\":\"other\"}", "memory"},
        {0, S, "{\"status\":\"COMPLETED\"}",
         "conflict: The status can't go from FAILED to COMPLETED."},
        {0, S, "{\"status\":\"PENDING\"}", "conflict: The status can't go from FAILED to PENDING."},
        {0, REPORT_START, "{\"ticket_id\":\"X\",\"attempt\":3}",
         "conflict: The next attempt is 2, not 3."},
        {0, REPORT_START, "{\"ticket_id\":\"X\",\"message\":\"hello\",\"who\":1,\"attempt\":2}",
         "TICKET_STATUS_CHANGED{\"status\":\"PENDING\",\"message\":\"hello\",\"progress\":0,"
         "\"who\":1,\"attempt\":2} | "
         "disk save"},
        {0, S, "{\"status\":\"IN_PROGRESS\",\"attempt\":1}",
         "conflict: Attempt 1 is over: the job is at attempt 2."},
        {0, S, "{\"status\":\"COMPLETED\",\"attempt\":2}",
         "TICKET_STATUS_CHANGED{\"status\":\"COMPLETED\",\"progress\":100,\"attempt\":2} | disk "
         "save"},
        {0, REPORT_DELETE, NULL, "disk remove"},
    };
    WORLD_PLAY(KIND_TICKET, steps);
}

static void test_unknown(void **state)
{
    (void)state;
    static const struct world_step lines[] = {
        {0, L, "{\"message\":\"m\"}",
         "TICKET_LOG{\"message\":\"m\",\"level\":\"INFO\",\"line\":1,\"lines\":1,\"attempt\":1} | "
         "process save"},
        {0, REPORT_START, "{\"ticket_id\":\"X\"}",
         "TICKET_STATUS_CHANGED{\"status\":\"PENDING\",\"message\":\"Processing is "
         "starting\",\"progress\":0,"
         "\"attempt\":2} | disk save"},
    };
    static const struct world_step progress[] = {
        {0, S, "{\"progress\":5}",
         "TICKET_STATUS_CHANGED{\"status\":\"IDLE\",\"progress\":5,\"attempt\":1} | process save"},
        {0, S, "{\"progress\":6}",
         "TICKET_STATUS_CHANGED~{\"status\":\"IDLE\",\"progress\":6,\"attempt\":1} | memory"},
    };
    static const struct world_step others[] = {
        {0, REPORT_COMPLETE, "{\"result\":1}",
         "TICKET_STATUS_CHANGED{\"status\":\"COMPLETED\",\"progress\":100,\"result\":1,\"attempt\":"
         "1} | disk save"},
        {0, REPORT_COMPLETE, "{\"result\":2}", "memory"},
        {0, REPORT_ERROR, "{\"error\":\"e\"}",
         "conflict: The status can't go from COMPLETED to FAILED."},
    };
    WORLD_PLAY(KIND_TICKET, lines);
    WORLD_PLAY(KIND_TICKET, progress);
    WORLD_PLAY(KIND_TICKET, others);
}

// The count of iterations outlives an attempt, until a start clears it.
static void test_iterations(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(w.j->iteration, -1);
    assert_int_equal(world_call(&w, S, "{\"status\":\"IN_PROGRESS\",\"iteration\":3}"), 0);
    assert_int_equal(say(&w, S, "FAILED"), 0);
    assert_int_equal(world_call(&w, REPORT_START, "{\"ticket_id\":\"X\"}"), 0);
    assert_int_equal(w.j->iteration, 3);
    assert_int_equal(say(&w, S, "CANCELLED"), 0);
    assert_int_equal(
        world_call(&w, REPORT_START, "{\"ticket_id\":\"X\",\"reset_iterations\":true}"), 0);
    assert_int_equal(w.j->iteration, -1);
    world_fini(&w);
}

static void test_whole_data(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(world_call(&w, REPORT_START, "{\"ticket_id\":\"X\"}"), 0);
    assert_true(str_is(w.red.drafts[0].data,
                       "{\"ticket_id\":\"X\",\"status\":\"PENDING\","
                       "\"message\":\"Processing is starting\",\"progress\":0,"
                       "\"timestamp\":\"2024-11-28T22:30:00.000Z\",\"attempt\":1}"));
    assert_int_equal(world_call(&w, L, "{\"message\":\"m\"}"), 0);
    assert_true(
        str_is(w.red.drafts[0].data,
               "{\"ticket_id\":\"X\",\"message\":\"m\",\"level\":\"INFO\","
               "\"timestamp\":\"2024-11-28T22:30:00.000Z\",\"line\":1,\"lines\":1,\"attempt\":1}"));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),      cmocka_unit_test(test_reports_in_states),
        cmocka_unit_test(test_life),       cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_iterations), cmocka_unit_test(test_whole_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
