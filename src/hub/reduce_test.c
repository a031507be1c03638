// SPDX-License-Identifier: MIT
// Tests of what all kinds have in common: producers, attempts, leases, cancels, log lines, limits
// and want of memory.
#include "hub/reduce_world.h"

#define P REPORT_PROGRESS
#define S REPORT_STATUS
#define L REPORT_LOG
#define T WORLD_TIMER

// --- producers ---

static int log_as(struct world *w, unsigned producer, unsigned seq)
{
    char body[96];
    (void)snprintf(body, sizeof(body), "{\"message\":\"m\",\"producer\":\"p%u\",\"seq\":%u}",
                   producer, seq);
    return world_call(w, L, body);
}

static void test_duplicates(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(log_as(&w, 1, 5), 0);
    uint64_t first = w.ids[0];
    assert_false(w.red.duplicate);
    static const unsigned seen[] = {5, 4, 0};
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_int_equal(log_as(&w, 1, seen[i]), 0);
        assert_true(w.red.duplicate);
        assert_int_equal(w.red.duplicate_id, first);
        assert_int_equal(w.red.count, 0);
        assert_false(w.red.save);
        assert_int_equal(w.j->last_line, 1);
    }
    assert_int_equal(log_as(&w, 2, 1), 0); // another producer counts by itself
    assert_false(w.red.duplicate);
    assert_int_equal(log_as(&w, 1, 7), 0); // holes are allowed
    assert_false(w.red.duplicate);
    assert_int_equal(w.j->last_line, 3);
    world_fini(&w);
}

// A refused report does not use up its number; a merged one and one without an event do.
static void test_seq_and_outcome(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(world_call(&w, S, "{\"status\":\"FAILED\",\"producer\":\"p\",\"seq\":1}"), 0);
    uint64_t id = w.ids[0];
    assert_int_equal(world_call(&w, S, "{\"progress\":1,\"producer\":\"p\",\"seq\":2}"),
                     -E_CONFLICT);
    assert_int_equal(world_call(&w, S, "{\"status\":\"FAILED\",\"producer\":\"p\",\"seq\":2}"), 0);
    assert_false(w.red.duplicate);
    assert_int_equal(w.red.count, 0);
    assert_int_equal(world_call(&w, S, "{\"progress\":1,\"producer\":\"p\",\"seq\":2}"),
                     0); // before the machine
    assert_true(w.red.duplicate);
    assert_int_equal(w.red.duplicate_id, id);
    // Starts are reports like others, and producers outlive attempts.
    assert_int_equal(
        world_call(&w, REPORT_START, "{\"ticket_id\":\"X\",\"producer\":\"p\",\"seq\":3}"), 0);
    assert_int_equal(w.j->attempt, 2);
    id = w.ids[0];
    assert_int_equal(
        world_call(&w, REPORT_START, "{\"ticket_id\":\"X\",\"producer\":\"p\",\"seq\":3}"), 0);
    assert_true(w.red.duplicate);
    assert_int_equal(w.red.duplicate_id, id);
    assert_int_equal(w.j->attempt, 2);
    (void)world_call(&w, S, "{\"progress\":1,\"producer\":\"p\",\"seq\":4}");
    id = w.ids[0];
    (void)world_call(&w, S, "{\"progress\":2,\"producer\":\"p\",\"seq\":5}");
    assert_true(w.red.merged);
    (void)world_call(&w, S, "{\"progress\":2,\"producer\":\"p\",\"seq\":5}");
    assert_true(w.red.duplicate);
    assert_false(w.red.merged);
    assert_int_equal(w.red.duplicate_id, id);
    world_fini(&w);
}

// The sixteen used last are known.
static void test_producers_are_bounded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    for (unsigned i = 0; i < LIMIT_PRODUCERS_PER_JOB; i++) {
        assert_int_equal(log_as(&w, i, 1), 0);
    }
    assert_int_equal(log_as(&w, 0, 2), 0); // now p1 is the one not used for longest
    assert_int_equal(log_as(&w, 99, 1), 0);
    assert_int_equal(w.j->producers_count, LIMIT_PRODUCERS_PER_JOB);
    assert_int_equal(log_as(&w, 0, 2), 0);
    assert_true(w.red.duplicate);
    assert_int_equal(log_as(&w, 2, 1), 0);
    assert_true(w.red.duplicate);
    assert_int_equal(log_as(&w, 1, 1), 0);
    assert_false(w.red.duplicate);
    for (unsigned i = 0; i < w.j->producers_count; i++) {
        assert_non_null(w.j->producers[i].name);
    }
    world_fini(&w);
}

// --- leases and cancels ---

