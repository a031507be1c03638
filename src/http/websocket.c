// SPDX-License-Identifier: MIT
// The WebSocket transport: opening, frames out, closing. The states are drawn in websocket.h.
#include "http/websocket.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "http/internal.h"
#include "wire/ws_frame.h"
#include "wire/ws_handshake.h"

enum {
    HANDSHAKE_BYTES = 512, // without the subprotocol; half of it is for the first message behind
    CODE_NONE = 1005,      // RFC 6455 7.1.5
    CODE_BROKEN = 1006,
};

static struct websockets *all_of(const struct ws *ws)
{
    return &ws->httpd->websockets;
}

const struct http_limits *ws_limits(const struct ws *ws)
{
    return ws->httpd->cfg.limits;
}

size_t ws_message_bytes_max(const struct ws *ws)
{
    size_t max = ws->ops->message_bytes_max;
    return max ? max : ws_limits(ws)->message_bytes;
}

int64_t ws_now_ms(const struct ws *ws)
{
    return loop_now(ws->httpd->cfg.loop).mono_ms;
}

void ws_put_control(struct ws *ws, enum ws_opcode op, struct str payload)
{
    char frame[WS_HEAD_MAX + WS_CONTROL_MAX];
    ASSERT(payload.len <= WS_CONTROL_MAX);
    size_t head = ws_put_head((uint8_t *)frame, op, payload.len, NULL);
    if (payload.len > 0) {
        memcpy(frame + head, payload.p, payload.len);
    }
    conn_write(ws->conn, str_make(frame, head + payload.len));
}

// ---- Closing ----

static void move_to(struct list *list, struct ws *ws)
{
    list_del(&ws->deadline.node);
    list_push_back(list, &ws->deadline.node);
}

static void leave_open(struct ws *ws, enum ws_state state, int code)
{
    struct websockets *all = all_of(ws);
    if (ws->state == WS_STATE_OPEN) {
        ws->code = (unsigned)code & 0x1fff;
        conn_take_runs(ws->conn, false); // nothing may follow a Close frame
        move_to(&all->leaving, ws);
        loop_task_defer(ws->httpd->cfg.loop, &all->tell);
    } else if (ws->told) {
        ASSERT(state == WS_STATE_CLOSED);
        move_to(&all->over, ws);
    }
    ws->state = state;
}

static void put_close(struct ws *ws, int code, struct str reason)
{
    struct buf b;
    buf_init(&b, WS_HEAD_MAX + WS_CONTROL_MAX);
    ws_put_close(&b, code, ws->ops->no_reasons ? STR_NONE : reason, NULL);
    if (!b.failed) {
        conn_write(ws->conn, buf_str(&b));
    }
    buf_fini(&b);
}

// Does not wait for an answer.
static void close_now(struct ws *ws, int code, struct str reason)
{
    put_close(ws, code, reason);
    leave_open(ws, WS_STATE_CLOSED, code);
    conn_shutdown(ws->conn);
}

void ws_fail(struct ws *ws, int code, const char *why)
{
    metrics_add(ws_metrics(ws), METRIC_WS_ERRORS, 1);
    close_now(ws, code, str_of(why));
}

void ws_fail_slow(struct ws *ws)
{
    metrics_add(ws_metrics(ws), METRIC_SLOW_CLOSED, 1);
    metrics_hit(ws_metrics(ws), LIMIT_ROW_SLOW_MS);
    close_now(ws, err_close_code(E_SLOW), STR("Too slow: nothing was read for too long."));
}

void ws_close(struct ws *ws, int code, const char *reason)
{
    if (ws->state == WS_STATE_OPEN) {
        put_close(ws, code, str_of(reason));
        leave_open(ws, WS_STATE_CLOSING, code);
    }
}

void ws_peer_closed(struct ws *ws, int code)
{
    if (ws->state == WS_STATE_OPEN) {
        put_close(ws, code, STR(""));
        leave_open(ws, WS_STATE_CLOSED, code ? code : CODE_NONE);
    } else {
        leave_open(ws, WS_STATE_CLOSED, ws->code);
    }
    conn_shutdown(ws->conn);
}

static void tell_closed(struct ws *ws)
{
    if (!ws->told) {
        ws->told = true;
        ws->ops->on_closed(ws, ws->arg, ws->code);
    }
}

static void on_tell(struct loop_task *t)
{
    struct websockets *all = CONTAINER_OF(t, struct websockets, tell);
    while (!list_empty(&all->leaving)) {
        struct ws *ws = LIST_ENTRY(all->leaving.next, struct ws, deadline.node);
        move_to(&all->over, ws);
        if (ws->state == WS_STATE_CLOSING) {
            deadline_arm(&all->closing, &ws->deadline);
        }
        tell_closed(ws);
    }
}

static void on_no_answer(struct deadlines *q, struct deadline *d)
{
    struct ws *ws = CONTAINER_OF(d, struct ws, deadline);
    (void)q;
    ws_peer_closed(ws, 0);
}

