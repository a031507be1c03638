// SPDX-License-Identifier: MIT
// The flat ticket dialect: routes and tables; what is said stands in ticket_view.c.
#include "dialect/ticket.h"

#include "dialect/ticket_view.h"

void ticket_put_frames(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    frames_put_event(out, ticket_put_event, e, how->epoch);
}

static const struct sink_variant variant = {.number = VARIANT_TICKET,
                                            .put = ticket_put_frames,
                                            .send = wsession_send_run,
                                            .ops = &flat_sink};

static const struct flat_view view = {
    .ops = {.variant = &variant, .message = flat_message, .free = flat_free},
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
