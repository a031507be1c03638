// SPDX-License-Identifier: MIT
// Tests of WebSockets over real sockets: handshakes, messages, faults and their codes, heartbeat,
// slow readers, closing from both sides.
#include "http/websocket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/rig.h"
#include "wire/ws_frame.h"

// ---- What is served: every message comes back; some words do more ----

static atomic_int closed_code, closed_count, drained_count, limited_count, opened_count;

static void send_much(struct ws *ws)
{
    enum { BYTES = 1 << 20 };
    char *p = mem_alloc(BYTES);
    memset(p, 'm', BYTES);
    ws_send_text(ws, str_make(p, BYTES));
    mem_free(p);
}

static void on_text(struct ws *ws, void *arg, struct str text)
{
    (void)arg;
    if (str_is(text, "bye")) {
        ws_close(ws, 4000, "as you like");
        ws_close(ws, 4001, "again");
        ws_send_text(ws, STR("not this"));
        return;
    }
    if (str_is(text, "much")) {
        send_much(ws);
        return;
    }
    if (str_is(text, "shared")) {
        struct rcbuf *frames = rcbuf_try_new(STR("\x81\x01"
                                                 "a"
                                                 "\x81\x01"
                                                 "b"));
        ws_send_frames(ws, frames);
        rcbuf_unref(frames);
        return;
    }
    if (str_is(text, "tell me")) {
        ws_want_drained(ws);
    }
    ws_send_text(ws, text);
}

static void on_binary(struct ws *ws, void *arg, struct str bytes)
{
    (void)arg;
    ws_send_binary(ws, bytes);
}

static void on_limited(struct ws *ws, void *arg, struct str message, bool binary)
{
    (void)binary;
    (void)ws;
    (void)arg;
    (void)message;
    limited_count++;
}

static void on_drained(struct ws *ws, void *arg)
{
    (void)arg;
    // Not a cmocka assertion: this is the server's thread.
    drained_count += !ws_is_blocked(ws) && ws_unsent_bytes(ws) == 0 ? 1 : 1000;
}

static void on_closed(struct ws *ws, void *arg, int code)
{
    (void)arg;
    ws_send_text(ws, STR("not this"));
    closed_code = code;
    closed_count++;
}

static const struct ws_ops text_only = {
    .on_text = on_text, .on_drained = on_drained, .on_closed = on_closed};
static const struct ws_ops all_ops = {.on_text = on_text,
                                      .on_binary = on_binary,
                                      .on_limited = on_limited,
                                      .on_drained = on_drained,
                                      .on_closed = on_closed};

static void open_with(struct http_request *req, const struct ws_ops *ops)
{
    struct http1_list offers = ws_offered(req);
    struct str offer, protocol = STR_NONE;
    struct ws *ws;
    while (http1_list_next(&offers, &offer)) {
        if (str_is(offer, "clairon.v1")) {
            protocol = offer;
        }
    }
    if (ws_upgrade(req, protocol, ops, NULL, &ws)) {
        opened_count++;
        http_reply(req, 200, "text/plain", STR("no more answers"));
    }
}

static void open_text(struct http_request *req, void *ctx)
{
    (void)ctx;
    open_with(req, &text_only);
}

static void open_all(struct http_request *req, void *ctx)
{
    (void)ctx;
    open_with(req, &all_ops);
}

struct later {
    struct timer timer;
    struct http_request *req;
};

static atomic_int later_count; // requests that were answered late, and let go

static void on_later(struct timer *t)
{
    struct later *l = CONTAINER_OF(t, struct later, timer);
    open_with(l->req, &all_ops);
    http_request_unref(l->req);
    mem_free(l);
    later_count++;
}

static void open_later(struct http_request *req, void *ctx)
{
    struct later *l = mem_alloc(sizeof(*l));
    (void)ctx;
    l->req = http_request_ref(req);
    timer_init(&l->timer, on_later);
    loop_timer_after(http_loop(req), &l->timer, 20);
}

static void refuse(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply(req, 200, "text/plain", STR("not now"));
}

