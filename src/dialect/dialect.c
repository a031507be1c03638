// SPDX-License-Identifier: MIT
// The table of dialects.
#include "dialect/dialect.h"

#include "base/mem.h"
#include "dialect/chef.h"
#include "dialect/deployment.h"
#include "dialect/native.h"
#include "dialect/poll.h"
#include "dialect/sse.h"
#include "dialect/ticket.h"

struct dialects {
    struct chef_server *chef;
};

static void (*const routes[])(struct router *r, struct hub_worker *hub) = {
    native_routes, deployment_routes, ticket_routes, sse_routes, poll_routes,
};

struct dialects *dialects_new(const struct dialects_config *cfg, struct router *r)
{
    struct dialects *d = mem_alloc(sizeof(*d));
    d->chef = chef_server_new(cfg);
    chef_server_routes(d->chef, r); // before the native ones of the same paths
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        routes[i](r, cfg->hub);
    }
    return d;
}

void dialects_drain(struct dialects *d)
{
    chef_server_drain(d->chef);
}

size_t dialects_memory(const struct dialects *d)
{
    return chef_server_memory(d->chef);
}

void dialects_free(struct dialects *d)
{
    if (d) {
        chef_server_free(d->chef);
        mem_free(d);
    }
}
