// SPDX-License-Identifier: MIT
// Tests of merging: what goes out at once, what waits, how the wide topics follow, and that the
// last value always goes out.
#include "hub/reduce_world.h"

#define P REPORT_PROGRESS
#define S REPORT_STATUS
#define T WORLD_TIMER

static void test_rates(void **state)
{
    (void)state;
#define AT(n) "{\"status\":\"IN_PROGRESS\",\"progress\":" #n ",\"attempt\":1} | memory"
    static const struct world_step steps[] = {
        {0, S, "{\"status\":\"IN_PROGRESS\"}",
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"attempt\":1} | disk save"},
        // The first at once, everywhere; then the job's own topics every 100 ms, the wide ones
        // every second.
        {0, S, "{\"progress\":1}", "TICKET_STATUS_CHANGED~" AT(1)},
        {10, S, "{\"progress\":2}", "memory merged"},
        {10, S, "{\"progress\":3}", "memory merged"},
        {79, T, NULL, "memory"},
        {1, T, NULL, "TICKET_STATUS_CHANGED~n" AT(3)},
        {50, S, "{\"progress\":4}", "memory merged"},
        {50, T, NULL, "TICKET_STATUS_CHANGED~n" AT(4)},
        {100, S, "{\"progress\":5}", "TICKET_STATUS_CHANGED~n" AT(5)},
        {699, T, NULL, "memory"},
        {1, T, NULL, "TICKET_STATUS_CHANGED~w" AT(5)},
        // All topics are up to date: nothing is due.
        {5000, T, NULL, "memory"},
        {0, S, "{\"progress\":6}", "TICKET_STATUS_CHANGED~" AT(6)},
        // A value that waits when the second ends goes everywhere at once.
        {950, S, "{\"progress\":7}", "TICKET_STATUS_CHANGED~n" AT(7)},
        {10, S, "{\"progress\":8}", "memory merged"},
        {40, T, NULL, "memory"},
        {50, T, NULL, "TICKET_STATUS_CHANGED~" AT(8)},
        {0, T, NULL, "memory"},
    };
    WORLD_PLAY(KIND_TICKET, steps);
#undef AT
}

// The deadline says when the timer has something to do, and then it has.
static void test_deadlines(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    (void)world_call(&w, S, "{\"status\":\"deploying\"}");
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    (void)world_call(&w, P, "{\"progress\":1}");
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    assert_true(w.j->dirty);
    world_wait(&w, 10);
    (void)world_call(&w, P, "{\"progress\":2}");
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + 90);
    world_wait(&w, 90);
    world_timer(&w);
    assert_int_equal(w.red.count, 1);
    assert_int_equal(w.red.drafts[0].scope, SCOPE_NARROW);
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + 900);
    world_wait(&w, 900);
    world_timer(&w);
    assert_int_equal(w.red.count, 1);
    assert_int_equal(w.red.drafts[0].scope, SCOPE_WIDE);
    assert_false(w.red.save);
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    world_fini(&w);
}

// Whatever is pending goes out as an event of its own before the next status, step, attempt or end.
static void test_flush(void **state)
{
    (void)state;
    static const struct {
        enum report_verb verb;
        const char *body;
        unsigned count; // events after the flushed one; 0: not flushed
    } rows[] = {
        {S, "{\"status\":\"running\"}", 1},
        {S, "{\"status\":\"success\"}", 1},
        {P, "{\"progress\":50,\"step\":\"s\"}", 1},
        {P, "{\"progress\":50,\"k\":1}", 1},
        {REPORT_COMPLETE, "{\"status\":\"failed\"}", 2},
        {REPORT_LOG, "{\"message\":\"m\"}", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int narrow = 0; narrow < 2; narrow++) {
            struct world w;
            world_init(&w, KIND_DEPLOYMENT);
            (void)world_call(&w, S, "{\"status\":\"deploying\"}");
            (void)world_call(&w, P, "{\"progress\":1}");
            (void)world_call(&w, P, "{\"progress\":2}");
            assert_true(w.red.merged);
            if (!narrow) { // only the wide topics are behind
                world_wait(&w, 100);
                world_timer(&w);
            }
            (void)world_call(&w, rows[i].verb, rows[i].body);
            const struct event_draft *first = &w.red.drafts[0];
            if (rows[i].count == 0) {
                assert_int_equal(first->flags & EVENT_MEMORY, 0);
                assert_true(w.j->progress_pending || w.j->wide_pending);
            } else {
                assert_int_equal(w.red.count, rows[i].count + 1);
                assert_int_equal(first->flags, EVENT_MEMORY);
                assert_int_equal(first->scope, narrow ? SCOPE_ALL : SCOPE_WIDE);
                assert_non_null(strstr(first->data.p, "\"progress\":2,"));
                assert_false(w.j->progress_pending || w.j->wide_pending);
            }
            world_fini(&w);
        }
    }
}

