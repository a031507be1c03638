// SPDX-License-Identifier: MIT
// Tests of connections that move to another worker, because what they ask for is there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/rig.h"
#include "http/websocket.h"

// ---- Two workers. Each says its name, and what it was sent ----

enum { MUCH_BYTES = 4 << 20 };

static int owner(const struct http_request *req, void *ctx)
{
    uint64_t n;
    (void)ctx;
    return str_to_u64(http_query(req, "w"), &n) ? -1 : (int)n;
}

static void say_name(struct http_request *req, void *ctx)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put(&b, str_of(ctx));
    buf_put(&b, http_body(req));
    http_reply(req, 200, "text/plain", buf_str(&b));
    buf_fini(&b);
}

static void say_much(struct http_request *req, void *ctx)
{
    char *p = mem_alloc(MUCH_BYTES);
    (void)ctx;
    memset(p, 'm', MUCH_BYTES);
    http_reply(req, 200, "text/plain", str_make(p, MUCH_BYTES));
    mem_free(p);
}

static void on_text(struct ws *ws, void *arg, struct str text)
{
    ws_send_text(ws, str_of(arg));
    ws_send_text(ws, text);
}

static void on_closed(struct ws *ws, void *arg, int code)
{
    (void)ws;
    (void)arg;
    (void)code;
}

static void open_ws(struct http_request *req, void *ctx)
{
    static const struct ws_ops ops = {.on_text = on_text, .on_closed = on_closed};
    struct ws *ws;
    (void)!ws_upgrade(req, STR_NONE, &ops, ctx, &ws);
}

struct pair {
    struct rig *rigs[2];
};

static struct rig *start_one(const char *name, struct rig *first)
{
    void *ctx = (void *)(uintptr_t)name;
    struct route routes[] = {
        {.pattern = "/at", .owner = owner, .handle = say_name, .ctx = ctx},
        {.pattern = "/at", .method = HTTP1_POST, .owner = owner, .handle = say_name, .ctx = ctx},
        {.pattern = "/much", .handle = say_much},
        {.pattern = "/ws", .kind = ROUTE_UPGRADE, .owner = owner, .handle = open_ws, .ctx = ctx},
    };
    return rig_start(&(struct rig_config){
        .routes = routes, .routes_count = ARRAY_LEN(routes), .is_first = !first, .first = first});
}

static int start(void **state)
{
    struct pair *p = mem_alloc(sizeof(*p));
    p->rigs[0] = start_one("one", NULL);
    p->rigs[1] = start_one("two", p->rigs[0]);
    *state = p;
    return 0;
}

static int stop(void **state)
{
    struct pair *p = *state;
    rig_stop(p->rigs[0]);
    rig_stop(p->rigs[1]);
    mem_free(p);
    return 0;
}

// ---- The client ----

#define HOST      "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static void expect(int fd, const char *body)
{
    struct rig_reply reply;
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, body);
    rig_reply_free(&reply);
}

static int64_t moved(const struct pair *p)
{
    return rig_metric(p->rigs[0], METRIC_MOVED) + rig_metric(p->rigs[1], METRIC_MOVED);
}

// ---- Tests ----

static void one_after_the_other(void **state)
{
    static const struct {
        const char *request, *body;
        int moves;
    } rows[] = {
        {GET("/at"), "one", 0},     {GET("/at?w=0"), "one", 0}, {GET("/at?w=1"), "two", 1},
        {GET("/at"), "two", 0},     {GET("/at?w=1"), "two", 0}, {GET("/at?w=0"), "one", 1},
        {GET("/at?w=2"), "one", 0}, {GET("/at?w=x"), "one", 0}, {GET("/at?w=-1"), "one", 0},
        {GET("/at?w=1"), "two", 1},
    };
    struct pair *p = *state;
    int fd = rig_dial(p->rigs[0]);
    int64_t moves = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rig_say(fd, rows[i].request);
        expect(fd, rows[i].body);
        moves += rows[i].moves;
        assert_int_equal(moved(p), moves);
    }
    close(fd);
}

