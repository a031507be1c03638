// SPDX-License-Identifier: MIT
// Long polling. A poll is a session that lives for one answer: its topics are joined by one
// bracket, what comes in it and after it is gathered, and answered at the end of the first turn in
// which there is something. Without `since` there are the snapshots of jobs, and the answer is not
// waited for.
//
//   JOINING --caught up--> WAITING --events, time-out, drain--> ANSWERED
//      +--- so much was missed that it fills an answer -------------^
#include "dialect/poll.h"

#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "dialect/asked.h"
#include "dialect/place.h"
#include "dialect/variants.h"
#include "hub/audit.h"
#include "hub/history.h"
#include "wire/cursor.h"

#define TIMEOUT_S     25 // unless the request names one
#define TIMEOUT_S_MAX 60

// After so much, the rest comes with the next poll.
#define ANSWER_BYTES ((size_t)LIMIT_BODY_BYTES)

enum poll_state { POLL_JOINING, POLL_WAITING, POLL_ANSWERED };

struct poll {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    struct session *session;
    struct quota *place; // among those of its user; NULL: it is nobody's
    struct timer timer;
    struct loop_task task; // answers, or frees what is answered
    enum poll_state state;
    struct str since; // the request's; p = NULL: none
    bool all_recovered;
    bool late;         // to be answered as soon as it can be, whatever there is
    bool failed;       // there was no memory for something: told by an error, nothing is lost
    struct buf events; // JSON objects, commas between
    uint64_t last_id;  // of the events; 0: there is none
    uint64_t cursor;   // C of the bracket, once it is over
    int64_t since_wall_ms;
};

// --- events: a run is made of records, an id and a length before each JSON text ---

struct record {
    uint64_t id;
    uint64_t len;
};

static void put_record(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    size_t at = out->len;
    struct record r = {.id = e->id};
    buf_put(out, str_make((const char *)&r, sizeof(r)));
    event_put_json(out, e, how->epoch);
    if (!out->failed) {
        r.len = out->len - at - sizeof(r);
        memcpy(out->p + at, &r, sizeof(r));
    }
}

static void begin_item(struct poll *p)
{
    if (p->events.len > 0) {
        buf_putc(&p->events, ',');
    }
}

static void answer_soon(struct poll *p)
{
    loop_task_defer(http_loop(p->req), &p->task);
}

static void take_run(void *port, struct rcbuf *run)
{
    struct poll *p = port;
    struct str rest = run ? rcbuf_str(run) : STR("");
    struct record r;
    p->failed = p->failed || !run;
    while (rest.len > 0) {
        memcpy(&r, rest.p, sizeof(r));
        begin_item(p);
        buf_put(&p->events, str_make(rest.p + sizeof(r), r.len));
        p->last_id = r.id;
        rest = str_from(rest, sizeof(r) + r.len);
    }
    answer_soon(p);
}

// --- the answer ---

static void poll_free(struct poll *p)
{
    session_free(p->session);
    place_give(p->hub, p->place);
    loop_timer_cancel(http_loop(p->req), &p->timer);
    loop_task_cancel(&p->task);
    http_request_unref(p->req);
    buf_fini(&p->events);
    mem_free(p);
}

// Everything up to here is in the answer.
static void put_cursor(const struct poll *p, struct buf *b)
{
    uint64_t id = p->state == POLL_JOINING ? p->last_id : p->cursor;
    if (p->last_id > id) {
        id = p->last_id;
    }
    cursor_put(b, realm_cursor(p->hub->realm, id));
}

static void answer(struct poll *p)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put(&b, STR("{\"events\":["));
    buf_put(&b, buf_str(&p->events));
    buf_put(&b, STR("],\"cursor\":\""));
    if (p->events.len == 0 && p->all_recovered) {
        buf_put(&b, p->since); // nothing has happened: the same cursor
    } else {
        put_cursor(p, &b);
    }
    buf_put(&b, p->all_recovered ? STR("\",\"recovered\":true}") : STR("\",\"recovered\":false}"));
    p->state = POLL_ANSWERED;
    if (b.failed || p->events.failed || p->failed) {
        http_reply_error(p->req, -E_NO_MEMORY, NULL);
    } else {
        http_reply_json(p->req, 200, buf_str(&b));
    }
    buf_fini(&b);
    poll_free(p);
}

// At the end of a turn in which something came: is it to be answered now?
static void on_task(struct loop_task *t)
{
    struct poll *p = CONTAINER_OF(t, struct poll, task);
    bool full = p->events.len >= ANSWER_BYTES && p->last_id > 0;
    if (p->state == POLL_ANSWERED) {
        poll_free(p);
    } else if (p->failed || p->events.failed || full ||
               (p->state == POLL_WAITING && (p->events.len > 0 || !p->all_recovered || p->late))) {
        answer(p);
    }
}