// ---- The connection ----

static void on_eof(struct conn *c, void *arg)
{
    struct ws *ws = arg;
    leave_open(ws, WS_STATE_CLOSED, CODE_BROKEN);
    conn_shutdown(c);
}

static void on_drained(struct conn *c UNUSED, void *arg)
{
    struct ws *ws = arg;
    if (ws->state == WS_STATE_OPEN && ws->ops->on_drained) {
        ws->ops->on_drained(ws, ws->arg);
    }
    ws_put_late_pong(ws);
}

static void on_blocked(struct conn *c UNUSED, void *arg)
{
    struct ws *ws = arg;
    if (ws->state == WS_STATE_OPEN && ws->ops->on_blocked) {
        ws->ops->on_blocked(ws, ws->arg);
    }
}

static void on_stuck(struct conn *c UNUSED, void *arg)
{
    struct ws *ws = arg;
    if (ws->state == WS_STATE_OPEN) {
        ws_fail_slow(ws);
    } else {
        ws_peer_closed(ws, 0);
    }
}

static void on_conn_closed(struct conn *c UNUSED, void *arg, int err UNUSED)
{
    struct ws *ws = arg;
    struct httpd *h = ws->httpd;
    if (ws->state == WS_STATE_OPEN) {
        ws->code = CODE_BROKEN;
        ws->state = WS_STATE_CLOSED;
    }
    list_del(&ws->deadline.node);
    tell_closed(ws);
    ws_drop_partial(ws);
    pool_free(&h->websockets.pool, ws);
    httpd_conn_over(h);
}

static const struct conn_ops ws_conn_ops = {
    .on_data = ws_on_data,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_blocked = on_blocked,
    .on_stuck = on_stuck,
    .on_closed = on_conn_closed,
};

// ---- Opening ----

static char *put(char *to, struct str s)
{
    return (char *)mempcpy(to, s.p, s.len);
}

// Put together in place, since every connection comes this way. False: the connection is gone.
static bool write_handshake(struct http_request *req, struct str protocol, struct str extension)
{
    char accept[WS_ACCEPT_TEXT_SIZE];
    size_t room = HANDSHAKE_BYTES + protocol.len + extension.len;
    char *begin = conn_write_reserve(req->hc->conn, room);
    if (!begin) {
        return false;
    }
    ws_accept(req->ws_key, accept);
    char *p = put(begin, STR("HTTP/1.1 101 Switching Protocols\r\nDate: "));
    p = put(p, httpd_date(req->hc->httpd));
    p = put(p, STR("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "));
    p = put(p, str_make(accept, WS_ACCEPT_TEXT_SIZE - 1));
    if (protocol.p) {
        ASSERT(http1_is_token(protocol)); // ws_server_check has seen to it
        p = put(put(p, STR("\r\nSec-WebSocket-Protocol: ")), protocol);
    }
    if (extension.len > 0) {
        p = put(put(p, STR("\r\nSec-WebSocket-Extensions: ")), extension);
    }
    p = put(p, STR("\r\n\r\n"));
    size_t len = (size_t)(p - begin);
    ASSERT(len <= room);
    conn_write_commit(req->hc->conn, len);
    return true;
}

static bool answer(struct http_request *req, struct str protocol, enum ws_class *ret)
{
    struct ws_deflate agreed;
    if (!ws_deflate_agree(req, &agreed)) {
        *ret = WS_CLASS_PLAIN;
        return write_handshake(req, protocol, STR(""));
    }
    struct buf extension;
    buf_init(&extension, HANDSHAKE_BYTES);
    ws_deflate_put_answer(&extension, &agreed);
    bool written = !extension.failed && write_handshake(req, protocol, buf_str(&extension));
    buf_fini(&extension);
    *ret = ws_class_of(&agreed);
    return written;
}

// The connection is the WebSocket's from now on.
static void take_over(struct ws *ws, struct http_conn *hc)
{
    ws->httpd = hc->httpd;
    ws->conn = hc->conn;
    deadline_init(&ws->deadline);
    ws_heartbeat_begin(ws);
    conn_set_user(ws->conn, &ws_conn_ops, ws);
    conn_take_runs(ws->conn, true);
    http_conn_upgraded(hc);
    if (ws->httpd->draining) {
        ws_close(ws, 1001, "The hub is going away.");
    }
}

bool ws_upgrade(struct http_request *req, struct str protocol, const struct ws_ops *ops, void *arg,
                struct ws **ret)
{
    ASSERT(ops->on_text && ops->on_closed);
    if (req->state != HTTP_OPEN || !http_is_open(req)) {
        return false;
    }
    ASSERT(req->ws_key.p);
    struct http_conn *hc = req->hc;
    if (hc->left) { // it would never be told again
        http_abort(req);
        return false;
    }
    struct pool *pool = &hc->httpd->websockets.pool;
    struct ws *ws = pool_try_alloc(pool);
    enum ws_class class;
    if (!ws || !answer(req, protocol, &class)) {
        pool_free(pool, ws);
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return false;
    }
    metrics_add(req->metrics, METRIC_HTTP_REQUESTS, 1);
    req->state = HTTP_ANSWERED;
    req->hc = NULL;
    ws->ops = ops;
    ws->arg = arg;
    ws->class = class;
    *ret = ws;
    take_over(ws, hc);
    http_request_unref(req);
    return true;
}

