// SPDX-License-Identifier: MIT
// Pings, and what becomes of those who do not answer. The two lists are drawn in websocket_int.h.
#include "base/assert.h"
#include "base/err.h"
#include "http/internal.h"

enum {
    LATE_MS = 1000
}; // a deadline noticed so late says nothing of the peer: this side stood
   // still

static struct ws *ws_of(struct deadline *d)
{
    struct ws *ws = CONTAINER_OF(d, struct ws, deadline);
    ASSERT(ws->state == WS_STATE_OPEN);
    return ws;
}

static void on_quiet(struct deadlines *q, struct deadline *d)
{
    struct ws *ws = ws_of(d);
    if (conn_is_blocked(ws->conn)) { // a ping would wait behind the rest
        deadline_arm(q, d);
        return;
    }
    uint32_t now_ms = (uint32_t)ws_now_ms(ws);
    ws->pinged_ms = now_ms ? now_ms : 1;
    deadline_arm(&ws->httpd->websockets.pinged, d);
    ws_put_control(ws, WS_OP_PING, STR(""));
}

// The pong is overdue. Bytes that still drain excuse it, up to the slow reader's limit.
static void on_silence(struct deadlines *q, struct deadline *d)
{
    struct ws *ws = ws_of(d);
    int64_t now_ms = ws_now_ms(ws);
    bool draining = conn_kernel_unsent_bytes(ws->conn) > 0;
    bool stuck = (uint32_t)now_ms - ws->pinged_ms >= ws_limits(ws)->slow_ms;
    if (conn_unsent_bytes(ws->conn) > 0 || now_ms - d->due_ms > LATE_MS || (draining && !stuck)) {
        deadline_arm(q, d);
    } else if (draining) {
        ws_fail_slow(ws);
    } else {
        metrics_hit(ws_metrics(ws), LIMIT_ROW_PONG_MS);
        ws_fail(ws, err_close_code(E_POLICY), "No answer to a ping.");
    }
}

void ws_heard(struct ws *ws)
{
    if (ws->pinged_ms) {
        ws->pinged_ms = 0;
        deadline_arm(&ws->httpd->websockets.quiet, &ws->deadline);
    }
}

void ws_heartbeat_begin(struct ws *ws)
{
    struct websockets *all = &ws->httpd->websockets;
    if (ws->ops->has_heartbeat) {
        list_push_back(&all->unpinged, &ws->deadline.node);
    } else {
        deadline_arm(&all->quiet, &ws->deadline);
    }
}

void ws_heartbeat_init(struct httpd *h)
{
    const struct http_limits *limits = h->cfg.limits;
    deadlines_init(&h->websockets.quiet, h->cfg.loop, limits->ping_ms, on_quiet);
    deadlines_init(&h->websockets.pinged, h->cfg.loop, limits->pong_ms, on_silence);
}

void ws_heartbeat_fini(struct httpd *h)
{
    deadlines_fini(&h->websockets.quiet);
    deadlines_fini(&h->websockets.pinged);
}
