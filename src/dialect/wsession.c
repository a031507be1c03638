// SPDX-License-Identifier: MIT
// WebSocket and session, tied together.
#include "dialect/wsession.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "dialect/pass.h"
#include "dialect/place.h"
#include "dialect/twins.h"
#include "hub/audit.h"
#include "hub/realm.h"
#include "net/conn.h"
#include "net/metrics.h"
#include "wire/ws_handshake.h"

#define MESSAGE_BYTES_MAX ((size_t)2 * LIMIT_BODY_BYTES) // of one message out that is no event
#define REF_BYTES_MAX     256                            // it comes back on every answer
#define CLOSE_OVERLOAD    1013

// --- life ---

struct wsession *wsession_ref(struct wsession *w)
{
    w->refs++;
    return w;
}

void wsession_unref(struct wsession *w)
{
    ASSERT(w->refs > 0);
    if (--w->refs == 0) {
        place_give(w->hub, w->place);
        w->ops->free(w);
    }
}

static void on_closed(struct ws *ws, void *arg, int code)
{
    (void)code;
    struct wsession *w = arg;
    metrics_add(ws_metrics(ws), METRIC_CLIENTS, -1);
    struct session *s = w->session;
    pass_free(w->pass);
    w->pass = NULL;
    w->ws = NULL;
    w->session = NULL;
    session_free(s);
    if (w->ops->closed) {
        w->ops->closed(w);
    }
    wsession_unref(w);
}

static void on_blocked(struct ws *ws, void *arg)
{
    (void)ws;
    struct wsession *w = arg;
    session_hold(w->session);
}

static void on_drained(struct ws *ws, void *arg)
{
    (void)ws;
    struct wsession *w = arg;
    if (!w->held) {
        session_writable(w->session);
    }
    if (w->ops->drained) {
        w->ops->drained(w);
    }
}

static void on_text(struct ws *ws, void *arg, struct str text);
static void on_limited(struct ws *ws, void *arg, struct str text, bool binary);