static const struct route routes[] = {
    {.pattern = "/ws", .kind = ROUTE_UPGRADE, .handle = open_text},
    {.pattern = "/all", .kind = ROUTE_UPGRADE, .handle = open_all},
    {.pattern = "/later", .kind = ROUTE_UPGRADE, .handle = open_later},
    {.pattern = "/refuse", .kind = ROUTE_UPGRADE, .handle = refuse},
};

static int start_with(void **state, struct http_limits limits, bool no_upgrades)
{
    later_count = 0;
    closed_code = closed_count = drained_count = limited_count = opened_count = 0;
    *state = rig_start(&(struct rig_config){.routes = routes,
                                            .routes_count = ARRAY_LEN(routes),
                                            .limits = limits,
                                            .no_upgrades = no_upgrades});
    return 0;
}

static int start(void **state)
{
    return start_with(state, http_limits_of(&limits_default), false);
}

static int start_off(void **state)
{
    return start_with(state, http_limits_of(&limits_default), true);
}

static int start_quick(void **state)
{
    struct http_limits l = http_limits_of(&limits_default);
    l.head_ms = l.ping_ms = l.pong_ms = 50;
    l.linger_ms = 100;
    return start_with(state, l, false);
}

static int start_impatient(void **state)
{
    struct http_limits l = http_limits_of(&limits_default);
    l.slow_ms = l.linger_ms = 50;
    return start_with(state, l, false);
}

static int stop(void **state)
{
    rig_stop(*state);
    assert_int_equal(closed_count, opened_count);
    return 0;
}

// ---- Client ----

#define KEY         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE     "Host: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
#define HELLO(path) "GET " path " HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n"

static int dial(const struct rig *r, const char *hello)
{
    struct rig_reply reply;
    int one = 1, fd = rig_dial(r);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    rig_say(fd, hello);
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    assert_true(rig_reply_has(&reply, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_false(rig_reply_has(&reply, "Content-Length"));
    return fd;
}

static const uint8_t mask[4] = {1, 2, 3, 4};

static void put(struct buf *b, enum ws_opcode op, struct str payload)
{
    ws_put_frame(b, op, payload, mask);
}

static void say(int fd, enum ws_opcode op, struct str payload)
{
    rig_frame_say(fd, op, payload);
}

static void expect(int fd, enum ws_opcode op, const char *payload)
{
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.op, op);
    assert_string_equal(f.payload, payload);
    mem_free(f.payload);
}

static void expect_close(int fd, int code)
{
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.op, WS_OP_CLOSE);
    assert_int_equal(rig_close_code(&f), code);
    mem_free(f.payload);
}

static void wait_for(atomic_int *what, int value)
{
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (*what != value) {
        assert_true(clock_now().mono_ms < end_ms);
        usleep(1000);
    }
}

// ---- Handshakes ----

static void handshakes_that_are_refused(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *code;
    } rows[] = {
        {"GET /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n", 400, "bad_request"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY KEY "\r\n", 400,
         "bad_request"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGVzdA==\r\n\r\n",
         400, "bad_request"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\nContent-Length: 1\r\n" KEY
         "\r\nx",
         400, "bad_request"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 12\r\n" KEY "\r\n", 426,
         "upgrade_required"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE KEY "\r\n", 426, "upgrade_required"},
        {"GET /ws HTTP/1.0\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n", 426,
         "upgrade_required"},
        {"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426, "upgrade_required"},
        {"POST /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n", 405,
         "method_not_allowed"},
        {"GET /nothing HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n", 404,
         "not_found"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE
         "Origin: http://evil.example\r\nSec-WebSocket-Version: 13\r\n" KEY "\r\n",
         403, "forbidden"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE "Origin: null\r\nSec-WebSocket-Version: 13\r\n" KEY "\r\n",
         403, "forbidden"},
        {"GET /ws HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
         403, "forbidden"},
        {HELLO("/refuse"), 200, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rig_expect(*state, rows[i].request, rows[i].status, rows[i].code);
    }
    struct rig_reply reply;
    rig_ask(*state, rows[4].request, &reply);
    assert_true(rig_reply_has(&reply, "\r\nUpgrade: websocket\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nConnection: Upgrade\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nSec-WebSocket-Version: 13\r\n"));
    rig_reply_free(&reply);
    int fd = dial(*state, HELLO("/ws"));
    close(fd);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_code, 1006);
}

