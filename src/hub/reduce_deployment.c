// SPDX-License-Identifier: MIT
// Deployments: pending -> deploying -> running -> success | failed | cancelled. `running` after
// `deploying` is settled: done for all who wait, though it may still end.
#include "base/err.h"
#include "hub/reduce_int.h"
#include "hub/state.h"

// What every status event has, as the job is now.
static void put_status(struct reduce *x, struct str old_status, struct str message,
                       struct str error)
{
    const struct job *j = x->j;
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_text(x, "old_status", old_status);
    draft_text(x, "message", message);
    draft_time(x);
    draft_text(x, "user_id", str_of(j->owner));
    draft_text(x, "name", str_of(j->name));
    draft_text(x, "error_message", error);
    if (j->settled) {
        draft_raw(x, "settled", STR("true"));
    }
}

static int publish_status(struct reduce *x, struct str old_status)
{
    const struct report *r = x->r;
    put_status(x, old_status, r->message, r->error);
    unsigned had = HAD_MESSAGE | HAD_ERROR | HAD_OWNER | HAD_NAME;
    draft_rest(x, r->verb == REPORT_COMPLETE ? had | HAD_RESULT : had);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED});
}

int deployment_stalled(struct reduce *x)
{
    const struct job *j = x->j;
    struct str status = str_of(job_status_text(j));
    put_status(x, status, str_of(j->message), str_of(j->error));
    draft_raw(x, "stalled", j->stalled ? STR("true") : STR("false"));
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED});
}

// `current_step` is the text when it is known, else the number.
static void put_steps(struct reduce *x)
{
    const struct job *j = x->j;
    if (j->step || j->step_index < 0) {
        draft_text(x, "current_step", str_of(j->step));
    } else {
        draft_int(x, "current_step", j->step_index);
    }
    draft_text(x, "step", str_of(j->step));
    if (j->step_index >= 0) {
        draft_int(x, "step_index", j->step_index);
    } else {
        draft_raw(x, "step_index", STR_NONE);
    }
    if (j->steps_total >= 0) {
        draft_int(x, "total_steps", j->steps_total);
    } else {
        draft_raw(x, "total_steps", STR_NONE);
    }
}

int deployment_progress(struct reduce *x, bool whole, struct draft_as as)
{
    draft_begin(x);
    draft_progress(x);
    put_steps(x);
    draft_time(x);
    draft_text_known(x, "message", str_of(x->j->message));
    if (whole) {
        draft_rest(x, HAD_MESSAGE | HAD_PROGRESS | HAD_STEP);
    }
    as.type = EVENT_TYPE_DEPLOYMENT_PROGRESS;
    return draft_end(x, as);
}

static int change(struct reduce *x, enum job_status to)
{
    struct job *j = x->j;
    struct str old_status = x->fresh ? STR_NONE : str_of(job_status_text(j));
    bool settles = j->status == STATUS_DEPLOYMENT_DEPLOYING && to == STATUS_DEPLOYMENT_RUNNING;
    int err = reduce_move_begin(x, to);
    if (err) {
        return err;
    }
    j->settled = settles;
    err = publish_status(x, old_status);
    return err ? err : reduce_move_end(x, to);
}

static int publish_complete(struct reduce *x)
{
    const struct report *r = x->r;
    struct job *j = x->j;
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_text(x, "message", r->message);
    draft_raw(x, "result", str_of(j->result));
    draft_time(x);
    draft_rest(x, HAD_MESSAGE | HAD_RESULT);
    j->complete_told = true;
    reduce_touch(x, DURABILITY_DISK);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_DEPLOYMENT_COMPLETE});
}

static int complete(struct reduce *x)
{
    struct job *j = x->j;
    enum job_status to = state_parse(KIND_DEPLOYMENT, x->r->status);
    int err;
    if (!job_is_ended(j)) {
        err = change(x, to);
        return err ? err : publish_complete(x);
    }
    if (to != j->status) {
        return reduce_conflict_move(x, to);
    }
    err = reduce_logs(x);
    if (err) {
        return err;
    }
    if (j->complete_told) {
        return reduce_late_result(x);
    }
    err = reduce_apply(x);
    return err ? err : publish_complete(x);
}

// The status stays. Without any progress to tell, nothing is published but the lines.
static int stay(struct reduce *x, bool named)
{
    const struct report *r = x->r;
    int err = 0;
    if (job_is_ended(x->j)) {
        if (!named && reduce_says_state(r)) {
            return reduce_conflict_ended(x);
        }
    } else if (r->verb == REPORT_PROGRESS || r->progress_named || r->step.p ||
               r->step_index_named) {
        err = reduce_same_status(x);
    } else if (reduce_changes_identity(x)) {
        reduce_touch(x, DURABILITY_PROCESS);
        err = reduce_apply_identity(x);
    }
    return err ? err : reduce_logs(x);
}

int deployment_reduce(struct reduce *x)
{
    const struct report *r = x->r;
    const struct job *j = x->j;
    if (r->verb == REPORT_COMPLETE) {
        return complete(x);
    }
    enum job_status to = r->status.p               ? state_parse(KIND_DEPLOYMENT, r->status)
                         : r->verb == REPORT_ERROR ? STATUS_DEPLOYMENT_FAILED
                                                   : j->status;
    bool named = r->status.p || r->verb == REPORT_ERROR;
    if (to == j->status && !(x->fresh && named)) {
        return stay(x, named);
    }
    if (!x->fresh && !state_may_follow(j->status, to)) {
        return reduce_conflict_move(x, to);
    }
    return change(x, to);
}

int deployment_begin(struct reduce *x)
{
    const struct report *r = x->r;
    struct job *j = x->j;
    if (r->status.p) {
        reduce_set_status(x, state_parse(KIND_DEPLOYMENT, r->status));
    }
    draft_begin(x);
    draft_text(x, "name", str_of(j->name));
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_text(x, "stack_id", str_of(j->stack_id));
    draft_text(x, "target_id", str_of(j->target_id));
    draft_text(x, "user_id", str_of(j->owner));
    draft_time(x);
    draft_rest(x, HAD_OWNER | HAD_NAME);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_DEPLOYMENT_CREATED});
}

int deployment_deleted(struct reduce *x)
{
    const struct job *j = x->j;
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_text(x, "name", str_of(j->name));
    draft_text(x, "user_id", str_of(j->owner));
    draft_time(x);
    draft_rest(x, HAD_OWNER | HAD_NAME);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_DEPLOYMENT_DELETED});
}
