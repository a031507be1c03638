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

// The job's own topic; reading a job needs the right to follow it.
struct str read_topic(enum job_kind kind, struct str id, char out[LIMIT_TOPIC_BYTES + 1]);
// Is the id one, and may the asker read that job? False: answered 404 or 403.
bool read_may(struct http_request *req, enum job_kind kind, struct str id) MUST_CHECK;
// The status as written on the wire, of static storage; p = NULL when the kind has none like it.
struct str read_status(enum job_kind kind, struct str text);

#endif
