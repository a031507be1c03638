// SPDX-License-Identifier: MIT
// The HTTP/1.1 connection machine: heads and bodies in, one request at a time to its handler. The
// phases are drawn in internal.h.
#include "http/httpd.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "http/internal.h"

enum { OUTBOX_BYTES_MAX = 64 << 20 }; // a page of history is the largest whole answer

const struct http_limits http_limits_default = {
    .head = {.head_bytes = LIMIT_HEAD_BYTES,
             .uri_bytes = LIMIT_URI_BYTES,
             .fields = LIMIT_HEAD_FIELDS},
    .body_bytes = LIMIT_BODY_BYTES,
    .pipeline_bytes = LIMIT_PIPELINE_BYTES,
    .message_bytes = LIMIT_MESSAGE_BYTES,
    .head_ms = LIMIT_HEAD_MS,
    .body_stall_ms = LIMIT_BODY_STALL_MS,
    .keepalive_ms = LIMIT_KEEPALIVE_MS,
    .linger_ms = LIMIT_LINGER_MS,
    .slow_ms = LIMIT_SLOW_MS,
    .ping_ms = LIMIT_PING_MS,
    .pong_ms = LIMIT_PONG_MS,
    .messages_per_second = LIMIT_MESSAGES_PER_SECOND,
};

static const struct http_limits *limits_of(const struct http_conn *hc)
{
    return hc->httpd->cfg.limits;
}

static void timer_after(struct http_conn *hc, int64_t ms)
{
    loop_timer_after(hc->httpd->cfg.loop, &hc->timer, ms);
}

void http_conn_over(struct http_conn *hc)
{
    hc->phase = HTTP_OVER;
    loop_timer_cancel(hc->httpd->cfg.loop, &hc->timer);
    conn_shutdown(hc->conn);
}

// ---- Between requests ----

void http_conn_answered(struct http_conn *hc)
{
    struct http_request *req = hc->req;
    bool keep = req->keep_alive && conn_is_open(hc->conn);
    hc->req = NULL;
    http_request_unref(req);
    if (!keep) {
        http_conn_over(hc);
        return;
    }
    hc->phase = HTTP_IDLE;
    timer_after(hc, limits_of(hc)->keepalive_ms);
    if (hc->in_data) {
        return; // on_data goes on with what is pipelined
    }
    if (conn_rest_bytes(hc->conn) > 0) {
        conn_resume_reading(hc->conn);
    } else if (hc->eof) {
        http_conn_over(hc);
    }
}

static void on_timer(struct timer *t)
{
    struct http_conn *hc = CONTAINER_OF(t, struct http_conn, timer);
    switch (hc->phase) {
    case HTTP_IDLE:
        http_conn_over(hc);
        return;
    case HTTP_HEAD:
        http_refuse(hc, -E_TIMEOUT, "The request head took too long to arrive.");
        return;
    case HTTP_BODY:
        metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
        http_reply_error(hc->req, -E_TIMEOUT, "The request body stopped arriving.");
        return;
    case HTTP_HANDLING:
    case HTTP_UPGRADED:
    case HTTP_OVER:
        break;
    }
    UNREACHABLE();
}

// ---- Heads and bodies ----

static void body_done(struct http_conn *hc)
{
    hc->phase = HTTP_HANDLING;
    hc->req->body_pending = false;
    loop_timer_cancel(hc->httpd->cfg.loop, &hc->timer);
    http_handle(hc->req);
}

