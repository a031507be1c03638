// SPDX-License-Identifier: MIT
// Engine.IO on WebSocket, and the change to it in mid-stream:
//
//   client: WebSocket with the sid, `2probe`   server: `3probe`; from now on no poll waits
//   client: `5`, when its poll is answered     server: what waits goes by WebSocket, and all else
//
// Until the `5` everything goes by polling, so that a WebSocket that fails takes nothing with it.
#include "base/assert.h"
#include "base/base64.h"
#include "base/err.h"
#include "sio/eio_int.h"

// ---- Sending ----

static void send_frame(struct eio_socket *s, bool binary)
{
    struct buf *frame = &s->eio->frame;
    if (frame->failed) {
        eio_end(s, EIO_END_PROTOCOL);
    } else if (binary) {
        ws_send_binary(s->ws, buf_str(frame));
    } else {
        ws_send_text(s->ws, buf_str(frame));
    }
    eio_trim(frame);
}

void eio_ws_put(struct eio_socket *s, const struct engineio_packet *p)
{
    size_t waiting = ws_is_blocked(s->ws) ? ws_unsent_bytes(s->ws) : 0;
    if (!eio_room_for(s, waiting, p->data.len)) {
        return;
    }
    if (p->binary && !s->base64) {
        ws_send_binary(s->ws, p->data);
    } else {
        engineio_put_packet(&s->eio->frame, p);
        send_frame(s, false);
    }
}

// Packets that were to be polled.
static void send_payload(struct eio_socket *s, struct str payload)
{
    while (payload.len > 0) {
        struct str packet = str_cut(&payload, ENGINEIO_SEPARATOR);
        if (packet.p[0] != 'b' || s->base64) {
            ws_send_text(s->ws, packet);
            continue;
        }
        int err = base64_decode(str_from(packet, 1), &s->eio->frame);
        ASSERT(!err);
        send_frame(s, true);
    }
}

// From now on `ws` is the transport.
static void change_to(struct eio_socket *s, struct ws *ws)
{
    struct eio_polling *p = s->polling;
    s->ws = ws;
    s->websocket = true;
    p->probe = NULL;
    if (p->get) {
        eio_answer(p, STR("6"));
    }
    eio_polling_detach(p);
    send_payload(s, buf_str(&p->out));
    if (p->run) {
        send_payload(s, str_from(rcbuf_str(p->run), 1));
    }
    eio_polling_free(p);
}

// ---- The probe ----

static void on_stray_text(struct ws *ws UNUSED, void *arg UNUSED, struct str text UNUSED)
{
}

static void on_stray_closed(struct ws *ws UNUSED, void *arg UNUSED, int code UNUSED)
{
}

static const struct ws_ops stray_ops = {.on_text = on_stray_text, .on_closed = on_stray_closed};

static void finish_upgrade(struct eio_socket *s, struct ws *ws)
{
    const struct eio_ops *ops = s->eio->cfg.ops;
    bool blocked = s->polling->blocked;
    change_to(s, ws);
    ops->on_upgraded(s, s->arg);
    if (blocked && s->state == EIO_OPEN) {
        ops->on_room(s, s->arg);
    }
}

static void take_probe(struct eio_socket *s, struct ws *ws, struct str text)
{
    struct eio_polling *p = s->polling;
    ASSERT(p && p->probe == ws);
    if (str_is(text, "2" ENGINEIO_PROBE)) {
        ws_send_text(ws, STR("3" ENGINEIO_PROBE));
        p->probed = true;
        eio_work(p);
    } else if (str_is(text, "5")) {
        finish_upgrade(s, ws);
    } else {
        ws_close(ws, err_close_code(E_PROTOCOL), "");
    }
}

static void on_probe_late(struct deadlines *q UNUSED, struct deadline *d)
{
    struct eio_polling *p = CONTAINER_OF(d, struct eio_polling, deadline);
    metrics_hit(p->socket->eio->cfg.metrics, LIMIT_ROW_EIO_UPGRADE_MS);
    ws_close(p->probe, 1000, "");
}

