// SPDX-License-Identifier: MIT
// The WebSocket transport: frames to messages, heartbeat, limits and closing. The states are drawn
// in websocket.h.
#include "http/websocket.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/internal.h"
#include "wire/ws_frame.h"
#include "wire/ws_handshake.h"

enum {
    HANDSHAKE_BYTES_MAX = 16384,
    CLOSE_BYTES_MAX = WS_HEAD_MAX + WS_CONTROL_MAX,
    FLOOD_FACTOR = 10, // times the message limit that end a connection
    LATE_MS = 1000,    // a deadline noticed so late says nothing of the peer: this side stood still
    CODE_NONE = 1005,  // RFC 6455 7.1.5
    CODE_BROKEN = 1006,
};

enum ws_state {
    OPEN,
    CLOSING, // our Close is on its way, the peer's awaited
    CLOSED,  // the connection lingers or is gone
};

struct ws {
    struct http_conn *hc;
    struct conn *conn;
    const struct ws_ops *ops;
    void *arg;
    struct ws_decoder decoder;
    struct timer timer;          // OPEN: heartbeat; CLOSING: the end of waiting
    struct loop_task task;       // tells on_closed
    int64_t ping_at_ms;          // next ping
    int64_t pinged_ms;           // last one
    int64_t second_ms;           // begin of the second that is counted
    unsigned messages, controls; // in it
    enum ws_state state;
    int code;
    bool awaiting_pong;
    bool told;  // on_closed was called
    char *pong; // payload of a pong that waits until the outbox is empty; NULL: none
    size_t pong_len;
};

static const struct http_limits *limits_of(const struct ws *ws)
{
    return ws->hc->httpd->cfg.limits;
}

static int64_t now_ms(const struct ws *ws)
{
    return loop_now(conn_loop(ws->conn)).mono_ms;
}

// ---- Closing ----

static void leave_open(struct ws *ws, enum ws_state state, int code)
{
    if (ws->state == OPEN) {
        ws->code = code;
        conn_take_runs(ws->conn, false); // nothing may follow a Close frame
        loop_task_defer(conn_loop(ws->conn), &ws->task);
    }
    ws->state = state;
    loop_timer_cancel(conn_loop(ws->conn), &ws->timer);
}

static void put_close(struct ws *ws, int code, struct str reason)
{
    struct buf b;
    buf_init(&b, CLOSE_BYTES_MAX);
    ws_put_close(&b, code, reason, NULL);
    if (!b.failed) {
        conn_write(ws->conn, buf_str(&b));
    }
    buf_fini(&b);
}

// Says why, and does not wait for an answer.
static void fail(struct ws *ws, int code, const char *why)
{
    metrics_add(conn_metrics(ws->conn), METRIC_WS_ERRORS, 1);
    put_close(ws, code, str_of(why));
    leave_open(ws, CLOSED, code);
    conn_shutdown(ws->conn);
}

void ws_close(struct ws *ws, int code, const char *reason)
{
    if (ws->state != OPEN) {
        return;
    }
    put_close(ws, code, str_of(reason));
    leave_open(ws, CLOSING, code);
    loop_timer_after(conn_loop(ws->conn), &ws->timer, limits_of(ws)->linger_ms);
}

static void tell_closed(struct ws *ws)
{
    if (!ws->told) {
        ws->told = true;
        ws->ops->on_closed(ws, ws->arg, ws->code);
    }
}

static void on_task(struct loop_task *t)
{
    tell_closed(CONTAINER_OF(t, struct ws, task));
}

// ---- Heartbeat ----

static void ping(struct ws *ws)
{
    struct buf b;
    buf_init(&b, WS_HEAD_MAX);
    ws_put_frame(&b, WS_OP_PING, STR(""), NULL);
    if (!b.failed) {
        conn_write(ws->conn, buf_str(&b));
    }
    buf_fini(&b);
    ws->awaiting_pong = true;
    ws->pinged_ms = now_ms(ws);
}

static void stuck(struct ws *ws)
{
    metrics_add(conn_metrics(ws->conn), METRIC_SLOW_CLOSED, 1);
    put_close(ws, err_close_code(E_SLOW), STR("Too slow: nothing was read for too long."));
    leave_open(ws, CLOSED, err_close_code(E_SLOW));
    conn_shutdown(ws->conn);
}

// The pong is overdue. Bytes that still drain excuse it, up to the slow reader's limit.
static void judge_silence(struct ws *ws, int64_t late_ms)
{
    const struct http_limits *limits = limits_of(ws);
    bool draining = conn_kernel_unsent_bytes(ws->conn) > 0;
    if (conn_unsent_bytes(ws->conn) > 0 || late_ms > LATE_MS ||
        (draining && now_ms(ws) - ws->pinged_ms < limits->slow_ms)) {
        loop_timer_after(conn_loop(ws->conn), &ws->timer, limits->pong_ms);
    } else if (draining) {
        stuck(ws);
    } else {
        fail(ws, err_close_code(E_POLICY), "No answer to a ping.");
    }
}

