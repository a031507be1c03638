// SPDX-License-Identifier: MIT
// /health, /metrics and the pages.
#include "server/pages.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/request.h"
#include "http/static.h"
#include "hub/owner.h"
#include "hub/principal.h"
#include "hub/topic.h"
#include "ingest/read.h"

#define PAGE_MAX ((size_t)256 << 10)

static void handle_health(struct http_request *req, void *ctx)
{
    const struct pages *pages = ctx;
    const struct status *s = pages->status;
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
    const struct pages *pages = ctx;
    const struct status *s = pages->status;
    struct buf b;
    if (!principal_is_admin(http_principal(req))) {
        http_reply_error(req, -E_FORBIDDEN, NULL);
        return;
    }
    buf_init(&b, PAGE_MAX);
    metrics_put_prometheus(s->metrics, &b);
    sockstat_put_prometheus(&s->sockstat, &b);
    http_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b));
    buf_fini(&b);
}

// --- pages ---

// Says that a token is needed, and takes one; the same for whoever has none and for whom it does
// not allow this page.
static const char stand_in[] = "signin.html";

static void reply_page(struct http_request *req, const char *name)
{
    static_reply(req, static_find(str_of(name)));
}

static void refuse_unauthorized(struct http_request *req, void *ctx UNUSED)
{
    static_refuse(req, stand_in, 401);
}

static void handle_index(struct http_request *req, void *ctx UNUSED)
{
    if (principal_is_admin(http_principal(req))) {
        reply_page(req, "index.html");
    } else {
        static_refuse(req, stand_in, 403);
    }
}

static void on_may_read(void *ctx, int err)
{
    struct http_request *req = ctx;
    if (err == 0) {
        reply_page(req, "job.html");
    } else if (err == -E_FORBIDDEN) {
        static_refuse(req, stand_in, 403);
    } else {
        http_reply_error(req, err, NULL);
    }
    http_request_unref(req);
}

static void handle_job(struct http_request *req, void *ctx)
{
    const struct pages *pages = ctx;
    enum job_kind kind = kind_parse(http_param(req, "kind"));
    struct str id = http_param(req, "id");
    char topic[LIMIT_TOPIC_BYTES + 1];
    if (kind == KIND_NONE || !topic_id_valid(id)) {
        http_reply_error(req, -E_NOT_FOUND, NULL);
        return;
    }
    struct owner_asker asker = {.done = on_may_read, .ctx = http_request_ref(req)};
    int err = owner_ask_may_read(pages->hub->ask, http_principal(req), read_topic(kind, id, topic),
                                 &asker);
    if (err != -E_AGAIN) {
        on_may_read(req, err);
    }
}

static void handle_icon(struct http_request *req, void *ctx UNUSED)
{
    reply_page(req, "favicon.svg");
}

void pages_routes(struct router *router, struct pages *pages)
{
    const struct route routes[] = {
        {.pattern = "/health", .handle = handle_health, .flags = ROUTE_PUBLIC},
        {.pattern = "/metrics", .handle = handle_metrics},
        {.pattern = "/", .handle = handle_index, .unauthorized = refuse_unauthorized},
        {.pattern = "/jobs/{kind}/{id}", .handle = handle_job, .unauthorized = refuse_unauthorized},
        {.pattern = "/assets/{name}", .handle = static_handle_assets, .flags = ROUTE_PUBLIC},
        {.pattern = "/favicon.ico", .handle = handle_icon, .flags = ROUTE_PUBLIC},
    };
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct route r = routes[i];
        r.kind = ROUTE_HTTP;
        r.method = HTTP1_GET;
        r.ctx = pages;
        router_add(router, &r);
    }
}
