// SPDX-License-Identifier: MIT
// `GET /api/v1/history`: a page of one topic's past.
#include "base/err.h"
#include "http/request.h"
#include "hub/history.h"
#include "ingest/ingest.h"

static void on_read(void *ctx, int err, struct str members)
{
    struct http_request *req = ctx;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_putc(&b, '{');
    buf_put(&b, members);
    buf_putc(&b, '}');
    if (err || b.failed) {
        http_reply_error(req, err ? err : -E_NO_MEMORY, NULL);
    } else {
        http_reply_json(req, 200, buf_str(&b));
    }
    buf_fini(&b);
    http_request_unref(req);
}

static void on_history(struct http_request *req, void *ctx)
{
    struct hub_worker *hub = ctx;
    struct history_query q = {.topic = http_query(req, "topic"),
                              .since = http_query(req, "since"),
                              .before = http_query(req, "before"),
                              .limit = http_query(req, "limit")};
    struct history_asker asker = {.done = on_read, .ctx = http_request_ref(req)};
    int err = history_ask(hub->realm, hub->ask, http_principal(req), &q, &asker);
    if (err) {
        http_reply_error(req, err, q.why);
        http_request_unref(req);
    }
}

void history_routes(struct router *r, struct hub_worker *hub)
{
    router_add(r, &(struct route){.method = HTTP1_GET,
                                  .pattern = "/api/v1/history",
                                  .handle = on_history,
                                  .ctx = hub});
}
