// SPDX-License-Identifier: MIT
// Tickets: IDLE -> PENDING -> IN_PROGRESS -> COMPLETED | FAILED | CANCELLED. What a report does not
// name is left out of its event.
#include "base/err.h"
#include "hub/reduce_int.h"
#include "hub/state.h"

#define START_MESSAGE "Processing is starting"

static void put_status(struct reduce *x, struct str message, struct str step)
{
    draft_begin(x);
    draft_text(x, "status", str_of(job_status_text(x->j)));
    draft_text_known(x, "message", message);
    draft_text_known(x, "step", step);
}

static int publish_status(struct reduce *x, struct str message, struct draft_as as)
{
    const struct report *r = x->r;
    put_status(x, message, r->step);
    bool done = x->j->status == state_success(KIND_TICKET);
    if (r->progress_named || done) {
        draft_progress(x);
    }
    draft_text_known(x, "error", r->error);
    draft_time(x);
    draft_rest(x, HAD_MESSAGE | HAD_STEP | HAD_PROGRESS | HAD_ERROR);
    as.type = EVENT_TYPE_TICKET_STATUS_CHANGED;
    return draft_end(x, as);
}

int ticket_progress(struct reduce *x, bool whole, struct draft_as as)
{
    const struct job *j = x->j;
    if (whole) {
        return publish_status(x, x->r->message, as);
    }
    put_status(x, str_of(j->message), str_of(j->step));
    draft_progress(x);
    draft_time(x);
    as.type = EVENT_TYPE_TICKET_STATUS_CHANGED;
    return draft_end(x, as);
}

int ticket_stalled(struct reduce *x)
{
    const struct job *j = x->j;
    put_status(x, str_of(j->message), str_of(j->step));
    draft_progress(x);
    draft_time(x);
    draft_raw(x, "stalled", j->stalled ? STR("true") : STR("false"));
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_TICKET_STATUS_CHANGED});
}

static int change(struct reduce *x, enum job_status to)
{
    int err = reduce_move_begin(x, to);
    if (err) {
        return err;
    }
    err = publish_status(x, x->r->message, (struct draft_as){0});
    return err ? err : reduce_move_end(x, to);
}

static int stay(struct reduce *x, bool named)
{
    int err = 0;
    if (!job_is_ended(x->j)) {
        err = reduce_same_status(x);
    } else if (!named && reduce_says_state(x->r)) {
        return reduce_conflict_ended(x);
    } else if (x->r->verb == REPORT_COMPLETE) {
        err = reduce_late_result(x);
    }
    return err ? err : reduce_logs(x);
}

int ticket_reduce(struct reduce *x)
{
    const struct report *r = x->r;
    const struct job *j = x->j;
    bool named = true;
    enum job_status to = j->status;
    if (r->status.p) {
        to = state_parse(KIND_TICKET, r->status);
    } else if (r->verb == REPORT_COMPLETE) {
        to = state_success(KIND_TICKET);
    } else if (r->verb == REPORT_ERROR) {
        to = state_failed(KIND_TICKET);
    } else {
        named = false;
    }
    if (to == j->status && !(x->fresh && named)) {
        return stay(x, named);
    }
    if (!x->fresh && !state_may_follow(j->status, to)) {
        return reduce_conflict_move(x, to);
    }
    return change(x, to);
}

int ticket_begin(struct reduce *x)
{
    const struct report *r = x->r;
    struct str message = r->message.p ? r->message : STR(START_MESSAGE);
    int err = job_set_text(&x->j->message, message);
    if (err) {
        return err;
    }
    reduce_set_status(x, STATUS_TICKET_PENDING);
    x->j->progress_known = true; // 0, unless told: as the event says, so do updates for late comers
    put_status(x, message, r->step);
    draft_progress(x);
    draft_text_known(x, "error", r->error);
    draft_time(x);
    draft_rest(x, HAD_MESSAGE | HAD_STEP | HAD_PROGRESS | HAD_ERROR);
    return draft_end(x, (struct draft_as){.type = EVENT_TYPE_TICKET_STATUS_CHANGED});
}
