// SPDX-License-Identifier: MIT
// Memory. Every allocation made for a peer fails in turn: the peer may lose its connection, nobody
// else anything. And what connections own while nothing happens.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/internal.h"

enum { FAULTS_MAX = 300 };

static void echo(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_header_add(req, "X-Query", http_query(req, "q"));
    http_reply(req, 200, "text/plain", http_body(req));
}

static void stream(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_stream_begin(req, 200, "text/plain");
    http_stream_write(req, STR("some"));
    http_stream_end(req);
}

static int opened, closed;

static void on_text(struct ws *ws, void *arg, struct str text)
{
    (void)arg;
    ws_send_text(ws, text);
}

static void on_closed(struct ws *ws, void *arg, int code)
{
    (void)ws;
    (void)arg;
    (void)code;
    closed++;
}

static void open_ws(struct http_request *req, void *ctx)
{
    static const struct ws_ops ops = {.on_text = on_text, .on_closed = on_closed};
    struct ws *ws;
    (void)ctx;
    opened += ws_upgrade(req, STR_NONE, &ops, NULL, &ws);
}

static const struct route routes[] = {
    {.pattern = "/echo/{id}", .method = HTTP1_POST, .handle = echo},
    {.pattern = "/stream", .handle = stream},
    {.pattern = "/ws", .kind = ROUTE_UPGRADE, .handle = open_ws},
};

struct server {
    struct loop *loop;
    struct metrics_table *table;
    struct router *router;
    struct origin_policy *policy;
    struct http_limits limits;
    struct httpd *httpd;
};

static int start(void **state)
{
    struct server *s = mem_alloc(sizeof(*s));
    struct str bad;
    assert_int_equal(loop_new(&s->loop), 0);
    s->table = metrics_table_new(1);
    s->router = router_new();
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        router_add(s->router, &routes[i]);
    }
    assert_int_equal(origin_policy_new(&(struct origin_config){0}, &s->policy, &bad), 0);
    s->limits = http_limits_of(&limits_default);
    s->httpd = httpd_new(&(struct httpd_config){.loop = s->loop,
                                                .metrics = metrics_of(s->table, 0),
                                                .router = s->router,
                                                .origins = s->policy,
                                                .limits = &s->limits,
                                                .upgrades = true});
    *state = s;
    return 0;
}

static int stop(void **state)
{
    struct server *s = *state;
    httpd_free(s->httpd);
    origin_policy_free(s->policy);
    router_free(s->router);
    metrics_table_free(s->table);
    loop_free(s->loop);
    mem_free(s);
    return 0;
}

