// SPDX-License-Identifier: MIT
// Tests of the three state machines: every move from one state to another, written out.
#include "hub/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STATES_MAX 7

// moves[i] names, by one letter per state in the order of `names`, where state i may go: `x` yes,
// `.` no.
static const struct machine {
    enum job_kind kind;
    unsigned count;
    const char *names[STATES_MAX];
    const char *moves[STATES_MAX];
    const char *ends;    // per state: x when it ends the attempt
    const char *started; // per state: x when the work is under way
} machines[] = {
    {KIND_DEPLOYMENT,
     6,
     {"pending", "deploying", "running", "success", "failed", "cancelled"},
     {".xxxxx", "..xxxx", "...xxx", "......", "......", "......"},
     "...xxx",
     ".xx..."},
    {KIND_TICKET,
     6,
     {"IDLE", "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"},
     {".xxxxx", "..xxxx", "...xxx", "......", "......", "......"},
     "...xxx",
     "..x..."},
    {KIND_BUILD,
     7,
     {"queued", "preparing", "installing", "building", "completed", "failed", "cancelled"},
     {".xxxxxx", "..xxxxx", "...xxxx", "....xxx", ".......", ".......", "......."},
     "....xxx",
     ".xxx..."},
};

static void test_moves(void **state)
{
    (void)state;
    unsigned states = 0;
    for (size_t m = 0; m < ARRAY_LEN(machines); m++) {
        const struct machine *k = &machines[m];
        for (unsigned i = 0; i < k->count; i++, states++) {
            enum job_status from = state_parse(k->kind, str_of(k->names[i]));
            assert_int_not_equal(from, STATUS_NONE);
            assert_string_equal(state_text(from), k->names[i]);
            assert_int_equal(state_kind(from), k->kind);
            assert_int_equal(state_ends(from), k->ends[i] == 'x');
            assert_int_equal(state_started(from), k->started[i] == 'x');
            for (unsigned j = 0; j < k->count; j++) {
                enum job_status to = state_parse(k->kind, str_of(k->names[j]));
                assert_int_equal(state_may_follow(from, to), k->moves[i][j] == 'x');
            }
        }
        assert_string_equal(state_text(state_first(k->kind)), k->names[0]);
        assert_string_equal(state_text(state_success(k->kind)), k->names[k->count - 3]);
        assert_string_equal(state_text(state_failed(k->kind)), k->names[k->count - 2]);
        assert_string_equal(state_text(state_cancelled(k->kind)), k->names[k->count - 1]);
    }
    assert_int_equal(states, STATUS_NR);
    assert_false(state_ends(STATUS_NONE));
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        enum job_kind kind;
        const char *text;
        enum job_status want;
    } rows[] = {
        {KIND_DEPLOYMENT, "SUCCESS", STATUS_DEPLOYMENT_SUCCESS},
        {KIND_DEPLOYMENT, "Deploying", STATUS_DEPLOYMENT_DEPLOYING},
        {KIND_TICKET, "in_progress", STATUS_TICKET_IN_PROGRESS},
        {KIND_TICKET, "Failed", STATUS_TICKET_FAILED},
        {KIND_DEPLOYMENT, "failed", STATUS_DEPLOYMENT_FAILED},
        {KIND_BUILD, "FAILED", STATUS_BUILD_FAILED},
        {KIND_BUILD, "COMPLETED", STATUS_BUILD_COMPLETED},
        {KIND_BUILD, "success", STATUS_NONE},
        {KIND_DEPLOYMENT, "completed", STATUS_NONE},
        {KIND_DEPLOYMENT, "", STATUS_NONE},
        {KIND_TICKET, "IN PROGRESS", STATUS_NONE},
        {KIND_NONE, "failed", STATUS_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(state_parse(rows[i].kind, str_of(rows[i].text)), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
