// SPDX-License-Identifier: MIT
// Topic names: what is valid, and which topics an event about a job is on.
#ifndef CLAIRON_HUB_TOPIC_H
#define CLAIRON_HUB_TOPIC_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "def/limits.h"
#include "hub/kind.h"

// At most 255 bytes of valid UTF-8 without control characters, not empty.
bool topic_valid(struct str name);
// An entity's id: 1-128 bytes of UTF-8 without `/`, space, control characters or `*`.
bool topic_id_valid(struct str id);

// Mere progress goes to the topics of one job at up to 10/s and to the topics of many jobs at 1/s.
enum topic_scope {
    SCOPE_NARROW = 1, // the job's own topic and deployment_progress_D
    SCOPE_WIDE = 2,   // all others
    SCOPE_ALL = 3,
};

struct topic_list {
    unsigned count;
    struct str names[LIMIT_TOPICS_PER_EVENT];
    char text[LIMIT_TOPICS_PER_EVENT * (LIMIT_TOPIC_BYTES + 1)]; // what `names` points into
};

struct job_about {
    enum job_kind kind;
    struct str id, owner, project; // owner, project: p = NULL when there is none
    struct str type;               // event type
    bool log;
    enum topic_scope scope;
};

// deployment D of user U, type T: deployment:D, deployment_events, deployment_logs_D (logs) or
// deployment_progress_D (progress), user:U, event:T. ticket K: ticket:K, tickets, event:T. build J
// of project P: job:J, project:P, jobs, event:T; its logs on job:J and event:JOB_LOG only.
void topic_list_job(struct topic_list *list, const struct job_about *about);

// If the topic is one job's own (`deployment:D`, `ticket:K`, `job:J`): its kind and id. A
// subscriber to such a topic gets a snapshot. KIND_NONE otherwise.
enum job_kind topic_job(struct str topic, struct str *ret_id);
// Like topic_job, and also for deployment_logs_D and deployment_progress_D, where no snapshot is
// sent.
enum job_kind topic_one_job(struct str topic, struct str *ret_id);

#endif
