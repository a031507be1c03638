// SPDX-License-Identifier: MIT
// The flat ticket dialect: `/ws/tickets/{id}`, and `/ws/tickets` for all of them (ticket_all.c).
#ifndef CLAIRON_DIALECT_TICKET_H
#define CLAIRON_DIALECT_TICKET_H

#include "dialect/flat.h"
#include "http/route.h"
#include "hub/worker.h"

// Adds its routes; `hub` is the worker's and outlives the router.
void ticket_routes(struct router *r, struct hub_worker *hub);

// Inside the dialect: how events look on both, and the handler of `/ws/tickets`.
void ticket_put_frames(struct buf *out, const struct event *e, const struct sink_encoding *how);
void ticket_open_all(struct http_request *req, void *ctx);

#endif
