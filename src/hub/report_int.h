// SPDX-License-Identifier: MIT
// Inside the report module: report.c sorts a body's members, report_members.c reads the plain ones,
// report_lines.c the log. Nobody else includes this.
#ifndef CLAIRON_HUB_REPORT_INT_H
#define CLAIRON_HUB_REPORT_INT_H

#include "hub/report.h"

// What a member of a body means.
enum report_field {
    FIELD_ID,
    FIELD_PRODUCER,
    FIELD_SEQ,
    FIELD_LEASE,
    FIELD_ATTEMPT,
    FIELD_RESET_ITERATIONS,
    FIELD_OWNER,
    FIELD_PROJECT,
    FIELD_CONTROL_NR, // those above say nothing of the job's state
    FIELD_NAME = FIELD_CONTROL_NR,
    FIELD_STACK_ID,
    FIELD_TARGET_ID,
    FIELD_STATUS,
    FIELD_PHASE,
    FIELD_MESSAGE,
    FIELD_ERROR,
    FIELD_ERROR_ELSE, // counts when FIELD_ERROR is absent
    FIELD_PROGRESS,
    FIELD_STEP,
    FIELD_CURRENT_STEP, // text or number
    FIELD_STEP_INDEX,
    FIELD_STEPS_TOTAL,
    FIELD_ITERATION,
    FIELD_EXIT_CODE,
    FIELD_SIGNAL,
    FIELD_RESULT,
    FIELD_LOGS,
    FIELD_LINES,
    FIELD_LEVEL,
    FIELD_APPEND,
    FIELD_NR,
    FIELD_DROPPED = FIELD_NR, // ours to write, or no business of the event
};

// A body sorted: the value of each field, JSON_NONE when absent or null.
struct report_body {
    struct json_val vals[FIELD_NR];
    struct arena *arena;
    struct report_fault *fault;
};

static inline bool report_has(const struct report_body *body, enum report_field f)
{
    return body->vals[f].type != JSON_NONE;
}

// Writes the sentence and returns -err, for `return`.
int report_fault_set(struct report_fault *fault, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

// An id: a string or a number that is one.
int report_read_id(struct report_body *body, const char *name, struct json_val v,
                   struct str *ret) MUST_CHECK;
int report_read_members(struct report_body *body, struct report *ret) MUST_CHECK;
int report_read_lines(struct report_body *body, struct report *ret) MUST_CHECK;

#endif
