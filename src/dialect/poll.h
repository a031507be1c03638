// SPDX-License-Identifier: MIT
// Long polling on `/api/poll`: the events since a cursor, or a wait for the next ones.
#ifndef CLAIRON_DIALECT_POLL_H
#define CLAIRON_DIALECT_POLL_H

#include "http/route.h"
#include "hub/worker.h"

void poll_routes(struct router *r, struct hub_worker *hub);

#endif
