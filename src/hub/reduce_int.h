// SPDX-License-Identifier: MIT
// Inside the reducer. reduce.c: what all reports have in common; reduce_begin.c: attempts;
// reduce_timer.c: time; reduce_progress.c: merging; reduce_log.c: lines; reduce_draft.c: data of
// events; reduce_KIND.c: one machine each. Nobody else includes this.
//
// Order inside a reduction: what may be refused is refused first; then `stalled:false`, logs if the
// status ends the attempt, the pending progress, the change itself, logs otherwise.
#ifndef CLAIRON_HUB_REDUCE_INT_H
#define CLAIRON_HUB_REDUCE_INT_H

#include "base/buf.h"
#include "hub/reduce.h"

struct reduce {
    struct job *j;
    const struct report *r; // NULL: time
    struct now now;
    struct arena *arena;
    struct reduction *ret;
    struct buf b; // data of the event under way
    bool fresh;   // this report made the job: nobody has seen a status of it
};

// --- reduce.c ---

// Writes why and returns -E_CONFLICT, for `return`.
int reduce_conflict(struct reduce *x, const char *fmt, ...) PRINTF_LIKE(2, 3);
int reduce_conflict_move(struct reduce *x, enum job_status to);
int reduce_conflict_ended(struct reduce *x);

// Something changed: the job must be saved, and the effect is at least this.
void reduce_touch(struct reduce *x, enum durability effect);

// What the report says that differs from the job.
enum reduce_change {
    CHANGE_PROGRESS = 1,
    CHANGE_MESSAGE = 2,
    CHANGE_STEP = 4,
    CHANGE_ITERATION = 8,
    CHANGE_OTHER = 16, // owner, project, name, error, signal, exit code, result, or members that
                       // only the event has
};
unsigned reduce_changes(const struct reduce *x);
bool reduce_changes_identity(const struct reduce *x); // owner, project, name
// Does it say anything but lines and status?
bool reduce_says_state(const struct report *r);
// Takes over all that the report says, but status and phase.
int reduce_apply(struct reduce *x) MUST_CHECK;
int reduce_apply_identity(struct reduce *x) MUST_CHECK;
void reduce_set_status(struct reduce *x, enum job_status to);
// A result that comes after the end, when none did before.
int reduce_late_result(struct reduce *x) MUST_CHECK;
// Around a change of status: logs in their place, pending progress pushed out, the report taken
// over, the status set.
int reduce_move_begin(struct reduce *x, enum job_status to) MUST_CHECK;
int reduce_move_end(struct reduce *x, enum job_status to) MUST_CHECK;
// A report that is not a create, start, cancel or delete, by the job's kind.
int reduce_by_kind(struct reduce *x) MUST_CHECK;
// Unchanged status, with whether the job is stalled now.
int reduce_publish_stalled(struct reduce *x) MUST_CHECK;
// After a report or a timer: lease and cancel marks as they now should be.
void reduce_set_marks(struct reduce *x);

// --- reduce_begin.c ---

// The next attempt, empty, in the kind's first status.
int reduce_open_attempt(struct reduce *x) MUST_CHECK;
int reduce_begin(struct reduce *x) MUST_CHECK;

// --- reduce_log.c ---

int reduce_logs(struct reduce *x) MUST_CHECK; // the report's lines, if it has any

// --- reduce_progress.c ---

// A report that leaves the status (and phase) as it is and the attempt open.
int reduce_same_status(struct reduce *x) MUST_CHECK;
int reduce_flush(struct reduce *x) MUST_CHECK;
int reduce_flush_due(struct reduce *x) MUST_CHECK;

// --- reduce_draft.c ---

// `{` and the members that name the job. The rest of a draft is put to x->b by the functions below.
void draft_begin(struct reduce *x);
void draft_text(struct reduce *x, const char *name, struct str s);       // null when absent
void draft_text_known(struct reduce *x, const char *name, struct str s); // left out when absent
void draft_int(struct reduce *x, const char *name, int64_t n);
void draft_raw(struct reduce *x, const char *name, struct str json); // null when absent
void draft_progress(struct reduce *x);
void draft_time(struct reduce *x);

// What draft_rest leaves out, because the event has it already.
enum draft_had {
    HAD_MESSAGE = 1,
    HAD_ERROR = 2,
    HAD_OWNER = 4,
    HAD_NAME = 8,
    HAD_PROGRESS = 16,
    HAD_STEP = 32,
    HAD_RESULT = 64,
    HAD_PROJECT = 128,
};
// Every further member that the report names, and those that only the event has.
void draft_rest(struct reduce *x, unsigned had);

struct draft_as {
    enum event_type type;
    uint32_t flags;
    enum topic_scope scope; // 0: SCOPE_ALL
    uint32_t line, lines;
};
// `}`; the event is made. -E_TOO_LARGE, -E_NO_MEMORY.
int draft_end(struct reduce *x, struct draft_as as) MUST_CHECK;

// --- reduce_deployment.c, reduce_ticket.c, reduce_build.c ---

int deployment_reduce(struct reduce *x) MUST_CHECK;
int ticket_reduce(struct reduce *x) MUST_CHECK;
int build_reduce(struct reduce *x) MUST_CHECK;
int deployment_begin(struct reduce *x) MUST_CHECK;
int ticket_begin(struct reduce *x) MUST_CHECK;
int build_begin(struct reduce *x) MUST_CHECK;
// An event of progress. `whole`: with all that the report says; else mere progress, as the job has
// it.
int deployment_progress(struct reduce *x, bool whole, struct draft_as as) MUST_CHECK;
int ticket_progress(struct reduce *x, bool whole, struct draft_as as) MUST_CHECK;
int build_progress(struct reduce *x, bool whole, struct draft_as as) MUST_CHECK;
int deployment_stalled(struct reduce *x) MUST_CHECK;
int ticket_stalled(struct reduce *x) MUST_CHECK;
int build_stalled(struct reduce *x) MUST_CHECK;
int deployment_deleted(struct reduce *x) MUST_CHECK;

#endif