static void begin_body(struct http_conn *hc)
{
    const struct http1_request *head = hc->req->head;
    if (http1_body_init(&hc->body, &head->head, limits_of(hc)->body_bytes)) {
        metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
        http_reply_error(hc->req, -E_TOO_LARGE, NULL);
        return;
    }
    if (head->head.framing == HTTP1_NO_BODY) {
        body_done(hc);
        return;
    }
    hc->phase = HTTP_BODY;
    timer_after(hc, limits_of(hc)->body_stall_ms);
    if (head->expect_continue) {
        conn_write(hc->conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
}

// Returns how many bytes it used; 0: the head is not whole yet.
static size_t take_head(struct http_conn *hc, char *p, size_t len)
{
    struct http1_request *head = &hc->httpd->scratch;
    int e = http1_parse_request(&hc->parser, str_make(p, len), &limits_of(hc)->head, head);
    if (e == -E_AGAIN) {
        return 0;
    }
    if (e) {
        http_refuse(hc, e, hc->parser.why);
        return len;
    }
    http1_parser_init(&hc->parser);
    hc->fresh = false;
    hc->req = http_request_new(hc, head, p);
    if (!hc->req) {
        http_refuse(hc, -E_NO_MEMORY, NULL);
        return len;
    }
    size_t used = head->head.bytes;
    if (http_dispatch(hc->req)) {
        begin_body(hc);
    }
    return used;
}

static void refuse_body(struct http_conn *hc, int err)
{
    metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
    http_reply_error(hc->req, err, hc->body.why);
}

static size_t take_body(struct http_conn *hc, char *p, size_t len)
{
    struct str in = str_make(p, len), piece;
    while (!hc->body.done) {
        int e = http1_body_next(&hc->body, &in, &piece);
        if (e == -E_AGAIN) {
            timer_after(hc, limits_of(hc)->body_stall_ms);
            return len - in.len;
        }
        if (!e) {
            buf_put(&hc->req->body, piece);
        }
        if (e || hc->req->body.failed) {
            refuse_body(hc, e ? e : -E_NO_MEMORY);
            return len;
        }
    }
    size_t used = len - in.len;
    body_done(hc);
    return used;
}

static size_t take(struct http_conn *hc, char *p, size_t len)
{
    size_t used = 0;
    while (used < len) {
        size_t n = 0;
        switch (hc->phase) {
        case HTTP_IDLE:
            hc->phase = HTTP_HEAD;
            if (!hc->fresh) { // of a fresh connection the time runs since it came
                timer_after(hc, limits_of(hc)->head_ms);
            }
            n = take_head(hc, p + used, len - used);
            break;
        case HTTP_HEAD:
            n = take_head(hc, p + used, len - used);
            break;
        case HTTP_BODY:
            n = take_body(hc, p + used, len - used);
            break;
        case HTTP_HANDLING: // waits unread
        case HTTP_UPGRADED: // goes to the WebSocket
            return used;
        case HTTP_OVER:
            return len;
        }
        if (n == 0) {
            return used;
        }
        used += n;
    }
    return used;
}

// Nothing more comes: what is not whole now never will be.
static void end_if_waiting(struct http_conn *hc)
{
    if (hc->phase == HTTP_IDLE || hc->phase == HTTP_HEAD || hc->phase == HTTP_BODY) {
        http_conn_over(hc);
    }
}

static size_t on_data(struct conn *c UNUSED, void *arg, char *p, size_t len)
{
    struct http_conn *hc = arg;
    hc->in_data = true;
    size_t used = take(hc, p, len);
    hc->in_data = false;
    if (hc->eof) {
        end_if_waiting(hc);
    }
    return used;
}

// The peer shut its side. Somebody who holds a request for later, or a stream, has no reader any
// more; a short request still gets its answer.
static void peer_left(struct http_conn *hc)
{
    struct http_request *req = hc->req;
    hc->left = true;
    if (hc->phase == HTTP_HANDLING &&
        (req->state == HTTP_STREAMING || (req->ops && req->ops->on_abort))) {
        conn_close(hc->conn);
    }
}

static void on_eof(struct conn *c UNUSED, void *arg)
{
    struct http_conn *hc = arg;
    hc->eof = true;
    peer_left(hc);
    end_if_waiting(hc);
}

static void on_hangup(struct conn *c UNUSED, void *arg)
{
    peer_left(arg);
}

static void on_drained(struct conn *c UNUSED, void *arg)
{
    struct http_conn *hc = arg;
    struct http_request *req = hc->req;
    if (req && req->state == HTTP_STREAMING && req->ops && req->ops->on_drained) {
        req->ops->on_drained(req, req->ops_arg);
    }
}

static void on_closed(struct conn *c UNUSED, void *arg, int err UNUSED)
{
    http_conn_gone(arg);
}

static const struct conn_ops http_conn_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_hangup = on_hangup,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

// ---- Connections ----

static void load_down(_Atomic(uint32_t) *load)
{
    if (load) {
        atomic_fetch_sub_explicit(load, 1, memory_order_relaxed);
    }
}

void http_conn_gone(struct http_conn *hc)
{
    struct httpd *h = hc->httpd;
    if (hc->req) {
        struct http_request *req = hc->req;
        hc->req = NULL;
        http_request_abandon(req);
    }
    loop_timer_cancel(h->cfg.loop, &hc->timer);
    list_del(&hc->node);
    h->conns_count--;
    load_down(hc->load);
    mem_free(hc);
}

static size_t rest_bytes_max(const struct http_limits *limits)
{
    // A head that is too long must fit, so that it can be refused.
    size_t head = limits->head.head_bytes + 1;
    return limits->pipeline_bytes > head ? limits->pipeline_bytes : head;
}

void httpd_accept(struct httpd *h, const struct accepted *a, _Atomic(uint32_t) *load)
{
    struct http_conn *hc = mem_try_alloc(sizeof(*hc));
    struct conn *conn;
    if (!hc) {
        load_down(load);
        close(a->fd);
        return;
    }
    if (conn_new_take(h->sockets, a->fd, &http_conn_ops, hc, &conn)) {
        load_down(load);
        mem_free(hc);
        return;
    }
    hc->httpd = h;
    hc->conn = conn;
    hc->load = load;
    hc->loopback = a->loopback_listener;
    hc->fresh = true;
    timer_init(&hc->timer, on_timer);
    list_push_back(&h->conns, &hc->node);
    h->conns_count++;
    timer_after(hc, h->cfg.limits->head_ms);
}

// ---- The server ----

struct httpd *httpd_new(const struct httpd_config *cfg)
{
    ASSERT(cfg->limits->head.head_bytes > 0 && cfg->limits->messages_per_second > 0);
    ASSERT(!cfg->authenticate || cfg->principal_unref);
    struct httpd *h = mem_alloc(sizeof(*h));
    h->cfg = *cfg;
    h->sockets = conns_new(&(struct conns_config){
        .loop = cfg->loop,
        .metrics = cfg->metrics,
        .sender = cfg->sender,
        .rest_bytes_max = rest_bytes_max(cfg->limits),
        .outbox_bytes_max = OUTBOX_BYTES_MAX,
        .slow_ms = cfg->limits->slow_ms,
        .linger_ms = cfg->limits->linger_ms,
    });
    list_init(&h->conns);
    return h;
}

void httpd_free(struct httpd *h)
{
    if (h) {
        ASSERT(list_empty(&h->conns));
        conns_free(h->sockets);
        mem_free(h);
    }
}

void httpd_drain(struct httpd *h, int ws_code)
{
    h->draining = true;
    LIST_FOREACH(node, &h->conns)
    {
        struct http_conn *hc = LIST_ENTRY(node, struct http_conn, node);
        if (hc->phase == HTTP_IDLE) {
            http_conn_over(hc);
        } else if (hc->phase == HTTP_UPGRADED) {
            ws_close(hc->ws, ws_code, "The hub is going away.");
        }
    }
}

void httpd_close_all(struct httpd *h)
{
    LIST_FOREACH(node, &h->conns)
    {
        conn_close(LIST_ENTRY(node, struct http_conn, node)->conn);
    }
}

size_t httpd_connections(const struct httpd *h)
{
    return h->conns_count;
}

struct conns_memory httpd_conns_memory(const struct httpd *h)
{
    return conns_memory(h->sockets);
}
