// SPDX-License-Identifier: MIT
// The flat ticket dialect: routes and tables; what is said stands in ticket_view.c.
#include "dialect/ticket.h"

#include "dialect/ticket_view.h"

static const struct flat_view view = {
    .ops = {.sink = &flat_sink,
            .variant = VARIANT_TICKET,
            .put_event = ticket_put_event,
            .message = flat_message,
            .free = flat_free},
    .kind = KIND_TICKET,
    .put_connected = ticket_put_connected,
    .put_snapshot = ticket_put_snapshot,
    .put_gap = ticket_put_gap,
};

static void open_ticket(struct http_request *req, void *ctx)
{
    flat_open_job(req, ctx, &view);
}

void ticket_routes(struct router *r, struct hub_worker *hub)
{
    router_add(r, &(struct route){.kind = ROUTE_UPGRADE,
                                  .method = HTTP1_GET,
                                  .pattern = "/ws/tickets/{id}",
                                  .handle = open_ticket,
                                  .ctx = hub});
    router_add(r, &(struct route){.kind = ROUTE_UPGRADE,
                                  .method = HTTP1_GET,
                                  .pattern = "/ws/tickets",
                                  .handle = ticket_open_all,
                                  .ctx = hub});
}
