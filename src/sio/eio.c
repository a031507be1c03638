// SPDX-License-Identifier: MIT
// The Engine.IO server: who there is, heartbeat, what is sent, how it ends. The states are drawn in
// eio_int.h.
#include "sio/eio.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "net/conn.h"
#include "sio/eio_int.h"

enum {
    // A ping that goes out so late is waited for from then on: this side stood still.
    LATE_MS = 100,
    KEPT_BYTES = 65536, // of a buffer, from one message to the next
};

struct eio_limits eio_limits_of(const struct limits *l)
{
    int64_t payload = LIMIT_OF(l, EIO_PAYLOAD_BYTES), body = LIMIT_OF(l, BODY_BYTES);
    return (struct eio_limits){
        .ping_interval_ms = LIMIT_OF(l, EIO_PING_MS),
        .ping_timeout_ms = LIMIT_OF(l, EIO_PONG_MS),
        .upgrade_timeout_ms = LIMIT_OF(l, EIO_UPGRADE_MS),
        .poll_gap_ms = LIMIT_OF(l, EIO_POLL_GAP_MS),
        .payload_bytes_max = (size_t)(payload < body ? payload : body),
        .packets_max = (unsigned)LIMIT_OF(l, EIO_PACKETS),
        .unsent_bytes_max = (size_t)LIMIT_OF(l, EIO_UNSENT_BYTES),
        .messages_per_second = (unsigned)LIMIT_OF(l, MESSAGES_PER_SECOND),
        .message_bytes_per_second = LIMIT_OF(l, MESSAGE_BYTES_PER_SECOND),
        .sockets_per_address = (unsigned)LIMIT_OF(l, EIO_POLLING_PER_ADDRESS),
    };
}

// ---- The end ----

void eio_over(struct eio_socket *s)
{
    s->state = EIO_OVER;
    list_del(&s->beat.node);
    map_del(&s->eio->sids, eio_id(s));
    eio_try_free(s);
}

void eio_try_free(struct eio_socket *s)
{
    struct eio_polling *p = s->polling;
    if (s->state != EIO_OVER || s->ws || (p && (p->probe || p->get || p->post))) {
        return;
    }
    if (p) {
        eio_polling_free(p);
    }
    pool_free(&s->eio->sockets, s);
}

static void later(struct eio *e)
{
    loop_task_defer(e->cfg.loop, &e->task);
}

void eio_work(struct eio_polling *p)
{
    struct eio *e = p->socket->eio;
    list_del(&p->due);
    list_push_back(&e->due, &p->due);
    later(e);
}

static int code_of(enum eio_end why)
{
    switch (why) {
    case EIO_END_CLIENT:
    case EIO_END_SERVER:
        break;
    case EIO_END_SILENT:
        return err_close_code(E_POLICY);
    case EIO_END_PROTOCOL:
        return err_close_code(E_PROTOCOL);
    }
    return 1000;
}

static void end_polling(struct eio_polling *p, enum eio_end why)
{
    struct eio_socket *s = p->socket;
    eio_polling_detach(p);
    if (p->probe) {
        ws_close(p->probe, 1000, "");
    }
    if (why == EIO_END_SERVER) {
        eio_polling_fold(p);
        if (!engineio_payload_put(&p->out, &(struct engineio_packet){.type = ENGINEIO_CLOSE})) {
            buf_clear(&p->out);
        }
        eio_work(p);
        return;
    }
    map_del(&s->eio->sids, eio_id(s));
    buf_fini(&p->out);
    rcbuf_unref(p->run);
    p->run = NULL;
    if (p->get) {
        eio_answer(p, why == EIO_END_CLIENT ? STR("6") : STR("1"));
    }
}

void eio_end(struct eio_socket *s, enum eio_end why)
{
    struct eio *e = s->eio;
    if (s->state != EIO_OPEN) {
        return;
    }
    s->state = EIO_ENDED;
    s->why = why;
    list_del(&s->beat.node);
    list_push_back(&e->ended, &s->beat.node);
    later(e);
    if (s->ws) {
        ws_close(s->ws, code_of(why), "");
    }
    if (s->polling) {
        end_polling(s->polling, why);
    } else {
        map_del(&e->sids, eio_id(s));
    }
}

