// SPDX-License-Identifier: MIT
// All producers and readers on HTTP: the publish API, the job APIs, history.
#ifndef CLAIRON_INGEST_INGEST_H
#define CLAIRON_INGEST_INGEST_H

#include "http/route.h"
#include "hub/worker.h"

// Adds their routes for one worker's router; `hub` outlives it.
void ingest_routes(struct router *r, struct hub_worker *hub);

// ---- One row of the table each.

void publish_routes(struct router *r, struct hub_worker *hub);   // publish.c
void jobs_routes(struct router *r, struct hub_worker *hub);      // jobs.c: calls that report
void jobs_read_routes(struct router *r, struct hub_worker *hub); // jobs_read.c: one job, lists
void joblog_routes(struct router *r, struct hub_worker *hub);    // joblog.c: a job's log
void history_routes(struct router *r, struct hub_worker *hub);   // past.c: a topic's past

#endif
