// SPDX-License-Identifier: MIT
// The server and the client that the tests of Engine.IO share.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "sio/eio_rig.h"

// ---- What is served: every message comes back; some words do more ----

atomic_int opened_count, closed_count, closed_why, blocked_count, room_count, upgraded_count;

static int on_open(struct eio_socket *s, struct http_request *req, void *ctx, void **ret_arg)
{
    (void)ctx;
    if (http_query(req, "deny").p) {
        return str_is(http_query(req, "deny"), "full") ? -E_LIMIT : -E_FORBIDDEN;
    }
    if (http_query(req, "greet").p) {
        eio_send_text(s, STR("hi"));
    }
    if (http_query(req, "bye").p) {
        eio_close(s);
    }
    *ret_arg = &opened_count;
    opened_count++;
    return 0;
}

static void send_run(struct eio_socket *s, const char *packets)
{
    struct rcbuf *run = rcbuf_try_new(str_of(packets));
    eio_send_run(s, run);
    rcbuf_unref(run);
}

static void send_runs(struct eio_socket *s)
{
    if (eio_is_websocket(s)) {
        send_run(s, "\x81\x02"
                    "4a");
        return;
    }
    send_run(s, "\x1e"
                "4a\x1e"
                "4b");
    send_run(s, "\x1e"
                "4c");
    eio_send_text(s, STR("d"));
}

static void on_text(struct eio_socket *s, void *arg, struct str text)
{
    if (arg != &opened_count) {
        abort();
    }
    if (str_is(text, "bye")) {
        eio_send_text(s, STR("so long"));
        eio_close(s);
        eio_close(s);
        eio_send_text(s, STR("not this"));
    } else if (str_is(text, "runs")) {
        send_runs(s);
    } else if (str_is(text, "posted")) {
        eio_send_text(s, eio_posted(s) ? http_header(eio_posted(s), "X-Mine") : STR("none"));
    } else if (eio_is_limited(s)) {
        eio_send_text(s, STR("limited"));
    } else {
        eio_send_text(s, text);
    }
}

static void on_bytes(struct eio_socket *s, void *arg, struct str bytes)
{
    (void)arg;
    eio_send_bytes(s, bytes);
}

static void on_blocked(struct eio_socket *s, void *arg)
{
    (void)arg;
    blocked_count += eio_is_blocked(s) ? 1 : 1000;
}

static void on_room(struct eio_socket *s, void *arg)
{
    (void)arg;
    room_count += eio_is_blocked(s) ? 1000 : 1;
}

static void on_upgraded(struct eio_socket *s, void *arg)
{
    (void)arg;
    upgraded_count += eio_is_websocket(s) ? 1 : 1000;
}

static void on_close(struct eio_socket *s, void *arg, enum eio_end why)
{
    (void)arg;
    eio_send_text(s, STR("not this"));
    send_run(s, "\x1e"
                "4not this");
    eio_close(s);
    closed_why = why;
    closed_count++;
}

static const struct eio_ops ops = {.on_open = on_open,
                                   .on_text = on_text,
                                   .on_bytes = on_bytes,
                                   .on_blocked = on_blocked,
                                   .on_room = on_room,
                                   .on_upgraded = on_upgraded,
                                   .on_close = on_close};

// ---- The server ----

static bool never(const struct http_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
    return false;
}

static void on_start(void *ctx, struct loop *loop, struct metrics *metrics)
{
    struct server *s = ctx;
    struct hash_key key = {0};
    s->loop = loop;
    s->addresses = quotas_new(100, &key);
    s->eio = eio_new(&(struct eio_config){.loop = loop,
                                          .metrics = metrics,
                                          .limits = &s->limits,
                                          .worker = s->worker,
                                          .addresses = s->addresses,
                                          .ops = &ops});
}

static void add_routes(void *ctx, struct router *router)
{
    struct server *s = ctx;
    eio_add_routes(router, s->eio, "/eio", NULL);
    eio_add_routes(router, s->eio, "/never", never);
}

static void on_drain(void *ctx, int ws_code)
{
    eio_drain(((struct server *)ctx)->eio, ws_code);
}

static void on_stop(void *ctx)
{
    struct server *s = ctx;
    eio_drain(s->eio, 1001);
    loop_turn(s->loop, 0);
    eio_free(s->eio);
    quotas_free(s->addresses);
}

struct server *server_start(const struct eio_limits *limits, struct server *first, bool is_first)
{
    struct server *s = mem_alloc(sizeof(*s));
    s->limits = *limits;
    s->worker = first ? 1 : is_first ? 0 : 300;
    s->rig = rig_start(&(struct rig_config){.origins = {.allowed = STR("http://page.test")},
                                            .on_start = on_start,
                                            .on_stop = on_stop,
                                            .add_routes = add_routes,
                                            .on_drain = on_drain,
                                            .ctx = s,
                                            .is_first = is_first,
                                            .first = first ? first->rig : NULL});
    return s;
}

void server_stop(struct server *s)
{
    rig_stop(s->rig);
    mem_free(s);
}

void forget(void)
{
    opened_count = closed_count = blocked_count = room_count = upgraded_count = 0;
    closed_why = -1;
}

int start_with(void **state, const struct eio_limits *limits)
{
    forget();
    *state = server_start(limits, NULL, false);
    return 0;
}

int start(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    return start_with(state, &l);
}

int stop(void **state)
{
    server_stop(*state);
    assert_int_equal(closed_count, opened_count);
    return 0;
}

void wait_for(atomic_int *what, int value)
{
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (*what != value) {
        assert_true(clock_now().mono_ms < end_ms);
        usleep(1000);
    }
}

