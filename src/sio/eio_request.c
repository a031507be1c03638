// SPDX-License-Identifier: MIT
// From a request of Engine.IO to its socket: sids, handshakes, refusals, routes.
#include "base/assert.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/rng.h"
#include "sio/eio_int.h"

enum {
    SID_BYTES = EIO_WORKER_BYTES + EIO_ID_BYTES,
    SID_CHARS = SID_BYTES / 3 * 4,
    V6_PREFIX_BYTES = 8,
};

// ---- Sids ----

static void put_sid(struct buf *b, const struct eio_socket *s)
{
    unsigned worker = s->eio->cfg.worker;
    uint8_t sid[SID_BYTES] = {(uint8_t)(worker >> 8), (uint8_t)worker};
    memcpy(sid + EIO_WORKER_BYTES, s->id, sizeof(s->id));
    base64url_put(b, sid, sizeof(sid));
}

static int read_sid(struct str text, uint8_t ret[static SID_BYTES])
{
    return text.len == SID_CHARS ? base64url_decode(text, ret) : -E_BAD_REQUEST;
}

static int worker_of(const uint8_t sid[static SID_BYTES])
{
    return sid[0] << 8 | sid[1];
}

static struct eio_socket *socket_of(struct eio *e, struct str text)
{
    uint8_t sid[SID_BYTES];
    if (!text.p || read_sid(text, sid) || (unsigned)worker_of(sid) != e->cfg.worker) {
        return NULL;
    }
    return map_get(&e->sids, str_make((const char *)sid + EIO_WORKER_BYTES, EIO_ID_BYTES));
}

// ---- Handshake ----

static bool take_place(struct eio_polling *p, struct http_request *req)
{
    const struct eio_config *cfg = &p->socket->eio->cfg;
    const struct net_addr *from = http_peer(req);
    if (!cfg->addresses || !from->family || net_blocks_contain(&cfg->exempt, from)) {
        return true;
    }
    char key[1 + V6_PREFIX_BYTES] = {(char)from->family};
    size_t len = from->family == 6 ? V6_PREFIX_BYTES : 4;
    memcpy(key + 1, from->bytes, len);
    struct quota_rule rule = {.places = {cfg->limits->sockets_per_address}};
    if (quotas_take(cfg->addresses, str_make(key, 1 + len), &rule, http_now(req).mono_ms,
                    &p->place) == QUOTA_TAKEN) {
        return true;
    }
    metrics_hit(cfg->metrics, LIMIT_ROW_EIO_POLLING_PER_ADDRESS);
    return false;
}

static void put_open(struct eio_socket *s)
{
    const struct eio_limits *l = s->eio->cfg.limits;
    struct buf sid;
    buf_init(&sid, SID_CHARS);
    put_sid(&sid, s);
    engineio_put_open(&s->polling->out,
                      &(struct engineio_handshake){.sid = buf_str(&sid),
                                                   .can_upgrade = !s->websocket,
                                                   .ping_interval_ms = l->ping_interval_ms,
                                                   .ping_timeout_ms = l->ping_timeout_ms,
                                                   .payload_bytes_max = l->payload_bytes_max});
    buf_fini(&sid);
}

// NULL without memory.
static struct eio_socket *socket_new(struct eio *e, const struct engineio_query *q)
{
    struct eio_socket *s = pool_try_alloc(&e->sockets);
    if (!s) {
        return NULL;
    }
    s->eio = e;
    struct eio_polling *p = s->polling = eio_polling_try_new(s);
    if (!p) {
        pool_free(&e->sockets, s);
        return NULL;
    }
    s->state = EIO_OPEN;
    s->websocket = q->transport == ENGINEIO_WEBSOCKET;
    s->base64 = q->base64;
    random_bytes(s->id, sizeof(s->id));
    deadline_init(&s->beat);
    put_open(s);
    if (p->out.failed || map_add(&e->sids, eio_id(s), s)) {
        eio_polling_free(p);
        pool_free(&e->sockets, s);
        return NULL;
    }
    return s;
}

static void reply_refused(struct http_request *req, int err)
{
    if (err == -E_FORBIDDEN) {
        eio_refuse(req, ENGINEIO_FORBIDDEN);
    } else {
        http_reply_error(req, err, NULL);
    }
}