// From now on the user does not know it. What was sent before eio_close may still wait for a poll.
static void tell_end(struct eio_socket *s)
{
    struct eio *e = s->eio;
    e->cfg.ops->on_close(s, s->arg, s->why);
    if (s->why == EIO_END_SERVER && s->polling && s->polling->out.len > 0) {
        s->state = EIO_PARTING;
        deadline_arm(&e->parting, &s->beat);
    } else {
        eio_over(s);
    }
}

static void on_parted(struct deadlines *q UNUSED, struct deadline *d)
{
    eio_over(CONTAINER_OF(d, struct eio_socket, beat));
}

static void end_turn_of(struct eio_polling *p)
{
    struct eio_socket *s = p->socket;
    eio_flush(p);
    if (p->tell_blocked) {
        p->tell_blocked = false;
        if (p->blocked && s->state == EIO_OPEN) {
            s->eio->cfg.ops->on_blocked(s, s->arg);
        }
    }
    if (s->state == EIO_PARTING && p->out.len == 0) {
        eio_over(s);
    }
}

static void on_task(struct loop_task *t)
{
    struct eio *e = CONTAINER_OF(t, struct eio, task);
    struct list *node;
    while ((node = list_pop_front(&e->due))) {
        end_turn_of(LIST_ENTRY(node, struct eio_polling, due));
    }
    while ((node = list_pop_front(&e->ended))) {
        tell_end(LIST_ENTRY(node, struct eio_socket, beat.node));
    }
    if (!list_empty(&e->due)) {
        later(e);
    }
}

// ---- Heartbeat ----

static void on_quiet(struct deadlines *q UNUSED, struct deadline *d)
{
    struct eio_socket *s = CONTAINER_OF(d, struct eio_socket, beat);
    int64_t now_ms = loop_now(s->eio->cfg.loop).mono_ms;
    s->pinged = true;
    deadline_arm_from(&s->eio->pinged, d, now_ms - d->due_ms > LATE_MS ? now_ms : d->due_ms);
    eio_put(s, &(struct engineio_packet){.type = ENGINEIO_PING});
}

void eio_silent(struct eio_socket *s)
{
    metrics_hit(s->eio->cfg.metrics, LIMIT_ROW_EIO_PONG_MS);
    eio_end(s, EIO_END_SILENT);
}

static void on_silence(struct deadlines *q UNUSED, struct deadline *d)
{
    eio_silent(CONTAINER_OF(d, struct eio_socket, beat));
}

static void on_pong(struct eio_socket *s)
{
    if (s->pinged) {
        s->pinged = false;
        deadline_arm(&s->eio->quiet, &s->beat);
    }
}

// ---- What comes ----

void eio_take(struct eio_socket *s, const struct engineio_packet *p)
{
    const struct eio_ops *ops = s->eio->cfg.ops;
    switch (p->type) {
    case ENGINEIO_MESSAGE:
        if (p->binary) {
            ops->on_bytes(s, s->arg, p->data);
        } else {
            ops->on_text(s, s->arg, p->data);
        }
        return;
    case ENGINEIO_PONG:
        on_pong(s);
        return;
    case ENGINEIO_CLOSE:
        eio_end(s, EIO_END_CLIENT);
        return;
    case ENGINEIO_PING: // it is the server who pings
        eio_end(s, EIO_END_PROTOCOL);
        return;
    case ENGINEIO_OPEN:
    case ENGINEIO_UPGRADE:
    case ENGINEIO_NOOP:
    case ENGINEIO_TYPES:
        return;
    }
}

// ---- What is sent ----

bool eio_room_for(struct eio_socket *s, size_t waiting, size_t len)
{
    if (waiting == 0 || waiting + len <= s->eio->cfg.limits->unsent_bytes_max) {
        return true;
    }
    metrics_hit(s->eio->cfg.metrics, LIMIT_ROW_EIO_UNSENT_BYTES);
    eio_end(s, EIO_END_PROTOCOL);
    return false;
}

void eio_put(struct eio_socket *s, const struct engineio_packet *p)
{
    if (s->state != EIO_OPEN) {
        return;
    }
    if (s->ws) {
        eio_ws_put(s, p);
    } else if (s->polling) {
        eio_polling_put(s->polling, p);
    }
}

