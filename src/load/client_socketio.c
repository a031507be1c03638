// SPDX-License-Identifier: MIT
// Subscribers that speak Socket.IO, over a WebSocket or by polling: from the handshake over the
// main namespace to the acknowledged subscriptions, one for each topic. Who polls has one
// connection and one request under way on it, as nothing has to be said while one is held.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "load/load_int.h"
#include "wire/engineio.h"
#include "wire/url.h"
#include "wire/ws_frame.h"

#define SID_MAX  128
#define OPEN_MAX 512 // of the packet that names the sid

enum { OWES_CONNECT = 1, OWES_PONG = 2, OWES_SUBSCRIBE = 4 };

struct socketio {
    uint8_t owes; // packets to be sent
    bool posting; // the answer under way is that to a POST
    struct packets packets;
    char sid[SID_MAX]; // of polling; empty: none yet
    char open[OPEN_MAX];
    size_t open_len;
};

struct socketio *socketio_new(void)
{
    struct socketio *s = mem_alloc(sizeof(*s));
    *s = (struct socketio){0};
    return s;
}

void socketio_free(struct socketio *s)
{
    mem_free(s);
}

// ---- What is sent.

static bool is_polling(const struct client *c)
{
    return c->peer.load->sub.kind == TARGET_SOCKETIO_POLL;
}

static void put_packet(struct client *c, struct buf *out, struct str packet)
{
    static const uint8_t mask[4] = {0x1d, 0xa2, 0x6e, 0x05};
    if (is_polling(c)) {
        buf_put(out, out->len > 0 ? STR("\x1e") : STR(""));
        buf_put(out, packet);
    } else {
        ws_put_frame(out, WS_OP_TEXT, packet, mask);
    }
}

static unsigned subscriptions(const struct load *l)
{
    return l->choice.per_client + l->cfg->topics_extra;
}

static void put_subscriptions(struct client *c, struct buf *out)
{
    struct load *l = c->peer.load;
    struct template_values v = client_values(c);
    for (v.first = 0; v.first < subscriptions(l); v.first++) {
        buf_clear(&l->payload);
        buf_putf(&l->payload, "42%u", v.first);
        template_put(&l->payload, l->on_open, &v);
        put_packet(c, out, buf_str(&l->payload));
    }
}

// Into l->events.
static void put_owed(struct client *c)
{
    struct socketio *s = c->socketio;
    struct buf *out = &c->peer.load->events;
    buf_clear(out);
    if (s->owes & OWES_CONNECT) {
        put_packet(c, out, STR("40"));
    }
    if (s->owes & OWES_PONG) {
        put_packet(c, out, STR("3"));
    }
    if (s->owes & OWES_SUBSCRIBE) {
        put_subscriptions(c, out);
    }
    s->owes = 0;
}

// ---- What comes.

// Takes note of a packet. False: the client is lost.
static bool take(struct client *c, enum packet kind)
{
    struct load *l = c->peer.load;
    struct socketio *s = c->socketio;
    switch (kind) {
    case PACKET_OPEN:
        s->owes |= OWES_CONNECT;
        c->state = CLIENT_WAITING;
        return true;
    case PACKET_PING:
        s->owes |= OWES_PONG;
        return true;
    case PACKET_CONNECT:
        c->ready_left = subscriptions(l);
        if (l->on_open[0]) {
            s->owes |= OWES_SUBSCRIBE;
        } else {
            client_ready(c);
        }
        return true;
    case PACKET_ACK:
        if (c->state == CLIENT_WAITING && --c->ready_left == 0) {
            client_ready(c);
        }
        return true;
    case PACKET_CLOSE:
    case PACKET_DISCONNECT:
        client_lost(c, "ended by the server");
        return false;
    case PACKET_CONNECT_ERROR:
        client_lost(c, "refused with CONNECT_ERROR");
        return false;
    case PACKET_EVENT:
    case PACKET_OTHER:
    case PACKET_END:
        return true;
    }
    return true;
}

bool socketio_message(struct client *c, struct str text)
{
    struct packets packets = {0};
    if (!take(c, packets_next(&packets, &text))) {
        return false;
    }
    if (c->socketio->owes == 0) {
        return true;
    }
    put_owed(c);
    if (!peer_send(&c->peer, buf_str(&c->peer.load->events))) {
        client_lost(c, "what it sends is too long");
        return false;
    }
    return true;
}

// ---- Polling.

bool socketio_ask(struct client *c)
{
    struct load *l = c->peer.load;
    struct socketio *s = c->socketio;
    struct template_values v = client_values(c);
    struct buf query;
    buf_init(&query, 4 * SID_MAX);
    buf_putc(&query, strchr(l->sub.path, '?') ? '&' : '?');
    buf_put(&query, STR("EIO=4&transport=polling"));
    if (s->sid[0]) {
        buf_put(&query, STR("&sid="));
        url_put_encoded(&query, str_of(s->sid));
    }
    s->posting = s->owes != 0;
    s->packets = (struct packets){0};
    buf_clear(&l->text);
    if (s->posting) {
        put_owed(c);
        const struct target_body body = {.more = buf_str(&query),
                                         .type = "text/plain;charset=UTF-8",
                                         .text = buf_str(&l->events)};
        target_put_post(&l->text, &l->sub, &v, &body);
    } else {
        target_put_get(&l->text, &l->sub, &v, buf_str(&query), STR("Accept: */*\r\n"));
    }
    buf_fini(&query);
    return peer_send(&c->peer, buf_str(&l->text));
}

bool socketio_piece(struct client *c, struct str piece)
{
    struct socketio *s = c->socketio;
    enum packet kind;
    if (s->posting) {
        return true;
    }
    if (!s->sid[0]) {
        size_t room = OPEN_MAX - s->open_len;
        size_t len = piece.len < room ? piece.len : room;
        memcpy(s->open + s->open_len, piece.p, len);
        s->open_len += len;
    }
    while ((kind = packets_next(&s->packets, &piece)) != PACKET_END) {
        if (!take(c, kind)) {
            return false;
        }
    }
    return true;
}

bool socketio_end(struct client *c)
{
    struct socketio *s = c->socketio;
    struct str name = STR("\"sid\":\""), open = str_make(s->open, s->open_len);
    if (s->sid[0]) {
        return true;
    }
    const char *at = memmem(open.p, open.len, name.p, name.len);
    if (at) {
        struct str rest = str_from(open, (size_t)(at - open.p) + name.len);
        ptrdiff_t quote = str_chr(rest, '"', 0);
        if (quote > 0 && quote < SID_MAX) {
            memcpy(s->sid, rest.p, (size_t)quote);
            return true;
        }
    }
    client_lost(c, "no handshake of Engine.IO");
    return false;
}
