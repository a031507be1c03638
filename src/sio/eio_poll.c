// SPDX-License-Identifier: MIT
// Polling: packets that wait for a GET, and those that come by POST.
#include "base/assert.h"
#include "base/err.h"
#include "sio/eio_int.h"

enum {
    FLOOD_FACTOR = 10,      // times the limit of a second that end a socket
    LARGEST_PER_SECOND = 4, // payloads of the largest size are within every limit of bytes
};

// ---- What waits ----

struct eio_polling *eio_polling_try_new(struct eio_socket *s)
{
    struct eio_polling *p = pool_try_alloc(&s->eio->pollings);
    if (p) {
        p->socket = s;
        list_init(&p->due);
        deadline_init(&p->deadline);
        deadline_init(&p->pace);
        buf_init(&p->out, SIZE_MAX / 2);
    }
    return p;
}

void eio_polling_free(struct eio_polling *p)
{
    struct eio *e = p->socket->eio;
    ASSERT(!p->get && !p->post && !p->probe);
    if (p->place) {
        quotas_give(e->cfg.addresses, p->place, 0);
    }
    list_del(&p->due);
    deadline_cancel(&p->deadline);
    deadline_cancel(&p->pace);
    buf_fini(&p->out);
    rcbuf_unref(p->run);
    p->socket->polling = NULL;
    pool_free(&e->pollings, p);
}

static size_t run_bytes(const struct eio_polling *p)
{
    return p->run ? rcbuf_str(p->run).len : 0;
}

void eio_polling_fold(struct eio_polling *p)
{
    if (p->run) {
        buf_put(&p->out, str_from(rcbuf_str(p->run), p->out.len == 0));
        rcbuf_unref(p->run);
        p->run = NULL;
    }
}

void eio_polling_put(struct eio_polling *p, const struct engineio_packet *packet)
{
    if (!eio_room_for(p->socket, p->out.len + run_bytes(p), engineio_packet_bytes(packet))) {
        return;
    }
    eio_polling_fold(p);
    if (!engineio_payload_put(&p->out, packet)) {
        eio_end(p->socket, EIO_END_PROTOCOL);
    } else if (p->get) {
        eio_work(p);
    }
}

void eio_polling_put_run(struct eio_polling *p, struct rcbuf *run)
{
    struct str packets = rcbuf_str(run);
    ASSERT(packets.len > 1 && packets.p[0] == ENGINEIO_SEPARATOR);
    if (!eio_room_for(p->socket, p->out.len + run_bytes(p), packets.len)) {
        return;
    }
    eio_polling_fold(p);
    p->run = rcbuf_ref(run);
    eio_flush(p);
    // One at a time: either it waits for a poll, or it went just now.
    p->blocked = true;
    p->tell_blocked = true;
    eio_work(p);
}

// ---- GET ----

void eio_answer(struct eio_polling *p, struct str body)
{
    struct http_request *req = p->get;
    p->get = NULL;
    http_reply(req, 200, "text/plain; charset=UTF-8", body);
    http_request_unref(req);
}

void eio_flush(struct eio_polling *p)
{
    if (!p->get || !http_is_open(p->get)) {
        return; // the next, or nobody: on_poll_gone comes
    }
    if (p->out.len == 0 && p->run) {
        if (deadline_armed(&p->pace)) {
            return;
        }
        eio_answer(p, str_from(rcbuf_str(p->run), 1));
        rcbuf_unref(p->run);
        p->run = NULL;
        deadline_arm(&p->socket->eio->paces, &p->pace);
    } else if (p->out.len > 0) {
        eio_polling_fold(p);
        if (p->out.failed) {
            eio_end(p->socket, EIO_END_PROTOCOL);
            return;
        }
        eio_answer(p, buf_str(&p->out));
        buf_fini(&p->out);
    } else if (p->probed) {
        eio_answer(p, STR("6"));
    }
}

// There is a poll, and it is time for the next run: the one that waits, or what the user has.
static void make_room(struct eio_polling *p)
{
    struct eio_socket *s = p->socket;
    eio_flush(p);
    if (p->blocked && !p->run && !deadline_armed(&p->pace) && s->state == EIO_OPEN) {
        p->blocked = false;
        s->eio->cfg.ops->on_room(s, s->arg);
    }
}

void eio_pace_over(struct deadlines *q UNUSED, struct deadline *d)
{
    struct eio_polling *p = CONTAINER_OF(d, struct eio_polling, pace);
    if (p->get) {
        make_room(p);
    }
}

// The client has gone away, and with it what was to be its answer.
static void on_poll_gone(struct http_request *req, void *arg)
{
    struct eio_polling *p = arg;
    struct eio_socket *s = p->socket;
    ASSERT(p->get == req);
    p->get = NULL;
    http_request_unref(req);
    eio_end(s, EIO_END_CLIENT);
    eio_try_free(s);
}

void eio_hold(struct eio_socket *s, struct http_request *req)
{
    static const struct http_request_ops ops = {.on_abort = on_poll_gone};
    struct eio_polling *p = s->polling;
    ASSERT(!p->get);
    p->get = http_request_ref(req);
    http_request_watch(req, &ops, p);
    eio_work(p);
}