// ---- The client ----

int say_get(const struct server *s, const char *query, const char *fields)
{
    char request[1024];
    int fd = rig_dial(s->rig);
    snprintf(request, sizeof(request), "GET /eio/?%s HTTP/1.1\r\n" HOST "%s\r\n", query, fields);
    rig_say(fd, request);
    return fd;
}

void read_reply(int fd, int status, struct rig_reply *ret)
{
    rig_reply_read(fd, ret);
    if (ret->status != status) {
        fail_msg("%s%s\nis not %d", ret->head, ret->body, status);
    }
    close(fd);
}

void expect_reply(int fd, int status, const char *body)
{
    struct rig_reply reply;
    read_reply(fd, status, &reply);
    assert_string_equal(reply.body, body);
    rig_reply_free(&reply);
}

void get(const struct server *s, const char *query, int status, const char *body)
{
    expect_reply(say_get(s, query, ""), status, body);
}

const char *query_of(const struct sid *sid, const char *transport)
{
    static char query[128];
    snprintf(query, sizeof(query), "EIO=4&transport=%s&t=x&sid=%s", transport, sid->text);
    return query;
}

int say_poll(const struct server *s, const struct sid *sid)
{
    return say_get(s, query_of(sid, "polling"), "");
}

void poll_is(const struct server *s, const struct sid *sid, const char *body)
{
    expect_reply(say_poll(s, sid), 200, body);
}

void poll_is_refused(const struct server *s, const struct sid *sid, const char *body)
{
    expect_reply(say_poll(s, sid), 400, body);
}

// A client that will be held has been heard when its request was counted as waiting; there is no
// answer that says so, so something is said behind it on another connection and answered.
int hold(const struct server *s, const struct sid *sid)
{
    int fd = say_poll(s, sid);
    get(s, "transport=settle", 400, "{\"code\":0,\"message\":\"Transport unknown\"}");
    return fd;
}

int say_post(const struct server *s, const struct sid *sid, const char *fields, struct str body)
{
    char head[1024];
    int fd = rig_dial(s->rig);
    snprintf(head, sizeof(head), "POST /eio/?%s HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n",
             query_of(sid, "polling"), fields, body.len);
    rig_say(fd, head);
    if (body.len > 0) {
        rig_say_bytes(fd, body);
    }
    return fd;
}

void post_is(const struct server *s, const struct sid *sid, const char *text, int status,
             const char *body)
{
    expect_reply(say_post(s, sid, "Content-Type: text/plain;charset=UTF-8\r\n", str_of(text)),
                 status, body);
}

void post(const struct server *s, const struct sid *sid, const char *text)
{
    post_is(s, sid, text, 200, "ok");
}

static void take_sid(const char *open, struct sid *ret)
{
    static const char begin[] = "0{\"sid\":\"";
    assert_memory_equal(open, begin, strlen(begin));
    memcpy(ret->text, open + strlen(begin), SID_CHARS);
    ret->text[SID_CHARS] = '\0';
    for (const char *p = ret->text; *p; p++) {
        assert_true((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
                    (*p >= 'A' && *p <= 'Z') || *p == '-' || *p == '_');
    }
}

static void expect_open(const char *text, const char *upgrades, const struct eio_limits *l,
                        struct sid *ret)
{
    char want[256];
    take_sid(text, ret);
    snprintf(want, sizeof(want),
             "0{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%d,\"pingTimeout\":%d,"
             "\"maxPayload\":%zu}",
             ret->text, upgrades, (int)l->ping_interval_ms, (int)l->ping_timeout_ms,
             l->payload_bytes_max);
    assert_string_equal(text, want);
}

struct sid open_polling_with(const struct server *s, const char *query)
{
    struct rig_reply reply;
    struct sid sid;
    read_reply(say_get(s, query, ""), 200, &reply);
    assert_true(rig_reply_has(&reply, "\r\nContent-Type: text/plain; charset=UTF-8\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nCache-Control: no-store\r\n"));
    expect_open(reply.body, "\"websocket\"", &s->limits, &sid);
    rig_reply_free(&reply);
    return sid;
}

struct sid open_polling(const struct server *s)
{
    return open_polling_with(s, HANDSHAKE);
}

void expect_frame(int fd, enum ws_opcode op, struct str payload)
{
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.op, op);
    assert_int_equal(f.len, payload.len);
    assert_memory_equal(f.payload, payload.p, f.len);
    mem_free(f.payload);
}

void expect_text(int fd, const char *text)
{
    expect_frame(fd, WS_OP_TEXT, str_of(text));
}

void say_text(int fd, const char *text)
{
    rig_frame_say(fd, WS_OP_TEXT, str_of(text));
}

void expect_close(int fd, int code)
{
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.op, WS_OP_CLOSE);
    assert_int_equal(rig_close_code(&f), code);
    mem_free(f.payload);
    close(fd);
}

int dial_ws(const struct server *s, const char *query)
{
    struct rig_reply reply;
    int fd = say_get(s, query, UPGRADE);
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    return fd;
}

int open_ws_with(const struct server *s, const char *query, struct sid *ret)
{
    int fd = dial_ws(s, query);
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.op, WS_OP_TEXT);
    expect_open(f.payload, "", &s->limits, ret);
    mem_free(f.payload);
    return fd;
}

int open_ws(const struct server *s)
{
    struct sid sid;
    return open_ws_with(s, "EIO=4&transport=websocket", &sid);
}

int probe(const struct server *s, const struct sid *sid)
{
    int fd = dial_ws(s, query_of(sid, "websocket"));
    say_text(fd, "2probe");
    expect_text(fd, "3probe");
    return fd;
}
