// SPDX-License-Identifier: MIT
// What administrators ask by the API: who is connected, end a session, sign a token, take tokens
// back. Role admin, else 403.
#ifndef CLAIRON_SERVER_ADMIN_H
#define CLAIRON_SERVER_ADMIN_H

#include "http/route.h"
#include "hub/worker.h"
#include "server/engine.h"
#include "server/gate.h"

// A worker's; it and all it names live as long as the routes.
struct admin {
    struct hub_worker *hub;
    struct door *door;
    struct gate *gate;
    struct engine *engine;
};

void admin_routes(struct router *router, struct admin *a);

// At start, before the workers: brings into force what was revoked in earlier runs.
int admin_load_revocations(struct engine *e, struct gate *g) MUST_CHECK;

#endif
