// SPDX-License-Identifier: MIT
// Tests of the build machine: every phase and end, default progress, and what is published.
#include "hub/reduce_world.h"

#define P REPORT_PROGRESS
#define L REPORT_LOG
#define C REPORT_COMPLETE
#define E REPORT_ERROR

// How a build is brought to, or asked to be in, each place. The phase `completed` below 100 is a
// place of its own.
static const struct place {
    const char *name; // as a conflict names it
    enum report_verb verb;
    const char *body;
    const char *status;
    const char *phase;
    int progress;
} places[] = {
    {"queued", P, "{\"phase\":\"queued\"}", "queued", "queued", 0},
    {"preparing", P, "{\"phase\":\"PREPARING\"}", "preparing", "preparing", 10},
    {"installing", P, "{\"phase\":\"installing\"}", "installing", "installing", 30},
    {"building", P, "{\"phase\":\"building\"}", "building", "building", 50},
    {"completed", P, "{\"phase\":\"completed\"}", "building", "completed", 90},
    {"completed", C, "{}", "completed", "completed", 100},
    {"failed", E, "{}", "failed", NULL, 0},
    {"cancelled", E, "{\"status\":\"cancelled\"}", "cancelled", NULL, 0},
};
#define PLACES ARRAY_LEN(places)

// m: moves; s: the same, nothing published; c: conflict.
static void test_moves(void **state)
{
    (void)state;
    static const char *const table[PLACES] = {
        "smmmmmmm", "csmmmmmm", "ccsmmmmm", "cccsmmmm", "ccccsmmm",
        "ccccsscc", // `completed` without a progress, after the end, is the end again
        "ccccccsc", "cccccccs",
    };
    for (unsigned from = 0; from < PLACES; from++) {
        for (unsigned to = 0; to < PLACES; to++) {
            struct world w;
            world_init(&w, KIND_BUILD);
            assert_int_equal(world_call(&w, places[from].verb, places[from].body), 0);
            assert_string_equal(job_status_text(w.j), places[from].status);
            int err = world_call(&w, places[to].verb, places[to].body);
            char want = table[from][to];
            if (err != (want == 'c' ? -E_CONFLICT : 0)) {
                print_message("%s to %s\n", places[from].body, places[to].body);
            }
            assert_int_equal(err, want == 'c' ? -E_CONFLICT : 0);
            assert_int_equal(w.red.count, want == 'm');
            const struct place *now = &places[want == 'm' ? to : from];
            assert_string_equal(job_status_text(w.j), now->status);
            if (now->phase) {
                assert_string_equal(w.j->phase, now->phase);
                assert_int_equal((int)w.j->progress, now->progress);
            }
            if (want == 'c') {
                assert_non_null(strstr(w.text.p, places[from].name));
            }
            world_fini(&w);
        }
    }
}