// ---- Frames out ----

static void send_compressed(struct ws *ws, enum ws_opcode op, struct str payload)
{
    struct buf b;
    buf_init(&b, WS_HEAD_MAX + payload.len);
    ws_compressor_put(&all_of(ws)->compressor, ws->class, op, payload, &b);
    if (b.failed) {
        conn_close(ws->conn);
    } else {
        conn_write(ws->conn, buf_str(&b));
    }
    buf_fini(&b);
}

static void send_message(struct ws *ws, enum ws_opcode op, struct str payload)
{
    if (ws->state != WS_STATE_OPEN) {
        return;
    }
    // What is not of its stream would get in the way of a linked one.
    bool compressed = ws->class == WS_CLASS_NARROW || ws->class == WS_CLASS_WIDE;
    if (compressed && payload.len >= all_of(ws)->compressor.threshold_bytes) {
        send_compressed(ws, op, payload);
        return;
    }
    char *p = conn_write_reserve(ws->conn, WS_HEAD_MAX + payload.len);
    if (!p) {
        return;
    }
    size_t head = ws_put_head((uint8_t *)p, op, payload.len, NULL);
    if (payload.len > 0) {
        memcpy(p + head, payload.p, payload.len);
    }
    conn_write_commit(ws->conn, head + payload.len);
}

void ws_send_text(struct ws *ws, struct str text)
{
    send_message(ws, WS_OP_TEXT, text);
}

void ws_send_binary(struct ws *ws, struct str bytes)
{
    send_message(ws, WS_OP_BINARY, bytes);
}

void ws_send_frames(struct ws *ws, struct rcbuf *frames)
{
    if (ws->state == WS_STATE_OPEN) {
        conn_write_rcbuf(ws->conn, frames);
    }
}

bool ws_is_blocked(const struct ws *ws)
{
    return conn_is_blocked(ws->conn);
}

void ws_want_drained(struct ws *ws)
{
    if (ws->state == WS_STATE_OPEN) {
        conn_want_drained(ws->conn);
    }
}

size_t ws_unsent_bytes(const struct ws *ws)
{
    return conn_unsent_bytes(ws->conn);
}

enum ws_class ws_class(const struct ws *ws)
{
    return ws->class;
}

bool ws_is_open(const struct ws *ws)
{
    return ws->state == WS_STATE_OPEN && conn_is_open(ws->conn);
}

struct conn *ws_conn(const struct ws *ws)
{
    return ws->conn;
}

struct loop *ws_loop(const struct ws *ws)
{
    return ws->httpd->cfg.loop;
}

struct metrics *ws_metrics(const struct ws *ws)
{
    return ws->httpd->cfg.metrics;
}

// ---- All of them ----

void websockets_init(struct httpd *h)
{
    struct websockets *all = &h->websockets;
    pool_init(&all->pool, sizeof(struct ws), NULL);
    pool_init(&all->partials, sizeof(struct ws_partial), NULL);
    list_init(&all->unpinged);
    list_init(&all->leaving);
    list_init(&all->over);
    deadlines_init(&all->closing, h->cfg.loop, h->cfg.limits->linger_ms, on_no_answer);
    loop_task_init(&all->tell, on_tell);
    ws_decoder_init(&all->decoder, WS_SERVER, h->cfg.limits->message_bytes);
    ws_deflate_init(h);
    ws_heartbeat_init(h);
}

void websockets_fini(struct httpd *h)
{
    struct websockets *all = &h->websockets;
    loop_task_cancel(&all->tell);
    ws_heartbeat_fini(h);
    deadlines_fini(&all->closing);
    ws_decoder_fini(&all->decoder);
    ws_deflate_fini(h);
    pool_fini(&all->partials);
    pool_fini(&all->pool);
}

void websockets_close(struct httpd *h, int code, const char *reason)
{
    struct websockets *all = &h->websockets;
    struct list *open[] = {&all->quiet.members, &all->pinged.members, &all->unpinged};
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        LIST_FOREACH(node, open[i])
        {
            ws_close(LIST_ENTRY(node, struct ws, deadline.node), code, reason);
        }
    }
}

void websockets_break(struct httpd *h)
{
    struct websockets *all = &h->websockets;
    struct list *lists[] = {&all->quiet.members, &all->pinged.members,  &all->unpinged,
                            &all->leaving,       &all->closing.members, &all->over};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        LIST_FOREACH(node, lists[i])
        {
            conn_close(LIST_ENTRY(node, struct ws, deadline.node)->conn);
        }
    }
}