static void on_timer(struct timer *t)
{
    struct ws *ws = CONTAINER_OF(t, struct ws, timer);
    struct loop *loop = conn_loop(ws->conn);
    if (ws->state == CLOSING) {
        ws->state = CLOSED;
        conn_shutdown(ws->conn);
        return;
    }
    ASSERT(ws->state == OPEN);
    int64_t now = now_ms(ws);
    if (ws->awaiting_pong) {
        judge_silence(ws, now - t->due_ms);
        return;
    }
    if (now < ws->ping_at_ms) {
        loop_timer_at(loop, &ws->timer, ws->ping_at_ms);
        return;
    }
    ws->ping_at_ms = now + limits_of(ws)->ping_ms;
    if (conn_is_blocked(ws->conn)) { // a ping would wait behind the rest
        loop_timer_at(loop, &ws->timer, ws->ping_at_ms);
        return;
    }
    ping(ws);
    loop_timer_after(loop, &ws->timer, limits_of(ws)->pong_ms);
}

// ---- Frames in ----

static void count_second(struct ws *ws)
{
    int64_t now = now_ms(ws);
    if (now - ws->second_ms >= 1000) {
        ws->second_ms = now;
        ws->messages = ws->controls = 0;
    }
}

static void take_message(struct ws *ws, const struct ws_event *e)
{
    unsigned limit = limits_of(ws)->messages_per_second;
    metrics_add(conn_metrics(ws->conn), METRIC_WS_MESSAGES_IN, 1);
    ws->messages++;
    if (e->type == WS_BINARY && !ws->ops->on_binary) {
        fail(ws, err_close_code(E_BINARY), err_text(E_BINARY));
    } else if (ws->messages > limit * FLOOD_FACTOR) {
        fail(ws, err_close_code(E_POLICY), "Far too many messages.");
    } else if (ws->messages > limit) {
        if (ws->ops->on_limited) {
            ws->ops->on_limited(ws, ws->arg, e->data);
        }
    } else if (e->type == WS_BINARY) {
        ws->ops->on_binary(ws, ws->arg, e->data);
    } else {
        ws->ops->on_text(ws, ws->arg, e->data);
    }
}

static void put_pong(struct ws *ws, struct str payload)
{
    struct buf b;
    buf_init(&b, WS_HEAD_MAX + WS_CONTROL_MAX);
    ws_put_frame(&b, WS_OP_PONG, payload, NULL);
    if (!b.failed) {
        conn_write(ws->conn, buf_str(&b));
    }
    buf_fini(&b);
}

// While bytes wait only the last ping is answered (RFC 6455 5.5.3), so that pings can't fill
// memory.
static void take_ping(struct ws *ws, struct str payload)
{
    if (!conn_is_blocked(ws->conn)) {
        put_pong(ws, payload);
        return;
    }
    if (!ws->pong) {
        ws->pong = mem_try_alloc(WS_CONTROL_MAX);
    }
    if (ws->pong) {
        memcpy(ws->pong, payload.p, payload.len);
        ws->pong_len = payload.len;
    }
}

static void take_event(struct ws *ws, const struct ws_event *e)
{
    count_second(ws);
    ws->awaiting_pong = false;
    switch (e->type) {
    case WS_TEXT:
    case WS_BINARY:
        take_message(ws, e);
        return;
    case WS_PING:
    case WS_PONG:
        ws->controls++;
        if (ws->controls > limits_of(ws)->messages_per_second) {
            fail(ws, err_close_code(E_POLICY), "Too many pings.");
        } else if (e->type == WS_PING) {
            take_ping(ws, e->data);
        }
        return;
    case WS_CLOSE:
        put_close(ws, e->code, STR(""));
        leave_open(ws, CLOSED, e->code ? e->code : CODE_NONE);
        conn_shutdown(ws->conn);
        return;
    }
    UNREACHABLE();
}

static size_t on_data(struct conn *c, void *arg, char *p, size_t len)
{
    struct ws *ws = arg;
    char *at = p;
    size_t left = len;
    for (;;) {
        struct ws_event e;
        int rc = ws_decoder_next(&ws->decoder, &at, &left, &e);
        if (rc == -E_AGAIN) {
            break;
        }
        if (ws->state == OPEN && rc) {
            fail(ws, err_close_code(rc), ws->decoder.why);
        } else if (ws->state == OPEN) {
            take_event(ws, &e);
        } else if (rc || e.type == WS_CLOSE) { // the answer to our Close, or as good as one
            leave_open(ws, CLOSED, ws->code);
            conn_shutdown(c);
        }
    }
    return len;
}

// ---- The connection ----

static void on_eof(struct conn *c, void *arg)
{
    struct ws *ws = arg;
    leave_open(ws, CLOSED, CODE_BROKEN);
    conn_shutdown(c);
}