void eio_poll(struct eio_socket *s, struct http_request *req)
{
    struct eio_polling *p = s->polling;
    if (p->get) {
        // Two at once. Or it was broken off, and that will be told at the end of this turn.
        bool alive = http_is_open(p->get);
        eio_end(s, alive ? EIO_END_PROTOCOL : EIO_END_CLIENT);
        eio_refuse(req, alive ? ENGINEIO_BAD_REQUEST : ENGINEIO_SID_UNKNOWN);
        return;
    }
    eio_hold(s, req);
    if (p->blocked) {
        make_room(p);
    }
}

// ---- POST ----

void eio_polling_detach(struct eio_polling *p)
{
    static const struct http_request_ops none;
    struct http_request *req = p->post;
    if (req) {
        p->post = NULL;
        http_request_watch(req, &none, NULL);
        http_request_unref(req);
    }
}

// Its body will not be whole.
static void on_post_gone(struct http_request *req UNUSED, void *arg)
{
    struct eio_polling *p = arg;
    struct eio_socket *s = p->socket;
    eio_polling_detach(p);
    eio_try_free(s);
}

static bool is_octets(const struct http_request *req)
{
    struct str rest = http_header(req, "Content-Type");
    return rest.p && str_eq_nocase(str_trim(str_cut(&rest, ';')), STR("application/octet-stream"));
}

static void refuse_post(struct eio_socket *s, struct http_request *req)
{
    eio_end(s, EIO_END_PROTOCOL);
    http_reply_empty(req, 400);
}

static bool is_too_large(struct eio_socket *s, struct http_request *req, uint64_t bytes)
{
    if (bytes <= s->eio->cfg.limits->payload_bytes_max) {
        return false;
    }
    metrics_hit(s->eio->cfg.metrics, LIMIT_ROW_EIO_PAYLOAD_BYTES);
    http_reply_empty(req, 413);
    return true;
}

void eio_post_begin(struct eio_socket *s, struct http_request *req)
{
    static const struct http_request_ops ops = {.on_abort = on_post_gone};
    struct eio_polling *p = s->polling;
    const struct http1_head *head = http_head(req);
    if (p->post || is_octets(req)) {
        refuse_post(s, req);
    } else if (head->framing != HTTP1_LENGTH || !is_too_large(s, req, head->content_length)) {
        p->post = http_request_ref(req);
        http_request_watch(req, &ops, p);
    }
}

// How many times the limit, in messages or bytes, there were in this second before: 0 is within.
static unsigned over_limit(struct eio_polling *p, size_t bytes)
{
    const struct eio_limits *l = p->socket->eio->cfg.limits;
    uint32_t now_ms = (uint32_t)loop_now(p->socket->eio->cfg.loop).mono_ms;
    if (now_ms - p->second_ms >= 1000) {
        p->second_ms = now_ms;
        p->messages = 0;
        p->message_bytes = 0;
    }
    uint64_t bytes_max = (uint64_t)l->message_bytes_per_second;
    uint64_t largest = (uint64_t)l->payload_bytes_max * LARGEST_PER_SECOND;
    bytes_max = bytes_max > largest ? bytes_max : largest;
    unsigned over = l->messages_per_second ? p->messages / l->messages_per_second : 0;
    unsigned over_bytes =
        l->message_bytes_per_second ? (unsigned)(p->message_bytes / bytes_max) : 0;
    p->messages++;
    p->message_bytes += bytes;
    if (over || over_bytes) {
        metrics_hit(p->socket->eio->cfg.metrics,
                    over ? LIMIT_ROW_MESSAGES_PER_SECOND : LIMIT_ROW_MESSAGE_BYTES_PER_SECOND);
    }
    return over > over_bytes ? over : over_bytes;
}

// False: the payload is broken, or there is far too much of it.
static bool take_payload(struct eio_socket *s, struct str body)
{
    const struct eio_limits *l = s->eio->cfg.limits;
    struct engineio_payload payload;
    struct engineio_packet packet;
    int err = 0;
    engineio_payload_init(&payload, body, l->packets_max);
    while (s->state == EIO_OPEN && !(err = engineio_payload_next(&payload, &packet))) {
        unsigned over = over_limit(s->polling, packet.data.len);
        if (over >= FLOOD_FACTOR) {
            err = -E_RATE_LIMITED;
            break;
        }
        s->limited = over > 0;
        eio_take(s, &packet);
        s->limited = false;
    }
    engineio_payload_fini(&payload);
    if (err == -E_POLICY) {
        metrics_hit(s->eio->cfg.metrics, LIMIT_ROW_EIO_PACKETS);
    }
    return !err || err == -E_AGAIN;
}

void eio_post(struct eio_socket *s, struct http_request *req)
{
    struct eio_polling *p = s->polling;
    if (p->post != req) { // it has no body, or another's is under way
        refuse_post(s, req);
        return;
    }
    if (is_too_large(s, req, http_body(req).len)) {
        eio_polling_detach(p);
        return;
    }
    p->taking = true;
    bool fine = take_payload(s, http_body(req)) && s->why != EIO_END_PROTOCOL;
    p->taking = false;
    eio_polling_detach(p);
    if (fine) {
        http_reply(req, 200, "text/html", STR("ok"));
    } else {
        refuse_post(s, req);
    }
}
