// SPDX-License-Identifier: MIT
// The table of producers and readers on HTTP.
#include "ingest/ingest.h"

static void (*const parts[])(struct router *r, struct hub_worker *hub) = {
    publish_routes, jobs_routes, jobs_read_routes, joblog_routes, history_routes,
};

void ingest_routes(struct router *r, struct hub_worker *hub)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        parts[i](r, hub);
    }
}