static void test_lease(void **state)
{
    (void)state;
#define BUILD(rest)                                                                                \
    "JOB_PROGRESS{\"projectId\":\"P\",\"status\":\"queued\",\"progress\":0,\"message\":null,"      \
    "\"phase\":\"queued\"," rest "\"attempt\":1} | "
    static const struct world_step steps[] = {
        {0, REPORT_CREATE, "{\"projectId\":\"P\",\"lease\":30}", BUILD("") "disk save"},
        {29999, T, NULL, "memory"},
        {0, P, "{\"lease\":30}", "memory"}, // a report of nothing else
        {29999, T, NULL, "memory"},
        {1, T, NULL, BUILD("\"stalled\":true,") "process save"},
        {29999, T, NULL, "memory"},
        {0, P, "{\"lease\":10}", BUILD("\"stalled\":false,") "process save"},
        {9999, T, NULL, "memory"},
        {0, L, "{\"message\":\"x\"}", // any report keeps it
         "JOB_LOG{\"projectId\":\"P\",\"message\":\"x\",\"level\":\"info\",\"line\":1,\"lines\":1,"
         "\"attempt\":1} | "
         "process save"},
        {10000, T, NULL, BUILD("\"stalled\":true,") "process save"},
        {29999, T, NULL, "memory"},
        {1, T, NULL,
         "JOB_ERROR{\"projectId\":\"P\",\"status\":\"failed\","
         "\"error\":\"The worker stopped reporting: its lease of 10 s ran out 30 s ago.\","
         "\"message\":\"The worker stopped reporting: its lease of 10 s ran out 30 s "
         "ago.\",\"attempt\":1} | disk save"},
        {100000, T, NULL, "memory"},
        {0, P, "{\"lease\":10}", "memory"},
        {100000, T, NULL, "memory"},
    };
    WORLD_PLAY(KIND_BUILD, steps);
#undef BUILD
}

static void test_lease_ends(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(world_call(&w, S, "{\"status\":\"IN_PROGRESS\",\"lease\":5}"), 0);
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + 5000);
    assert_int_equal(world_call(&w, S, "{\"lease\":0}"), 0); // given up
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    assert_int_equal(world_call(&w, S, "{\"lease\":5}"), 0);
    assert_true(w.j->dirty); // a new length is saved
    assert_int_equal(world_call(&w, S, "{\"status\":\"COMPLETED\"}"), 0);
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    assert_int_equal(w.j->lease_s, 0);
    world_fini(&w);
}

// A deployment fails by STATUS_CHANGED and COMPLETE, a ticket by its status.
static void test_lease_by_kind(void **state)
{
    (void)state;
    static const struct world_step deployment[] = {
        {0, S, "{\"status\":\"deploying\",\"lease\":1,\"message\":\"m\"}",
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"deploying\",\"old_status\":null,\"message\":\"m\","
         "\"user_id\":null,"
         "\"name\":null,\"error_message\":null,\"attempt\":1} | disk save"},
        {1000, T, NULL,
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"deploying\",\"old_status\":\"deploying\","
         "\"message\":\"m\","
         "\"user_id\":null,\"name\":null,\"error_message\":null,\"stalled\":true,\"attempt\":1} | "
         "process save"},
        {30000, T, NULL,
         "DEPLOYMENT_STATUS_CHANGED{\"status\":\"failed\",\"old_status\":\"deploying\","
         "\"message\":\"The worker stopped reporting: its lease of 1 s ran out 30 s "
         "ago.\",\"user_id\":null,"
         "\"name\":null,\"error_message\":\"The worker stopped reporting: its lease of 1 s ran out "
         "30 s ago.\","
         "\"attempt\":1} | DEPLOYMENT_COMPLETE{\"status\":\"failed\","
         "\"message\":\"The worker stopped reporting: its lease of 1 s ran out 30 s "
         "ago.\",\"result\":null,"
         "\"error_message\":\"The worker stopped reporting: its lease of 1 s ran out 30 s "
         "ago.\",\"attempt\":1} | "
         "disk save"},
    };
    static const struct world_step ticket[] = {
        {0, REPORT_START, "{\"ticket_id\":\"X\",\"lease\":1}",
         "TICKET_STATUS_CHANGED{\"status\":\"PENDING\",\"message\":\"Processing is "
         "starting\",\"progress\":0,"
         "\"attempt\":1} | disk save"},
        {1000, T, NULL,
         "TICKET_STATUS_CHANGED{\"status\":\"PENDING\",\"message\":\"Processing is "
         "starting\",\"progress\":0,"
         "\"stalled\":true,\"attempt\":1} | process save"},
        {0, S, "{\"status\":\"IN_PROGRESS\"}",
         "TICKET_STATUS_CHANGED{\"status\":\"PENDING\",\"message\":\"Processing is "
         "starting\",\"progress\":0,"
         "\"stalled\":false,\"attempt\":1} | "
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"attempt\":1} | disk save"},
        {1000, T, NULL,
         "TICKET_STATUS_CHANGED{\"status\":\"IN_PROGRESS\",\"message\":\"Processing is "
         "starting\",\"progress\":0,"
         "\"stalled\":true,\"attempt\":1} | process save"},
        {30000, T, NULL,
         "TICKET_STATUS_CHANGED{\"status\":\"FAILED\","
         "\"message\":\"The worker stopped reporting: its lease of 1 s ran out 30 s ago.\","
         "\"error\":\"The worker stopped reporting: its lease of 1 s ran out 30 s "
         "ago.\",\"attempt\":1} | disk save"},
    };
    WORLD_PLAY(KIND_DEPLOYMENT, deployment);
    WORLD_PLAY(KIND_TICKET, ticket);
}

