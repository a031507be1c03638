// SPDX-License-Identifier: MIT
// Builds. They report phases; the status follows:
//
//   phase   queued -> preparing -> installing -> building -> completed
//   status  the same word, but `building` while the phase is `completed` below 100; at 100 the
//   build has ended end     completed | failed | cancelled
#include "base/err.h"
#include "hub/reduce_int.h"
#include "hub/state.h"

// The progress of a phase that is entered without one.
static double default_progress(enum job_status phase)
{
    switch (phase) {
    case STATUS_BUILD_PREPARING:
        return 10;
    case STATUS_BUILD_INSTALLING:
        return 30;
    case STATUS_BUILD_BUILDING:
        return 50;
    case STATUS_BUILD_COMPLETED:
        return 90;
    default:
        return 0;
    }
}

static void put_progress(struct reduce *x)
{
    const struct job *j = x->j;
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_progress(x);
    draft_text(x, "message", str_of(j->message));
    draft_text(x, "phase", str_of(j->phase));
    draft_text_known(x, "step", str_of(j->step));
    draft_time(x);
}

int build_progress(struct reduce *x, bool whole, struct draft_as as)
{
    put_progress(x);
    if (whole) {
        draft_rest(x, HAD_PROGRESS | HAD_MESSAGE | HAD_STEP);
    }
    as.type = EVENT_TYPE_JOB_PROGRESS;
    return draft_end(x, as);
}

int build_stalled(struct reduce *x)
{
    put_progress(x);
    draft_raw(x, "stalled", x->j->stalled ? STR("true") : STR("false"));
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_JOB_PROGRESS});
}

static int publish_completed(struct reduce *x)
{
    const struct job *j = x->j;
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_progress(x);
    draft_text(x, "message", x->r->message);
    draft_raw(x, "result", str_of(j->result));
    draft_time(x);
    draft_rest(x, HAD_MESSAGE | HAD_PROGRESS | HAD_RESULT);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_JOB_COMPLETED});
}

static int publish_error(struct reduce *x)
{
    const struct job *j = x->j;
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(j)));
    draft_text(x, "error", str_of(j->error));
    draft_text(x, "message", x->r->message);
    draft_time(x);
    draft_rest(x, HAD_MESSAGE | HAD_ERROR);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_JOB_ERROR});
}

static int end_again(struct reduce *x, enum job_status to)
{
    if (to != x->j->status) {
        return reduce_conflict_move(x, to);
    }
    int err = x->r->verb == REPORT_COMPLETE ? reduce_late_result(x) : 0;
    return err ? err : reduce_logs(x);
}

static int end(struct reduce *x, enum job_status to)
{
    struct job *j = x->j;
    if (job_is_ended(j)) {
        return end_again(x, to);
    }
    struct report told = *x->r;
    bool well = to == STATUS_BUILD_COMPLETED;
    if (well) {
        told.progress_named = true;
        told.progress = 100;
    } else if (!told.error.p) {
        told.error = told.message; // clients show `error`
    }
    x->r = &told;
    int err = reduce_move_begin(x, to);
    if (!err && well) {
        err = job_set_text(&j->phase, str_of(state_text(to)));
    }
    if (!err) {
        err = well ? publish_completed(x) : publish_error(x);
    }
    return err;
}

static enum job_status phase_of(const struct job *j)
{
    return j->phase ? state_parse(KIND_BUILD, str_of(j->phase)) : STATUS_NONE;
}

// A report of another phase, or the first one.
static int enter_phase(struct reduce *x, enum job_status phase)
{
    struct job *j = x->j;
    enum job_status to = phase;
    if (phase == STATUS_BUILD_COMPLETED && x->r->progress < 100) {
        to = STATUS_BUILD_BUILDING;
    }
    int err = reduce_move_begin(x, to);
    if (!err) {
        err = job_set_text(&j->phase, str_of(state_text(phase)));
    }
    if (!err) {
        err = build_progress(x, true, (struct draft_as){0});
    }
    if (!err && state_ends(to)) {
        err = publish_completed(x);
    }
    return err ? err : reduce_move_end(x, to);
}

// The phase a report names; a status is taken for one when it names none.
static enum job_status named_phase(const struct report *r)
{
    if (r->phase.p) {
        return state_parse(KIND_BUILD, r->phase);
    }
    return r->status.p ? state_parse(KIND_BUILD, r->status) : STATUS_NONE;
}

static int progress_after_end(struct reduce *x, enum job_status phase)
{
    const struct report *r = x->r;
    bool same = phase == STATUS_BUILD_COMPLETED && phase == x->j->status &&
                (!r->progress_named || r->progress >= 100);
    bool lines_only = phase == STATUS_NONE && !reduce_says_state(r);
    return same || lines_only ? reduce_logs(x) : reduce_conflict_ended(x);
}

static int move(struct reduce *x)
{
    const struct job *j = x->j;
    enum job_status phase = named_phase(x->r), before = phase_of(j);
    if (job_is_ended(j)) {
        return progress_after_end(x, phase);
    }
    if (!x->r->phase.p && phase == j->status && before != STATUS_NONE) {
        phase = STATUS_NONE; // the status it has, which may not be the word of its phase
    }
    if (phase == STATUS_NONE && !reduce_says_state(x->r)) {
        return reduce_logs(x);
    }
    struct report told = *x->r;
    if (phase == STATUS_NONE) {
        phase = before == STATUS_NONE ? STATUS_BUILD_BUILDING : before;
    } else if (!told.progress_named && phase != before) {
        told.progress_named = true;
        // A bare `status: completed` is the end; the phase of that name has work left.
        bool bare_end = phase == STATUS_BUILD_COMPLETED && !told.phase.p;
        told.progress = bare_end ? 100 : default_progress(phase);
    }
    if (before != STATUS_NONE && state_may_follow(phase, before)) {
        return reduce_conflict(x, "The phase can't go back from %s to %s.", state_text(before),
                               state_text(phase));
    }
    if (!told.progress_named) {
        told.progress = j->progress;
    }
    x->r = &told;
    bool ends = phase == STATUS_BUILD_COMPLETED && told.progress >= 100;
    if (phase != before || ends) {
        return enter_phase(x, phase);
    }
    int err = reduce_same_status(x);
    return err ? err : reduce_logs(x);
}

static int by_verb(struct reduce *x)
{
    const struct report *r = x->r;
    enum job_status status = r->status.p ? state_parse(KIND_BUILD, r->status) : STATUS_NONE;
    if (r->verb == REPORT_COMPLETE) {
        return end(x, STATUS_BUILD_COMPLETED);
    }
    if (status == STATUS_BUILD_FAILED || status == STATUS_BUILD_CANCELLED) {
        return end(x, status);
    }
    return r->verb == REPORT_ERROR ? end(x, STATUS_BUILD_FAILED) : move(x);
}

int build_reduce(struct reduce *x)
{
    const struct report *r = x->r;
    int err = by_verb(x);
    x->r = r; // in between it was one with the progress filled in
    return err;
}

int build_begin(struct reduce *x)
{
    int err = job_set_text(&x->j->phase, str_of(state_text(STATUS_BUILD_QUEUED)));
    return err ? err : build_progress(x, true, (struct draft_as){0});
}