// What pushes out an old attempt's last progress says whose it is.
static void test_flush_by_new_attempt(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    (void)world_call(&w, S, "{\"status\":\"deploying\"}");
    (void)world_call(&w, S, "{\"status\":\"running\"}");
    (void)world_call(&w, P, "{\"progress\":1}");
    (void)world_call(&w, P, "{\"progress\":2}");
    assert_int_equal(world_call(&w, REPORT_CREATE, "{\"stack_id\":\"s\",\"target_id\":\"t\"}"), 0);
    assert_int_equal(w.red.count, 2);
    assert_int_equal(w.red.drafts[0].attempt, 1);
    assert_non_null(strstr(w.red.drafts[0].data.p, "\"attempt\":1}"));
    assert_int_equal(w.red.drafts[1].attempt, 2);
    assert_int_equal(w.j->progress_event_id, 0);
    assert_null(w.j->progress_event_data);
    world_fini(&w);
}

// A conflict comes before a merge, and changes nothing.
static void test_conflict_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    (void)world_call(&w, S, "{\"status\":\"deploying\"}");
    (void)world_call(&w, P, "{\"progress\":1}");
    (void)world_call(&w, S, "{\"status\":\"failed\"}");
    assert_int_equal(world_call(&w, P, "{\"progress\":2}"), -E_CONFLICT);
    assert_false(w.red.merged);
    assert_int_equal(w.j->progress, 1);
    assert_int_equal(world_call(&w, P, "{\"progress\":2,\"attempt\":7}"), -E_CONFLICT);
    world_fini(&w);
}

// The last one on the job's own topics is kept, for those who join late.
static void test_last_event_is_kept(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    (void)world_call(&w, S, "{\"status\":\"deploying\"}");
    assert_int_equal(w.j->progress_event_id, 0);
    (void)world_call(&w, P, "{\"progress\":1}");
    assert_int_equal(w.j->progress_event_id, w.ids[0]);
    assert_int_equal(w.j->progress_event_wall_ms, w.now.wall_ms);
    assert_true(w.j->progress_event_wide);
    assert_true(str_is(w.red.drafts[0].data, w.j->progress_event_data));
    world_wait(&w, 100);
    (void)world_call(&w, P, "{\"progress\":2}");
    uint64_t id = w.ids[0];
    assert_int_equal(w.j->progress_event_id, id);
    assert_false(w.j->progress_event_wide);
    assert_int_equal(w.j->cursor_id, id);
    // One for the wide topics alone is not.
    world_wait(&w, 1000);
    world_timer(&w);
    assert_int_equal(w.red.drafts[0].scope, SCOPE_WIDE);
    assert_int_equal(w.j->progress_event_id, id);
    assert_int_equal(w.j->cursor_id, w.ids[0]);
    // Nor is one that is on disk.
    (void)world_call(&w, P, "{\"progress\":3,\"step\":\"s\"}");
    assert_int_equal(w.j->progress_event_id, id);
    world_fini(&w);
}

// What makes a report more than mere progress, and what doesn't.
static void test_mere(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool mere;
    } rows[] = {
        {"{\"progress\":2}", true},
        {"{\"progress\":2,\"message\":\"m2\"}", true},
        {"{\"message\":\"m2\"}", true},
        {"{\"progress\":2,\"step\":\"s\",\"current_step\":1,\"total_steps\":3}", true},
        {"{\"progress\":2,\"user_id\":\"u\",\"name\":\"n\",\"project\":\"p\"}", true},
        {"{\"progress\":2,\"lease\":9,\"attempt\":1,\"producer\":\"w\",\"seq\":1}", true},
        {"{\"progress\":2,\"status\":\"deploying\",\"timestamp\":\"x\",\"deployment_id\":\"X\"}",
         true},
        {"{\"progress\":2,\"step\":\"s2\"}", false},
        {"{\"progress\":2,\"current_step\":2}", false},
        {"{\"progress\":2,\"total_steps\":4}", false},
        {"{\"progress\":2,\"user_id\":\"u2\"}", false},
        {"{\"progress\":2,\"name\":\"n2\"}", false},
        {"{\"progress\":2,\"eta\":2}", false},
        {"{\"progress\":2,\"result\":2}", false},
        {"{\"progress\":2,\"exit_code\":0}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        world_init(&w, KIND_DEPLOYMENT);
        (void)world_call(
            &w, S, "{\"status\":\"deploying\",\"user_id\":\"u\",\"name\":\"n\",\"project\":\"p\"}");
        (void)world_call(&w, P,
                         "{\"progress\":1,\"step\":\"s\",\"current_step\":1,\"total_steps\":3,"
                         "\"message\":\"m\"}");
        assert_int_equal(w.red.drafts[0].flags, 0);
        assert_int_equal(world_call(&w, P, rows[i].body), 0);
        assert_int_equal(w.red.count, 1);
        assert_int_equal(w.red.drafts[0].flags, rows[i].mere ? EVENT_MEMORY : 0);
        assert_int_equal(w.red.save, !rows[i].mere);
        assert_int_equal(w.red.effect == DURABILITY_MEMORY, rows[i].mere);
        assert_int_equal(w.j->dirty, rows[i].mere);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),          cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_flush),          cmocka_unit_test(test_flush_by_new_attempt),
        cmocka_unit_test(test_conflict_first), cmocka_unit_test(test_last_event_is_kept),
        cmocka_unit_test(test_mere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
