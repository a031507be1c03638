// SPDX-License-Identifier: MIT
// Job states (def/states.def) as C: one small machine per kind, which only moves forward.
//
//   deployment  pending -> deploying -> running -> success | failed | cancelled
//   ticket      IDLE -> PENDING -> IN_PROGRESS -> COMPLETED | FAILED | CANCELLED
//   build       queued -> preparing -> installing -> building -> completed | failed | cancelled
#ifndef CLAIRON_HUB_STATE_H
#define CLAIRON_HUB_STATE_H

#include <stdbool.h>

#include "base/str.h"
#include "hub/job.h"
#include "hub/kind.h"

const char *state_text(enum job_status s);                     // as written on the wire
enum job_status state_parse(enum job_kind kind, struct str s); // any case; STATUS_NONE when unknown
enum job_kind state_kind(enum job_status s);
bool state_ends(enum job_status s);
enum job_status state_first(enum job_kind kind); // the one of the lowest rank
// How an attempt of this kind ends well, badly, and by being told to.
enum job_status state_success(enum job_kind kind);
enum job_status state_failed(enum job_kind kind);
enum job_status state_cancelled(enum job_kind kind);
// May an attempt move from one to the other? Forward only, skipping allowed. Not for staying.
bool state_may_follow(enum job_status from, enum job_status to);
// Has the work begun: past those that only wait for it.
bool state_started(enum job_status s);

#endif
