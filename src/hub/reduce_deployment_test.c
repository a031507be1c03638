// SPDX-License-Identifier: MIT
// Tests of the deployment machine: every move, every kind of report in every state, and what is
// published.
#include "hub/reduce_world.h"

#define S REPORT_STATUS
#define P REPORT_PROGRESS
#define L REPORT_LOG
#define C REPORT_COMPLETE

static const char *const names[] = {"pending", "deploying", "running",
                                    "success", "failed",    "cancelled"};
#define STATES 6

static int say(struct world *w, enum report_verb verb, const char *status)
{
    char body[64];
    (void)snprintf(body, sizeof(body), "{\"status\":\"%s\"}", status);
    return world_call(w, verb, body);
}

// m: moves; s: the same, nothing published; c: conflict.
static void test_moves(void **state)
{
    (void)state;
    static const char *const table[STATES] = {"smmmmm", "csmmmm", "ccsmmm",
                                              "cccscc", "ccccsc", "cccccs"};
    for (unsigned from = 0; from < STATES; from++) {
        for (unsigned to = 0; to < STATES; to++) {
            struct world w;
            world_init(&w, KIND_DEPLOYMENT);
            assert_int_equal(say(&w, S, names[from]), 0); // any state may be the first
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

// By /complete: STATUS_CHANGED if it is new, then COMPLETE, once.
static void test_complete_moves(void **state)
{
    (void)state;
    static const char counts[STATES][4] = {"222", "222", "222", "1cc", "c1c", "cc1"};
    for (unsigned from = 0; from < STATES; from++) {
        for (unsigned to = 3; to < STATES; to++) {
            struct world w;
            world_init(&w, KIND_DEPLOYMENT);
            assert_int_equal(say(&w, S, names[from]), 0);
            int err = say(&w, C, names[to]);
            char want = counts[from][to - 3];
            assert_int_equal(err, want == 'c' ? -E_CONFLICT : 0);
            if (want != 'c') {
                assert_int_equal(w.red.count, want - '0');
                assert_true(str_is(w.red.drafts[w.red.count - 1].type, "DEPLOYMENT_COMPLETE"));
                assert_int_equal(w.red.effect, DURABILITY_DISK);
                assert_int_equal(say(&w, C, names[to]), 0); // again
                assert_int_equal(w.red.count, 0);
            }
            world_fini(&w);
        }
    }
}

// What may be said in each state but its own moves. Progress is not taken after the end, lines
// always are.
static void test_reports_in_states(void **state)
{
    (void)state;
    for (unsigned from = 0; from < STATES; from++) {
        struct world w;
        world_init(&w, KIND_DEPLOYMENT);
        assert_int_equal(say(&w, S, names[from]), 0);
        bool ended = from >= 3;
        assert_int_equal(world_call(&w, P, "{\"progress\":5}"), ended ? -E_CONFLICT : 0);
        assert_int_equal(world_call(&w, P, "{\"step\":\"s\"}"), ended ? -E_CONFLICT : 0);
        assert_int_equal(world_call(&w, L, "{\"logs\":\"x\"}"), 0);
        assert_int_equal(w.red.count, 1);
        assert_int_equal(world_call(&w, S, "{\"logs\":\"x\"}"), 0);
        assert_int_equal(w.red.count, 1);
        assert_int_equal(world_call(&w, S, "{\"lease\":5}"), 0);
        assert_int_equal(w.red.count, 0);
        assert_int_equal(w.j->lease_s, ended ? 0 : 5);
        assert_int_equal(world_call(&w, REPORT_CREATE, "{\"stack_id\":\"s\",\"target_id\":\"t\"}"),
                         ended ? 0 : -E_CONFLICT);
        world_fini(&w);
    }
}

static void test_life(void **state)
{
    (void)state;
    static const struct world_step steps[] = {
        {0, REPORT_CREATE,
         "{\"stack_id\":\"s\",\"target_id\":\"t\",\"name\":\"n\",\"variables\":{\"a\":1},\"user_"
         "id\":7,\"x\":1.10}",
         "DEPLOYMENT_CREATED{\"name\":\"n\",\"status\":\"pending\",\"stack_id\":\"s\",\"target_"
         "id\":\"t\","
         "\"user_id\":\"7\",\"x\":1.10,\"attempt\":1} | disk save"},
        {0, S, "{\"status\":\"DEPLOYING\",\"message\":\"go\",\"logs\":\"a\\nb\\n\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"deploying\",\"old_status\":\"pending\","
         "\"message\":\"go\","
         "\"user_id\":\"7\",\"name\":\"n\",\"error_message\":null,\"attempt\":1} | "
         "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"a\\nb\\n\",\"level\":\"info\",\"append\":true,\"line\":"
         "1,\"lines\":2,"
         "\"attempt\":1} | disk save"},
        {0, S, "{\"status\":\"deploying\",\"message\":\"other\",\"y\":1}", "memory"},
        {0, S, "{\"status\":\"deploying\",\"logs\":\"c\"}",
         "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"c\\n\",\"level\":\"info\",\"append\":true,\"line\":3,"
         "\"lines\":1,"
         "\"attempt\":1} | process save"},
        {0, S, "{\"status\":\"deploying\",\"user_id\":\"u2\"}", "process save"},
        {0, P, "{\"progress\":10,\"step\":\"pull\",\"current_step\":1,\"total_steps\":4,\"eta\":9}",
         "DEPLOYMENT_PROGRESS{\"progress\":10,\"current_step\":\"pull\",\"step\":\"pull\",\"step_"
         "index\":1,"
         "\"total_steps\":4,\"message\":\"go\",\"eta\":9,\"attempt\":1} | disk save"},
        {0, P, "{\"progress\":20,\"current_step\":2}",
         "DEPLOYMENT_PROGRESS{\"progress\":20,\"current_step\":2,\"step\":null,\"step_index\":2,"
         "\"total_steps\":4,"
         "\"message\":\"go\",\"attempt\":1} | disk save"},
        {0, P, "{\"progress\":20,\"current_step\":2}", "memory"},
        {0, S, "{\"status\":\"deploying\",\"progress\":30}",
         "DEPLOYMENT_PROGRESS~{\"progress\":30,\"current_step\":2,\"step\":null,\"step_index\":2,"
         "\"total_steps\":4,"
         "\"message\":\"go\",\"attempt\":1} | memory"},
        {0, S, "{\"status\":\"running\",\"region\":\"eu\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"running\",\"old_status\":\"deploying\","
         "\"message\":null,"
         "\"user_id\":\"u2\",\"name\":\"n\",\"error_message\":null,\"settled\":true,\"region\":"
         "\"eu\","
         "\"attempt\":1} | disk save"},
        {0, S, "{\"status\":\"pending\"}",
         "conflict: The status can't go from running to pending."},
        {0, C,
         "{\"status\":\"success\",\"message\":\"done\",\"result\":{\"a\": 1},\"logs\":\"bye\"}",
         "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"bye\\n\",\"level\":\"info\",\"append\":true,\"line\":4,"
         "\"lines\":1,"
         "\"attempt\":1} | "
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"success\",\"old_status\":\"running\",\"message\":"
         "\"done\","
         "\"user_id\":\"u2\",\"name\":\"n\",\"error_message\":null,\"attempt\":1} | "
         "DEPLOYMENT_COMPLETE{\"status\":\"success\",\"message\":\"done\",\"result\":{\"a\":1},"
         "\"attempt\":1} | disk save"},
        {0, C, "{\"status\":\"success\",\"result\":2}", "memory"},
        {0, P, "{\"progress\":40}",
         "conflict: The attempt has ended (success): only log lines are taken now."},
        {0, L, "{\"message\":\"late\",\"level\":\"error\"}",
         "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"late\\n\",\"level\":\"error\",\"append\":true,\"line\":"
         "5,\"lines\":1,"
         "\"attempt\":1} | process save"},
        {0, REPORT_CREATE, "{\"stack_id\":\"s\",\"target_id\":\"t\"}",
         "DEPLOYMENT_CREATED{\"name\":\"n\",\"status\":\"pending\",\"stack_id\":\"s\",\"target_"
         "id\":\"t\","
         "\"user_id\":\"u2\",\"attempt\":2} | disk save"},
        {0, L, "{\"message\":\"first\"}",
         "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"first\\n\",\"level\":\"info\",\"append\":true,\"line\":"
         "1,\"lines\":1,"
         "\"attempt\":2} | process save"},
        {0, S,
         "{\"status\":\"failed\",\"error_message\":\"e\",\"exit_code\":3,\"signal\":\"KILL\","
         "\"attempt\":2}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"failed\",\"old_status\":\"pending\",\"message\":"
         "null,"
         "\"user_id\":\"u2\",\"name\":\"n\",\"error_message\":\"e\",\"exit_code\":3,\"signal\":"
         "\"KILL\","
         "\"attempt\":2} | disk save"},
        {0, REPORT_ERROR, "{\"error\":\"again\"}", "memory"},
        {0, C, "{\"status\":\"failed\",\"result\":1}",
         "DEPLOYMENT_COMPLETE{\"status\":\"failed\",\"message\":null,\"result\":1,\"attempt\":2} | "
         "disk save"},
        {0, REPORT_DELETE, "{\"by\":\"me\"}",
         "DEPLOYMENT_DELETED{\"status\":\"failed\",\"name\":\"n\",\"user_id\":\"u2\",\"by\":\"me\","
         "\"attempt\":2} | "
         "disk remove"},
        {0, REPORT_DELETE, NULL, "not_found: Nobody has reported on that deployment."},
    };
    WORLD_PLAY(KIND_DEPLOYMENT, steps);
}

// Reports on a deployment nobody created.
static void test_unknown(void **state)
{
    (void)state;
    static const struct world_step status[] = {
        {0, S, "{\"status\":\"running\",\"old_status\":\"deploying\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"running\",\"old_status\":null,\"message\":null,"
         "\"user_id\":null,"
         "\"name\":null,\"error_message\":null,\"attempt\":1} | disk save"},
    };
    static const struct world_step lines[] = {
        {0, L, "{\"message\":\"m\"}",
         "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"m\\n\",\"level\":\"info\",\"append\":true,\"line\":1,"
         "\"lines\":1,"
         "\"attempt\":1} | process save"},
        {0, S, "{\"status\":\"deploying\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"deploying\",\"old_status\":\"pending\","
         "\"message\":null,"
         "\"user_id\":null,\"name\":null,\"error_message\":null,\"attempt\":1} | disk save"},
    };
    static const struct world_step progress[] = {
        {0, P, "{\"progress\":5}",
         "DEPLOYMENT_PROGRESS{\"progress\":5,\"current_step\":null,\"step\":null,\"step_index\":"
         "null,"
         "\"total_steps\":null,\"attempt\":1} | process save"},
        {0, P, "{\"progress\":6}",
         "DEPLOYMENT_PROGRESS~{\"progress\":6,\"current_step\":null,\"step\":null,\"step_index\":"
         "null,"
         "\"total_steps\":null,\"attempt\":1} | memory"},
    };
    static const struct world_step complete[] = {
        {0, C, "{\"status\":\"cancelled\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"cancelled\",\"old_status\":null,\"message\":null,"
         "\"user_id\":null,"
         "\"name\":null,\"error_message\":null,\"attempt\":1} | "
         "DEPLOYMENT_COMPLETE{\"status\":\"cancelled\",\"message\":null,\"result\":null,"
         "\"attempt\":1} | disk save"},
    };
    static const struct world_step nothing[] = {
        {0, S, "{\"lease\":30}", "not_found: Nobody has reported on that deployment."},
        {0, L, "{\"logs\":\"\"}", "not_found: Nobody has reported on that deployment."},
        {0, S, "{\"status\":\"running\",\"attempt\":2}", "conflict: There is no attempt 2 yet."},
        {0, REPORT_CANCEL, NULL, "not_found: Nobody has reported on that deployment."},
        {0, REPORT_DELETE, NULL, "not_found: Nobody has reported on that deployment."},
    };
    WORLD_PLAY(KIND_DEPLOYMENT, status);
    WORLD_PLAY(KIND_DEPLOYMENT, lines);
    WORLD_PLAY(KIND_DEPLOYMENT, progress);
    WORLD_PLAY(KIND_DEPLOYMENT, complete);
    WORLD_PLAY(KIND_DEPLOYMENT, nothing);
}

// A status in a progress report is a status report.
static void test_status_in_progress(void **state)
{
    (void)state;
    static const struct world_step steps[] = {
        {0, P, "{\"progress\":5,\"status\":\"deploying\",\"step\":\"s\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"deploying\",\"old_status\":null,\"message\":null,"
         "\"user_id\":null,"
         "\"name\":null,\"error_message\":null,\"progress\":5,\"step\":\"s\",\"current_step\":"
         "\"s\",\"attempt\":1} | "
         "disk save"},
        {0, P, "{\"progress\":6,\"status\":\"deploying\"}",
         "DEPLOYMENT_PROGRESS~{\"progress\":6,\"current_step\":\"s\",\"step\":\"s\",\"step_index\":"
         "null,"
         "\"total_steps\":null,\"attempt\":1} | memory"},
        {0, P, "{\"progress\":6,\"status\":\"pending\"}",
         "conflict: The status can't go from deploying to pending."},
    };
    WORLD_PLAY(KIND_DEPLOYMENT, steps);
}

// Running after deploying is settled: a lease ends, and the next attempt may begin.
static void test_settled(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(world_call(&w, S, "{\"status\":\"deploying\",\"lease\":30}"), 0);
    assert_int_equal(w.j->lease_s, 30);
    assert_int_equal(say(&w, S, "running"), 0);
    assert_true(w.j->settled);
    assert_false(job_is_open(w.j));
    assert_int_equal(w.j->lease_s, 0);
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    assert_int_equal(world_call(&w, S, "{\"lease\":30}"), 0);
    assert_int_equal(w.j->lease_s, 0);
    assert_int_equal(world_call(&w, P, "{\"progress\":5}"), 0);
    assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), -E_CONFLICT);
    assert_int_equal(say(&w, S, "failed"), 0);
    assert_false(w.j->settled);
    assert_true(job_is_ended(w.j));
    world_fini(&w);
    // Not when it went there at once.
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(say(&w, S, "pending"), 0);
    assert_int_equal(say(&w, S, "running"), 0);
    assert_false(w.j->settled);
    assert_true(job_is_open(w.j));
    world_fini(&w);
}

static void test_job_follows(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(
        world_call(&w, REPORT_CREATE,
                   "{\"stack_id\":\"s\",\"target_id\":\"t\",\"status\":\"pending\",\"lease\":60}"),
        0);
    assert_int_equal(w.j->attempt, 1);
    assert_int_equal(w.j->created_ms, w.now.wall_ms);
    assert_int_equal(w.j->started_ms, 0);
    assert_int_equal(w.j->log_first, 1);
    assert_int_equal(w.j->lease_s, 60);
    assert_int_equal(w.j->cursor_id, 100);
    world_wait(&w, 1000);
    assert_int_equal(
        world_call(&w, S, "{\"status\":\"deploying\",\"message\":\"m\",\"progress\":3}"), 0);
    int64_t started = w.now.wall_ms;
    assert_int_equal(w.j->started_ms, started);
    assert_string_equal(w.j->message, "m");
    world_wait(&w, 1000);
    assert_int_equal(world_call(&w, C, "{\"status\":\"success\",\"result\":{\"a\": [1.10]}}"), 0);
    assert_int_equal(w.j->started_ms, started);
    assert_int_equal(w.j->ended_ms, w.now.wall_ms);
    assert_int_equal(w.j->updated_ms, w.now.wall_ms);
    assert_string_equal(w.j->result, "{\"a\":[1.10]}");
    assert_string_equal(w.j->message, "m");
    assert_int_equal((int)w.j->progress, 100);
    assert_int_equal(w.j->cursor_id, 103);
    world_wait(&w, 1000);
    assert_int_equal(world_call(&w, REPORT_CREATE, "{\"stack_id\":\"s2\",\"target_id\":\"t\"}"), 0);
    assert_true(w.red.created);
    assert_int_equal(w.j->attempt, 2);
    assert_int_equal(w.j->created_ms, w.now.wall_ms);
    assert_int_equal(w.j->started_ms, 0);
    assert_int_equal(w.j->ended_ms, 0);
    assert_null(w.j->result);
    assert_null(w.j->message);
    assert_string_equal(w.j->stack_id, "s2");
    assert_int_equal((int)w.j->progress, 0);
    assert_int_equal(w.j->lease_s, 0);
    world_fini(&w);
}

// The data in full, once, with ids and time.
static void test_whole_data(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(say(&w, S, "deploying"), 0);
    assert_true(
        str_is(w.red.drafts[0].data,
               "{\"deployment_id\":\"X\",\"deploymentId\":\"X\",\"status\":\"deploying\","
               "\"old_status\":null,\"message\":null,\"timestamp\":\"2024-11-28T22:30:00.000Z\","
               "\"user_id\":null,\"name\":null,\"error_message\":null,\"attempt\":1}"));
    assert_int_equal(w.red.drafts[0].attempt, 1);
    assert_int_equal(w.red.drafts[0].scope, SCOPE_ALL);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_complete_moves),
        cmocka_unit_test(test_reports_in_states),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_status_in_progress),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_job_follows),
        cmocka_unit_test(test_whole_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