static void shake_hands(struct eio *e, struct http_request *req, const struct engineio_query *q)
{
    struct eio_socket *s = e->draining ? NULL : socket_new(e, q);
    if (!s) {
        http_reply_error(req, e->draining ? -E_UNAVAILABLE : -E_NO_MEMORY, NULL);
        return;
    }
    int err = s->websocket || take_place(s->polling, req) ? 0 : -E_RATE_LIMITED;
    if (!err) {
        deadline_arm(&e->quiet, &s->beat);
        err = e->cfg.ops->on_open(s, req, e->cfg.ctx, &s->arg);
    }
    if (err) {
        reply_refused(req, err);
        eio_over(s);
    } else if (s->websocket) {
        eio_ws_open(s, req);
    } else {
        eio_hold(s, req);
    }
}

// ---- Requests ----

void eio_refuse(struct http_request *req, enum engineio_error err)
{
    struct buf body;
    buf_init(&body, 256);
    engineio_put_error(&body, err, STR_NONE);
    http_reply_json(req, engineio_error_status(err), buf_str(&body));
    buf_fini(&body);
}

// May this request go to the socket? The end that it has not fetched yet still may be.
static bool is_for(struct eio_socket *s, const struct engineio_request *r)
{
    if (s->state == EIO_OPEN && s->pinged && loop_now(s->eio->cfg.loop).mono_ms >= s->beat.due_ms) {
        eio_silent(s); // its timer comes later in this turn
    }
    bool parting = s->state != EIO_OPEN && s->why == EIO_END_SERVER && s->polling;
    return s->state == EIO_OPEN || (parting && r->get && !r->upgrade);
}

static bool find(struct eio *e, struct http_request *req, struct engineio_request *ret,
                 struct eio_socket **ret_socket)
{
    *ret = (struct engineio_request){.get = http_method(req) == HTTP1_GET,
                                     .upgrade = ws_is_asked(req)};
    engineio_read_query(http_query_all(req), &ret->query);
    struct eio_socket *s = socket_of(e, ret->query.sid);
    ret->known = s && is_for(s, ret);
    enum engineio_error err = engineio_check(ret);
    if (err == ENGINEIO_ERROR_NR && ret->known && !s->polling && !ret->upgrade) {
        err = ENGINEIO_BAD_REQUEST; // it is on WebSocket for good
    }
    if (err != ENGINEIO_ERROR_NR) {
        eio_refuse(req, err);
        return false;
    }
    *ret_socket = ret->known ? s : NULL;
    return true;
}

void eio_handle(struct eio *e, struct http_request *req)
{
    struct engineio_request r;
    struct eio_socket *s;
    if (!find(e, req, &r, &s)) {
        return;
    }
    if (!s) {
        shake_hands(e, req, &r.query);
    } else if (r.upgrade) {
        eio_ws_probe(s, req);
    } else if (r.get) {
        eio_poll(s, req);
    } else if (http_method(req) == HTTP1_POST) {
        eio_post(s, req);
    } else {
        http_header_add(req, "Allow", STR("GET, HEAD, POST, OPTIONS"));
        http_reply_error(req, -E_METHOD, NULL);
    }
}

static void handle(struct http_request *req, void *ctx)
{
    eio_handle(ctx, req);
}

static int owner(const struct http_request *req, void *ctx UNUSED)
{
    struct engineio_query q;
    uint8_t sid[SID_BYTES];
    engineio_read_query(http_query_all(req), &q);
    return q.sid.p && !read_sid(q.sid, sid) ? worker_of(sid) : -1;
}

static void begin(struct http_request *req, void *ctx)
{
    struct engineio_request r;
    struct eio_socket *s;
    if (find(ctx, req, &r, &s)) {
        eio_post_begin(s, req);
    }
}

void eio_add_routes(struct router *r, struct eio *e, const char *pattern,
                    bool (*when)(const struct http_request *req, void *ctx))
{
    static const enum http1_method methods[] = {HTTP1_GET, HTTP1_POST, HTTP1_PUT, HTTP1_DELETE,
                                                HTTP1_PATCH};
    struct route route = {.kind = ROUTE_UPGRADE,
                          .pattern = pattern,
                          .flags = ROUTE_PUBLIC | ROUTE_LASTING,
                          .owner = owner,
                          .handle = handle,
                          .ctx = e,
                          .when = when};
    router_add(r, &route);
    route.kind = ROUTE_HTTP;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        route.method = methods[i];
        route.begin = methods[i] == HTTP1_POST ? begin : NULL;
        router_add(r, &route);
    }
}