// A hub that slept through lease and grace tells of the stall first, and waits the grace again.
static void test_no_false_timeout(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(world_call(&w, S, "{\"status\":\"IN_PROGRESS\",\"lease\":1}"), 0);
    world_wait(&w, 1000000);
    world_timer(&w);
    assert_true(w.j->stalled);
    world_timer(&w);
    assert_int_equal(w.red.count, 0);
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + LIMIT_LEASE_GRACE_MS);
    assert_int_equal(world_call(&w, S, "{\"progress\":3}"), 0); // and the worker is there after all
    assert_false(w.j->stalled);
    assert_int_equal(w.red.count, 2);
    assert_int_equal(w.red.effect, DURABILITY_PROCESS);
    // A refused one is no sign of life.
    world_wait(&w, 1000);
    world_timer(&w);
    assert_true(w.j->stalled);
    assert_int_equal(world_call(&w, S, "{\"status\":\"PENDING\"}"), -E_CONFLICT);
    assert_true(w.j->stalled);
    world_fini(&w);
}

// The values that wait go out before the status event that tells of a stall, or of an end.
static void test_timer_flushes(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_TICKET);
    assert_int_equal(world_call(&w, S, "{\"status\":\"IN_PROGRESS\",\"lease\":1}"), 0);
    (void)world_call(&w, S, "{\"progress\":1}");
    (void)world_call(&w, S, "{\"progress\":2}");
    world_wait(&w, 1000);
    world_timer(&w);
    assert_int_equal(w.red.count, 2);
    assert_int_equal(w.red.drafts[0].flags, EVENT_MEMORY);
    assert_int_equal(w.red.drafts[1].flags, 0);
    world_fini(&w);
}

static void test_cancel(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_BUILD);
    assert_int_equal(world_call(&w, REPORT_CREATE, "{\"projectId\":\"P\"}"), 0);
    assert_int_equal(world_call(&w, REPORT_CANCEL, "{\"attempt\":2}"), -E_CONFLICT);
    assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), 0);
    assert_string_equal(w.text.p, "process save");
    assert_true(w.j->cancel_requested);
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + LIMIT_CANCEL_GRACE_MS);
    world_wait(&w, 20000);
    assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), 0); // again: as before
    assert_string_equal(w.text.p, "memory");
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + 10000);
    assert_int_equal(world_call(&w, L, "{\"message\":\"stopping\"}"), 0); // the worker is at it
    assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + LIMIT_CANCEL_GRACE_MS);
    world_wait(&w, LIMIT_CANCEL_GRACE_MS - 1);
    world_timer(&w);
    assert_int_equal(w.red.count, 0);
    world_wait(&w, 1);
    world_timer(&w);
    assert_string_equal(
        w.text.p, "JOB_ERROR{\"projectId\":\"P\",\"status\":\"cancelled\","
                  "\"error\":\"Cancelled on request: the worker did not report its own end.\","
                  "\"message\":\"Cancelled on request: the worker did not report its own "
                  "end.\",\"attempt\":1} | "
                  "disk save");
    assert_int_equal(job_next_deadline(w.j), INT64_MAX);
    assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), -E_CONFLICT);
    assert_int_equal(world_call(&w, REPORT_CREATE, "{\"projectId\":\"P\"}"), 0);
    assert_false(w.j->cancel_requested);
    world_fini(&w);
}

