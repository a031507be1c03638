// SPDX-License-Identifier: MIT
// Tests of jobs: copies, openness, deadlines, strings and the JOB object.
#include "hub/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/state.h"

#define EPOCH UINT64_C(0xfedcba9876543210)
#define WALL  INT64_C(1732833000123) // 2024-11-28T22:30:00.123Z

static char *dup(const char *s)
{
    return mem_strdup(str_of(s));
}

static struct job *full_job(void)
{
    struct job *j = job_new(KIND_DEPLOYMENT, STR("D1"));
    assert_non_null(j);
    j->attempt = 2;
    j->status = STATUS_DEPLOYMENT_RUNNING;
    j->settled = true;
    j->progress = 33.25;
    j->step = dup("pull \"x\"");
    j->message = dup("m");
    j->error = dup("e");
    j->owner = dup("U");
    j->project = dup("P");
    j->name = dup("n");
    j->stack_id = dup("S");
    j->target_id = dup("T");
    j->result = dup("{\"a\":1.10}");
    j->step_index = 3;
    j->steps_total = 9;
    j->exit_code = 0;
    j->exit_code_known = true;
    j->signal = dup("KILL");
    j->created_ms = j->started_ms = j->updated_ms = WALL;
    j->cursor_id = 12;
    j->lease_s = 30;
    j->producers_count = 1;
    j->producers[0] = (struct job_producer){.name = dup("w"), .seq = 4, .id = 11};
    j->progress_event_data = dup("{}");
    return j;
}

static void put(struct buf *b, const struct job *j)
{
    buf_init(b, 65536);
    job_put_json_open(b, j, EPOCH);
    buf_putc(b, '\0');
    assert_false(b->failed);
}

static void check_json(struct job *j, const char *want)
{
    struct buf b;
    put(&b, j);
    assert_string_equal(b.p, want);
    buf_fini(&b);
    job_unref(j);
}

static void test_job_object(void **state)
{
    (void)state;
    check_json(
        full_job(),
        "{\"kind\":\"deployment\",\"id\":\"D1\",\"attempt\":2,\"status\":\"running\",\"progress\":"
        "33.25,"
        "\"step\":\"pull \\\"x\\\"\",\"message\":\"m\",\"error\":\"e\",\"result\":{\"a\":1.10},"
        "\"owner\":\"U\",\"project\":\"P\",\"created_at\":\"2024-11-28T22:30:00.123Z\","
        "\"started_at\":\"2024-11-28T22:30:00.123Z\",\"updated_at\":\"2024-11-28T22:30:00.123Z\","
        "\"ended_at\":null,\"cursor\":\"fedcba9876543210-12\",\"deployment_id\":\"D1\","
        "\"stack_id\":\"S\",\"target_id\":\"T\",\"name\":\"n\",\"settled\":true,\"stalled\":false,"
        "\"cancel_requested\":false,\"lease\":30,\"step_index\":3,\"total_steps\":9,"
        "\"exit_code\":0,\"signal\":\"KILL\"");
    struct job *t = job_new(KIND_TICKET, STR("7"));
    t->attempt = 1;
    t->status = STATUS_TICKET_IDLE;
    t->iteration = 0;
    check_json(
        t,
        "{\"kind\":\"ticket\",\"id\":\"7\",\"attempt\":1,\"status\":\"IDLE\",\"progress\":0,"
        "\"step\":null,"
        "\"message\":null,\"error\":null,\"result\":null,\"owner\":null,\"project\":null,"
        "\"created_at\":null,\"started_at\":null,\"updated_at\":null,\"ended_at\":null,"
        "\"cursor\":\"fedcba9876543210-0\",\"ticket_id\":\"7\",\"settled\":false,\"stalled\":false,"
        "\"cancel_requested\":false,\"iteration\":0");
    struct job *b = job_new(KIND_BUILD, STR("J"));
    b->attempt = 1;
    b->status = STATUS_BUILD_BUILDING;
    b->phase = dup("completed");
    b->project = dup("P");
    b->progress = 90;
    check_json(b,
               "{\"kind\":\"build\",\"id\":\"J\",\"attempt\":1,\"status\":\"building\","
               "\"progress\":90,\"step\":null,"
               "\"message\":null,\"error\":null,\"result\":null,\"owner\":null,\"project\":\"P\","
               "\"created_at\":null,\"started_at\":null,\"updated_at\":null,\"ended_at\":null,"
               "\"cursor\":\"fedcba9876543210-0\",\"jobId\":\"J\",\"projectId\":\"P\",\"phase\":"
               "\"completed\","
               "\"settled\":false,\"stalled\":false,\"cancel_requested\":false");
}

static void test_copy(void **state)
{
    (void)state;
    struct job *j = full_job(), *copy = job_copy(j);
    assert_non_null(copy);
    struct buf a, b;
    put(&a, j);
    put(&b, copy);
    assert_string_equal(a.p, b.p);
    assert_ptr_not_equal(j->message, copy->message);
    assert_ptr_not_equal(j->producers[0].name, copy->producers[0].name);
    assert_ptr_equal(job_ref(j), j);
    job_unref(j);
    job_unref(j);
    assert_string_equal(copy->producers[0].name, "w");
    job_unref(copy);
    job_unref(NULL);
    buf_fini(&a);
    buf_fini(&b);
}

