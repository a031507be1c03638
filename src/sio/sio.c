// SPDX-License-Identifier: MIT
// Connections, their namespaces, and what goes in and out of them.
#include "sio/sio.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/pool.h"
#include "net/deadline.h"
#include "net/metrics.h"

// What the head of a packet and the members of an answer to CONNECT need beside their texts.
#define HEAD_BYTES_MAX 128
// A character may be six in JSON.
#define JSON_BYTES_MAX(len) (6 * (len) + 2)

struct sio {
    struct sio_config cfg;
    struct eio *eio;
    struct pool conns;
    size_t sockets_bytes;
    struct deadlines lonely;     // connections without a namespace
    struct deadlines incomplete; // those that owe attachments
};

struct sio_conn {
    struct sio *sio;
    struct eio_socket *transport;
    void *arg;
    struct deadline deadline;
    struct socketio_reader reader;
    struct sio_socket *sockets;
    uint16_t connected, refused; // namespaces; `refused` since one was accepted
    uint16_t calls;              // of the app's, under way: no socket may be freed
    bool over;                   // closed by us: what still comes is not looked at
};

enum socket_state {
    CONNECTING,
    CONNECTED,
    LEFT, // by sio_disconnect: what comes may have been sent before the client knew
    GONE, // to be freed
};

struct sio_socket {
    struct sio_conn *conn;
    struct sio_socket *next;
    void *arg;
    uint64_t acks;  // asked for so far: the next one's number
    uint64_t asked; // bit n: the answer to number acks - 1 - n is awaited
    uint8_t state;
    uint8_t nsp_len;
    char nsp[];
};

struct sio_limits sio_limits_of(const struct limits *limits)
{
    return (struct sio_limits){
        .packets = {.depth_max = LIMIT_JSON_DEPTH,
                    .nsp_bytes_max = LIMIT_NAMESPACE_BYTES,
                    .attached_bytes_max = (size_t)LIMIT_OF(limits, ATTACHMENTS_BYTES)},
        .namespaces_max = (unsigned)LIMIT_OF(limits, NAMESPACES),
        .namespace_ms = LIMIT_OF(limits, NAMESPACE_MS),
        .attachments_ms = LIMIT_OF(limits, ATTACHMENTS_MS),
    };
}

struct str sio_nsp(const struct sio_socket *s)
{
    return str_make(s->nsp, s->nsp_len);
}

struct eio_socket *sio_transport(const struct sio_socket *s)
{
    return s->conn->transport;
}

static struct metrics *metrics_for(const struct sio_conn *c)
{
    return c->sio->cfg.transport.metrics;
}

// ---- The connection.

static void end(struct sio_conn *c)
{
    c->over = true;
    deadline_cancel(&c->deadline);
    eio_close(c->transport);
}

static void end_for_limit(struct sio_conn *c, enum limit_row limit)
{
    metrics_hit(metrics_for(c), limit);
    end(c);
}

static void end_for_fault(struct sio_conn *c)
{
    metrics_add(metrics_for(c), METRIC_SOCKETIO_ERRORS, 1);
    end(c);
}

// Which time runs now?
static void set_deadline(struct sio_conn *c)
{
    if (c->over) {
        return;
    }
    if (socketio_reader_waits(&c->reader)) {
        deadline_arm(&c->sio->incomplete, &c->deadline);
    } else if (c->connected > 0) {
        deadline_cancel(&c->deadline);
    } else {
        deadline_arm(&c->sio->lonely, &c->deadline);
    }
}

static void on_lonely(struct deadlines *q, struct deadline *d)
{
    (void)q;
    end_for_limit(CONTAINER_OF(d, struct sio_conn, deadline), LIMIT_ROW_NAMESPACE_MS);
}

static void on_incomplete(struct deadlines *q, struct deadline *d)
{
    (void)q;
    end_for_limit(CONTAINER_OF(d, struct sio_conn, deadline), LIMIT_ROW_ATTACHMENTS_MS);
}