// With a lease the job ends when that runs out, without a grace; at once when it already has.
static void test_cancel_with_lease(void **state)
{
    (void)state;
    for (int stalled = 0; stalled < 2; stalled++) {
        struct world w;
        world_init(&w, KIND_TICKET);
        assert_int_equal(world_call(&w, S, "{\"status\":\"IN_PROGRESS\",\"lease\":60}"), 0);
        if (stalled) {
            world_wait(&w, 60000);
            world_timer(&w);
            assert_true(w.j->stalled);
        }
        assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), 0);
        assert_int_equal(job_next_deadline(w.j), w.now.mono_ms + (stalled ? 0 : 60000));
        world_wait(&w, stalled ? 0 : 59999);
        if (!stalled) {
            world_timer(&w);
            assert_int_equal(w.red.count, 0);
            world_wait(&w, 1);
        }
        world_timer(&w);
        assert_string_equal(job_status_text(w.j), "CANCELLED");
        assert_int_equal(w.red.count, 1);
        world_fini(&w);
    }
}

// A worker may still end as it likes.
static void test_cancel_and_success(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(world_call(&w, S, "{\"status\":\"deploying\"}"), 0);
    assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), 0);
    assert_int_equal(world_call(&w, S, "{\"status\":\"success\"}"), 0);
    assert_true(w.j->cancel_requested);
    world_wait(&w, 1000000);
    world_timer(&w);
    assert_int_equal(w.red.count, 0);
    assert_string_equal(job_status_text(w.j), "success");
    world_fini(&w);
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(world_call(&w, S, "{\"status\":\"deploying\"}"), 0);
    assert_int_equal(world_call(&w, REPORT_CANCEL, NULL), 0);
    world_wait(&w, LIMIT_CANCEL_GRACE_MS);
    world_timer(&w);
    assert_int_equal(w.red.count, 2); // STATUS_CHANGED, then COMPLETE
    assert_true(w.j->complete_told);
    world_fini(&w);
}

// --- lines ---

static void test_lines(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_DEPLOYMENT);
    assert_int_equal(world_call(&w, L, "{\"lines\":[\"a\",\"b\",\"c\"]}"), 0);
    assert_int_equal(w.red.drafts[0].flags, EVENT_LOG);
    assert_int_equal(w.red.drafts[0].line, 1);
    assert_int_equal(w.red.drafts[0].lines, 3);
    assert_int_equal(world_call(&w, L, "{\"logs\":\"d\\n\",\"append\":false}"), 0);
    assert_string_equal(
        w.text.p, "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"d\\n\",\"level\":\"info\",\"append\":false,"
                  "\"line\":4,\"lines\":1,\"attempt\":1} | process save");
    assert_int_equal(w.j->log_first, 4);
    assert_int_equal(w.j->last_line, 4);
    // Starting anew with no line is an event, but no part of the log.
    assert_int_equal(world_call(&w, L, "{\"logs\":\"\",\"append\":false}"), 0);
    assert_string_equal(w.text.p,
                        "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"\",\"level\":\"info\",\"append\":false,"
                        "\"line\":5,\"lines\":0,\"attempt\":1} | process save");
    assert_int_equal(w.red.drafts[0].flags, 0);
    assert_int_equal(w.j->log_first, 5);
    assert_int_equal(w.j->last_line, 4);
    assert_int_equal(world_call(&w, L, "{\"logs\":\"\"}"), 0); // says nothing
    assert_string_equal(w.text.p, "memory");
    assert_int_equal(world_call(&w, L, "{\"message\":\"\",\"k\":\"v\"}"), 0);
    assert_string_equal(
        w.text.p, "DEPLOYMENT_LOGS_UPDATE{\"logs\":\"\\n\",\"level\":\"info\",\"append\":true,"
                  "\"line\":5,\"lines\":1,\"k\":\"v\",\"attempt\":1} | process save");
    w.j->last_line = UINT32_MAX - 1;
    assert_int_equal(world_call(&w, L, "{\"message\":\"\"}"), -E_CONFLICT);
    world_fini(&w);
}

static int long_log(struct world *w, size_t len, char fill)
{
    char *body = mem_calloc(1, len + 64);
    char *text = mem_calloc(1, len + 1);
    memset(text, fill, len);
    (void)snprintf(body, len + 64, "{\"message\":\"%s\"}", text);
    int err = world_call(w, L, body);
    mem_free(body);
    mem_free(text);
    return err;
}