static void switched_off(void **state)
{
    rig_expect(*state, HELLO("/ws"), 503, "unavailable");
    rig_expect(*state, HELLO("/nothing"), 503, "unavailable");
}

static void handshakes_that_are_taken(void **state)
{
    static const char hello[] =
        "GET /ws HTTP/1.1\r\n" UPGRADE "Origin: http://localhost:5173\r\n"
        "Sec-WebSocket-Protocol: other, bearer.x\r\nSec-WebSocket-Protocol: clairon.v1\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Sec-WebSocket-Version: 13\r\n" KEY "\r\n";
    struct rig_reply reply;
    int fd = rig_dial(*state);
    rig_say(fd, hello);
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    assert_true(rig_reply_has(&reply, "\r\nSec-WebSocket-Protocol: clairon.v1\r\n"));
    assert_false(rig_reply_has(&reply, "Extensions"));
    close(fd);
    // After another request on the same connection.
    fd = rig_dial(*state);
    rig_say(fd, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
    rig_reply_read(fd, &reply);
    rig_reply_free(&reply);
    rig_say(fd, HELLO("/ws"));
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    say(fd, WS_OP_TEXT, STR("x"));
    expect(fd, WS_OP_TEXT, "x");
    close(fd);
}

static void half_a_handshake_is_timed_out(void **state)
{
    struct rig_reply reply;
    int fd = rig_dial(*state);
    rig_say(fd, "GET /ws HTTP/1.1\r\n" UPGRADE);
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 408);
    rig_reply_free(&reply);
    rig_expect_end(fd);
}

static void bytes_behind_the_handshake_are_kept(void **state)
{
    static const char *const hellos[] = {HELLO("/all"), HELLO("/later")};
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        struct rig_reply reply;
        int fd = rig_dial(*state);
        buf_init(&b, 1 << 20);
        buf_put(&b, str_of(hellos[i]));
        put(&b, WS_OP_TEXT, STR("one"));
        put(&b, WS_OP_BINARY, STR("two"));
        rig_say_bytes(fd, str_make(b.p, b.len - 3));
        usleep(i == 1 ? 40000 : 0);
        rig_say_bytes(fd, str_make(b.p + b.len - 3, 3));
        rig_reply_read_head(fd, &reply);
        expect(fd, WS_OP_TEXT, "one");
        expect(fd, WS_OP_BINARY, "two");
        buf_fini(&b);
        close(fd);
    }
    // Who leaves before the answer is let go.
    int fd = rig_dial(*state);
    rig_say(fd, HELLO("/later"));
    close(fd);
    while (later_count < 2) {
        usleep(1000);
    }
    rig_wait_metric(*state, METRIC_CONNECTIONS, 0);
}

// ---- Messages ----

static void messages_come_back(void **state)
{
    static char long_text[65537];
    int fd = dial(*state, HELLO("/ws"));
    memset(long_text, 'x', 65536);
    say(fd, WS_OP_TEXT, STR(""));
    expect(fd, WS_OP_TEXT, "");
    assert_int_equal(drained_count, 0); // nobody asked
    say(fd, WS_OP_TEXT, STR("tell me"));
    expect(fd, WS_OP_TEXT, "tell me");
    wait_for(&drained_count, 1);
    say(fd, WS_OP_TEXT, str_make(long_text, 200));
    say(fd, WS_OP_TEXT, str_of(long_text));
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.len, 200);
    mem_free(f.payload);
    expect(fd, WS_OP_TEXT, long_text);
    say(fd, WS_OP_TEXT, STR("shared"));
    expect(fd, WS_OP_TEXT, "a");
    expect(fd, WS_OP_TEXT, "b");
    // Fragments with a ping between them.
    rig_say_bytes(fd, STR("\x01\x82\0\0\0\0he"));
    say(fd, WS_OP_PING, STR("p"));
    rig_say_bytes(fd, STR("\x80\x83\0\0\0\0llo"));
    expect(fd, WS_OP_PONG, "p");
    expect(fd, WS_OP_TEXT, "hello");
    say(fd, WS_OP_PONG, STR("unasked"));
    struct buf b;
    buf_init(&b, 1000);
    put(&b, WS_OP_TEXT, STR("byte by byte"));
    for (size_t i = 0; i < b.len; i++) {
        rig_say_bytes(fd, str_make(b.p + i, 1));
    }
    buf_fini(&b);
    expect(fd, WS_OP_TEXT, "byte by byte");
    assert_true(rig_metric(*state, METRIC_WS_MESSAGES_IN) >= 7);
    close(fd);
}

