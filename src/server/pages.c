// SPDX-License-Identifier: MIT
// /health, /metrics and the pages.
#include "server/pages.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/request.h"
#include "http/static.h"
#include "hub/principal.h"
#include "server/sockstat.h"

#define PAGE_MAX ((size_t)256 << 10)

static void handle_health(struct http_request *req, void *ctx)
{
    const struct status *s = ctx;
    const char *fault =
        atomic_load(&s->stopping) ? "The hub is stopping." : engine_fault(s->engine);
    struct buf b;
    buf_init(&b, PAGE_MAX);
    buf_putf(&b, "{\"status\":\"%s\"", fault ? "unavailable" : "ok");
    if (fault) {
        buf_put(&b, STR(",\"reason\":"));
        buf_put_json(&b, str_of(fault));
    }
    buf_putf(&b, ",\"version\":\"%s\",\"uptime_seconds\":%lld", CLAIRON_VERSION,
             (long long)((http_now(req).mono_ms - s->started_mono_ms) / 1000));
    buf_putf(&b, ",\"websocket\":{\"enabled\":%s,\"connected_clients\":%lld}",
             s->websocket_enabled ? "true" : "false",
             (long long)metrics_sum(s->metrics, METRIC_CLIENTS));
    buf_putf(&b, ",\"auth\":{\"enabled\":%s,\"remote_without_auth\":%s}}",
             s->auth_enabled ? "true" : "false", s->remote_without_auth ? "true" : "false");
    http_reply_json(req, fault ? 503 : 200, buf_str(&b));
    buf_fini(&b);
}

static void handle_metrics(struct http_request *req, void *ctx)
{
    const struct status *s = ctx;
    struct buf b;
    if (!principal_is_admin(http_principal(req))) {
        http_reply_error(req, -E_FORBIDDEN, NULL);
        return;
    }
    buf_init(&b, PAGE_MAX);
    metrics_put_prometheus(s->metrics, &b);
    sockstat_put_prometheus(&b);
    http_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b));
    buf_fini(&b);
}

void pages_routes(struct router *router, const struct status *status)
{
    void *ctx = (void *)(uintptr_t)status;
    const struct route routes[] = {
        {.pattern = "/health", .handle = handle_health, .ctx = ctx, .flags = ROUTE_PUBLIC},
        {.pattern = "/metrics", .handle = handle_metrics, .ctx = ctx},
        {.pattern = "/", .handle = static_handle_file, .ctx = (void *)(uintptr_t) "index.html"},
        {.pattern = "/jobs/{kind}/{id}",
         .handle = static_handle_file,
         .ctx = (void *)(uintptr_t) "job.html"},
        {.pattern = "/assets/{name}", .handle = static_handle_assets},
        {.pattern = "/favicon.ico",
         .handle = static_handle_file,
         .ctx = (void *)(uintptr_t) "favicon.svg"},
    };
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct route r = routes[i];
        r.kind = ROUTE_HTTP;
        r.method = HTTP1_GET;
        router_add(router, &r);
    }
}
