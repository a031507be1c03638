// SPDX-License-Identifier: MIT
// What the server itself answers: /health, /metrics, and the pages that are part of the binary.
#ifndef CLAIRON_SERVER_PAGES_H
#define CLAIRON_SERVER_PAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/route.h"
#include "hub/worker.h"
#include "net/metrics.h"
#include "server/engine.h"
#include "server/sockstat.h"

// What /health and /metrics show; made by the server, read by any worker.
struct status {
    struct engine *engine;
    struct metrics_table *metrics;
    struct sockstat_files sockstat;
    bool websocket_enabled;
    bool auth_enabled, remote_without_auth;
    int64_t started_mono_ms;
    atomic_bool stopping;
};

// A worker's; it lives as long as the routes.
struct pages {
    const struct status *status;
    struct hub_worker *hub;
};

void pages_routes(struct router *router, struct pages *pages);

#endif