static void faults_get_their_close_code(void **state)
{
#define M "\0\0\0\0" // a mask that changes nothing
    static const struct {
        struct str bytes;
        int code;
    } rows[] = {
        {STR("\x81\x01x"), 1002},                                  // unmasked
        {STR("\xc1\x81" M "x"), 1002},                             // RSV1
        {STR("\xa1\x81" M "x"), 1002},                             // RSV2
        {STR("\x83\x81" M "x"), 1002},                             // opcode 3
        {STR("\x8b\x80" M), 1002},                                 // opcode 11
        {STR("\x09\x80" M), 1002},                                 // a ping in fragments
        {STR("\x89\xfe\x00\x7e" M), 1002},                         // a ping of 126 bytes
        {STR("\x80\x81" M "x"), 1002},                             // continues nothing
        {STR("\x01\x81" M "x\x81\x81" M "y"), 1002},               // begins inside
        {STR("\x81\xfe\x00\x05" M "hello"), 1002},                 // not the shortest length
        {STR("\x81\xff\x80\0\0\0\0\0\0\x01" M), 1002},             // the top bit
        {STR("\x81\xff\0\0\0\0\0\x01\0\x01" M), 1009},             // 65537 bytes declared
        {STR("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" M), 1009}, // 2^63 - 1
        {STR("\x81\x81" M "\xff"), 1007},
        {STR("\x81\x82" M "\xc3("), 1007},
        {STR("\x01\x81" M "\xe0\x80\x81" M "\x80"), 1007}, // overlong, over two fragments
        {STR("\x81\x83" M "\xed\xa0\x80"), 1007},          // a surrogate
        {STR("\x82\x81" M "x"), 1003},                     // binary where there is none
        {STR("\x88\x81" M "x"), 1002},                     // half a close code
        {STR("\x88\x82" M "\x03\xed"), 1002},              // 1005
        {STR("\x88\x82" M "\x03\xe7"), 1002},              // 999
        {STR("\x88\x83" M "\x03\xe8\xff"), 1007},          // a reason that is no text
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = dial(*state, HELLO("/ws"));
        rig_say_bytes(fd, rows[i].bytes);
        struct rig_frame f = rig_frame_read(fd);
        if (f.op != WS_OP_CLOSE || rig_close_code(&f) != rows[i].code) {
            fail_msg("row %zu: opcode %d, code %d", i, (int)f.op, rig_close_code(&f));
        }
        assert_true(f.len > 2); // it says why
        mem_free(f.payload);
        (void)send(fd, "\x81\x81\0\0\0\0x", 7, MSG_NOSIGNAL); // no answer to what comes after
        rig_expect_end(fd);
        wait_for(&closed_count, (int)i + 1);
        assert_int_equal(closed_code, rows[i].code);
    }
    assert_int_equal(rig_metric(*state, METRIC_WS_ERRORS), ARRAY_LEN(rows));
}