void eio_send_text(struct eio_socket *s, struct str text)
{
    eio_put(s, &(struct engineio_packet){.type = ENGINEIO_MESSAGE, .data = text});
}

void eio_send_bytes(struct eio_socket *s, struct str bytes)
{
    eio_put(s, &(struct engineio_packet){.type = ENGINEIO_MESSAGE, .binary = true, .data = bytes});
}

void eio_send_run(struct eio_socket *s, struct rcbuf *run)
{
    if (s->state != EIO_OPEN) {
        return;
    }
    if (s->ws) {
        conn_send_run(ws_conn(s->ws), run);
    } else if (s->polling) {
        eio_polling_put_run(s->polling, run);
    }
}

bool eio_is_blocked(const struct eio_socket *s)
{
    if (s->state != EIO_OPEN) {
        return true;
    }
    return s->ws ? ws_is_blocked(s->ws) : s->polling && s->polling->blocked;
}

bool eio_is_websocket(const struct eio_socket *s)
{
    return s->websocket;
}

enum ws_class eio_class(const struct eio_socket *s)
{
    return s->websocket && s->ws ? ws_class(s->ws) : WS_CLASS_PLAIN;
}

bool eio_is_limited(const struct eio_socket *s)
{
    return s->limited;
}

struct http_request *eio_posted(const struct eio_socket *s)
{
    return s->polling && s->polling->taking ? s->polling->post : NULL;
}

void eio_close(struct eio_socket *s)
{
    eio_end(s, EIO_END_SERVER);
}

// ---- The server ----

struct eio *eio_new(const struct eio_config *cfg)
{
    const struct eio_limits *l = cfg->limits;
    struct eio *e = mem_alloc(sizeof(*e));
    struct hash_key key;
    ASSERT(cfg->worker < 1u << (8 * EIO_WORKER_BYTES));
    e->cfg = *cfg;
    random_bytes(&key, sizeof(key));
    map_init(&e->sids, &key);
    pool_init(&e->sockets, sizeof(struct eio_socket), NULL);
    pool_init(&e->pollings, sizeof(struct eio_polling), NULL);
    deadlines_init(&e->quiet, cfg->loop, l->ping_interval_ms, on_quiet);
    deadlines_init(&e->pinged, cfg->loop, l->ping_timeout_ms, on_silence);
    deadlines_init(&e->parting, cfg->loop, LIMIT_EIO_PARTING_MS, on_parted);
    deadlines_init(&e->paces, cfg->loop, l->poll_gap_ms, eio_pace_over);
    list_init(&e->due);
    list_init(&e->ended);
    loop_task_init(&e->task, on_task);
    buf_init(&e->frame, SIZE_MAX / 2);
    buf_init(&e->bytes, l->payload_bytes_max);
    eio_ws_init(e);
    return e;
}

void eio_free(struct eio *e)
{
    if (!e) {
        return;
    }
    LIST_FOREACH(node, &e->parting.members)
    {
        eio_over(LIST_ENTRY(node, struct eio_socket, beat.node));
    }
    ASSERT(pool_count(&e->sockets) == 0);
    loop_task_cancel(&e->task);
    deadlines_fini(&e->paces);
    deadlines_fini(&e->parting);
    deadlines_fini(&e->probes);
    deadlines_fini(&e->pinged);
    deadlines_fini(&e->quiet);
    pool_fini(&e->pollings);
    pool_fini(&e->sockets);
    map_fini(&e->sids);
    buf_fini(&e->bytes);
    buf_fini(&e->frame);
    mem_free(e);
}

void eio_drain(struct eio *e, int ws_code)
{
    struct eio_socket *s;
    e->draining = true;
    for (size_t i = 0; (s = map_next(&e->sids, &i));) {
        if (s->ws) {
            ws_close(s->ws, ws_code, "The hub is going away.");
        }
        eio_close(s);
    }
}

void eio_trim(struct buf *b)
{
    if (b->cap > KEPT_BYTES) {
        buf_fini(b);
    } else {
        buf_clear(b);
    }
}

size_t eio_sockets(const struct eio *e)
{
    return e->sids.count;
}

size_t eio_memory(const struct eio *e)
{
    return pool_bytes(&e->sockets) + pool_bytes(&e->pollings);
}