// ---- Its namespaces.

static struct sio_socket *find(const struct sio_conn *c, struct str nsp)
{
    struct sio_socket *s = c->sockets;
    while (s && (s->state == GONE || !str_eq(sio_nsp(s), nsp))) {
        s = s->next;
    }
    return s;
}

static unsigned count(const struct sio_conn *c)
{
    unsigned n = 0;
    for (const struct sio_socket *s = c->sockets; s; s = s->next) {
        n += s->state != GONE;
    }
    return n;
}

static void sweep(struct sio_conn *c)
{
    struct sio_socket **at = &c->sockets;
    while (c->calls == 0 && *at) {
        struct sio_socket *s = *at;
        if (s->state == GONE) {
            *at = s->next;
            c->sio->sockets_bytes -= sizeof(*s) + s->nsp_len;
            mem_free(s);
        } else {
            at = &s->next;
        }
    }
}

static void set_state(struct sio_socket *s, enum socket_state state)
{
    struct sio_conn *c = s->conn;
    bool was = s->state == CONNECTED, is = state == CONNECTED;
    s->state = (uint8_t)state;
    if (was != is) {
        c->connected = (uint16_t)(c->connected + is - was);
        if (c->connected == is) {
            set_deadline(c);
        }
    }
}

static void begin_call(struct sio_conn *c)
{
    c->calls++;
}

static void end_call(struct sio_conn *c)
{
    c->calls--;
    sweep(c);
}

static struct sio_socket *add(struct sio_conn *c, struct str nsp)
{
    struct sio_socket *s = mem_try_alloc(sizeof(*s) + nsp.len);
    if (s) {
        c->sio->sockets_bytes += sizeof(*s) + nsp.len;
        s->conn = c;
        s->state = CONNECTING;
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
        end(c);
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
        end(s->conn);
    } else {
        send_packet(s, &p, NULL);
    }
}