static void refuse(struct poll *p, int err, const char *text)
{
    if (p->state != POLL_ANSWERED) {
        p->state = POLL_ANSWERED;
        asked_refuse(p->req, err, text);
        answer_soon(p);
    }
}

// --- the sink ---

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    (void)topic, (void)cursor, (void)ref;
    struct poll *p = sink;
    p->all_recovered = p->all_recovered && recovered;
}

static void on_snapshot(void *sink, const struct sink_snapshot *snapshot)
{
    struct poll *p = sink;
    begin_item(p);
    sink_snapshot_put_json(&p->events, snapshot, p->hub->realm->epoch);
}

static void on_gap(void *sink, const struct gap *gap)
{
    struct poll *p = sink;
    begin_item(p);
    gap_put_json(&p->events, gap, p->hub->realm->epoch);
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)topic, (void)ref;
    struct poll *p = sink;
    p->cursor = cursor;
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)topic, (void)ref;
    refuse(sink, err, text);
}

static void on_bracket_done(void *sink, void *ref)
{
    (void)ref;
    struct poll *p = sink;
    if (p->state == POLL_JOINING) {
        p->state = POLL_WAITING;
        answer_soon(p);
    }
}

static void on_end(void *sink, enum session_end why)
{
    struct poll *p = sink;
    if (p->state != POLL_ANSWERED) {
        audit_logout(p->hub->audit, p->session, why);
    }
    refuse(p, -E_UNAUTHORIZED, NULL);
}

static void on_about(const void *sink, struct sink_about *ret)
{
    const struct poll *p = sink;
    asked_about(p->req, "poll", p->since_wall_ms, ret);
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

static const struct sink_variant variant = {
    .number = VARIANT_POLL, .put = put_record, .send = take_run, .ops = &ops};

// --- the request ---

// While it is joining, no cursor would be true.
static void hurry(struct poll *p)
{
    p->late = true;
    if (p->state == POLL_WAITING) {
        answer(p);
    }
}

static void on_timeout(struct timer *t)
{
    hurry(CONTAINER_OF(t, struct poll, timer));
}

static void on_abort(struct http_request *req, void *arg)
{
    (void)req;
    poll_free(arg);
}

static void on_drain(struct http_request *req, void *arg)
{
    (void)req;
    hurry(arg);
}

static const struct http_request_ops request_ops = {.on_abort = on_abort, .on_drain = on_drain};

// False: answered.
static bool read_timeout(struct http_request *req, int64_t *ret_ms)
{
    uint64_t seconds = TIMEOUT_S;
    struct str text = http_query(req, "timeout");
    if (text.p && str_to_u64(text, &seconds) != 0) {
        http_reply_error(req, -E_BAD_REQUEST, "`timeout` is a number of seconds.");
        return false;
    }
    *ret_ms = (int64_t)(seconds < TIMEOUT_S_MAX ? seconds : TIMEOUT_S_MAX) * 1000;
    return true;
}

static void open_poll(struct http_request *req, void *ctx)
{
    struct hub_worker *hub = ctx;
    struct str since = http_query(req, "since");
    struct session_subscribe sub = {.since = since.len > 0 ? since : STR_NONE};
    int64_t timeout_ms;
    int err = asked_topics(req, hub, &sub);
    if (!read_timeout(req, &timeout_ms)) {
        return;
    }
    struct poll *p = err ? NULL : mem_try_alloc(sizeof(*p));
    if (!p) {
        asked_refuse(req, err ? err : -E_NO_MEMORY, NULL);
        return;
    }
    p->hub = hub;
    p->since = sub.since;
    p->all_recovered = sub.since.p != NULL;
    err = place_take(hub, req, &p->place);
    p->session = err ? NULL : session_new(hub->fanout, http_principal(req), &variant, p);
    if (!p->session) {
        place_give(hub, p->place);
        mem_free(p);
        http_reply_error(req, err ? err : -E_NO_MEMORY, NULL);
        return;
    }
    p->req = http_request_ref(req);
    buf_init(&p->events, SIZE_MAX);
    timer_init(&p->timer, on_timeout);
    loop_task_init(&p->task, on_task);
    session_set_port(p->session, p);
    http_request_watch(req, &request_ops, p);
    p->since_wall_ms = http_now(req).wall_ms;
    audit_login(hub->audit, p->session);
    loop_timer_after(http_loop(req), &p->timer, timeout_ms);
    if (session_subscribe(p->session, &sub) != 0) {
        refuse(p, -E_NO_MEMORY, NULL);
    }
}

void poll_routes(struct router *r, struct hub_worker *hub)
{
    router_add(r,
               &(struct route){
                   .method = HTTP1_GET, .pattern = "/api/poll", .handle = open_poll, .ctx = hub});
}
