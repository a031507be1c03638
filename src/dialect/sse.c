// SPDX-License-Identifier: MIT
// Server-Sent Events: the log as an EventSource reads it. One bracket joins all topics of the URL,
// so that the id of each event says "everything up to here" for all of them, and goes on from
// `Last-Event-ID`. The answer has no length and ends with its connection: runs are whole blocks
// that many connections share.
//
//   opened -> JOINING: nothing is answered yet --first topic joined--> FLOWING
//               +-- a topic is refused: 403 --> OVER <-- expired, revoked, drained, peer gone
//
// Whatever the cursor, the answer is 200: an EventSource that gets anything else never comes back.
#include "dialect/sse.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "def/limits.h"
#include "dialect/asked.h"
#include "dialect/place.h"
#include "dialect/variants.h"
#include "hub/audit.h"
#include "hub/history.h"
#include "net/conn.h"
#include "wire/cursor.h"
#include "wire/sse.h"

// A client comes back after this and up to as much again, so that not all come at once.
#define RETRY_MS 2000

#define BLOCK_BYTES_MAX ((size_t)2 * LIMIT_BODY_BYTES)

enum sse_state { SSE_JOINING, SSE_FLOWING, SSE_OVER };

struct sse {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    struct session *session;
    struct quota *place;   // among those of its user; NULL: it is nobody's
    struct timer timer;    // the next heartbeat, or the end of the token
    struct loop_task task; // OVER: frees this
    enum sse_state state;
    bool named; // events carry their type
    bool caught_up;
    uint64_t told; // where the client's cursor stands
    int64_t since_wall_ms;
};

// --- blocks ---

static void put_cursor(struct buf *b, uint64_t epoch, uint64_t id)
{
    buf_put(b, STR("id: "));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = id});
    buf_putc(b, '\n');
}

static void put_event(struct buf *out, const struct event *e, uint64_t epoch, bool named)
{
    if (!(e->flags & EVENT_RETAINED)) { // which says nothing of what came after it
        put_cursor(out, epoch, e->id);
    }
    if (named && !(e->flags & EVENT_CHANNEL)) {
        buf_put(out, STR("event: "));
        buf_put(out, e->type); // a letter, then letters, digits and _.:-
        buf_putc(out, '\n');
    }
    buf_put(out, STR("data: "));
    event_put_json(out, e, epoch); // holds no newline
    buf_put(out, STR("\n\n"));
}

static void put_named(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    put_event(out, e, how->epoch, true);
}

static void put_unnamed(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    put_event(out, e, how->epoch, false);
}

static void send_run(void *port, struct rcbuf *run)
{
    if (run) {
        conn_send_run(port, run);
    } else {
        conn_close(port);
    }
}

// --- the end ---

static void sse_free(struct sse *s)
{
    session_free(s->session);
    place_give(s->hub, s->place);
    loop_timer_cancel(http_loop(s->req), &s->timer);
    loop_task_cancel(&s->task);
    http_request_unref(s->req);
    mem_free(s);
}

static void on_over(struct loop_task *t)
{
    sse_free(CONTAINER_OF(t, struct sse, task));
}

// Not at once: the session may be in the middle of telling.
static void end(struct sse *s)
{
    if (s->state != SSE_OVER) {
        s->state = SSE_OVER;
        http_stream_end(s->req);
        loop_task_defer(http_loop(s->req), &s->task);
    }
}

static void refuse(struct sse *s, int err, const char *text)
{
    if (s->state == SSE_JOINING) {
        asked_refuse(s->req, err, text);
    }
    end(s);
}

// --- out ---

static void write_block(struct sse *s, struct buf *b)
{
    if (s->state != SSE_FLOWING) {
        return;
    }
    if (b->failed) {
        end(s); // the client comes back for what it missed
        return;
    }
    http_stream_write(s->req, buf_str(b));
    if (http_is_blocked(s->req) || http_unsent_bytes(s->req) > LIMIT_RUN_BYTES) {
        http_want_drained(s->req);
        session_hold(s->session);
    }
}

