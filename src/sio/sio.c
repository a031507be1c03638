// SPDX-License-Identifier: MIT
// Connections, and what comes in on them.
#include "sio/sio.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "sio/sio_int.h"

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

// ---- The connection.

static struct metrics *metrics_for(const struct sio_conn *c)
{
    return c->sio->cfg.transport.metrics;
}

void sio_conn_end(struct sio_conn *c)
{
    c->over = true;
    deadline_cancel(&c->deadline);
    eio_close(c->transport);
}

void sio_conn_end_for_limit(struct sio_conn *c, enum limit_row limit)
{
    metrics_hit(metrics_for(c), limit);
    sio_conn_end(c);
}

static void end_for_fault(struct sio_conn *c)
{
    metrics_add(metrics_for(c), METRIC_SOCKETIO_ERRORS, 1);
    sio_conn_end(c);
}

// Which time runs now?
void sio_conn_set_deadline(struct sio_conn *c)
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
    sio_conn_end_for_limit(CONTAINER_OF(d, struct sio_conn, deadline), LIMIT_ROW_NAMESPACE_MS);
}

static void on_incomplete(struct deadlines *q, struct deadline *d)
{
    (void)q;
    sio_conn_end_for_limit(CONTAINER_OF(d, struct sio_conn, deadline), LIMIT_ROW_ATTACHMENTS_MS);
}

// ---- In.

static void on_connect(struct sio_conn *c, const struct socketio_packet *p)
{
    const struct sio_config *cfg = &c->sio->cfg;
    struct sio_socket *s = sio_find(c, p->nsp);
    if (s && s->state != SIO_LEFT) {
        end_for_fault(c);
        return;
    }
    if (s) {
        sio_set_state(s, SIO_GONE);
    }
    if (sio_count(c) >= cfg->limits->namespaces_max) {
        sio_conn_end_for_limit(c, LIMIT_ROW_NAMESPACES);
        return;
    }
    s = sio_try_add(c, p->nsp);
    if (!s) {
        sio_conn_end(c);
        return;
    }
    sio_begin_call(c);
    cfg->app->on_connect(s, c->arg, &(struct sio_connect){.nsp = sio_nsp(s), .auth = p->payload},
                         &s->arg);
    sio_end_call(c);
}

static void leave(struct sio_socket *s)
{
    struct sio_conn *c = s->conn;
    bool known = s->state != SIO_LEFT;
    sio_set_state(s, SIO_GONE);
    sio_begin_call(c);
    if (known) {
        c->sio->cfg.app->on_disconnect(s, s->arg, true);
    }
    sio_end_call(c);
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
    arena_init(&arena, p->name.raw.len + 64);
    if (p->name.type == JSON_STRING) {
        e.name = json_string(p->name, &arena);
    }
    if (e.name.p) {
        sio_begin_call(c);
        c->sio->cfg.app->on_event(s, s->arg, &e);
        sio_end_call(c);
    } else {
        sio_conn_end(c);
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
    sio_begin_call(c);
    c->sio->cfg.app->on_ack(s, s->arg,
                            &(struct sio_event){.payload = p->payload,
                                                .attached = p->attached,
                                                .attached_count = p->attachments,
                                                .ack = p->id});
    sio_end_call(c);
}

static void on_packet(struct sio_conn *c, const struct socketio_packet *p)
{
    if (p->type == SOCKETIO_CONNECT) {
        on_connect(c, p);
        return;
    }
    struct sio_socket *s = sio_find(c, p->nsp);
    if (!s || p->type == SOCKETIO_CONNECT_ERROR) {
        end_for_fault(c);
    } else if (p->type == SOCKETIO_DISCONNECT) {
        leave(s);
    } else if (s->state == SIO_CONNECTING) {
        end_for_fault(c);
    } else if (s->state == SIO_CONNECTED && p->type == SOCKETIO_EVENT) {
        on_event(s, p);
    } else if (s->state == SIO_CONNECTED) {
        on_ack(s, p);
    }
}

// What the reader made of a message.
static void take(struct sio_conn *c, int rc, bool waited, const struct socketio_packet *p)
{
    if (rc == -E_AGAIN) {
        sio_conn_set_deadline(c);
    } else if (rc == -E_TOO_LARGE) {
        sio_conn_end_for_limit(c, LIMIT_ROW_ATTACHMENTS_BYTES);
    } else if (rc) {
        end_for_fault(c);
    } else {
        if (waited) {
            sio_conn_set_deadline(c);
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
    sio_conn_set_deadline(c);
    *ret_arg = c;
    return 0;
}

static void tell(struct sio_conn *c, void (*call)(struct sio_socket *s, void *arg))
{
    sio_begin_call(c);
    for (struct sio_socket *s = c->sockets; s && call; s = s->next) {
        if (s->state == SIO_CONNECTED) {
            call(s, s->arg);
        }
    }
    sio_end_call(c);
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
    sio_begin_call(c);
    for (struct sio_socket *s = c->sockets; s; s = s->next) {
        bool known = s->state == SIO_CONNECTING || s->state == SIO_CONNECTED;
        sio_set_state(s, SIO_GONE);
        if (known) {
            sio->cfg.app->on_disconnect(s, s->arg, false);
        }
    }
    sio_end_call(c);
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
