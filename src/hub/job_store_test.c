// SPDX-License-Identifier: MIT
// Tests of the stored form of jobs: what is written reads back the same, and damaged rows are
// refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/job.h"

static char *dup(const char *s)
{
    return mem_strdup(str_of(s));
}

static struct job *full_job(void)
{
    struct job *j = job_new(KIND_BUILD, STR("caf\xc3\xa9"));
    assert_non_null(j);
    j->attempt = UINT32_MAX;
    j->status = STATUS_BUILD_BUILDING;
    j->settled = j->complete_told = j->progress_known = j->exit_code_known = true;
    j->cancel_requested = j->stalled = j->progress_event_wide = true;
    j->progress = 100.0 / 3;
    j->phase = dup("completed");
    j->step = dup("a\nb");
    j->message = dup("");
    j->error = dup("\"quoted\"");
    j->owner = dup("U");
    j->project = dup("P");
    j->name = dup("n");
    j->stack_id = dup("S");
    j->target_id = dup("T");
    j->result = dup("{\"a\":[1.10,18446744073709551616,\"\\u0000\"]}");
    j->signal = dup("9");
    j->progress_event_data = dup("{\"x\":1}");
    j->step_index = 0;
    j->steps_total = 7;
    j->iteration = -1;
    j->exit_code = -3;
    j->created_ms = 1;
    j->started_ms = 2;
    j->updated_ms = 3;
    j->ended_ms = 4;
    j->cursor_id = INT64_MAX;
    j->progress_event_id = 77;
    j->progress_event_wall_ms = 78;
    j->last_line = 5;
    j->log_first = 6;
    j->lease_s = 30;
    for (unsigned i = 0; i < LIMIT_PRODUCERS_PER_JOB; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "w%u", i);
        j->producers[i] = (struct job_producer){.name = dup(name), .seq = i * 3, .id = i + 100};
    }
    j->producers_count = LIMIT_PRODUCERS_PER_JOB;
    return j;
}

static void encode(struct buf *b, const struct job *j)
{
    buf_init(b, 1 << 20);
    job_encode(b, j);
    assert_false(b->failed);
}

static void check_round_trip(struct job *j)
{
    struct buf a, b;
    struct job *back = NULL;
    encode(&a, j);
    assert_int_equal(job_decode(buf_str(&a), &back), 0);
    encode(&b, back);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    assert_int_equal(back->kind, j->kind);
    assert_int_equal(back->status, j->status);
    assert_int_equal(back->attempt, j->attempt);
    assert_string_equal(back->id, j->id);
    assert_true(back->progress >= j->progress && back->progress <= j->progress);
    assert_int_equal(back->step_index, j->step_index);
    assert_int_equal(back->steps_total, j->steps_total);
    assert_int_equal(back->iteration, j->iteration);
    assert_int_equal(back->exit_code, j->exit_code);
    assert_int_equal(back->cursor_id, j->cursor_id);
    assert_int_equal(back->last_line, j->last_line);
    assert_int_equal(back->producers_count, j->producers_count);
    for (unsigned i = 0; i < j->producers_count; i++) {
        assert_string_equal(back->producers[i].name, j->producers[i].name);
        assert_int_equal(back->producers[i].seq, j->producers[i].seq);
        assert_int_equal(back->producers[i].id, j->producers[i].id);
    }
    job_unref(back);
    job_unref(j);
    buf_fini(&a);
    buf_fini(&b);
}

static void test_round_trip(void **state)
{
    (void)state;
    check_round_trip(full_job());
    check_round_trip(job_new(KIND_DEPLOYMENT, STR("x")));
    struct job *t = job_new(KIND_TICKET, STR("1"));
    t->attempt = 1;
    t->status = STATUS_TICKET_FAILED;
    check_round_trip(t);
}

// What belongs to the clock of this process is not stored.
static void test_marks_are_not_stored(void **state)
{
    (void)state;
    struct job *j = full_job(), *back = NULL;
    j->progress_pending = j->wide_pending = j->dirty = true;
    j->progress_next_mono_ms = j->wide_next_mono_ms = j->saved_mono_ms = 9;
    j->lease_until_mono_ms = j->cancel_until_mono_ms = 9;
    struct buf b;
    encode(&b, j);
    assert_int_equal(job_decode(buf_str(&b), &back), 0);
    assert_false(back->progress_pending || back->wide_pending || back->dirty);
    assert_int_equal(back->progress_next_mono_ms, 0);
    assert_int_equal(back->wide_next_mono_ms, 0);
    assert_int_equal(back->saved_mono_ms, 0);
    assert_int_equal(back->lease_until_mono_ms, 0);
    assert_int_equal(back->cancel_until_mono_ms, 0);
    assert_int_equal(back->lease_s, 30);
    job_unref(j);
    job_unref(back);
    buf_fini(&b);
}

static void test_damaged_rows(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "1",
        "{}",
        "{\"kind\":\"ticket\"}",
        "{\"kind\":1,\"id\":\"x\"}",
        "{\"kind\":\"what\",\"id\":\"x\"}",
        "{\"kind\":\"ticket\",\"id\":7}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"status\":\"success\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"status\":1}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"progress\":\"1\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"attempt\":-1}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"attempt\":4294967296}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"attempt\":1.5}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"cursor_id\":-1}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"message\":1}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"producers\":[1]}",
        "{\"kind\":\"ticket\",\"id\":\"\"}",
        "{\"kind\":\"ticket\",\"id\":\"a/b\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"owner\":\"a b\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"project\":\"\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"progress\":101}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"result\":\"{\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"progress_event_data\":\"\"}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"attempt\":1}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"producers\":[[\"a\",1]]}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"producers\":[[\"a\",-1,1]]}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"producers\":[[1,1,1]]}",
        "{\"kind\":\"ticket\",\"id\":\"x\",\"producers\":[[\"\",1,1],[\"\",1,1],[\"\",1,1],[\"\",1,"
        "1],[\"\",1,1],"
        "[\"\",1,1],[\"\",1,1],[\"\",1,1],[\"\",1,1],[\"\",1,1],[\"\",1,1],[\"\",1,1],[\"\",1,1],["
        "\"\",1,1],"
        "[\"\",1,1],[\"\",1,1],[\"\",1,1]]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct job *j = NULL;
        assert_int_equal(job_decode(str_of(bad[i]), &j), -E_BAD_JSON);
        assert_null(j);
    }
}

// Members of a newer version are skipped.
static void test_unknown_members(void **state)
{
    (void)state;
    struct job *j = NULL;
    struct str row =
        STR("{\"kind\":\"ticket\",\"id\":\"x\",\"new\":[{}],\"status\":\"PENDING\",\"attempt\":3}");
    assert_int_equal(job_decode(row, &j), 0);
    assert_int_equal(j->attempt, 3);
    assert_int_equal(j->status, STATUS_TICKET_PENDING);
    job_unref(j);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct job *j = full_job(), *back = NULL;
    struct buf b;
    encode(&b, j);
    unsigned long n = 0;
    int err;
    do {
        mem_fail_nth(++n);
        err = job_decode(buf_str(&b), &back);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -E_NO_MEMORY);
        assert_int_equal(err == 0, back != NULL);
    } while (err);
    assert_true(n > 10);
    job_unref(back);
    job_unref(j);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_marks_are_not_stored),
        cmocka_unit_test(test_damaged_rows), cmocka_unit_test(test_unknown_members),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