static void too_many_fragments(void **state)
{
    struct buf b;
    int fd = dial(*state, HELLO("/ws"));
    buf_init(&b, 1 << 20);
    buf_put(&b, STR("\x01\x80\0\0\0\0"));
    for (int i = 0; i < 1001; i++) {
        buf_put(&b, STR("\x00\x80\0\0\0\0"));
    }
    rig_say_bytes(fd, buf_str(&b));
    expect_close(fd, 1008);
    rig_expect_end(fd);
    buf_fini(&b);
}

static void floods(void **state)
{
    struct buf b;
    int fd = dial(*state, HELLO("/all"));
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 150; i++) {
        put(&b, WS_OP_TEXT, STR("x"));
    }
    rig_say_bytes(fd, buf_str(&b));
    for (int i = 0; i < 100; i++) {
        expect(fd, WS_OP_TEXT, "x");
    }
    wait_for(&limited_count, 50);
    for (int i = 0; i < 900; i++) {
        put(&b, WS_OP_TEXT, STR("x"));
    }
    rig_say_bytes(fd, buf_str(&b));
    struct rig_frame f;
    do {
        f = rig_frame_read(fd);
        mem_free(f.payload);
    } while (f.op == WS_OP_TEXT);
    assert_int_equal(f.op, WS_OP_CLOSE);
    rig_expect_end(fd);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_code, 1008);

    fd = dial(*state, HELLO("/ws"));
    buf_clear(&b);
    for (int i = 0; i < 150; i++) {
        put(&b, WS_OP_PING, STR(""));
    }
    rig_say_bytes(fd, buf_str(&b));
    for (int i = 0; i < 100; i++) {
        expect(fd, WS_OP_PONG, "");
    }
    expect_close(fd, 1008);
    rig_expect_end(fd);
    buf_fini(&b);
}

// ---- Heartbeat ----

static void who_answers_pings_stays(void **state)
{
    int fd = dial(*state, HELLO("/ws"));
    for (int i = 0; i < 4; i++) {
        expect(fd, WS_OP_PING, "");
        say(fd, WS_OP_PONG, STR(""));
    }
    say(fd, WS_OP_TEXT, STR("still here"));
    struct rig_frame f;
    do {
        f = rig_frame_read(fd);
        mem_free(f.payload);
    } while (f.op == WS_OP_PING);
    assert_int_equal(f.op, WS_OP_TEXT);
    close(fd);
}

static void who_is_silent_is_closed(void **state)
{
    int fd = dial(*state, HELLO("/ws"));
    expect(fd, WS_OP_PING, "");
    expect_close(fd, 1008);
    rig_expect_end(fd);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_code, 1008);
}

// ---- Slow readers ----

static int dial_small(const struct rig *r)
{
    struct rig_reply reply;
    int fd = rig_dial_small(r, 4096);
    rig_say(fd, HELLO("/ws"));
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    return fd;
}

static void a_slow_reader_blocks_and_drains(void **state)
{
    int fd = dial_small(*state);
    say(fd, WS_OP_TEXT, STR("much"));
    rig_wait_metric(*state, METRIC_WS_MESSAGES_IN, 1);
    while (rig_metric(*state, METRIC_SHORT_SENDS) == 0) {
        usleep(1000);
    }
    // Pings meanwhile: only the last is answered, and behind what waits.
    say(fd, WS_OP_PING, STR("1"));
    say(fd, WS_OP_PING, STR("2"));
    say(fd, WS_OP_PING, STR("3"));
    usleep(20000);
    assert_int_equal(drained_count, 0);
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.len, 1 << 20);
    mem_free(f.payload);
    expect(fd, WS_OP_PONG, "3");
    wait_for(&drained_count, 1);
    say(fd, WS_OP_TEXT, STR("on"));
    expect(fd, WS_OP_TEXT, "on");
    close(fd);
}

static void who_reads_nothing_is_closed_and_can_know_why(void **state)
{
    int fd = dial_small(*state);
    say(fd, WS_OP_TEXT, STR("much"));
    wait_for(&closed_count, 1);
    assert_int_equal(closed_code, 4008);
    assert_int_equal(rig_metric(*state, METRIC_SLOW_CLOSED), 1);
    rig_wait_metric(*state, METRIC_CONNECTIONS, 0);
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.len, 1 << 20);
    mem_free(f.payload);
    expect_close(fd, 4008);
    rig_expect_end(fd);
}

