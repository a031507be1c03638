// SPDX-License-Identifier: MIT
// The HTTP/1.1 connection machine: heads and bodies in, one request at a time to its handler. The
// phases are drawn in internal.h.
#include "http/httpd.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "http/internal.h"
#include "wire/tls.h"

struct http_limits http_limits_of(const struct limits *l)
{
    return (struct http_limits){
        .head = {.head_bytes = (size_t)LIMIT_OF(l, HEAD_BYTES),
                 .uri_bytes = (size_t)LIMIT_OF(l, URI_BYTES),
                 .fields = (size_t)LIMIT_OF(l, HEAD_FIELDS)},
        .body_bytes = (size_t)LIMIT_OF(l, BODY_BYTES),
        .outbox_bytes = (size_t)LIMIT_OF(l, OUTBOX_BYTES),
        .outboxes_bytes = (size_t)LIMIT_OF(l, OUTBOXES_BYTES),
        .pipeline_bytes = (size_t)LIMIT_OF(l, PIPELINE_BYTES),
        .message_bytes = (size_t)LIMIT_OF(l, MESSAGE_BYTES),
        .head_ms = LIMIT_OF(l, HEAD_MS),
        .body_stall_ms = LIMIT_OF(l, BODY_STALL_MS),
        .keepalive_ms = LIMIT_OF(l, KEEPALIVE_MS),
        .linger_ms = LIMIT_OF(l, LINGER_MS),
        .slow_ms = LIMIT_OF(l, SLOW_MS),
        .ping_ms = LIMIT_OF(l, PING_MS),
        .pong_ms = LIMIT_OF(l, PONG_MS),
        .message_bytes_per_second = LIMIT_OF(l, MESSAGE_BYTES_PER_SECOND),
        .messages_per_second = (unsigned)LIMIT_OF(l, MESSAGES_PER_SECOND),
    };
}

static const struct http_limits *limits_of(const struct http_conn *hc)
{
    return hc->httpd->cfg.limits;
}

void http_conn_over(struct http_conn *hc)
{
    hc->phase = HTTP_OVER;
    deadline_cancel(&hc->deadline);
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
    deadline_arm(&hc->httpd->idle, &hc->deadline);
    if (hc->in_data) {
        return; // on_data goes on with what is pipelined
    }
    if (conn_rest_bytes(hc->conn) > 0) {
        conn_resume_reading(hc->conn);
    } else if (hc->eof) {
        http_conn_over(hc);
    }
}

static struct http_conn *conn_of(struct deadline *d, enum http_phase phase)
{
    struct http_conn *hc = CONTAINER_OF(d, struct http_conn, deadline);
    ASSERT(hc->phase == phase);
    return hc;
}

static void hit(struct http_conn *hc, enum limit_row limit)
{
    metrics_hit(conn_metrics(hc->conn), limit);
}

static void on_idle(struct deadlines *q UNUSED, struct deadline *d)
{
    struct http_conn *hc = conn_of(d, HTTP_IDLE);
    hit(hc, LIMIT_ROW_KEEPALIVE_MS);
    http_conn_over(hc);
}

static void on_head_stall(struct deadlines *q UNUSED, struct deadline *d)
{
    struct http_conn *hc = CONTAINER_OF(d, struct http_conn, deadline);
    hit(hc, LIMIT_ROW_HEAD_MS);
    if (hc->phase == HTTP_IDLE) { // fresh: it said nothing at all
        http_conn_over(hc);
        return;
    }
    ASSERT(hc->phase == HTTP_HEAD);
    http_refuse(hc, -E_TIMEOUT, "The request head took too long to arrive.");
}

// It is answered without its handler.
static void refuse_unheard(struct http_request *req, int err, const char *why)
{
    const struct http_request_ops *ops = req->ops;
    req->ops = NULL;
    if (ops && ops->on_abort) {
        ops->on_abort(req, req->ops_arg);
    }
    http_reply_error(req, err, why);
}

static void on_body_stall(struct deadlines *q UNUSED, struct deadline *d)
{
    struct http_conn *hc = conn_of(d, HTTP_BODY);
    metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
    hit(hc, LIMIT_ROW_BODY_STALL_MS);
    refuse_unheard(hc->req, -E_TIMEOUT, "The request body took too long to arrive.");
}

