// SPDX-License-Identifier: MIT
// Memory of Engine.IO. Every allocation made for a client fails in turn: it may lose its socket,
// nobody else anything. And what sockets own while nothing happens.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/httpd.h"
#include "sio/eio_int.h"
#include "wire/ws_frame.h"

enum { FAULTS_MAX = 150, CROWD = 500 };

static int opened, closed;

static int on_open(struct eio_socket *s, struct http_request *req, void *ctx, void **ret_arg)
{
    (void)s;
    (void)req;
    (void)ctx;
    opened++;
    *ret_arg = NULL;
    return 0;
}

static void on_text(struct eio_socket *s, void *arg, struct str text)
{
    (void)arg;
    if (str_is(text, "run")) {
        struct rcbuf *run = rcbuf_try_new(STR("\x1e"
                                              "4of a run"));
        if (run) {
            eio_send_run(s, run);
        }
        rcbuf_unref(run);
    }
    eio_send_text(s, text);
}

static void on_bytes(struct eio_socket *s, void *arg, struct str bytes)
{
    (void)arg;
    eio_send_bytes(s, bytes);
}

static void ignore(struct eio_socket *s, void *arg)
{
    (void)s;
    (void)arg;
}

static void on_close(struct eio_socket *s, void *arg, enum eio_end why)
{
    (void)s;
    (void)arg;
    (void)why;
    closed++;
}

static const struct eio_ops ops = {.on_open = on_open,
                                   .on_text = on_text,
                                   .on_bytes = on_bytes,
                                   .on_blocked = ignore,
                                   .on_room = ignore,
                                   .on_upgraded = ignore,
                                   .on_close = on_close};

// ---- The server, on the test's thread ----

struct server {
    struct loop *loop;
    struct metrics_table *table;
    struct router *router;
    struct origin_policy *policy;
    struct http_limits http;
    struct eio_limits limits;
    struct httpd *httpd;
    struct eio *eio;
};

static void start(struct server *s)
{
    struct str bad;
    opened = closed = 0;
    assert_int_equal(loop_new(&s->loop), 0);
    s->table = metrics_table_new(1);
    s->router = router_new();
    assert_int_equal(origin_policy_new(&(struct origin_config){0}, &s->policy, &bad), 0);
    s->http = http_limits_of(&limits_default);
    s->limits = eio_limits_of(&limits_default);
    s->eio = eio_new(&(struct eio_config){
        .loop = s->loop, .metrics = metrics_of(s->table, 0), .limits = &s->limits, .ops = &ops});
    eio_add_routes(s->router, s->eio, "/eio", NULL);
    s->httpd = httpd_new(&(struct httpd_config){.loop = s->loop,
                                                .metrics = metrics_of(s->table, 0),
                                                .router = s->router,
                                                .origins = s->policy,
                                                .limits = &s->http,
                                                .upgrades = true});
}

static void turns(struct server *s)
{
    for (int i = 0; i < 6; i++) {
        loop_turn(s->loop, 0);
    }
}

static void stop(struct server *s)
{
    eio_drain(s->eio, 1001);
    httpd_close_all(s->httpd);
    for (int i = 0; i < 100 && httpd_connections(s->httpd) > 0; i++) {
        loop_turn(s->loop, 1);
    }
    turns(s);
    assert_int_equal(opened, closed);
    eio_free(s->eio);
    httpd_free(s->httpd);
    origin_policy_free(s->policy);
    router_free(s->router);
    metrics_table_free(s->table);
    loop_free(s->loop);
}

static int dial(struct server *s)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    httpd_accept(s->httpd, &(struct accepted){.fd = fds[1], .loopback_listener = true});
    return fds[0];
}