static void say(struct server *s, int fd, struct str bytes)
{
    (void)send(fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    loop_turn(s->loop, 0);
    loop_turn(s->loop, 0);
}

#define HOST "Host: localhost\r\nOrigin: http://localhost\r\n"

static const struct str scenarios[][3] = {
    {STR("POST /echo/a%20b?q=%41 HTTP/1.1\r\n" HOST "Content-Le"),
     STR("ngth: 10\r\nExpect: 100-continue\r\n\r\n01234"),
     STR("56789GET /nothing HTTP/1.1\r\n" HOST "\r\n")},
    {STR("POST /echo/1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab"),
     STR("c\r\n0\r\n\r\nGET /stream HTTP/1.1\r\n" HOST "\r\n"), STR("BAD\r\n\r\n")},
    {STR("GET /ws HTTP/1.1\r\n" HOST
         "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x01\x83\0\0\0\0a"),
     STR("bc\x89\x81\0\0\0\0p\x80\x81\0\0\0\0d"), STR("\x88\x82\0\0\0\0\x03\xe8")},
};

// One connection through a scenario. Gives all that was answered.
static size_t run(struct server *s, const struct str *scenario, char *answer, size_t size)
{
    int fds[2];
    size_t len = 0;
    ssize_t n;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    httpd_accept(s->httpd, &(struct accepted){.fd = fds[1], .loopback_listener = true});
    for (size_t i = 0; i < 3; i++) {
        say(s, fds[0], scenario[i]);
    }
    mem_fail_nth(0);
    while (len < size && (n = recv(fds[0], answer + len, size - len, MSG_DONTWAIT)) > 0) {
        len += (size_t)n;
    }
    close(fds[0]);
    for (int i = 0; i < 10; i++) {
        loop_turn(s->loop, 0);
    }
    assert_int_equal(httpd_connections(s->httpd), 0);
    return len;
}

static void each_failure_costs_one_connection_at_most(void **state)
{
    static char good[8192], answer[8192];
    for (size_t k = 0; k < ARRAY_LEN(scenarios); k++) {
        size_t good_len = run(*state, scenarios[k], good, sizeof(good));
        size_t same = 0;
        assert_true(good_len > 100);
        for (unsigned long nth = 1; nth <= FAULTS_MAX; nth++) {
            mem_fail_nth(nth);
            size_t len = run(*state, scenarios[k], answer, sizeof(answer));
            same = len == good_len ? same + 1 : 0;
        }
        assert_true(same > FAULTS_MAX / 2); // the last of them came after the last allocation
        assert_int_equal(run(*state, scenarios[k], answer, sizeof(answer)), good_len);
        assert_int_equal(opened, closed);
    }
    assert_true(opened > 0);
}

// ---- At rest ----

enum { CROWD = 2000 };

static const struct str hello =
    STR("GET /ws HTTP/1.1\r\n" HOST
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");

static void make_room_for(rlim_t descriptors)
{
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    if (r.rlim_cur < descriptors) {
        r.rlim_cur = descriptors;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
    }
}

static int dial(struct server *s)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    httpd_accept(s->httpd, &(struct accepted){.fd = fds[1], .loopback_listener = true});
    return fds[0];
}

static int dial_ws(struct server *s)
{
    char answer[1024];
    int fd = dial(s);
    say(s, fd, hello);
    assert_true(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 12);
    assert_memory_equal(answer, "HTTP/1.1 101", 12);
    return fd;
}

static void turn_until_nobody_is_left(struct server *s)
{
    for (int i = 0; i < 100 && httpd_connections(s->httpd) > 0; i++) {
        loop_turn(s->loop, 10);
    }
    assert_int_equal(httpd_connections(s->httpd), 0);
}

// A slab that is in use, and an empty one that is kept.
#define SLACK_BYTES (2 * POOL_SLAB_BYTES)
#define HTTP_SLACK  (2 * SLACK_BYTES) // of connections and of requests

static void idle_websockets_are_small_and_their_memory_comes_back(void **state)
{
    static int fds[CROWD];
    struct server *s = *state;
    make_room_for(2 * CROWD + 100);
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = dial_ws(s);
    }
    const struct httpd *h = s->httpd;
    assert_int_equal(pool_count(&h->websockets.pool), CROWD);
    assert_int_equal(pool_count(&h->websockets.partials), 0);
    assert_int_equal(pool_count(&h->conns_pool), 0);
    assert_true(httpd_memory(h).websockets <= CROWD * sizeof(struct ws) + SLACK_BYTES);
    assert_true(httpd_memory(h).http <= HTTP_SLACK);
    assert_true(httpd_memory(h).websockets >= CROWD * sizeof(struct ws));
    for (size_t i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    turn_until_nobody_is_left(s);
    assert_true(httpd_memory(h).websockets <= SLACK_BYTES);
}

static void idle_http_connections_are_small_and_their_memory_comes_back(void **state)
{
    static int fds[CROWD];
    struct server *s = *state;
    make_room_for(2 * CROWD + 100);
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = dial(s);
        say(s, fds[i], STR("GET /nothing HTTP/1.1\r\n" HOST "\r\n"));
    }
    assert_int_equal(httpd_connections(s->httpd), CROWD);
    assert_true(httpd_memory(s->httpd).http <= CROWD * sizeof(struct http_conn) + HTTP_SLACK);
    for (size_t i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    turn_until_nobody_is_left(s);
    assert_true(httpd_memory(s->httpd).http <= HTTP_SLACK);
}

// A decoder of its own only while something of a message has come.
static void what_is_partial_is_given_back(void **state)
{
    static const struct str parts[] = {
        STR("\x01"),                            // a head begins
        STR("\x83\0\0\0\0a"),                   // it is whole; some of the payload
        STR("bc"),                              // the frame is whole, the message is not
        STR("\x89\x80\0\0\0\0"),                // a ping in between
        STR("\x80\x81\0\0\0\0d"),               // the end
        STR("\x81\x81\0\0\0\0e\x81\x81\0\0\0"), // a whole message, and another begins
        STR("\0f"),
    };
    static const size_t held[] = {1, 1, 1, 1, 0, 1, 0};
    struct server *s = *state;
    const struct pool *partials = &s->httpd->websockets.partials;
    int fd = dial_ws(s), other = dial_ws(s);
    char answer[64];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        say(s, fd, parts[i]);
        assert_int_equal(pool_count(partials), held[i]);
        say(s, other, STR("\x81\x81\0\0\0\0o")); // decoded meanwhile by what all share
        assert_int_equal(recv(other, answer, sizeof(answer), MSG_DONTWAIT), 3);
        assert_memory_equal(answer, "\x81\x01o", 3);
    }
    static const char all[] = "\x8a\0\x81\x04"
                              "abcd\x81\x01"
                              "e\x81\x01"
                              "f";
    assert_int_equal(recv(fd, answer, sizeof(answer), MSG_DONTWAIT), sizeof(all) - 1);
    assert_memory_equal(answer, all, sizeof(all) - 1);
    say(s, fd, STR("\x01\x83")); // gone in the middle of a head, and after a fault
    say(s, other, STR("\x01"));
    say(s, other, STR("\x01\0\0\0\0x"));
    assert_int_equal(pool_count(partials), 1);
    close(fd);
    close(other);
    turn_until_nobody_is_left(s);
    assert_int_equal(pool_count(partials), 0);
}

int main(void)
{
    static_assert(sizeof(struct http_conn) <= 136, "connections are kept open between requests");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idle_websockets_are_small_and_their_memory_comes_back,
                                        start, stop),
        cmocka_unit_test_setup_teardown(idle_http_connections_are_small_and_their_memory_comes_back,
                                        start, stop),
        cmocka_unit_test_setup_teardown(what_is_partial_is_given_back, start, stop),
        cmocka_unit_test_setup_teardown(each_failure_costs_one_connection_at_most, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