// A block of the hub's own: `put` appends a JSON object without its newline.
static void begin_block(const struct sse *s, struct buf *b, const char *type)
{
    buf_init(b, BLOCK_BYTES_MAX);
    if (s->named) {
        buf_putf(b, "event: %s\n", type);
    }
    buf_put(b, STR("data: "));
}

static void end_block(struct sse *s, struct buf *b)
{
    buf_put(b, STR("\n\n"));
    write_block(s, b);
    buf_fini(b);
}

static void tell_cursor(struct sse *s, uint64_t id)
{
    struct buf b;
    buf_init(&b, BLOCK_BYTES_MAX);
    put_cursor(&b, s->hub->realm->epoch, id);
    buf_putc(&b, '\n');
    s->told = id;
    write_block(s, &b);
    buf_fini(&b);
}

static void begin_stream(struct sse *s)
{
    struct buf b;
    struct rng rng;
    rng_init(&rng, session_id(s->session));
    http_header_add(s->req, "Cache-Control", STR("no-cache, no-transform"));
    http_header_add(s->req, "X-Accel-Buffering", STR("no"));
    s->state = SSE_FLOWING;
    http_stream_begin_shared(s->req, 200, SSE_MEDIA_TYPE);
    if (!http_is_open(s->req)) {
        end(s); // a HEAD, which is answered by now, or the peer left
        return;
    }
    buf_init(&b, BLOCK_BYTES_MAX);
    buf_putf(&b, "retry: %u\n\n", RETRY_MS + (unsigned)rng_below(&rng, RETRY_MS));
    write_block(s, &b);
    buf_fini(&b);
}

// --- the sink ---

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    (void)topic, (void)cursor, (void)recovered, (void)ref;
    struct sse *s = sink;
    if (s->state == SSE_JOINING) {
        begin_stream(s);
    }
}

static void on_snapshot(void *sink, const struct sink_snapshot *snapshot)
{
    struct sse *s = sink;
    struct buf b;
    begin_block(s, &b, "snapshot");
    sink_snapshot_put_json(&b, snapshot, s->hub->realm->epoch);
    end_block(s, &b);
}

static void on_gap(void *sink, const struct gap *gap)
{
    struct sse *s = sink;
    struct buf b;
    begin_block(s, &b, "gap");
    gap_put_json(&b, gap, s->hub->realm->epoch);
    end_block(s, &b);
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)topic, (void)ref;
    struct sse *s = sink;
    if (!s->caught_up) { // all are caught up at the same place
        s->caught_up = true;
        tell_cursor(s, cursor);
    }
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)topic, (void)ref;
    refuse(sink, err, text);
}

static void on_bracket_done(void *sink, void *ref)
{
    (void)sink, (void)ref;
}

static void on_end(void *sink, enum session_end why)
{
    struct sse *s = sink;
    if (s->state != SSE_OVER) {
        audit_logout(s->hub->audit, s->session, why);
        end(s);
    }
}

static void on_about(const void *sink, struct sink_about *ret)
{
    const struct sse *s = sink;
    asked_about(s->req, "sse", s->since_wall_ms, ret);
}

static const struct sink_ops ops = {
    .subscribed = on_subscribed,
    .snapshot = on_snapshot,
    .gap = on_gap,
    .caught_up = on_caught_up,
    .refused = on_refused,
    .bracket_done = on_bracket_done,
    .end = on_end,
    .about = on_about,
};

static const struct sink_variant named = {
    .number = VARIANT_SSE, .put = put_named, .send = send_run, .ops = &ops};
static const struct sink_variant unnamed = {
    .number = VARIANT_SSE_UNNAMED, .put = put_unnamed, .send = send_run, .ops = &ops};

// --- time ---