static void say(struct server *s, int fd, struct str bytes)
{
    (void)send(fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    turns(s);
}

#define UPGRADE                                                                                    \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void ask(struct server *s, int fd, const char *method, const char *query, const char *more)
{
    char request[512];
    int n = snprintf(request, sizeof(request),
                     "%s /eio/?EIO=4&%s HTTP/1.1\r\nHost: localhost\r\n%s", method, query, more);
    say(s, fd, str_make(request, (size_t)n));
}

// A text of at most 125 bytes.
static void say_text(struct server *s, int fd, const char *text)
{
    static const uint8_t mask[4] = {0};
    struct buf b;
    buf_init(&b, 256);
    ws_put_frame(&b, WS_OP_TEXT, str_of(text), mask);
    say(s, fd, buf_str(&b));
    buf_fini(&b);
}

static size_t hear(int fd, char *to, size_t size)
{
    size_t len = 0;
    ssize_t n;
    while (len < size - 1 && (n = recv(fd, to + len, size - 1 - len, MSG_DONTWAIT)) > 0) {
        len += (size_t)n;
    }
    to[len] = '\0';
    return len;
}

// False: there is none.
static bool open_polling(struct server *s, int fd, char query[64])
{
    char answer[2048];
    ask(s, fd, "GET", "transport=polling", "\r\n");
    (void)hear(fd, answer, sizeof(answer));
    const char *sid = strstr(answer, "\"sid\":\"");
    if (sid) {
        snprintf(query, 64, "transport=polling&sid=%.24s", sid + 7);
    }
    return sid != NULL;
}

// Everything once. Did the last message come back?
static bool run(struct server *s, unsigned long nth)
{
    static char heard[8192];
    char query[64], ws_query[64];
    int poll = dial(s), post = dial(s), ws = dial(s);
    bool whole = false;
    mem_fail_nth(nth);
    if (open_polling(s, poll, query)) {
        snprintf(ws_query, sizeof(ws_query), "transport=websocket&%s", strstr(query, "sid="));
        ask(s, poll, "GET", query, "\r\n");
        ask(s, post, "POST", query,
            "Content-Length: 12\r\n\r\n4hello\x1e"
            "bAQID");
        ask(s, post, "POST", query,
            "Transfer-Encoding: chunked\r\n\r\n8\r\n4run\x1e"
            "4so\r\n0\r\n\r\n");
        ask(s, post, "POST", query, "Content-Length: 4\r\n\r\n4run");
        ask(s, ws, "GET", ws_query, UPGRADE "\r\n");
        say_text(s, ws, "2probe");
        ask(s, poll, "GET", query, "\r\n");
        ask(s, post, "POST", query,
            "Content-Length: 8\r\n\r\n4run\x1e"
            "4so");
        say_text(s, ws, "5");
        say_text(s, ws, "bAQIDBA==");
        say_text(s, ws, "4last");
        whole = memmem(heard, hear(ws, heard, sizeof(heard)), "4last", 5) != NULL;
    }
    mem_fail_nth(0);
    close(poll);
    close(post);
    close(ws);
    turns(s);
    return whole;
}

static void each_failure_costs_one_socket_at_most(void **state)
{
    struct server s;
    size_t whole = 0;
    (void)state;
    start(&s);
    assert_true(run(&s, 0));
    stop(&s);
    for (unsigned long nth = 1; nth <= FAULTS_MAX; nth++) {
        start(&s);
        whole += run(&s, nth);
        assert_true(run(&s, 0)); // another client is not touched
        stop(&s);
    }
    assert_true(whole > 0 && whole < FAULTS_MAX); // some fail, and the last came after all
}

// ---- At rest ----

static void idle_sockets_are_small(void **state)
{
    static int fds[CROWD];
    struct server s;
    char query[64];
    (void)state;
    start(&s);
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = dial(&s);
        ask(&s, fds[i], "GET", "transport=websocket", UPGRADE "\r\n");
    }
    assert_int_equal(eio_sockets(s.eio), CROWD);
    assert_int_equal(pool_count(&s.eio->pollings), 0);
    assert_true(sizeof(struct eio_socket) <= 88);
    for (size_t i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    turns(&s);
    assert_int_equal(eio_sockets(s.eio), 0);
    assert_true(eio_memory(s.eio) <= 2 * 2 * POOL_SLAB_BYTES);
    // Polling, and gone without a word.
    for (size_t i = 0; i < CROWD; i++) {
        int fd = dial(&s);
        assert_true(open_polling(&s, fd, query));
        close(fd);
    }
    turns(&s);
    assert_int_equal(eio_sockets(s.eio), CROWD);
    assert_true(eio_memory(s.eio) <= CROWD * 400 + 2 * 2 * POOL_SLAB_BYTES);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_costs_one_socket_at_most),
        cmocka_unit_test(idle_sockets_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
