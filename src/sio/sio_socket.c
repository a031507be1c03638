// SPDX-License-Identifier: MIT
// Namespaces of a connection, and what goes out on them.
#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "sio/sio_int.h"

// What the head of a packet and the members of an answer to CONNECT need beside their texts.
#define HEAD_BYTES_MAX 128
// A character may be six in JSON.
#define JSON_BYTES_MAX(len) (6 * (len) + 2)

struct str sio_nsp(const struct sio_socket *s)
{
    return str_make(s->nsp, s->nsp_len);
}

struct eio_socket *sio_transport(const struct sio_socket *s)
{
    return s->conn->transport;
}

// ---- Its namespaces.

struct sio_socket *sio_find(const struct sio_conn *c, struct str nsp)
{
    struct sio_socket *s = c->sockets;
    while (s && (s->state == SIO_GONE || !str_eq(sio_nsp(s), nsp))) {
        s = s->next;
    }
    return s;
}

unsigned sio_count(const struct sio_conn *c)
{
    unsigned n = 0;
    for (const struct sio_socket *s = c->sockets; s; s = s->next) {
        n += s->state != SIO_GONE;
    }
    return n;
}

static void sweep(struct sio_conn *c)
{
    struct sio_socket **at = &c->sockets;
    while (c->calls == 0 && *at) {
        struct sio_socket *s = *at;
        if (s->state == SIO_GONE) {
            *at = s->next;
            c->sio->sockets_bytes -= sizeof(*s) + s->nsp_len;
            mem_free(s);
        } else {
            at = &s->next;
        }
    }
}

void sio_set_state(struct sio_socket *s, enum sio_state state)
{
    struct sio_conn *c = s->conn;
    bool was = s->state == SIO_CONNECTED, is = state == SIO_CONNECTED;
    s->state = (uint8_t)state;
    if (was != is) {
        c->connected = (uint16_t)(c->connected + is - was);
        if (c->connected == is) {
            sio_conn_set_deadline(c);
        }
    }
}

void sio_begin_call(struct sio_conn *c)
{
    c->calls++;
}

void sio_end_call(struct sio_conn *c)
{
    c->calls--;
    sweep(c);
}

struct sio_socket *sio_try_add(struct sio_conn *c, struct str nsp)
{
    struct sio_socket *s = mem_try_alloc(sizeof(*s) + nsp.len);
    if (s) {
        c->sio->sockets_bytes += sizeof(*s) + nsp.len;
        s->conn = c;
        s->state = SIO_CONNECTING;
        s->nsp_len = (uint8_t)nsp.len;
        memcpy(s->nsp, nsp.p, nsp.len);
        s->next = c->sockets;
        c->sockets = s;
    }
    return s;
}

// ---- Out.

static void send_packet(struct sio_socket *s, struct socketio_packet *p, const struct str *attached)
{
    struct sio_conn *c = s->conn;
    struct buf b;
    if (c->over) {
        return;
    }
    p->nsp = sio_nsp(s);
    buf_init(&b, p->payload.raw.len + p->nsp.len + HEAD_BYTES_MAX);
    socketio_put(&b, p);
    if (b.failed) {
        sio_conn_end(c);
    } else {
        eio_send_text(c->transport, buf_str(&b));
        for (unsigned i = 0; i < p->attachments; i++) {
            eio_send_bytes(c->transport, attached[i]);
        }
    }
    buf_fini(&b);
}

// The members were put into `b`.
static void send_object(struct sio_socket *s, enum socketio_type type, const struct buf *b)
{
    struct socketio_packet p = {.type = type, .payload = {JSON_OBJECT, buf_str(b)}};
    if (b->failed) {
        sio_conn_end(s->conn);
    } else {
        send_packet(s, &p, NULL);
    }
}

void sio_accept(struct sio_socket *s, struct str sid, struct str pid)
{
    struct buf b;
    if (s->state != SIO_CONNECTING) {
        return;
    }
    buf_init(&b, JSON_BYTES_MAX(sid.len + pid.len) + HEAD_BYTES_MAX);
    buf_put(&b, STR("{\"sid\":"));
    buf_put_json(&b, sid);
    if (pid.p) {
        buf_put(&b, STR(",\"pid\":"));
        buf_put_json(&b, pid);
    }
    buf_putc(&b, '}');
    s->conn->refused = 0;
    sio_set_state(s, SIO_CONNECTED);
    send_object(s, SOCKETIO_CONNECT, &b);
    buf_fini(&b);
}

void sio_refuse(struct sio_socket *s, struct str message, struct str data)
{
    struct sio_conn *c = s->conn;
    struct buf b;
    if (s->state != SIO_CONNECTING) {
        return;
    }
    buf_init(&b, JSON_BYTES_MAX(message.len) + data.len + HEAD_BYTES_MAX);
    buf_put(&b, STR("{\"message\":"));
    buf_put_json(&b, message);
    if (data.p) {
        buf_put(&b, STR(",\"data\":"));
        buf_put(&b, data);
    }
    buf_putc(&b, '}');
    send_object(s, SOCKETIO_CONNECT_ERROR, &b);
    buf_fini(&b);
    sio_set_state(s, SIO_GONE);
    if (++c->refused > c->sio->cfg.limits->namespaces_max && !c->over) {
        sio_conn_end_for_limit(c, LIMIT_ROW_NAMESPACES);
    }
    sweep(c);
}

static void send_args(struct sio_socket *s, struct socketio_packet *p, const struct sio_emit *e)
{
    ASSERT(e->attached_count <= SOCKETIO_ATTACHMENTS_MAX);
    p->payload = (struct json_val){JSON_ARRAY, e->payload};
    p->attachments = e->attached_count;
    send_packet(s, p, e->attached);
}

void sio_emit(struct sio_socket *s, const struct sio_emit *e, uint64_t *ret_ack)
{
    struct socketio_packet p = {.type = SOCKETIO_EVENT, .has_id = e->wants_ack, .id = s->acks};
    ASSERT(s->state != SIO_CONNECTING);
    if (e->wants_ack) {
        s->acks++;
        s->asked = s->asked << 1 | 1;
        if (ret_ack) {
            *ret_ack = p.id;
        }
    }
    if (s->state == SIO_CONNECTED) {
        send_args(s, &p, e);
    }
}

void sio_ack(struct sio_socket *s, uint64_t ack, const struct sio_emit *args)
{
    struct socketio_packet p = {.type = SOCKETIO_ACK, .has_id = true, .id = ack};
    if (s->state == SIO_CONNECTED) {
        send_args(s, &p, args);
    }
}

void sio_send_run(struct sio_socket *s, struct rcbuf *run)
{
    if (s->state == SIO_CONNECTED && !s->conn->over) {
        eio_send_run(s->conn->transport, run);
    }
}

void sio_disconnect(struct sio_socket *s)
{
    struct socketio_packet p = {.type = SOCKETIO_DISCONNECT};
    ASSERT(s->state != SIO_CONNECTING);
    if (s->state == SIO_CONNECTED) {
        send_packet(s, &p, NULL);
        sio_set_state(s, SIO_LEFT);
    }
}
