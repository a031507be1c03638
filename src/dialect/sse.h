// SPDX-License-Identifier: MIT
// Server-Sent Events on `/api/events` (WHATWG HTML, "Server-sent events").
#ifndef CLAIRON_DIALECT_SSE_H
#define CLAIRON_DIALECT_SSE_H

#include "http/route.h"
#include "hub/worker.h"

void sse_routes(struct router *r, struct hub_worker *hub);

#endif
