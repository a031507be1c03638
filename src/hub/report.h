// SPDX-License-Identifier: MIT
// A report: what somebody says about a job. This is the only place that turns data into a report,
// whatever door it came by: a call of a job API (verb and body), or an event of a job type that
// names its job.
#ifndef CLAIRON_HUB_REPORT_H
#define CLAIRON_HUB_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "hub/kind.h"
#include "wire/json.h"

enum report_verb {
    REPORT_CREATE,   // POST of the collection; a deployment's, a build's
    REPORT_START,    // a ticket's processing/start
    REPORT_STATUS,   // status, phase, step, message (…/status; TICKET_STATUS_CHANGED;
                     // DEPLOYMENT_STATUS_CHANGED)
    REPORT_PROGRESS, // …/progress; DEPLOYMENT_PROGRESS; JOB_PROGRESS (a phase in it is a change of
                     // phase)
    REPORT_LOG,      // …/logs, …/log; DEPLOYMENT_LOGS_UPDATE, TICKET_LOG, JOB_LOG
    REPORT_COMPLETE, // …/complete, …/completed; DEPLOYMENT_COMPLETE, JOB_COMPLETED
    REPORT_ERROR,    // …/error; JOB_ERROR
    REPORT_CANCEL,   // asks for an end; not an end
    REPORT_DELETE,
};

struct report_line {
    struct str message; // one line, valid UTF-8, at most LIMIT_LINE_BYTES, no newline
    struct str level;   // lower case: debug info success warning error
    bool cont;          // goes on with the line before
};

// Spans point into the submit's arena or the request's body, which live as long as the submit.
struct report {
    bool empty; // says nothing of the job: renews its lease, if it has one
    enum job_kind kind;
    enum report_verb verb;
    struct str id;
    uint32_t attempt;    // 0: not named
    struct str producer; // p = NULL: none
    uint64_t seq;
    bool lease_named;
    uint32_t lease_s; // 0 with lease_named: gives the lease up
    bool reset_iterations;
    // Members, absent when p = NULL / JSON_NONE / the flag is false.
    // status and phase are words the kind knows, in any case.
    struct str status, phase, step, message, error, owner, project, name, stack_id, target_id,
        signal;
    bool progress_named, exit_code_named, step_index_named, steps_total_named, iteration_named;
    double progress;
    int64_t exit_code, step_index, steps_total, iteration;
    struct json_val result;
    bool append_false;         // the log starts anew
    struct report_line *lines; // REPORT_LOG, or a status with logs
    unsigned lines_count;
    // Every further member of the body, which goes into the event as it came: `"a":1,"b":2`
    // minified, or empty.
    struct str extra;
};

// What is wrong, for the answer: one sentence with the member's name.
struct report_fault {
    char text[160];
};

// A call of a job API. `id` is the one of the path; for a create the one to take if the body names
// none (p = NULL then leaves ret->id absent). `body` must be an object (JSON_NONE allowed for
// cancel and delete). -E_BAD_REQUEST, -E_TOO_LARGE, -E_NO_MEMORY.
int report_from_call(enum job_kind kind, enum report_verb verb, struct str id, struct json_val body,
                     struct arena *a, struct report *ret, struct report_fault *fault) MUST_CHECK;
// An event of a job type. 1 when its data names no job: then it is no report but a plain event.
// Else as above.
int report_from_event(enum event_type type, struct json_val data, struct arena *a,
                      struct report *ret, struct report_fault *fault) MUST_CHECK;

#endif