static const struct ws_ops socket_ops = {
    .on_text = on_text,
    .on_limited = on_limited,
    .on_blocked = on_blocked,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

// --- its right to be here ---

static struct pass_holder look(void *holder)
{
    struct wsession *w = holder;
    return (struct pass_holder){.hub = w->hub,
                                .session = w->session,
                                .loop = w->ws ? ws_loop(w->ws) : NULL,
                                .pass = &w->pass,
                                .refreshing = &w->refreshing};
}

static void say_message(void *holder, const char *type, struct str data)
{
    struct buf b;
    if (!data.p) {
        wsession_out_of_memory(holder);
        return;
    }
    buf_init(&b, MESSAGE_BYTES_MAX);
    buf_putf(&b, "{\"type\":\"%s\",\"data\":", type);
    buf_put(&b, data);
    buf_putc(&b, '}');
    wsession_send(holder, &b);
    buf_fini(&b);
}

static void end_socket(void *holder, int code, const char *why)
{
    struct wsession *w = holder;
    ws_close(w->ws, code, why);
}

static void on_refreshed(void *holder, int err, const char *text, struct str data, void *ref);

static const struct pass_ops pass_ops = {
    .look = look, .say = say_message, .end = end_socket, .refreshed = on_refreshed};

void wsession_on_end(void *sink, enum session_end why)
{
    struct wsession *w = sink;
    if (w->ws && ws_is_open(w->ws)) {
        pass_end(&pass_ops, w, why);
    }
}

// A browser drops the connection unless one of those it offers is chosen.
static struct str choose_protocol(const struct http_request *req)
{
    struct str chosen = STR_NONE, item;
    for (struct http1_list it = ws_offered(req); http1_list_next(&it, &item);) {
        if (str_is(item, "clairon.v1")) {
            return item;
        }
        if (!chosen.p && str_starts(item, STR("bearer."))) {
            chosen = item;
        }
    }
    return chosen;
}

bool wsession_open_take(struct wsession *w, struct http_request *req, struct hub_worker *hub,
                        const struct wsession_ops *ops)
{
    w->ops = ops;
    w->hub = hub;
    w->refs = 1;
    int err = place_take(hub, req, &w->place);
    const struct sink_variant *variant = twin_of(hub->twins, ops->variant, ws_offered_class(req));
    w->session = err ? NULL : session_new(hub->fanout, http_principal(req), variant, w);
    if (!w->session) {
        http_reply_error(req, err ? err : -E_NO_MEMORY, NULL);
        wsession_unref(w);
        return false;
    }
    struct net_addr peer = *http_peer(req);
    if (!ws_upgrade(req, choose_protocol(req), &socket_ops, w, &w->ws)) {
        session_free(w->session);
        w->session = NULL;
        wsession_unref(w);
        return false;
    }
    w->peer = peer;
    w->since_s = (uint32_t)(wsession_wall_ms(w) / 1000);
    session_set_port(w->session, ws_conn(w->ws));
    metrics_add(ws_metrics(w->ws), METRIC_CLIENTS, 1);
    if (!pass_new(&pass_ops, w)) {
        wsession_out_of_memory(w);
    }
    audit_login(hub->audit, w->session);
    return true;
}

void wsession_about(const void *sink, struct sink_about *ret)
{
    static const char *const names[] = {[VARIANT_NATIVE] = "native",
                                        [VARIANT_DEPLOYMENT] = "deployment",
                                        [VARIANT_TICKET] = "ticket",
                                        [VARIANT_TICKETS] = "tickets"};
    const struct wsession *w = sink;
    *ret = (struct sink_about){.dialect = names[w->ops->variant->number],
                               .since_wall_ms = (int64_t)w->since_s * 1000};
    (void)net_addr_text(&w->peer, ret->address);
}

int64_t wsession_wall_ms(const struct wsession *w)
{
    return loop_now(ws_loop(w->ws)).wall_ms;
}

uint64_t wsession_epoch(const struct wsession *w)
{
    return w->hub->realm->epoch;
}

// --- out ---

void wsession_out_of_memory(struct wsession *w)
{
    if (w->ws) {
        ws_close(w->ws, CLOSE_OVERLOAD, "out of memory");
    }
}

void wsession_send(struct wsession *w, const struct buf *message)
{
    if (!w->ws) {
        return;
    }
    if (message->failed) {
        wsession_out_of_memory(w);
        return;
    }
    ws_send_text(w->ws, buf_str(message));
}

void wsession_send_frames(struct wsession *w, const struct frames *f)
{
    if (!w->ws) {
        return;
    }
    struct rcbuf *frames = frames_failed(f) ? NULL : rcbuf_try_new(buf_str(&f->out));
    if (!frames) {
        wsession_out_of_memory(w);
        return;
    }
    if (rcbuf_str(frames).len > 0) {
        ws_send_frames(w->ws, frames);
    }
    rcbuf_unref(frames);
}

// Closes the message, which lacks its last brace, and sends it.
static void send_with_ref(struct wsession *w, struct buf *b, struct str ref)
{
    if (ref.p) {
        buf_put(b, STR(",\"ref\":"));
        buf_put(b, ref);
    }
    buf_putc(b, '}');
    wsession_send(w, b);
    buf_fini(b);
}

void wsession_refuse(struct wsession *w, const struct wrefusal *r)
{
    struct buf b;
    if (w->ws) {
        metrics_add(ws_metrics(w->ws), METRIC_WS_REFUSED, 1);
    }
    buf_init(&b, MESSAGE_BYTES_MAX);
    buf_put(&b, STR("{\"type\":\"WEBSOCKET_ERROR\",\"data\":{\"code\":"));
    buf_put_json(&b, str_of(err_code(r->err)));
    flat_put_text(&b, "message", str_of(r->text && r->text[0] ? r->text : err_text(r->err)));
    buf_putc(&b, '}');
    if (r->topic.p) {
        flat_put_text(&b, "topic", r->topic);
    }
    send_with_ref(w, &b, r->ref);
}

bool wsession_has_room(struct wsession *w)
{
    if (!w->ws || !ws_is_open(w->ws)) {
        return false; // for good
    }
    if (ws_is_blocked(w->ws) || ws_unsent_bytes(w->ws) > LIMIT_RUN_BYTES) {
        ws_want_drained(w->ws);
        return false;
    }
    return true;
}

void wsession_send_run(void *port, struct rcbuf *run)
{
    if (run) {
        conn_send_run(port, run);
    } else {
        conn_close(port);
    }
}

void wsession_make_room(struct wsession *w)
{
    if (w->session && !wsession_has_room(w)) {
        session_hold(w->session);
    }
}

void wsession_hold(struct wsession *w)
{
    w->held = true;
    session_hold(w->session);
}

void wsession_release(struct wsession *w)
{
    w->held = false;
    if (w->session && wsession_has_room(w)) {
        session_writable(w->session);
    }
}

// --- in ---

static void refuse_message(struct wsession *w, int err, const char *text, struct str ref)
{
    wsession_refuse(w, &(struct wrefusal){.err = err, .text = text, .ref = ref});
}

static void send_pong(struct wsession *w, struct str ref)
{
    struct buf b;
    buf_init(&b, MESSAGE_BYTES_MAX);
    buf_put(&b, STR("{\"type\":\"pong\""));
    if (w->ops->pong_cursor) {
        flat_put_cursor(&b, "cursor", wsession_epoch(w), session_position(w->session));
    }
    send_with_ref(w, &b, ref);
}

static void send_websocket_pong(struct wsession *w, struct str ref)
{
    struct buf b;
    buf_init(&b, MESSAGE_BYTES_MAX);
    buf_put(&b, STR("{\"type\":\"WEBSOCKET_PONG\",\"data\":{\"timestamp\":\""));
    buf_put_time(&b, wsession_wall_ms(w));
    buf_put(&b, STR("\"}"));
    send_with_ref(w, &b, ref);
}

static void on_refreshed(void *holder, int err, const char *text, struct str data, void *ref)
{
    struct wsession *w = holder;
    char *told = ref;
    if (err) {
        refuse_message(w, err, text, str_of(told));
    } else {
        struct buf b;
        buf_init(&b, MESSAGE_BYTES_MAX);
        buf_put(&b, STR("{\"type\":\"AUTH_TOKEN_REFRESH\",\"data\":"));
        buf_put(&b, data);
        send_with_ref(w, &b, str_of(told));
    }
    mem_free(told);
    wsession_unref(w);
}

static void refresh(struct wsession *w, const struct wmessage *m)
{
    struct json_val token = json_get(json_get(m->object, "data"), "token");
    if (w->hub->checker && token.type != JSON_STRING) {
        refuse_message(w, -E_BAD_REQUEST, "`data.token` must be a string: the new token.", m->ref);
        return;
    }
    struct str text = token.type == JSON_STRING ? json_string(token, m->arena) : STR("");
    char *ref = m->ref.p ? mem_try_strdup(m->ref) : NULL;
    if (!text.p || (m->ref.p && !ref)) {
        mem_free(ref);
        refuse_message(w, -E_NO_MEMORY, NULL, m->ref);
        return;
    }
    pass_refresh_take(&pass_ops, wsession_ref(w), text, ref);
}

// `ref` without white space, in the arena. False: refused.
static bool read_ref(struct wsession *w, struct wmessage *m)
{
    struct json_val ref = json_get(m->object, "ref");
    if (ref.type == JSON_NONE) {
        return true;
    }
    struct buf b;
    buf_init(&b, REF_BYTES_MAX);
    json_put_minified(&b, ref);
    bool fits = !b.failed;
    m->ref = fits ? arena_try_copy(m->arena, buf_str(&b)) : STR_NONE;
    buf_fini(&b);
    if (!m->ref.p) {
        refuse_message(w, -E_BAD_REQUEST, "`ref` is longer than 256 bytes.", STR_NONE);
        return false;
    }
    return true;
}

static void take_message(struct wsession *w, struct wmessage *m)
{
    if (!read_ref(w, m)) {
        return;
    }
    struct json_val type = json_get(m->object, "type");
    if (type.type == JSON_STRING) {
        m->type = json_string(type, m->arena);
        if (!m->type.p) {
            refuse_message(w, -E_NO_MEMORY, NULL, m->ref);
            return;
        }
    } else if (type.type != JSON_NONE) {
        refuse_message(w, -E_UNKNOWN_TYPE, "`type` must be a string.", m->ref);
        return;
    }
    if (m->type.p && str_is(m->type, "ping")) {
        send_pong(w, m->ref);
    } else if (m->type.p && str_is(m->type, "WEBSOCKET_PING")) {
        send_websocket_pong(w, m->ref);
    } else if (m->type.p && str_is(m->type, "AUTH_TOKEN_REFRESH")) {
        refresh(w, m);
    } else if (m->type.p && str_is(m->type, "WEBSOCKET_PONG")) {
        return; // an answer; the socket's own pings need none
    } else {
        w->ops->message(w, m);
    }
}

static void refuse_json(struct wsession *w, size_t offset)
{
    char text[96];
    (void)snprintf(text, sizeof(text),
                   "The message is not JSON, or nested deeper than %d levels, at byte %zu.",
                   LIMIT_JSON_DEPTH, offset);
    refuse_message(w, -E_BAD_JSON, text, STR_NONE);
}

static void on_text(struct ws *ws, void *arg, struct str text)
{
    (void)ws;
    struct wsession *w = arg;
    struct arena arena;
    struct wmessage m = {.arena = &arena};
    size_t offset;
    if (str_is(text, "ping")) {
        send_pong(w, STR_NONE);
        return;
    }
    if (json_parse(text, LIMIT_JSON_DEPTH, &m.object, &offset) != 0) {
        refuse_json(w, offset);
        return;
    }
    if (m.object.type != JSON_OBJECT) {
        refuse_message(w, -E_UNKNOWN_TYPE, "A message is a JSON object with a `type`, or `ping`.",
                       STR_NONE);
        return;
    }
    arena_init(&arena, (size_t)4 * LIMIT_MESSAGE_BYTES);
    take_message(w, &m);
    arena_fini(&arena);
}

static void on_limited(struct ws *ws, void *arg, struct str text, bool binary UNUSED)
{
    (void)ws;
    struct wsession *w = arg;
    struct arena arena;
    struct wmessage m = {.arena = &arena};
    size_t offset;
    arena_init(&arena, LIMIT_MESSAGE_BYTES);
    bool object =
        json_parse(text, LIMIT_JSON_DEPTH, &m.object, &offset) == 0 && m.object.type == JSON_OBJECT;
    if (!object || read_ref(w, &m)) {
        char why[96];
        (void)snprintf(why, sizeof(why),
                       "More than %d messages in a second: this one was not taken.",
                       LIMIT_MESSAGES_PER_SECOND);
        refuse_message(w, -E_RATE_LIMITED, why, m.ref);
    }
    arena_fini(&arena);
}
