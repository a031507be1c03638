// SPDX-License-Identifier: MIT
// The table of dialects.
#include "dialect/dialect.h"

#include "dialect/deployment.h"
#include "dialect/native.h"
#include "dialect/poll.h"
#include "dialect/sse.h"
#include "dialect/ticket.h"

static void (*const dialects[])(struct router *r, struct hub_worker *hub) = {
    native_routes, deployment_routes, ticket_routes, sse_routes, poll_routes,
};

void dialect_routes(struct router *r, struct hub_worker *hub)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
        dialects[i](r, hub);
    }
}
