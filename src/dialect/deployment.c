// SPDX-License-Identifier: MIT
// The flat deployment dialect: routes and tables; what is said stands in deployment_view.c.
#include "dialect/deployment.h"

#include "dialect/deployment_view.h"
#include "dialect/flat.h"

static void put_event(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    frames_put_event(out, deployment_put_event, e, how->epoch);
}

static const struct sink_variant variant = {
    .number = VARIANT_DEPLOYMENT, .put = put_event, .send = wsession_send_run, .ops = &flat_sink};

static const struct flat_view view = {
    .ops = {.variant = &variant, .message = flat_message, .free = flat_free},
    .kind = KIND_DEPLOYMENT,
    .put_connected = deployment_put_connected,
    .put_snapshot = deployment_put_snapshot,
    .put_gap = deployment_put_gap,
};

static void open_deployment(struct http_request *req, void *ctx)
{
    flat_open_job(req, ctx, &view);
}

void deployment_routes(struct router *r, struct hub_worker *hub)
{
    static const char *const paths[] = {"/api/v1/ws/deployment/{id}", "/ws/deployment/{id}"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        router_add(r, &(struct route){.kind = ROUTE_UPGRADE,
                                      .method = HTTP1_GET,
                                      .pattern = paths[i],
                                      .handle = open_deployment,
                                      .ctx = hub});
    }
}