// ---- Heads and bodies ----

static void body_done(struct http_conn *hc)
{
    hc->phase = HTTP_HANDLING;
    hc->req->body_pending = false;
    deadline_cancel(&hc->deadline);
    http_handle(hc->req);
}

// A body that goes on byte by byte does not hold its connection for ever: the time starts anew only
// with each so many.
enum { BODY_STEP_BYTES = 16384 };

static void body_goes_on(struct http_conn *hc)
{
    struct http_request *req = hc->req;
    if (req->body.len - req->body_timed >= BODY_STEP_BYTES) {
        req->body_timed = req->body.len;
        deadline_arm(&hc->httpd->bodies, &hc->deadline);
    }
}

static void begin_body(struct http_conn *hc)
{
    const struct http1_request *head = hc->req->head;
    if (http1_body_init(&hc->req->body_decoder, &head->head, limits_of(hc)->body_bytes)) {
        metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
        hit(hc, LIMIT_ROW_BODY_BYTES);
        http_reply_error(hc->req, -E_TOO_LARGE, NULL);
        return;
    }
    if (head->head.framing == HTTP1_NO_BODY) {
        body_done(hc);
        return;
    }
    const struct route *route = hc->req->match.route;
    if (route->begin) {
        route->begin(hc->req, route->ctx);
        if (!hc->req) {
            return;
        }
    }
    hc->phase = HTTP_BODY;
    deadline_arm(&hc->httpd->bodies, &hc->deadline);
    if (head->expect_continue) {
        conn_write(hc->conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
}

static void hit_by_head(struct http_conn *hc, int err, size_t len)
{
    if (err == -E_URI_TOO_LONG) {
        hit(hc, LIMIT_ROW_URI_BYTES);
    } else if (err == -E_HEAD_TOO_LARGE) {
        bool long_head = len > limits_of(hc)->head.head_bytes;
        hit(hc, long_head ? LIMIT_ROW_HEAD_BYTES : LIMIT_ROW_HEAD_FIELDS);
    }
}

// The head stays unread, and will be read there. Answers to those before it go first.
static void begin_move(struct http_conn *hc)
{
    struct http_request *req = hc->req;
    hc->req = NULL;
    http_request_abandon(req);
    hc->phase = HTTP_MOVING;
    deadline_cancel(&hc->deadline);
    conn_want_drained(hc->conn);
}

static void move(struct http_conn *hc)
{
    const struct httpd_config *cfg = &hc->httpd->cfg;
    struct accepted a = {
        .loopback_listener = hc->loopback, .peer = hc->peer, .visitors = cfg->visitors};
    if (!conn_hand_over(hc->conn, &a)) {
        metrics_add(cfg->metrics, METRIC_MOVED, 1);
        accept_target_put_take(cfg->workers[hc->owner], &a);
    }
}

// Returns how many bytes it used; 0: the head is not whole yet, or another's.
static size_t take_head(struct http_conn *hc, char *p, size_t len)
{
    struct http1_request *head = &hc->httpd->scratch;
    int e = http1_parse_request(&hc->parser, str_make(p, len), &limits_of(hc)->head, head);
    if (e == -E_AGAIN) {
        return 0;
    }
    if (e) {
        hit_by_head(hc, e, len);
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
    switch (http_dispatch(hc->req)) {
    case HTTP_LET_IN:
        begin_body(hc);
        break;
    case HTTP_UNDECIDED:
        hc->phase = HTTP_ASKING;
        deadline_cancel(&hc->deadline);
        break;
    case HTTP_ELSEWHERE:
        begin_move(hc);
        return 0;
    case HTTP_REFUSED:
        break;
    }
    return used;
}

static void refuse_body(struct http_conn *hc, int err)
{
    if (err == -E_TOO_LARGE) {
        hit(hc, LIMIT_ROW_BODY_BYTES);
    }
    metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
    refuse_unheard(hc->req, err, hc->req->body_decoder.why);
}

static size_t take_body(struct http_conn *hc, char *p, size_t len)
{
    struct http1_body *decoder = &hc->req->body_decoder;
    struct str in = str_make(p, len), piece;
    while (!decoder->done) {
        int e = http1_body_next(decoder, &in, &piece);
        if (e == -E_AGAIN) {
            body_goes_on(hc);
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
                deadline_arm(&hc->httpd->heads, &hc->deadline);
            }
            n = take_head(hc, p + used, len - used);
            break;
        case HTTP_HEAD:
            n = take_head(hc, p + used, len - used);
            break;
        case HTTP_BODY:
            n = take_body(hc, p + used, len - used);
            break;
        case HTTP_ASKING:   // waits unread
        case HTTP_HANDLING: // so too
        case HTTP_MOVING:
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

// After `in_data`. False: a WebSocket has taken the connection, and hc is gone.
static bool still_http(struct http_conn *hc)
{
    hc->in_data = false;
    if (hc->phase == HTTP_UPGRADED) {
        pool_free(&hc->httpd->conns_pool, hc);
        return false;
    }
    return true;
}

static size_t on_data(struct conn *c UNUSED, void *arg, char *p, size_t len)
{
    struct http_conn *hc = arg;
    hc->in_data = true;
    size_t used = take(hc, p, len);
    if (still_http(hc) && hc->eof) {
        end_if_waiting(hc);
    }
    return used;
}

void http_authenticated_take(struct http_request *req, int err, void *principal)
{
    struct http_conn *hc = req->hc;
    req->principal = principal;
    if (!hc) {
        return; // gone meanwhile
    }
    ASSERT(hc->phase == HTTP_ASKING && err != -E_AGAIN);
    hc->in_data = true;
    if (http_let_in(req, err)) {
        begin_body(hc);
    }
    if (!still_http(hc)) {
        return;
    }
    if (conn_rest_bytes(hc->conn) > 0) {
        conn_resume_reading(hc->conn);
    } else if (hc->eof) {
        end_if_waiting(hc);
    }
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
    // What waited behind a request may be about to be offered again: on_data ends it then. Of a
    // head that is not whole the rest was offered, and nothing will make it whole.
    bool unseen = hc->phase != HTTP_HEAD && conn_rest_bytes(hc->conn) > 0;
    if (!unseen) {
        end_if_waiting(hc);
    }
}

static void on_hangup(struct conn *c UNUSED, void *arg)
{
    peer_left(arg);
}

static void on_drained(struct conn *c UNUSED, void *arg)
{
    struct http_conn *hc = arg;
    struct http_request *req = hc->req;
    if (hc->phase == HTTP_MOVING) {
        move(hc);
    } else if (req && req->state == HTTP_STREAMING && req->ops && req->ops->on_drained) {
        req->ops->on_drained(req, req->ops_arg);
    }
}

static void on_blocked(struct conn *c UNUSED, void *arg)
{
    struct http_conn *hc = arg;
    struct http_request *req = hc->req;
    if (req && req->ops && req->ops->on_blocked) {
        req->ops->on_blocked(req, req->ops_arg);
    }
}

void httpd_conn_over(struct httpd *h)
{
    h->conns_count--;
    if (h->cfg.load) {
        atomic_fetch_sub_explicit(h->cfg.load, 1, memory_order_relaxed);
    }
}

static void on_closed(struct conn *c UNUSED, void *arg, int err UNUSED)
{
    struct http_conn *hc = arg;
    struct httpd *h = hc->httpd;
    if (hc->req) {
        struct http_request *req = hc->req;
        hc->req = NULL;
        http_request_abandon(req);
    }
    deadline_cancel(&hc->deadline);
    list_del(&hc->node);
    pool_free(&h->conns_pool, hc);
    httpd_conn_over(h);
}

static const struct conn_ops http_conn_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_hangup = on_hangup,
    .on_drained = on_drained,
    .on_blocked = on_blocked,
    .on_closed = on_closed,
};

// ---- Connections ----

void http_conn_upgraded(struct http_conn *hc)
{
    deadline_cancel(&hc->deadline);
    list_del(&hc->node);
    hc->req = NULL;
    hc->phase = HTTP_UPGRADED;
    if (!hc->in_data) {
        pool_free(&hc->httpd->conns_pool, hc);
    }
}

static size_t rest_bytes_max(const struct http_limits *limits)
{
    // A head that is too long must fit, so that it can be refused.
    size_t head = limits->head.head_bytes + 1;
    return limits->pipeline_bytes > head ? limits->pipeline_bytes : head;
}

void httpd_accept(struct httpd *h, const struct accepted *a)
{
    struct http_conn *hc = pool_try_alloc(&h->conns_pool);
    h->conns_count++;
    if (!hc) {
        accepted_drop(a);
        httpd_conn_over(h);
        return;
    }
    if (conn_new_take(h->sockets, a->fd, &http_conn_ops, hc, &hc->conn)) {
        tls_conn_free(a->tls);
        rcbuf_unref(a->rest);
        pool_free(&h->conns_pool, hc);
        httpd_conn_over(h);
        return;
    }
    if (a->tls) {
        conn_set_tls_take(hc->conn, a->tls);
    }
    if (a->rest) {
        conn_put_rest(hc->conn, rcbuf_str(a->rest));
        rcbuf_unref(a->rest);
    }
    hc->httpd = h;
    hc->peer = a->peer;
    hc->loopback = a->loopback_listener;
    hc->fresh = true;
    list_push_back(&h->conns, &hc->node);
    deadline_init(&hc->deadline);
    deadline_arm(&h->heads, &hc->deadline);
}

// ---- The server ----

struct httpd *httpd_new(const struct httpd_config *cfg)
{
    ASSERT(cfg->limits->head.head_bytes > 0 && cfg->limits->messages_per_second > 0);
    ASSERT(!cfg->authenticate || cfg->principal_unref);
    struct httpd *h = mem_alloc(sizeof(*h));
    h->cfg = *cfg;
    h->sockets = conns_new(&(struct conns_config){.loop = cfg->loop,
                                                  .metrics = cfg->metrics,
                                                  .sender = cfg->sender,
                                                  .visitors = cfg->visitors,
                                                  .rest_bytes_max = rest_bytes_max(cfg->limits),
                                                  .outbox_bytes_max = cfg->limits->outbox_bytes,
                                                  .outboxes_bytes_max = cfg->limits->outboxes_bytes,
                                                  .slow_ms = cfg->limits->slow_ms,
                                                  .linger_ms = cfg->limits->linger_ms});
    pool_init(&h->conns_pool, sizeof(struct http_conn), NULL);
    pool_init(&h->requests_pool, sizeof(struct http_request), NULL);
    list_init(&h->conns);
    deadlines_init(&h->idle, cfg->loop, cfg->limits->keepalive_ms, on_idle);
    deadlines_init(&h->heads, cfg->loop, cfg->limits->head_ms, on_head_stall);
    deadlines_init(&h->bodies, cfg->loop, cfg->limits->body_stall_ms, on_body_stall);
    websockets_init(h);
    return h;
}

void httpd_free(struct httpd *h)
{
    if (!h) {
        return;
    }
    ASSERT(h->conns_count == 0);
    conns_free(h->sockets);
    websockets_fini(h);
    deadlines_fini(&h->idle);
    deadlines_fini(&h->heads);
    deadlines_fini(&h->bodies);
    pool_fini(&h->requests_pool);
    pool_fini(&h->conns_pool);
    mem_free(h);
}

void httpd_drain(struct httpd *h, int ws_code)
{
    h->draining = true;
    LIST_FOREACH(node, &h->conns)
    {
        struct http_conn *hc = LIST_ENTRY(node, struct http_conn, node);
        struct http_request *req = hc->req;
        if (hc->phase == HTTP_IDLE) {
            http_conn_over(hc);
        } else if (hc->phase == HTTP_HANDLING && req->ops && req->ops->on_drain) {
            req->ops->on_drain(req, req->ops_arg);
        }
    }
    websockets_close(h, ws_code, "The hub is going away.");
}

void httpd_close_all(struct httpd *h)
{
    LIST_FOREACH(node, &h->conns)
    {
        conn_close(LIST_ENTRY(node, struct http_conn, node)->conn);
    }
    websockets_break(h);
}

struct httpd_memory httpd_memory(const struct httpd *h)
{
    return (struct httpd_memory){.connections = conns_memory(h->sockets),
                                 .http = pool_bytes(&h->conns_pool) + pool_bytes(&h->requests_pool),
                                 .websockets = pool_bytes(&h->websockets.pool) +
                                               pool_bytes(&h->websockets.partials)};
}

size_t httpd_connections(const struct httpd *h)
{
    return h->conns_count;
}