static void test_life(void **state)
{
    (void)state;
    static const struct world_step steps[] = {
        {0, REPORT_CREATE, "{\"projectId\":\"P\",\"branch\":\"main\"}",
         "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"queued\",\"progress\":0,\"message\":null,"
         "\"phase\":\"queued\","
         "\"branch\":\"main\",\"attempt\":1} | disk save"},
        {0, REPORT_CREATE, "{\"projectId\":\"P\"}", "conflict: Attempt 1 is still open (queued)."},
        {0, P, "{\"progress\":3}",
         "JOB_PROGRESS~{\"projectId\":\"P\",\"status\":\"queued\",\"progress\":3,\"message\":null,"
         "\"phase\":\"queued\",\"attempt\":1} | memory"},
        {0, P, "{\"phase\":\"building\",\"message\":\"m\",\"step\":\"s\"}",
         "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"building\",\"progress\":50,\"message\":"
         "\"m\","
         "\"phase\":\"building\",\"step\":\"s\",\"attempt\":1} | disk save"},
        {0, P, "{\"phase\":\"building\",\"message\":\"m\"}", "memory"},
        {200, P,
         "{\"phase\":\"building\",\"status\":\"building\",\"progress\":70,\"message\":\"tests\"}",
         "JOB_PROGRESS~n{\"projectId\":\"P\",\"status\":\"building\",\"progress\":70,\"message\":"
         "\"tests\","
         "\"phase\":\"building\",\"step\":\"s\",\"attempt\":1} | memory"},
        {0, P, "{\"step\":\"t\",\"k\":1}",
         "JOB_PROGRESS~w{\"projectId\":\"P\",\"status\":\"building\",\"progress\":70,\"message\":"
         "\"tests\","
         "\"phase\":\"building\",\"step\":\"s\",\"attempt\":1} | "
         "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"building\",\"progress\":70,\"message\":"
         "\"tests\","
         "\"phase\":\"building\",\"step\":\"t\",\"k\":1,\"attempt\":1} | disk save"},
        {0, P, "{\"phase\":\"preparing\"}",
         "conflict: The phase can't go back from building to preparing."},
        {0, L, "{\"message\":\"x\",\"level\":\"error\"}",
         "JOB_LOG{\"projectId\":\"P\",\"message\":\"x\",\"level\":\"error\",\"line\":1,\"lines\":1,"
         "\"attempt\":1} | "
         "process save"},
        {0, P, "{\"phase\":\"completed\"}",
         "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"building\",\"progress\":90,\"message\":"
         "\"tests\","
         "\"phase\":\"completed\",\"step\":\"t\",\"attempt\":1} | disk save"},
        {0, P, "{\"status\":\"building\",\"progress\":95}", // the status it shows is no way back
         "memory merged"},
        {0, P, "{\"progress\":100,\"message\":\"done\",\"logs\":\"bye\"}",
         "JOB_LOG{\"projectId\":\"P\",\"message\":\"bye\",\"level\":\"info\",\"line\":2,\"lines\":"
         "1,\"attempt\":1} | "
         "JOB_PROGRESS~{\"projectId\":\"P\",\"status\":\"building\",\"progress\":95,\"message\":"
         "\"tests\","
         "\"phase\":\"completed\",\"step\":\"t\",\"attempt\":1} | "
         "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"completed\",\"progress\":100,\"message\":"
         "\"done\","
         "\"phase\":\"completed\",\"step\":\"t\",\"attempt\":1} | "
         "JOB_COMPLETED{\"projectId\":\"P\",\"status\":\"completed\",\"progress\":100,\"message\":"
         "\"done\","
         "\"result\":null,\"attempt\":1} | disk save"},
        {0, P, "{\"phase\":\"completed\",\"progress\":100}", "memory"},
        {0, P, "{\"phase\":\"completed\",\"progress\":90}",
         "conflict: The attempt has ended (completed): only log lines are taken now."},
        {0, P, "{\"progress\":100}",
         "conflict: The attempt has ended (completed): only log lines are taken now."},
        {0, C, "{\"result\":{\"a\": 1}}", "process save"},
        {0, C, "{\"result\":2}", "memory"},
        {0, E, "{\"error\":\"e\"}", "conflict: The status can't go from completed to failed."},
        {0, L, "{\"message\":\"late\"}",
         "JOB_LOG{\"projectId\":\"P\",\"message\":\"late\",\"level\":\"info\",\"line\":3,\"lines\":"
         "1,\"attempt\":1} | "
         "process save"},
        {0, REPORT_CREATE, "{\"projectId\":\"Q\",\"jobId\":\"X\"}",
         "JOB_PROGRESS{\"projectId\":\"Q\",\"status\":\"queued\",\"progress\":0,\"message\":null,"
         "\"phase\":\"queued\","
         "\"attempt\":2} | disk save"},
        {0, E, "{\"message\":\"m\",\"exit_code\":1}",
         "JOB_ERROR{\"projectId\":\"Q\",\"status\":\"failed\",\"error\":\"m\",\"message\":\"m\","
         "\"exit_code\":1,"
         "\"attempt\":2} | disk save"},
        {0, E, "{\"error\":\"other\"}", "memory"},
        {0, C, "{}", "conflict: The status can't go from failed to completed."},
        {0, REPORT_DELETE, NULL, "disk remove"},
    };
    WORLD_PLAY(KIND_BUILD, steps);
}