// ---- Closing ----

static void the_peer_closes(void **state)
{
    static const struct {
        struct str payload;
        int answered, told;
    } rows[] = {
        {STR("\x03\xe8"), 1000, 1000},
        {STR("\x03\xe9going"), 1001, 1001},
        {STR("\x0f\xa0"), 4000, 4000},
        {STR(""), 0, 1005},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = dial(*state, HELLO("/ws"));
        say(fd, WS_OP_CLOSE, rows[i].payload);
        say(fd, WS_OP_TEXT, STR("too late"));
        expect_close(fd, rows[i].answered);
        rig_expect_end(fd);
        wait_for(&closed_count, (int)i + 1);
        assert_int_equal(closed_code, rows[i].told);
    }
    assert_int_equal(rig_metric(*state, METRIC_WS_ERRORS), 0);
}

static void the_hub_closes(void **state)
{
    int fd = dial(*state, HELLO("/ws"));
    say(fd, WS_OP_TEXT, STR("bye"));
    struct rig_frame f = rig_frame_read(fd);
    assert_int_equal(f.op, WS_OP_CLOSE);
    assert_int_equal(rig_close_code(&f), 4000);
    assert_string_equal(f.payload + 2, "as you like");
    mem_free(f.payload);
    wait_for(&closed_count, 1); // at once, not when the peer has answered
    assert_int_equal(closed_code, 4000);
    say(fd, WS_OP_TEXT, STR("bye")); // ignored
    say(fd, WS_OP_CLOSE, STR("\x0f\xa0"));
    rig_expect_end(fd);
    rig_wait_metric(*state, METRIC_CONNECTIONS, 0);
    assert_int_equal(closed_count, 1);
}

static void a_peer_that_does_not_answer_our_close(void **state)
{
    int fd = dial(*state, HELLO("/ws"));
    say(fd, WS_OP_TEXT, STR("bye"));
    struct rig_frame f;
    do {
        f = rig_frame_read(fd);
        mem_free(f.payload);
    } while (f.op == WS_OP_PING);
    assert_int_equal(f.op, WS_OP_CLOSE);
    rig_wait_metric(*state, METRIC_CONNECTIONS, 0);
    rig_expect_end(fd);
}

static void breaks(void **state)
{
    for (int i = 0; i < 2; i++) {
        int fd = dial(*state, HELLO("/ws"));
        if (i == 1) {
            struct linger hard = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        }
        close(fd);
        wait_for(&closed_count, i + 1);
        assert_int_equal(closed_code, 1006);
    }
}

static void draining(void **state)
{
    int fd = dial(*state, HELLO("/ws"));
    rig_drain(*state, 1012);
    expect_close(fd, 1012);
    say(fd, WS_OP_CLOSE, STR("\x03\xf4"));
    rig_expect_end(fd);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_code, 1012);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define QUICK(f)  cmocka_unit_test_setup_teardown(f, start_quick, stop)
    const struct CMUnitTest tests[] = {
        SERVED(handshakes_that_are_refused),
        cmocka_unit_test_setup_teardown(switched_off, start_off, stop),
        SERVED(handshakes_that_are_taken),
        QUICK(half_a_handshake_is_timed_out),
        SERVED(bytes_behind_the_handshake_are_kept),
        SERVED(messages_come_back),
        SERVED(faults_get_their_close_code),
        SERVED(too_many_fragments),
        SERVED(floods),
        QUICK(who_answers_pings_stays),
        QUICK(who_is_silent_is_closed),
        SERVED(a_slow_reader_blocks_and_drains),
        cmocka_unit_test_setup_teardown(who_reads_nothing_is_closed_and_can_know_why,
                                        start_impatient, stop),
        SERVED(the_peer_closes),
        SERVED(the_hub_closes),
        QUICK(a_peer_that_does_not_answer_our_close),
        SERVED(breaks),
        SERVED(draining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