static void pipelined(void **state)
{
    struct pair *p = *state;
    int fd = rig_dial(p->rigs[0]);
    rig_say(fd, GET("/at?w=0") GET("/at?w=1") GET("/at") GET("/at?w=0") GET("/at?w=1"));
    expect(fd, "one");
    expect(fd, "two");
    expect(fd, "two");
    expect(fd, "one");
    expect(fd, "two");
    // Byte by byte, so that the head is not whole when it is first looked at.
    for (const char *c = GET("/at?w=0") GET("/at?w=1"); *c; c++) {
        rig_say_bytes(fd, str_make(c, 1));
    }
    expect(fd, "one");
    expect(fd, "two");
    close(fd);
}

static void with_bodies(void **state)
{
    struct pair *p = *state;
    struct rig_reply reply;
    int fd = rig_dial(p->rigs[0]);
    rig_say(fd, "POST /at?w=1 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET("/at?w=0"));
    expect(fd, "twoabc");
    expect(fd, "one");
    rig_say(fd, "POST /at?w=1 HTTP/1.1\r\n" HOST
                "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 100);
    rig_say(fd, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    expect(fd, "twoabcde");
    // One that comes in while it moves.
    char body[60000];
    memset(body, 'b', sizeof(body));
    rig_say(fd, "POST /at?w=0 HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n");
    rig_say_bytes(fd, str_make(body, sizeof(body)));
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.body_len, sizeof(body) + 3);
    assert_memory_equal(reply.body, "one", 3);
    assert_memory_equal(reply.body + 3, body, sizeof(body));
    rig_reply_free(&reply);
    // And the client that leaves at once is still answered.
    rig_say(fd, "POST /at?w=1 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    expect(fd, "twoabc");
    rig_expect_end(fd);
}

static void behind_an_answer_that_is_not_read(void **state)
{
    struct pair *p = *state;
    struct rig_reply reply;
    int fd = rig_dial_small(p->rigs[0], 4096);
    rig_say(fd, GET("/much") GET("/at?w=1"));
    usleep(1000);
    assert_int_equal(moved(p), 0);
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.body_len, MUCH_BYTES);
    rig_reply_free(&reply);
    expect(fd, "two");
    close(fd);
    // And who never reads it goes.
    fd = rig_dial_small(p->rigs[0], 4096);
    rig_say(fd, GET("/much") GET("/at?w=1"));
    close(fd);
}

static void websockets(void **state)
{
    struct pair *p = *state;
    static const char *const answers[] = {"two", "hello"};
    struct rig_reply reply;
    int fd = rig_dial(p->rigs[0]);
    rig_say(fd, "GET /ws?w=1 HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    rig_frame_say(fd, WS_OP_TEXT, STR("hello"));
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct rig_frame f = rig_frame_read(fd);
        assert_string_equal(f.payload, answers[i]);
        mem_free(f.payload);
    }
    close(fd);
}

// Whoever drains keeps what it has: the other one may be gone.
static void not_while_draining(void **state)
{
    struct pair *p = *state;
    int fd = rig_dial(p->rigs[0]), idle = rig_dial(p->rigs[0]);
    rig_say(fd, "GET /at?w=1 HTT");
    rig_say(idle, GET("/at"));
    expect(idle, "one");
    rig_drain(p->rigs[0], 1001);
    rig_expect_end(idle);
    struct rig_reply reply;
    rig_say(fd, "P/1.1\r\n" HOST "\r\n");
    rig_reply_read(fd, &reply);
    assert_string_equal(reply.body, "one");
    assert_true(rig_reply_has(&reply, "\r\nConnection: close\r\n"));
    rig_reply_free(&reply);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_after_the_other, start, stop),
        cmocka_unit_test_setup_teardown(pipelined, start, stop),
        cmocka_unit_test_setup_teardown(with_bodies, start, stop),
        cmocka_unit_test_setup_teardown(behind_an_answer_that_is_not_read, start, stop),
        cmocka_unit_test_setup_teardown(websockets, start, stop),
        cmocka_unit_test_setup_teardown(not_while_draining, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
