// SPDX-License-Identifier: MIT
// All dialects: each speaks to one family of clients.
#ifndef CLAIRON_DIALECT_DIALECT_H
#define CLAIRON_DIALECT_DIALECT_H

#include "http/route.h"
#include "hub/worker.h"

// Adds the routes of every dialect for one worker's router; `hub` outlives it.
void dialect_routes(struct router *r, struct hub_worker *hub);

#endif