static void test_copy_no_memory(void **state)
{
    (void)state;
    struct job *j = full_job(), *copy = NULL;
    unsigned long n = 0;
    while (!copy) {
        mem_fail_nth(++n);
        copy = job_copy(j);
        mem_fail_nth(0);
    }
    assert_int_equal(n, 15); // the struct, 13 texts less `phase`, a producer; then it worked
    job_unref(copy);
    job_unref(j);
    mem_fail_nth(1);
    assert_null(job_new(KIND_TICKET, STR("x")));
    mem_fail_nth(2);
    assert_null(job_new(KIND_TICKET, STR("x")));
    mem_fail_nth(0);
}

static void test_open_and_ended(void **state)
{
    (void)state;
    static const struct {
        enum job_kind kind;
        const char *status;
        bool settled, open, ended;
    } rows[] = {
        {KIND_DEPLOYMENT, "pending", false, true, false},
        {KIND_DEPLOYMENT, "deploying", false, true, false},
        {KIND_DEPLOYMENT, "running", false, true, false},
        {KIND_DEPLOYMENT, "running", true, false, false},
        {KIND_DEPLOYMENT, "success", false, false, true},
        {KIND_DEPLOYMENT, "failed", false, false, true},
        {KIND_DEPLOYMENT, "cancelled", false, false, true},
        {KIND_TICKET, "IDLE", false, false, false},
        {KIND_TICKET, "PENDING", false, true, false},
        {KIND_TICKET, "IN_PROGRESS", false, true, false},
        {KIND_TICKET, "COMPLETED", false, false, true},
        {KIND_BUILD, "queued", false, true, false},
        {KIND_BUILD, "building", false, true, false},
        {KIND_BUILD, "completed", false, false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job *j = job_new(rows[i].kind, STR("x"));
        assert_false(job_is_open(j)); // never reported on
        assert_string_equal(job_status_text(j), "");
        j->attempt = 1;
        j->status = state_parse(rows[i].kind, str_of(rows[i].status));
        j->settled = rows[i].settled;
        assert_int_equal(job_is_open(j), rows[i].open);
        assert_int_equal(job_is_ended(j), rows[i].ended);
        assert_string_equal(job_status_text(j), rows[i].status);
        job_unref(j);
    }
}

static void test_deadline(void **state)
{
    (void)state;
    struct job *j = job_new(KIND_BUILD, STR("x"));
    j->attempt = 1;
    j->status = STATUS_BUILD_BUILDING;
    assert_int_equal(job_next_deadline(j), INT64_MAX);
    j->wide_pending = true;
    j->wide_next_mono_ms = 900;
    assert_int_equal(job_next_deadline(j), 900);
    j->progress_pending = true;
    j->progress_next_mono_ms = 100;
    assert_int_equal(job_next_deadline(j), 100);
    j->progress_pending = j->wide_pending = false;
    j->lease_s = 30;
    j->lease_until_mono_ms = 5000;
    assert_int_equal(job_next_deadline(j), 5000);
    j->stalled = true;
    assert_int_equal(job_next_deadline(j), 5000 + LIMIT_LEASE_GRACE_MS);
    j->cancel_requested = true;
    j->cancel_until_mono_ms = 70;
    assert_int_equal(job_next_deadline(j), 5000);
    j->lease_s = 0;
    assert_int_equal(job_next_deadline(j), 70);
    j->status = STATUS_BUILD_FAILED;
    assert_int_equal(job_next_deadline(j), INT64_MAX);
    job_unref(j);
}

static void test_texts(void **state)
{
    (void)state;
    char *field = NULL;
    assert_false(job_text_differs(NULL, STR_NONE));
    assert_true(job_text_differs(NULL, STR("")));
    assert_int_equal(job_set_text(&field, str_make("a\0b", 3)), 0);
    assert_string_equal(field, "a\xef\xbf\xbd"
                               "b");
    assert_false(job_text_differs(field, str_make("a\0b", 3)));
    assert_false(job_text_differs(field, STR("a\xef\xbf\xbd"
                                             "b")));
    assert_true(job_text_differs(field, STR("ab")));
    assert_true(job_text_differs(field, str_make("a\0", 2)));
    assert_true(job_text_differs(field, str_make("a\0bc", 4)));
    assert_true(job_text_differs("a", str_make("a\0", 2)));
    assert_true(job_text_differs(field, STR_NONE));
    mem_fail_nth(1);
    assert_int_equal(job_set_text(&field, STR("new")), -E_NO_MEMORY);
    mem_fail_nth(0);
    assert_string_equal(field, "a\xef\xbf\xbd"
                               "b"); // unchanged
    assert_int_equal(job_set_text(&field, STR("")), 0);
    assert_string_equal(field, "");
    assert_int_equal(job_set_text(&field, STR_NONE), 0);
    assert_null(field);
}

static void test_progress_text(void **state)
{
    (void)state;
    static const struct {
        double progress;
        const char *want;
    } rows[] = {{0, "0"},       {50, "50"},   {100, "100"},
                {33.3, "33.3"}, {0.1, "0.1"}, {99.999, "99.999"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 64);
        job_put_progress(&b, rows[i].progress);
        assert_true(str_is(buf_str(&b), rows[i].want));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_object),     cmocka_unit_test(test_copy),
        cmocka_unit_test(test_copy_no_memory), cmocka_unit_test(test_open_and_ended),
        cmocka_unit_test(test_deadline),       cmocka_unit_test(test_texts),
        cmocka_unit_test(test_progress_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
