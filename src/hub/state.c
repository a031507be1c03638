// SPDX-License-Identifier: MIT
// Job states: look-ups in the definition table.
#include "hub/state.h"

#include "base/assert.h"

static const struct {
    const char *text;
    enum job_kind kind;
    int rank;
    bool ends;
} states[STATUS_NR] = {
#define STATE(kind, name, text, rank, ends)                                                        \
    [STATUS_##kind##_##name] = {text, KIND_##kind, rank, ends},
#include "def/states.def"
#undef STATE
};

static const struct {
    enum job_status first, success, failed, cancelled;
    int started_rank;
} machines[KIND_NR] = {
    [KIND_DEPLOYMENT] = {STATUS_DEPLOYMENT_PENDING, STATUS_DEPLOYMENT_SUCCESS,
                         STATUS_DEPLOYMENT_FAILED, STATUS_DEPLOYMENT_CANCELLED, 1},
    [KIND_TICKET] = {STATUS_TICKET_IDLE, STATUS_TICKET_COMPLETED, STATUS_TICKET_FAILED,
                     STATUS_TICKET_CANCELLED, 2},
    [KIND_BUILD] = {STATUS_BUILD_QUEUED, STATUS_BUILD_COMPLETED, STATUS_BUILD_FAILED,
                    STATUS_BUILD_CANCELLED, 1},
};

const char *state_text(enum job_status s)
{
    ASSERT(s < STATUS_NR);
    return states[s].text;
}

enum job_status state_parse(enum job_kind kind, struct str s)
{
    for (int i = 0; i < STATUS_NR; i++) {
        if (states[i].kind == kind && str_eq_nocase(s, str_of(states[i].text))) {
            return (enum job_status)i;
        }
    }
    return STATUS_NONE;
}

enum job_kind state_kind(enum job_status s)
{
    ASSERT(s < STATUS_NR);
    return states[s].kind;
}

bool state_ends(enum job_status s)
{
    return s < STATUS_NR && states[s].ends;
}

enum job_status state_first(enum job_kind kind)
{
    ASSERT(kind < KIND_NR);
    return machines[kind].first;
}

enum job_status state_success(enum job_kind kind)
{
    ASSERT(kind < KIND_NR);
    return machines[kind].success;
}

enum job_status state_failed(enum job_kind kind)
{
    ASSERT(kind < KIND_NR);
    return machines[kind].failed;
}

enum job_status state_cancelled(enum job_kind kind)
{
    ASSERT(kind < KIND_NR);
    return machines[kind].cancelled;
}

bool state_may_follow(enum job_status from, enum job_status to)
{
    ASSERT(from < STATUS_NR && to < STATUS_NR);
    ASSERT(states[from].kind == states[to].kind);
    return states[to].rank > states[from].rank;
}

bool state_started(enum job_status s)
{
    ASSERT(s < STATUS_NR);
    return !states[s].ends && states[s].rank >= machines[states[s].kind].started_rank;
}