static void arm(struct sse *s)
{
    int64_t end_ms = principal_expires_wall_ms(session_principal(s->session));
    int64_t left_ms = end_ms - http_now(s->req).wall_ms;
    int64_t wait_ms = LIMIT_OF(s->hub->realm->limits, HEARTBEAT_MS);
    if (end_ms != PRINCIPAL_FOR_EVER && left_ms < wait_ms) {
        wait_ms = left_ms > 0 ? left_ms : 0;
    }
    loop_timer_after(http_loop(s->req), &s->timer, wait_ms);
}

static void beat(struct sse *s)
{
    uint64_t position = session_position(s->session);
    struct buf b;
    if (s->caught_up && position > s->told) {
        tell_cursor(s, position);
        return;
    }
    buf_init(&b, BLOCK_BYTES_MAX);
    sse_put_comment(&b, STR(""));
    write_block(s, &b);
    buf_fini(&b);
}

static void on_time(struct timer *t)
{
    struct sse *s = CONTAINER_OF(t, struct sse, timer);
    int64_t end_ms = principal_expires_wall_ms(session_principal(s->session));
    if (s->state == SSE_OVER) {
        return;
    }
    if (http_now(s->req).wall_ms >= end_ms) {
        audit_tell(s->hub->audit, s->session, EVENT_TYPE_SESSION_AUTH_REQUIRED, "token_expired");
        end(s);
        return;
    }
    if (s->state == SSE_FLOWING && !http_is_blocked(s->req)) {
        beat(s);
    }
    arm(s);
}

// --- the request ---

static void on_abort(struct http_request *req, void *arg)
{
    (void)req;
    sse_free(arg);
}

static void on_blocked(struct http_request *req, void *arg)
{
    (void)req;
    struct sse *s = arg;
    session_hold(s->session);
}

static void on_drained(struct http_request *req, void *arg)
{
    (void)req;
    struct sse *s = arg;
    session_writable(s->session);
}

static void on_drain(struct http_request *req, void *arg)
{
    (void)req;
    end(arg);
}

static const struct http_request_ops request_ops = {
    .on_abort = on_abort, .on_blocked = on_blocked, .on_drained = on_drained, .on_drain = on_drain};

// The header is what an EventSource that comes back says; the parameter, what its page knew first.
static struct str last_event_id(const struct http_request *req)
{
    struct str id = http_header(req, "Last-Event-ID");
    if (!id.p) {
        id = http_query(req, "lastEventId");
    }
    return id.len > 0 ? id : STR_NONE;
}

static void open_sse(struct http_request *req, void *ctx)
{
    struct hub_worker *hub = ctx;
    struct session_subscribe sub = {.since = last_event_id(req)};
    int err = asked_topics(req, hub, &sub);
    struct sse *s = err ? NULL : mem_try_alloc(sizeof(*s));
    if (!s) {
        asked_refuse(req, err ? err : -E_NO_MEMORY, NULL);
        return;
    }
    struct str names = http_query(req, "named");
    s->named = !names.p || !str_is(names, "0");
    s->hub = hub;
    err = place_take(hub, req, &s->place);
    s->session =
        err ? NULL : session_new(hub->fanout, http_principal(req), s->named ? &named : &unnamed, s);
    if (!s->session) {
        place_give(hub, s->place);
        mem_free(s);
        http_reply_error(req, err ? err : -E_NO_MEMORY, NULL);
        return;
    }
    s->req = http_request_ref(req);
    timer_init(&s->timer, on_time);
    loop_task_init(&s->task, on_over);
    session_set_port(s->session, http_conn(req));
    http_request_watch(req, &request_ops, s);
    s->since_wall_ms = http_now(req).wall_ms;
    audit_login(hub->audit, s->session);
    arm(s);
    if (session_subscribe(s->session, &sub) != 0) {
        refuse(s, -E_NO_MEMORY, NULL);
    }
}

void sse_routes(struct router *r, struct hub_worker *hub)
{
    router_add(r, &(struct route){.method = HTTP1_GET,
                                  .pattern = "/api/events",
                                  .flags = ROUTE_LASTING,
                                  .handle = open_sse,
                                  .ctx = hub});
}