// One more for a socket that has one, or tries one. It is opened and closed: an answer by HTTP is
// to many clients the fault of a server that is not there.
static void turn_away(struct http_request *req)
{
    struct ws *ws;
    if (ws_upgrade(req, STR_NONE, &stray_ops, NULL, &ws)) {
        ws_close(ws, err_close_code(E_POLICY), "");
    }
}

void eio_ws_probe(struct eio_socket *s, struct http_request *req)
{
    struct eio_polling *p = s->polling;
    if (!p || p->probe) {
        turn_away(req);
    } else if (ws_upgrade(req, STR_NONE, &s->eio->ws_ops, s, &p->probe)) {
        deadline_arm(&s->eio->probes, &p->deadline);
    }
}

void eio_ws_open(struct eio_socket *s, struct http_request *req)
{
    struct ws *ws;
    if (!ws_upgrade(req, STR_NONE, &s->eio->ws_ops, s, &ws)) {
        eio_end(s, EIO_END_CLIENT);
        return;
    }
    change_to(s, ws);
    if (s->state != EIO_OPEN) { // it was closed before it was told that it is open
        ws_close(ws, 1000, "");
    }
}

// ---- What comes ----

static void on_text(struct ws *ws, void *arg, struct str text)
{
    struct eio_socket *s = arg;
    struct engineio_packet packet;
    if (s->state != EIO_OPEN) {
        return;
    }
    if (s->ws != ws) {
        take_probe(s, ws, text);
        return;
    }
    if (engineio_decode(text, &s->eio->bytes, &packet)) {
        eio_end(s, EIO_END_PROTOCOL);
    } else {
        eio_take(s, &packet);
    }
    eio_trim(&s->eio->bytes);
}

static void on_binary(struct ws *ws, void *arg, struct str bytes)
{
    struct eio_socket *s = arg;
    if (s->state != EIO_OPEN) {
        return;
    }
    if (s->ws != ws) {
        ws_close(ws, err_close_code(E_PROTOCOL), "");
        return;
    }
    eio_take(s, &(struct engineio_packet){.type = ENGINEIO_MESSAGE, .binary = true, .data = bytes});
}

static void on_limited(struct ws *ws, void *arg, struct str message, bool binary)
{
    struct eio_socket *s = arg;
    s->limited = true;
    if (binary) {
        on_binary(ws, arg, message);
    } else {
        on_text(ws, arg, message);
    }
    s->limited = false;
}

static void on_drained(struct ws *ws, void *arg)
{
    struct eio_socket *s = arg;
    if (s->ws == ws && s->state == EIO_OPEN) {
        s->eio->cfg.ops->on_room(s, s->arg);
    }
}

static void on_blocked(struct ws *ws, void *arg)
{
    struct eio_socket *s = arg;
    if (s->ws == ws && s->state == EIO_OPEN) {
        s->eio->cfg.ops->on_blocked(s, s->arg);
    }
}

// Codes by which this side tells the peer off, and which a peer hardly uses.
static enum eio_end end_of(int code)
{
    switch (code) {
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
        return EIO_END_PROTOCOL;
    default:
        return EIO_END_CLIENT;
    }
}

static void on_closed(struct ws *ws, void *arg, int code)
{
    struct eio_socket *s = arg;
    if (s->ws == ws) {
        s->ws = NULL;
        eio_end(s, end_of(code));
    } else {
        struct eio_polling *p = s->polling;
        ASSERT(p && p->probe == ws);
        deadline_cancel(&p->deadline);
        p->probe = NULL;
        p->probed = false;
    }
    eio_try_free(s);
}

void eio_ws_init(struct eio *e)
{
    const struct eio_limits *l = e->cfg.limits;
    e->ws_ops = (struct ws_ops){.on_text = on_text,
                                .on_binary = on_binary,
                                .on_limited = on_limited,
                                .on_drained = on_drained,
                                .on_blocked = on_blocked,
                                .on_closed = on_closed,
                                .message_bytes_max = l->payload_bytes_max,
                                .has_heartbeat = true,
                                .no_reasons = true};
    deadlines_init(&e->probes, e->cfg.loop, l->upgrade_timeout_ms, on_probe_late);
}
