// SPDX-License-Identifier: MIT
// Attempts: how a job's next one begins.
#include "base/assert.h"
#include "base/err.h"
#include "hub/reduce_int.h"
#include "hub/state.h"

static int clear_texts(struct job *j)
{
    char **const fields[] = {&j->phase,
                             &j->step,
                             &j->message,
                             &j->error,
                             &j->result,
                             &j->signal,
                             &j->progress_event_data};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        int err = job_set_text(fields[i], STR_NONE);
        if (err) {
            return err;
        }
    }
    return 0;
}

int reduce_open_attempt(struct reduce *x)
{
    struct job *j = x->j;
    ASSERT(!job_is_open(j));
    int err = reduce_flush(x); // as of the attempt before
    if (err) {
        return err;
    }
    err = clear_texts(j);
    if (err) {
        return err;
    }
    j->attempt++;
    j->status = state_first(j->kind);
    j->settled = j->complete_told = j->stalled = j->cancel_requested = false;
    j->progress = 0;
    j->progress_known = j->exit_code_known = j->progress_event_wide = false;
    j->exit_code = 0;
    j->step_index = j->steps_total = -1;
    j->created_ms = x->now.wall_ms;
    j->started_ms = j->ended_ms = 0;
    j->last_line = 0;
    j->log_first = 1;
    j->lease_s = 0;
    j->lease_until_mono_ms = j->cancel_until_mono_ms = 0;
    j->progress_pending = j->wide_pending = false;
    j->progress_next_mono_ms = j->wide_next_mono_ms = 0;
    j->progress_event_id = 0;
    j->progress_event_wall_ms = 0;
    x->ret->created = true;
    return 0;
}

int reduce_begin(struct reduce *x)
{
    const struct report *r = x->r;
    struct job *j = x->j;
    if (job_is_open(j)) {
        return reduce_conflict(x, "Attempt %lu is still open (%s).", (unsigned long)j->attempt,
                               job_status_text(j));
    }
    if (r->attempt && r->attempt != (uint64_t)j->attempt + 1) {
        return reduce_conflict(x, "The next attempt is %lu, not %lu.",
                               (unsigned long)j->attempt + 1, (unsigned long)r->attempt);
    }
    int err = reduce_open_attempt(x);
    if (err) {
        return err;
    }
    if (r->reset_iterations) {
        j->iteration = -1;
    }
    err = reduce_apply(x);
    if (err) {
        return err;
    }
    reduce_touch(x, DURABILITY_DISK);
    switch (j->kind) {
    case KIND_DEPLOYMENT:
        return deployment_begin(x);
    case KIND_TICKET:
        return ticket_begin(x);
    case KIND_BUILD:
        return build_begin(x);
    case KIND_NR:
        break;
    }
    UNREACHABLE();
}
