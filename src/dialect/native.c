// SPDX-License-Identifier: MIT
// Native connections: their opening, and what the session tells them.
#include "dialect/native.h"

#include "base/err.h"
#include "base/mem.h"
#include "dialect/asked.h"
#include "dialect/native_view.h"
#include "hub/history.h"
#include "hub/presence.h"
#include "hub/realm.h"

#define WAITING_MAX LIMIT_TOPICS_PER_SESSION

// An answer that waits for the end of brackets.
struct native_waiting {
    struct native_waiting *next;
    unsigned brackets; // so many must be over before it
    struct rcbuf *frames;
};

// --- answers in turn ---

static void waiting_free(struct native_waiting *a)
{
    rcbuf_unref(a->frames);
    mem_free(a);
}

bool native_send_in_turn(struct native *n, const struct frames *f)
{
    if (n->brackets == 0) {
        wsession_send_frames(&n->base, f);
        return true;
    }
    struct native_waiting **last = &n->waiting;
    unsigned count = 0;
    for (; *last; last = &(*last)->next) {
        count++;
    }
    if (count == WAITING_MAX) {
        return false;
    }
    struct native_waiting *a = mem_try_alloc(sizeof(*a));
    struct rcbuf *frames = frames_failed(f) ? NULL : rcbuf_try_new(buf_str(&f->out));
    if (!a || !frames) {
        mem_free(a);
        rcbuf_unref(frames);
        return false;
    }
    a->brackets = n->brackets;
    a->frames = frames;
    *last = a;
    return true;
}

// A bracket is over.
static void send_waiting(struct native *n)
{
    for (struct native_waiting *a = n->waiting; a; a = a->next) {
        a->brackets--;
    }
    while (n->waiting && n->waiting->brackets == 0) {
        struct native_waiting *a = n->waiting;
        n->waiting = a->next;
        if (n->base.ws) {
            ws_send_frames(n->base.ws, a->frames);
        }
        waiting_free(a);
    }
}

// --- the sink ---

static void bracket_free(struct native_bracket *told)
{
    mem_free(told->ref);
    mem_free(told->event);
    mem_free(told);
}

bool native_subscribe(struct native *n, const struct session_subscribe *sub,
                      const struct native_bracket *told)
{
    struct native_bracket *kept = mem_try_alloc(sizeof(*kept));
    if (!kept) {
        return false;
    }
    kept->quiet = told->quiet;
    kept->presence = told->presence;
    kept->ref = told->ref ? mem_try_strdup(str_of(told->ref)) : NULL;
    kept->event = told->event ? mem_try_strdup(str_of(told->event)) : NULL;
    struct session_subscribe own = *sub;
    own.ref = kept;
    bool copied = (kept->ref || !told->ref) && (kept->event || !told->event);
    if (!copied || session_subscribe(n->base.session, &own) != 0) {
        bracket_free(kept);
        return false;
    }
    n->brackets++;
    return true;
}

static struct native_answer answer_about(const struct native *n, struct str topic,
                                         const struct native_bracket *told)
{
    struct native_answer a = {
        .topic = topic, .ref = str_of(told->ref), .epoch = wsession_epoch(&n->base)};
    const struct str prefix = STR("event:");
    struct str event = str_of(told->event);
    if (event.p && str_starts(topic, prefix) && str_eq(str_from(topic, prefix.len), event)) {
        a.event = event;
    }
    return a;
}

static void tell(struct native *n, const struct native_answer *a,
                 void (*put)(struct buf *b, const struct native_answer *a))
{
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    put(&b, a);
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    const struct native_bracket *told = ref;
    if (!told->quiet) {
        struct native_answer a = answer_about(sink, topic, told);
        a.cursor = cursor;
        a.recovered = recovered;
        tell(sink, &a, native_put_subscribed);
    }
}

static void watch(struct native *n, struct str topic, struct str ref)
{
    int err = presence_watch(n->base.hub->presence, n->base.session, topic, ref);
    if (err) {
        wsession_refuse(&n->base, &(struct wrefusal){.err = err, .topic = topic, .ref = ref});
    }
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    const struct native_bracket *told = ref;
    if (!told->quiet) {
        struct native_answer a = answer_about(sink, topic, told);
        a.cursor = cursor;
        tell(sink, &a, native_put_caught_up);
    }
    if (told->presence) {
        watch(sink, topic, str_of(told->ref));
    }
}

static void on_snapshot(void *sink, const struct sink_snapshot *snapshot)
{
    struct native *n = sink;
    struct buf b;
    buf_init(&b, (size_t)2 * LIMIT_BODY_BYTES);
    sink_snapshot_put_json(&b, snapshot, wsession_epoch(&n->base));
    wsession_send(&n->base, &b);
    buf_fini(&b);
    wsession_make_room(&n->base);
}

