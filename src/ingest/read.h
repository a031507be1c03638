// SPDX-License-Identifier: MIT
// What reads of jobs have in common. On the worker's thread.
#ifndef CLAIRON_INGEST_READ_H
#define CLAIRON_INGEST_READ_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"
#include "def/limits.h"
#include "http/request.h"
#include "hub/kind.h"
#include "hub/worker.h"

// The job's own topic; reading a job needs the right to follow it.
struct str read_topic(enum job_kind kind, struct str id, char out[LIMIT_TOPIC_BYTES + 1]);
// Handles the request for the job that the path names, once it is known that the asker may read it:
// at once or later. Otherwise answered 404 (that is no id) or 403, whether or not it is there.
void read_if_allowed(struct http_request *req, struct hub_worker *hub, enum job_kind kind,
                     void (*handle)(struct http_request *req, struct hub_worker *hub,
                                    enum job_kind kind));
// The status as written on the wire, of static storage; p = NULL when the kind has none like it.
struct str read_status(enum job_kind kind, struct str text);

#endif