static void on_drained(struct conn *c UNUSED, void *arg)
{
    struct ws *ws = arg;
    if (ws->state == OPEN && ws->ops->on_drained) {
        ws->ops->on_drained(ws, ws->arg);
    }
    if (ws->state == OPEN && ws->pong) {
        put_pong(ws, str_make(ws->pong, ws->pong_len));
        mem_free(ws->pong);
        ws->pong = NULL;
    }
}

static void on_blocked(struct conn *c UNUSED, void *arg)
{
    struct ws *ws = arg;
    if (ws->state == OPEN && ws->ops->on_blocked) {
        ws->ops->on_blocked(ws, ws->arg);
    }
}

static void on_stuck(struct conn *c UNUSED, void *arg)
{
    struct ws *ws = arg;
    if (ws->state == OPEN) {
        stuck(ws);
    } else {
        leave_open(ws, CLOSED, ws->code);
        conn_shutdown(ws->conn);
    }
}

static void on_conn_closed(struct conn *c, void *arg, int err UNUSED)
{
    struct ws *ws = arg;
    loop_timer_cancel(conn_loop(c), &ws->timer);
    if (ws->state == OPEN) {
        ws->code = CODE_BROKEN;
        ws->state = CLOSED;
    }
    loop_task_cancel(&ws->task);
    tell_closed(ws);
    ws_decoder_fini(&ws->decoder);
    mem_free(ws->pong);
    struct http_conn *hc = ws->hc;
    mem_free(ws);
    http_conn_gone(hc);
}

static const struct conn_ops ws_conn_ops = {
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drained = on_drained,
    .on_blocked = on_blocked,
    .on_stuck = on_stuck,
    .on_closed = on_conn_closed,
};

// ---- Opening ----

static bool write_handshake(struct http_request *req, struct str protocol)
{
    struct buf b;
    char accept[WS_ACCEPT_TEXT_SIZE];
    buf_init(&b, HANDSHAKE_BYTES_MAX);
    ws_accept(req->ws_key, accept);
    buf_put(&b, STR("HTTP/1.1 101 Switching Protocols\r\n"));
    http1_put_field(&b, "Date", httpd_date(req->hc->httpd));
    http1_put_field(&b, "Upgrade", STR("websocket"));
    http1_put_field(&b, "Connection", STR("Upgrade"));
    http1_put_field(&b, "Sec-WebSocket-Accept", str_of(accept));
    if (protocol.p) {
        http1_put_field(&b, "Sec-WebSocket-Protocol", protocol);
    }
    buf_put(&b, STR("\r\n"));
    bool ok = !b.failed;
    if (ok) {
        conn_write(req->hc->conn, buf_str(&b));
    }
    buf_fini(&b);
    return ok && conn_is_open(req->hc->conn);
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
    struct ws *ws = mem_try_alloc(sizeof(*ws));
    if (!ws || !write_handshake(req, protocol)) {
        mem_free(ws);
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return false;
    }
    const struct http_limits *limits = hc->httpd->cfg.limits;
    ws->hc = hc;
    ws->conn = hc->conn;
    ws->ops = ops;
    ws->arg = arg;
    ws_decoder_init(&ws->decoder, WS_SERVER, limits->message_bytes);
    timer_init(&ws->timer, on_timer);
    loop_task_init(&ws->task, on_task);
    ws->ping_at_ms = now_ms(ws) + limits->ping_ms;
    loop_timer_at(req->loop, &ws->timer, ws->ping_at_ms);
    metrics_add(req->metrics, METRIC_HTTP_REQUESTS, 1);
    req->state = HTTP_ANSWERED;
    req->hc = NULL;
    hc->req = NULL;
    hc->ws = ws;
    hc->phase = HTTP_UPGRADED;
    conn_set_user(hc->conn, &ws_conn_ops, ws);
    conn_take_runs(hc->conn, true);
    *ret = ws;
    if (hc->httpd->draining) {
        ws_close(ws, 1001, "The hub is going away.");
    }
    http_request_unref(req);
    return true;
}

// ---- Frames out ----

static void send_message(struct ws *ws, enum ws_opcode op, struct str payload)
{
    if (ws->state != OPEN) {
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
    if (ws->state == OPEN) {
        conn_write_rcbuf(ws->conn, frames);
    }
}

bool ws_is_blocked(const struct ws *ws)
{
    return conn_is_blocked(ws->conn);
}

void ws_want_drained(struct ws *ws)
{
    if (ws->state == OPEN) {
        conn_want_drained(ws->conn);
    }
}

size_t ws_unsent_bytes(const struct ws *ws)
{
    return conn_unsent_bytes(ws->conn);
}

bool ws_is_open(const struct ws *ws)
{
    return ws->state == OPEN && conn_is_open(ws->conn);
}

struct conn *ws_conn(const struct ws *ws)
{
    return ws->conn;
}

struct loop *ws_loop(const struct ws *ws)
{
    return conn_loop(ws->conn);
}

struct metrics *ws_metrics(const struct ws *ws)
{
    return conn_metrics(ws->conn);
}