static void on_gap(void *sink, const struct gap *gap)
{
    struct native *n = sink;
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    gap_put_json(&b, gap, wsession_epoch(&n->base));
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    struct native *n = sink;
    const struct native_bracket *told = ref;
    if (err == -E_LIMIT && n->base.ws) {
        metrics_hit(ws_metrics(n->base.ws), LIMIT_ROW_TOPICS_PER_SESSION);
    }
    if (told->quiet) {
        return;
    }
    wsession_refuse(
        &n->base,
        &(struct wrefusal){.err = err, .text = text, .topic = topic, .ref = str_of(told->ref)});
}

static void on_present(void *sink, const struct sink_present *p)
{
    struct native *n = sink;
    native_tell_present(n, p);
}

static void on_presence(void *sink, struct str topic, struct str user, bool joined)
{
    struct native *n = sink;
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    native_put_presence_change(&b, topic, user, joined);
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

void native_tell_present(struct native *n, const struct sink_present *p)
{
    if (p->err) {
        wsession_refuse(&n->base,
                        &(struct wrefusal){.err = p->err, .topic = p->topic, .ref = p->ref});
        return;
    }
    struct buf b;
    buf_init(&b, SIZE_MAX);
    native_put_present(&b, p);
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

static void on_bracket_done(void *sink, void *ref)
{
    struct native *n = sink;
    bracket_free(ref);
    n->brackets--;
    send_waiting(n);
}

static void native_free(struct wsession *w)
{
    struct native *n = CONTAINER_OF(w, struct native, base);
    while (n->waiting) {
        struct native_waiting *a = n->waiting;
        n->waiting = a->next;
        waiting_free(a);
    }
    mem_free(n);
}

static void put_event(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    frames_put_event(out, native_put_event, e, how->epoch);
}

static const struct sink_ops sink = {
    .subscribed = on_subscribed,
    .snapshot = on_snapshot,
    .gap = on_gap,
    .caught_up = on_caught_up,
    .refused = on_refused,
    .bracket_done = on_bracket_done,
    .end = wsession_on_end,
    .about = wsession_about,
    .present = on_present,
    .presence = on_presence,
};

static const struct sink_variant variant = {
    .number = VARIANT_NATIVE, .put = put_event, .send = wsession_send_run, .ops = &sink};

static const struct wsession_ops ops = {
    .variant = &variant,
    .pong_cursor = true,
    .message = native_message,
    .drained = native_drained,
    .closed = native_closed,
    .free = native_free,
};

// --- opening ---

static void say_connected(struct native *n)
{
    char id[SESSION_ID_TEXT];
    struct native_hello hello = {
        .connection_id = session_id_text(n->base.session, id),
        .user_id = principal_user_id(session_principal(n->base.session)),
        .epoch = wsession_epoch(&n->base),
        .position = session_position(n->base.session),
    };
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    native_put_connected(&b, &hello);
    wsession_send(&n->base, &b);
    buf_fini(&b);
}

// Topics that are joined without being asked: told of only when there is something to make up for.
static void join_automatic(struct native *n, struct http_request *req)
{
    struct session_subscribe sub = {.since = http_query(req, "since")};
    struct native_bracket told = {.quiet = !sub.since.p};
    int err = asked_automatic(req, n->base.hub, n->channels, &sub);
    if (err || (sub.count > 0 && !native_subscribe(n, &sub, &told))) {
        wsession_out_of_memory(&n->base);
    }
}

static void open_socket(struct http_request *req, struct hub_worker *hub, bool channels)
{
    struct native *n = mem_try_alloc(sizeof(*n));
    if (!n) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    n->channels = channels;
    http_request_ref(req); // its query lives as long
    if (wsession_open_take(&n->base, req, hub, &ops)) {
        say_connected(n);
        join_automatic(n, req);
    }
    http_request_unref(req);
}

static void open_native(struct http_request *req, void *ctx)
{
    open_socket(req, ctx, false);
}

static void open_channels(struct http_request *req, void *ctx)
{
    open_socket(req, ctx, true);
}

void native_routes(struct router *r, struct hub_worker *hub)
{
    static const struct {
        const char *path;
        void (*open)(struct http_request *req, void *ctx);
    } rows[] = {{"/api/v1/ws", open_native},
                {"/ws", open_native},
                {"/ws/chat", open_channels},
                {"/api/ws", open_channels},
                {"/", open_channels}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        router_add(r, &(struct route){.kind = ROUTE_UPGRADE,
                                      .method = HTTP1_GET,
                                      .pattern = rows[i].path,
                                      .handle = rows[i].open,
                                      .ctx = hub});
    }
}