static void test_unknown(void **state)
{
    (void)state;
    static const struct world_step progress[] = {
        {0, P, "{\"progress\":5}",
         "JOB_PROGRESS{\"projectId\":null,\"status\":\"building\",\"progress\":5,\"message\":null,"
         "\"phase\":\"building\",\"attempt\":1} | disk save"},
    };
    static const struct world_step message[] = {
        {0, P, "{\"message\":\"m\",\"projectId\":\"P\"}",
         "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"building\",\"progress\":0,\"message\":"
         "\"m\","
         "\"phase\":\"building\",\"attempt\":1} | disk save"},
    };
    static const struct world_step lines[] = {
        {0, L, "{\"message\":\"m\"}",
         "JOB_LOG{\"projectId\":null,\"message\":\"m\",\"level\":\"info\",\"line\":1,\"lines\":1,"
         "\"attempt\":1} | "
         "process save"},
        {0, P, "{\"progress\":5}",
         "JOB_PROGRESS{\"projectId\":null,\"status\":\"building\",\"progress\":5,\"message\":null,"
         "\"phase\":\"building\",\"attempt\":1} | disk save"},
    };
    static const struct world_step completed[] = {
        {0, P, "{\"phase\":\"completed\",\"progress\":100}",
         "JOB_PROGRESS{\"projectId\":null,\"status\":\"completed\",\"progress\":100,\"message\":"
         "null,"
         "\"phase\":\"completed\",\"attempt\":1} | "
         "JOB_COMPLETED{\"projectId\":null,\"status\":\"completed\",\"progress\":100,\"message\":"
         "null,\"result\":null,"
         "\"attempt\":1} | disk save"},
    };
    static const struct world_step by_call[] = {
        {0, C, "{\"message\":\"m\",\"result\":[1, 2],\"progress\":40}",
         "JOB_COMPLETED{\"projectId\":null,\"status\":\"completed\",\"progress\":100,\"message\":"
         "\"m\","
         "\"result\":[1,2],\"attempt\":1} | disk save"},
    };
    WORLD_PLAY(KIND_BUILD, progress);
    WORLD_PLAY(KIND_BUILD, message);
    WORLD_PLAY(KIND_BUILD, lines);
    WORLD_PLAY(KIND_BUILD, completed);
    WORLD_PLAY(KIND_BUILD, by_call);
}

// A status in a progress report stands for a phase, or for an end.
static void test_status_in_progress(void **state)
{
    (void)state;
    static const struct world_step phase[] = {
        {0, P, "{\"status\":\"installing\"}",
         "JOB_PROGRESS{\"projectId\":null,\"status\":\"installing\",\"progress\":30,\"message\":"
         "null,"
         "\"phase\":\"installing\",\"attempt\":1} | disk save"},
        {0, P, "{\"status\":\"completed\",\"progress\":90}",
         "JOB_PROGRESS{\"projectId\":null,\"status\":\"building\",\"progress\":90,\"message\":null,"
         "\"phase\":\"completed\",\"attempt\":1} | disk save"},
        {0, P, "{\"status\":\"failed\",\"phase\":\"completed\",\"error\":\"e\"}",
         "JOB_ERROR{\"projectId\":null,\"status\":\"failed\",\"error\":\"e\",\"message\":null,"
         "\"attempt\":1} | "
         "disk save"},
        {0, P, "{\"status\":\"failed\",\"error\":\"other\"}", "memory"},
    };
    static const struct world_step end[] = {
        {0, P, "{\"status\":\"completed\"}",
         "JOB_PROGRESS{\"projectId\":null,\"status\":\"completed\",\"progress\":100,\"message\":"
         "null,"
         "\"phase\":\"completed\",\"attempt\":1} | "
         "JOB_COMPLETED{\"projectId\":null,\"status\":\"completed\",\"progress\":100,\"message\":"
         "null,\"result\":null,"
         "\"attempt\":1} | disk save"},
        {0, P, "{\"status\":\"completed\"}", "memory"},
    };
    WORLD_PLAY(KIND_BUILD, phase);
    WORLD_PLAY(KIND_BUILD, end);
}

static void test_whole_data(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_BUILD);
    assert_int_equal(world_call(&w, REPORT_CREATE, "{\"projectId\":\"P\"}"), 0);
    assert_true(
        str_is(w.red.drafts[0].data,
               "{\"jobId\":\"X\",\"projectId\":\"P\",\"status\":\"queued\",\"progress\":0,"
               "\"message\":null,"
               "\"phase\":\"queued\",\"timestamp\":\"2024-11-28T22:30:00.000Z\",\"attempt\":1}"));
    assert_int_equal(w.j->started_ms, 0);
    world_wait(&w, 5);
    assert_int_equal(world_call(&w, P, "{\"phase\":\"preparing\"}"), 0);
    assert_int_equal(w.j->started_ms, w.now.wall_ms);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),      cmocka_unit_test(test_life),
        cmocka_unit_test(test_unknown),    cmocka_unit_test(test_status_in_progress),
        cmocka_unit_test(test_whole_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