static void test_long_lines(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, KIND_BUILD);
    assert_int_equal(world_call(&w, L, "{\"message\":\"x\"}"), 0);
    assert_int_equal(long_log(&w, 2 * LIMIT_LINE_BYTES + 1, 'y'), 0);
    assert_int_equal(w.red.drafts[0].line, 2);
    assert_int_equal(w.red.drafts[0].lines, 3);
    assert_non_null(strstr(w.text.p, "\"line\":2,\"lines\":3,\"cont\":[3,4],\"attempt\":1}"));
    assert_int_equal(long_log(&w, LIMIT_DATA_BYTES - 200, 'y'), 0);
    uint32_t last = w.j->last_line;
    assert_int_equal(long_log(&w, LIMIT_DATA_BYTES, 'y'), -E_TOO_LARGE);
    assert_string_equal(w.text.p, "too_large: The data of the event is larger than 65536 bytes.");
    assert_int_equal(w.j->last_line, last);
    world_fini(&w);
}

// --- want of memory ---

// A busy job, then each kind of report while every allocation fails in turn: an error or all of it,
// nothing leaks.
static void fail_each(enum job_kind kind, enum report_verb verb, const char *body)
{
    struct world w;
    world_init(&w, kind);
    assert_int_equal(world_call(&w, REPORT_CREATE,
                                "{\"projectId\":\"P\",\"stack_id\":\"s\",\"target_id\":\"t\"}"),
                     0);
    (void)world_call(&w, P, "{\"progress\":1}");
    (void)world_call(&w, P, "{\"progress\":2}");
    struct arena parsed;
    arena_init(&parsed, SIZE_MAX);
    struct report r;
    struct report_fault fault;
    assert_int_equal(report_from_call(kind, verb, STR("X"), world_json(body), &parsed, &r, &fault),
                     0);
    int err;
    unsigned long n = 0;
    do {
        struct job *copy = job_copy(w.j);
        arena_fini(&w.arena);
        mem_fail_nth(++n);
        err = reduce_report(copy, &r, w.now, &w.arena, &w.red);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -E_NO_MEMORY);
        world_take(&w, copy, &r, err);
    } while (err);
    assert_true(n > 1);
    arena_fini(&parsed);
    world_fini(&w);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"status\":\"failed\",\"message\":\"m\",\"error\":\"e\",\"logs\":\"a\\nb\",\"producer\":"
        "\"p\",\"seq\":1,"
        "\"user_id\":\"u\",\"project\":\"q\",\"name\":\"n\",\"signal\":\"s\",\"result\":{\"a\":1},"
        "\"step\":\"s\",\"k\":1}",
        "{\"progress\":5,\"step\":\"s\"}",
    };
    for (int k = 0; k < KIND_NR; k++) {
        fail_each((enum job_kind)k, k == KIND_BUILD ? P : S, bodies[0]);
        fail_each((enum job_kind)k, P, bodies[1]);
        fail_each((enum job_kind)k, REPORT_ERROR, bodies[0]);
        fail_each((enum job_kind)k, L, "{\"message\":\"m\",\"user_id\":\"u\",\"project\":\"q\"}");
    }
    fail_each(KIND_DEPLOYMENT, REPORT_COMPLETE,
              "{\"status\":\"success\",\"result\":[1],\"message\":\"m\"}");
    fail_each(KIND_BUILD, REPORT_COMPLETE, "{\"result\":[1],\"message\":\"m\"}");
    fail_each(KIND_BUILD, P, "{\"phase\":\"completed\",\"progress\":100}");
}

static void test_timer_no_memory(void **state)
{
    (void)state;
    for (int k = 0; k < KIND_NR; k++) {
        struct world w;
        world_init(&w, (enum job_kind)k);
        const char *body =
            "{\"projectId\":\"P\",\"stack_id\":\"s\",\"target_id\":\"t\",\"lease\":1}";
        assert_int_equal(world_call(&w, REPORT_CREATE, body), 0);
        (void)world_call(&w, P, "{\"progress\":1}");
        (void)world_call(&w, P, "{\"progress\":2}");
        for (int round = 0; round < 2; round++) { // a stall, then the end
            world_wait(&w, 40000);
            int err;
            unsigned long n = 0;
            do {
                struct job *copy = job_copy(w.j);
                arena_fini(&w.arena);
                mem_fail_nth(++n);
                err = reduce_timer(copy, w.now, &w.arena, &w.red);
                mem_fail_nth(0);
                assert_true(err == 0 || err == -E_NO_MEMORY);
                world_take(&w, copy, NULL, err);
            } while (err);
            assert_true(n > 1);
        }
        assert_true(job_is_ended(w.j));
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_seq_and_outcome),
        cmocka_unit_test(test_producers_are_bounded),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_lease_ends),
        cmocka_unit_test(test_lease_by_kind),
        cmocka_unit_test(test_no_false_timeout),
        cmocka_unit_test(test_timer_flushes),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_with_lease),
        cmocka_unit_test(test_cancel_and_success),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_timer_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