void sio_accept(struct sio_socket *s, struct str sid, struct str pid)
{
    struct buf b;
    if (s->state != CONNECTING) {
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
    set_state(s, CONNECTED);
    send_object(s, SOCKETIO_CONNECT, &b);
    buf_fini(&b);
}

void sio_refuse(struct sio_socket *s, struct str message, struct str data)
{
    struct sio_conn *c = s->conn;
    struct buf b;
    if (s->state != CONNECTING) {
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
    set_state(s, GONE);
    if (++c->refused > c->sio->cfg.limits->namespaces_max && !c->over) {
        end_for_limit(c, LIMIT_ROW_NAMESPACES);
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
    ASSERT(s->state != CONNECTING);
    if (e->wants_ack) {
        s->acks++;
        s->asked = s->asked << 1 | 1;
        if (ret_ack) {
            *ret_ack = p.id;
        }
    }
    if (s->state == CONNECTED) {
        send_args(s, &p, e);
    }
}

void sio_ack(struct sio_socket *s, uint64_t ack, const struct sio_emit *args)
{
    struct socketio_packet p = {.type = SOCKETIO_ACK, .has_id = true, .id = ack};
    if (s->state == CONNECTED) {
        send_args(s, &p, args);
    }
}

void sio_send_run(struct sio_socket *s, struct rcbuf *run)
{
    if (s->state == CONNECTED && !s->conn->over) {
        eio_send_run(s->conn->transport, run);
    }
}

void sio_disconnect(struct sio_socket *s)
{
    struct socketio_packet p = {.type = SOCKETIO_DISCONNECT};
    ASSERT(s->state != CONNECTING);
    if (s->state == CONNECTED) {
        send_packet(s, &p, NULL);
        set_state(s, LEFT);
    }
}

// ---- In.

static void on_connect(struct sio_conn *c, const struct socketio_packet *p)
{
    const struct sio_config *cfg = &c->sio->cfg;
    struct sio_socket *s = find(c, p->nsp);
    if (s && s->state != LEFT) {
        end_for_fault(c);
        return;
    }
    if (s) {
        set_state(s, GONE);
        sweep(c);
    }
    if (count(c) >= cfg->limits->namespaces_max) {
        end_for_limit(c, LIMIT_ROW_NAMESPACES);
        return;
    }
    s = add(c, p->nsp);
    if (!s) {
        end(c);
        return;
    }
    begin_call(c);
    cfg->app->on_connect(s, c->arg, &(struct sio_connect){.nsp = sio_nsp(s), .auth = p->payload},
                         &s->arg);
    end_call(c);
}

static void leave(struct sio_socket *s)
{
    struct sio_conn *c = s->conn;
    bool known = s->state != LEFT;
    set_state(s, GONE);
    begin_call(c);
    if (known) {
        c->sio->cfg.app->on_disconnect(s, s->arg, true);
    }
    end_call(c);
}

static void on_event(struct sio_socket *s, const struct socketio_packet *p)
{
    struct sio_conn *c = s->conn;
    struct arena arena;
    struct sio_event e = {.name = p->name.raw,
                          .payload = p->payload,
                          .attached = p->attached,
                          .attached_count = p->attachments,
                          .wants_ack = p->has_id,
                          .ack = p->id};
    arena_init(&arena, p->name.raw.len + HEAD_BYTES_MAX);
    if (p->name.type == JSON_STRING) {
        e.name = json_string(p->name, &arena);
    }
    if (e.name.p) {
        begin_call(c);
        c->sio->cfg.app->on_event(s, s->arg, &e);
        end_call(c);
    } else {
        end(c);
    }
    arena_fini(&arena);
}

static void on_ack(struct sio_socket *s, const struct socketio_packet *p)
{
    struct sio_conn *c = s->conn;
    uint64_t back = s->acks - p->id; // 1: the latest; anything large: never asked for
    if (p->id >= s->acks || back > 64 || !(s->asked >> (back - 1) & 1)) {
        return;
    }
    s->asked &= ~(UINT64_C(1) << (back - 1));
    begin_call(c);
    c->sio->cfg.app->on_ack(s, s->arg,
                            &(struct sio_event){.payload = p->payload,
                                                .attached = p->attached,
                                                .attached_count = p->attachments,
                                                .ack = p->id});
    end_call(c);
}

static void on_packet(struct sio_conn *c, const struct socketio_packet *p)
{
    if (p->type == SOCKETIO_CONNECT) {
        on_connect(c, p);
        return;
    }
    struct sio_socket *s = find(c, p->nsp);
    if (!s || p->type == SOCKETIO_CONNECT_ERROR) {
        end_for_fault(c);
    } else if (p->type == SOCKETIO_DISCONNECT) {
        leave(s);
    } else if (s->state == CONNECTING) {
        end_for_fault(c);
    } else if (s->state == CONNECTED && p->type == SOCKETIO_EVENT) {
        on_event(s, p);
    } else if (s->state == CONNECTED) {
        on_ack(s, p);
    }
}

// What the reader made of a message.
static void take(struct sio_conn *c, int rc, bool waited, const struct socketio_packet *p)
{
    if (rc == -E_AGAIN) {
        set_deadline(c);
    } else if (rc == -E_TOO_LARGE) {
        end_for_limit(c, LIMIT_ROW_ATTACHMENTS_BYTES);
    } else if (rc) {
        end_for_fault(c);
    } else {
        if (waited) {
            set_deadline(c);
        }
        on_packet(c, p);
        socketio_reader_release(&c->reader);
    }
}

static void on_text(struct eio_socket *transport, void *arg, struct str text)
{
    struct sio_conn *c = arg;
    struct socketio_packet p;
    (void)transport;
    if (!c->over) {
        take(c, socketio_reader_text(&c->reader, text, &p), false, &p);
    }
}

static void on_bytes(struct eio_socket *transport, void *arg, struct str bytes)
{
    struct sio_conn *c = arg;
    struct socketio_packet p;
    (void)transport;
    if (!c->over) {
        take(c, socketio_reader_bytes(&c->reader, bytes, &p), true, &p);
    }
}

// ---- What befalls the transport.

static int on_open(struct eio_socket *transport, struct http_request *req, void *ctx,
                   void **ret_arg)
{
    struct sio *sio = ctx;
    struct sio_conn *c = pool_try_alloc(&sio->conns);
    if (!c) {
        return -E_NO_MEMORY;
    }
    int err = sio->cfg.app->on_open(sio->cfg.ctx, req, &c->arg);
    if (err) {
        pool_free(&sio->conns, c);
        return err;
    }
    c->sio = sio;
    c->transport = transport;
    socketio_reader_init(&c->reader, &sio->cfg.limits->packets);
    deadline_init(&c->deadline);
    set_deadline(c);
    *ret_arg = c;
    return 0;
}

static void tell(struct sio_conn *c, void (*call)(struct sio_socket *s, void *arg))
{
    begin_call(c);
    for (struct sio_socket *s = c->sockets; s && call; s = s->next) {
        if (s->state == CONNECTED) {
            call(s, s->arg);
        }
    }
    end_call(c);
}

static void on_blocked(struct eio_socket *transport, void *arg)
{
    struct sio_conn *c = arg;
    (void)transport;
    tell(c, c->sio->cfg.app->on_blocked);
}

static void on_room(struct eio_socket *transport, void *arg)
{
    struct sio_conn *c = arg;
    (void)transport;
    tell(c, c->sio->cfg.app->on_room);
}

static void on_upgraded(struct eio_socket *transport, void *arg)
{
    struct sio_conn *c = arg;
    (void)transport;
    tell(c, c->sio->cfg.app->on_upgraded);
}

static void on_close(struct eio_socket *transport, void *arg, enum eio_end why)
{
    struct sio_conn *c = arg;
    struct sio *sio = c->sio;
    (void)transport;
    (void)why;
    c->over = true;
    deadline_cancel(&c->deadline);
    begin_call(c);
    for (struct sio_socket *s = c->sockets; s; s = s->next) {
        bool known = s->state == CONNECTING || s->state == CONNECTED;
        set_state(s, GONE);
        if (known) {
            sio->cfg.app->on_disconnect(s, s->arg, false);
        }
    }
    end_call(c);
    sio->cfg.app->on_gone(c->arg);
    socketio_reader_fini(&c->reader);
    pool_free(&sio->conns, c);
}

// ---- The server.

static const struct eio_ops transport_ops = {
    .on_open = on_open,
    .on_text = on_text,
    .on_bytes = on_bytes,
    .on_blocked = on_blocked,
    .on_room = on_room,
    .on_upgraded = on_upgraded,
    .on_close = on_close,
};

struct sio *sio_new(const struct sio_config *cfg)
{
    struct sio *sio = mem_alloc(sizeof(*sio));
    ASSERT(cfg->limits->packets.nsp_bytes_max <= UINT8_MAX);
    sio->cfg = *cfg;
    sio->cfg.transport.ops = &transport_ops;
    sio->cfg.transport.ctx = sio;
    pool_init(&sio->conns, sizeof(struct sio_conn), NULL);
    deadlines_init(&sio->lonely, cfg->transport.loop, cfg->limits->namespace_ms, on_lonely);
    deadlines_init(&sio->incomplete, cfg->transport.loop, cfg->limits->attachments_ms,
                   on_incomplete);
    sio->eio = eio_new(&sio->cfg.transport);
    return sio;
}

void sio_free(struct sio *sio)
{
    if (sio) {
        eio_free(sio->eio);
        deadlines_fini(&sio->incomplete);
        deadlines_fini(&sio->lonely);
        pool_fini(&sio->conns);
        mem_free(sio);
    }
}

size_t sio_memory(const struct sio *sio)
{
    return pool_bytes(&sio->conns) + sio->sockets_bytes;
}

struct eio *sio_eio(struct sio *sio)
{
    return sio->eio;
}
