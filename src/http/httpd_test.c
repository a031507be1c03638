// SPDX-License-Identifier: MIT
// Tests of the HTTP/1.1 server over real sockets: what it takes, and what it refuses and how.
#include "http/httpd.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/rig.h"

// ---- What is served ----

static atomic_int aborted, drained_count;

static void hello(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply(req, 200, "text/plain", STR("hello"));
}

static void echo(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply(req, 200, "application/octet-stream", http_body(req));
}

static void show(struct http_request *req, void *ctx)
{
    struct buf b;
    (void)ctx;
    buf_init(&b, 4096);
    buf_putf(&b, "%.*s|%.*s|%.*s", STR_ARG(http_path(req)), STR_ARG(http_param(req, "id")),
             STR_ARG(http_query(req, "q")));
    http_reply(req, 200, "text/plain", buf_str(&b));
    buf_fini(&b);
}

struct later {
    struct timer timer;
    struct http_request *req;
};

static void on_later(struct timer *t)
{
    struct later *l = CONTAINER_OF(t, struct later, timer);
    http_reply(l->req, 200, "text/plain", http_query(l->req, "n"));
    http_request_unref(l->req);
    mem_free(l);
}

static void later(struct http_request *req, void *ctx)
{
    struct later *l = mem_alloc(sizeof(*l));
    (void)ctx;
    l->req = http_request_ref(req);
    timer_init(&l->timer, on_later);
    loop_timer_after(http_loop(req), &l->timer, 20);
}

static void on_abort(struct http_request *req, void *arg)
{
    (void)arg;
    aborted++;
    http_reply(req, 200, "text/plain", STR("nobody reads this"));
    http_request_unref(req);
}

static void hold(struct http_request *req, void *ctx)
{
    static const struct http_request_ops ops = {.on_abort = on_abort};
    (void)ctx;
    http_request_watch(http_request_ref(req), &ops, NULL);
}

static void stream(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_stream_begin(req, 200, "text/event-stream");
    http_stream_write(req, STR("data: 1\n\n"));
    http_stream_write(req, STR(""));
    http_stream_write(req, STR("data: 2\n\n"));
    http_stream_end(req);
}

// Streams as fast as it is taken, 16 times 64 KiB.
struct flow {
    int left;
    char bytes[65536];
};

static void flow_on(struct http_request *req, void *arg)
{
    struct flow *f = arg;
    drained_count++;
    if (f->left-- > 0) {
        http_stream_write(req, str_make(f->bytes, sizeof(f->bytes)));
        http_want_drained(req);
        return;
    }
    http_stream_end(req);
    http_request_unref(req);
    mem_free(f);
}

static void flow_abort(struct http_request *req, void *arg)
{
    aborted++;
    http_request_unref(req);
    mem_free(arg);
}

static void flow(struct http_request *req, void *ctx)
{
    static const struct http_request_ops ops = {.on_abort = flow_abort, .on_drained = flow_on};
    struct flow *f = mem_alloc(sizeof(*f));
    (void)ctx;
    f->left = 16;
    http_request_watch(http_request_ref(req), &ops, f);
    http_stream_begin(req, 200, "application/octet-stream");
    flow_on(req, f);
}

static void big(struct http_request *req, void *ctx)
{
    enum { BYTES = 3 << 20 };
    char *p = mem_alloc(BYTES);
    (void)ctx;
    http_reply(req, 200, "application/octet-stream", str_make(p, BYTES));
    mem_free(p);
}

static void drop(struct http_request *req, void *ctx)
{
    (void)req;
    (void)ctx;
}

static void drop_stream(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_stream_begin(req, 200, "text/plain");
    http_stream_write(req, STR("half"));
}

static void inject(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_header_add(req, "X-Name", STR("a\r\nSet-Cookie: b"));
    http_reply(req, 200, "text/plain", STR(""));
}

static void refuse(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_error_with(req, -E_CONFLICT, "No \"twice\".", STR("\"index\":3"));
}

static void busy(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_error(req, -E_UNAVAILABLE, NULL);
}

static bool asks_eio(const struct http_request *req, void *ctx)
{
    (void)ctx;
    return http_query(req, "EIO").p != NULL;
}

static const struct route routes[] = {
    {.pattern = "/", .handle = hello},
    {.pattern = "/hello", .handle = hello, .flags = ROUTE_PUBLIC},
    {.pattern = "/echo", .method = HTTP1_POST, .handle = echo},
    {.pattern = "/echo", .method = HTTP1_PUT, .handle = echo},
    {.pattern = "/show/{id}", .handle = show},
    {.pattern = "/later", .handle = later},
    {.pattern = "/hold", .handle = hold},
    {.pattern = "/stream", .handle = stream},
    {.pattern = "/flow", .handle = flow},
    {.pattern = "/big", .handle = big},
    {.pattern = "/drop", .handle = drop},
    {.pattern = "/drop-stream", .handle = drop_stream},
    {.pattern = "/inject", .handle = inject},
    {.pattern = "/refuse", .handle = refuse},
    {.pattern = "/busy", .handle = busy},
    {.pattern = "/ws", .handle = hello, .when = asks_eio},
    {.pattern = "/ws", .kind = ROUTE_UPGRADE, .handle = drop},
};

static struct http_limits quick(void)
{
    struct http_limits l = http_limits_of(&limits_default);
    l.head_ms = l.body_stall_ms = l.keepalive_ms = 100;
    l.linger_ms = 500;
    return l;
}

static int start(void **state)
{
    *state = rig_start(&(struct rig_config){.routes = routes, .routes_count = ARRAY_LEN(routes)});
    return 0;
}

static int start_quick(void **state)
{
    *state = rig_start(&(struct rig_config){
        .routes = routes, .routes_count = ARRAY_LEN(routes), .limits = quick()});
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

#define HOST      "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static void expect_body(int fd, int status, const char *body)
{
    struct rig_reply reply;
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, status);
    assert_string_equal(reply.body, body);
    rig_reply_free(&reply);
}

// ---- What is taken ----

static void answers_are_whole_and_kept_alive(void **state)
{
    int fd = rig_dial(*state);
    struct rig_reply reply;
    for (int i = 0; i < 3; i++) {
        rig_say(fd, GET("/hello"));
        rig_reply_read(fd, &reply);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "hello");
        assert_true(rig_reply_has(&reply, "\r\nContent-Length: 5\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nDate: "));
        assert_true(rig_reply_has(&reply, " GMT\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nCache-Control: no-store\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nX-Content-Type-Options: nosniff\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nVary: Origin\r\n"));
        assert_false(rig_reply_has(&reply, "Connection:"));
        rig_reply_free(&reply);
    }
    rig_say(fd, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    rig_reply_read(fd, &reply);
    assert_true(rig_reply_has(&reply, "\r\nConnection: close\r\n"));
    rig_reply_free(&reply);
    rig_expect_end(fd);
    rig_wait_metric(*state, METRIC_HTTP_REQUESTS, 4);
}

static void http_1_0_closes_unless_asked(void **state)
{
    int fd = rig_dial(*state);
    struct rig_reply reply;
    rig_say(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    rig_reply_read(fd, &reply);
    assert_true(rig_reply_has(&reply, "\r\nConnection: keep-alive\r\n"));
    rig_reply_free(&reply);
    rig_say(fd, "GET /stream HTTP/1.0\r\n\r\n");
    rig_reply_read_head(fd, &reply);
    assert_false(rig_reply_has(&reply, "chunked"));
    char body[18];
    rig_read(fd, body, sizeof(body));
    assert_memory_equal(body, "data: 1\n\ndata: 2\n\n", 18);
    rig_expect_end(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    int fd = rig_dial(*state);
    rig_say(fd, GET("/later?n=1") GET("/hello") GET("/later?n=2") GET("/later?n=3") GET("/hello"));
    expect_body(fd, 200, "1");
    expect_body(fd, 200, "hello");
    expect_body(fd, 200, "2");
    expect_body(fd, 200, "3");
    expect_body(fd, 200, "hello");
    close(fd);
}

// More than is read ahead: the rest waits in the socket and is answered all the same.
static void a_flood_of_pipelined_requests_waits(void **state)
{
    enum { COUNT = 6000 };
    int fd = rig_dial(*state);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put(&b, STR(GET("/later?n=0")));
    for (int i = 0; i < COUNT; i++) {
        buf_put(&b, STR(GET("/hello")));
    }
    rig_say_bytes(fd, buf_str(&b));
    shutdown(fd, SHUT_WR);
    expect_body(fd, 200, "0");
    for (int i = 0; i < COUNT; i++) {
        expect_body(fd, 200, "hello");
    }
    rig_expect_end(fd);
    buf_fini(&b);
}

static void one_byte_at_a_time(void **state)
{
    static const char text[] =
        "\r\nPOST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-T: 1\r\n\r\n" GET("/hello");
    int one = 1, fd = rig_dial(*state);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        rig_say_bytes(fd, str_make(&text[i], 1));
    }
    expect_body(fd, 200, "hello!");
    expect_body(fd, 200, "hello");
    close(fd);
}

static void bodies_by_length_and_chunked(void **state)
{
    int fd = rig_dial(*state);
    char *body = mem_alloc(100001);
    struct rig_reply reply;
    memset(body, 'x', 100000);
    rig_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    rig_say(fd, body);
    expect_body(fd, 200, body);
    rig_say(fd, "PUT /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n186a0\r\n");
    rig_say(fd, body);
    rig_say(fd, "\r\n0\r\n\r\n");
    expect_body(fd, 200, body);
    rig_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    expect_body(fd, 200, "");
    rig_say(fd,
            "POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/json; charset=\"UTF-8\"\r\n"
            "Content-Length: 2\r\n\r\n{}");
    expect_body(fd, 200, "{}");
    rig_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 100);
    rig_say(fd, "ok");
    expect_body(fd, 200, "ok");
    mem_free(body);
    close(fd);
}

static void head_has_the_length_and_no_body(void **state)
{
    int fd = rig_dial(*state);
    static const char *const paths[] = {"/hello", "/stream", "/nothing"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char text[128];
        struct rig_reply reply;
        snprintf(text, sizeof(text), "HEAD %s HTTP/1.1\r\n" HOST "\r\n", paths[i]);
        rig_say(fd, text);
        rig_reply_read_head(fd, &reply);
        assert_int_equal(reply.status, i == 2 ? 404 : 200);
        assert_int_equal(rig_reply_has(&reply, "\r\nContent-Length: "), i != 1);
        assert_int_equal(rig_reply_has(&reply, "\r\nContent-Length: 5\r\n"), i == 0);
    }
    rig_say(fd, GET("/hello"));
    expect_body(fd, 200, "hello");
    close(fd);
}

static void paths_are_decoded_once(void **state)
{
    int fd = rig_dial(*state);
    rig_say(fd, GET("/show/a%20b%2541/?q=1&q=x+y%26"));
    expect_body(fd, 200, "/show/a b%41|a b%41|x y&");
    rig_say(fd, "GET http://localhost/show/1 HTTP/1.1\r\n" HOST "\r\n");
    expect_body(fd, 200, "/show/1|1|");
    close(fd);
}

static void options_and_preflight(void **state)
{
    struct rig_reply reply;
    rig_ask(*state, "OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", &reply);
    assert_int_equal(reply.status, 204);
    assert_true(rig_reply_has(&reply, "\r\nAllow: POST, PUT, OPTIONS\r\n"));
    assert_false(rig_reply_has(&reply, "Access-Control"));
    assert_false(rig_reply_has(&reply, "Content-Length"));
    rig_reply_free(&reply);

    rig_ask(*state,
            "OPTIONS /show/1 HTTP/1.1\r\n" HOST "Origin: http://localhost:5173\r\n"
            "Access-Control-Request-Method: GET\r\n"
            "Access-Control-Request-Headers: authorization, x-thing\r\n\r\n",
            &reply);
    assert_int_equal(reply.status, 204);
    assert_true(
        rig_reply_has(&reply, "\r\nAccess-Control-Allow-Origin: http://localhost:5173\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"));
    assert_true(
        rig_reply_has(&reply, "\r\nAccess-Control-Allow-Headers: authorization, x-thing\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Max-Age: 600\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nVary: Origin\r\n"));
    rig_reply_free(&reply);

    rig_expect(*state, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, NULL);
    rig_expect(*state, "OPTIONS /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "not_found");
    rig_expect(*state,
               "OPTIONS /echo HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n"
               "Access-Control-Request-Method: POST\r\n\r\n",
               403, "forbidden");
}

// ---- What is refused ----

static void broken_requests_are_refused_whole_and_closed(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *code;
    } rows[] = {
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
         400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400,
         "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", 400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 400,
         "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
         400, "bad_request"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello", 400,
         "bad_request"},
        {"GET /hello HTTP/1.1\n" HOST "\r\n", 400, "bad_request"},
        {"GET /hello HTTP/1.1\r\n" HOST "X: 1\r\n 2\r\n\r\n", 400, "bad_request"},
        {"GET /hello HTTP/1.1\r\n" HOST "X : 1\r\n\r\n", 400, "bad_request"},
        {"GET /hello HTTP/1.1\r\n" HOST "X: \001\r\n\r\n", 400, "bad_request"},
        {"GET /hello HTTP/1.1\r\n\r\n", 400, "bad_request"},
        {"GET /hello HTTP/1.1\r\n" HOST HOST "\r\n", 400, "bad_request"},
        {"GET http://other/hello HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"},
        {"GET /hello HTTP/2.0\r\n" HOST "\r\n", 505, "http_version"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL},
        {"GET /hello\r\n\r\n", 400, NULL},
        {"BREW /hello HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"},
        {"CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"},
        {"POST /echo HTTP/1.1\r\n" HOST "Expect: later\r\nContent-Length: 1\r\n\r\n", 417,
         "expectation_failed"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413, "too_large"},
        {"POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
         413, "too_large"},
        {"POST /echo HTTP/1.1\r\n" HOST
         "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1\r\n\r\nx",
         415, "unsupported_media_type"},
        {"POST /echo HTTP/1.1\r\n" HOST
         "Content-Type: text/plain; a=b; Charset=latin1\r\nContent-Length: 1\r\n\r\nx",
         415, "unsupported_media_type"},
        // A body that nobody will read ends the connection too.
        {"POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 404, "not_found"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig_reply reply;
        int fd = rig_dial(*state);
        rig_say(fd, rows[i].request);
        rig_reply_read(fd, &reply);
        if (reply.status != rows[i].status) {
            fail_msg("%s\n-> %s%s", rows[i].request, reply.head, reply.body);
        }
        assert_true(rig_reply_has(&reply, "\r\nConnection: close\r\n"));
        if (rows[i].code) {
            assert_non_null(strstr(reply.body, rows[i].code));
        }
        rig_reply_free(&reply);
        rig_expect_end(fd);
    }
    assert_true(rig_metric(*state, METRIC_HTTP_REFUSED) > 20);
    rig_expect(*state, GET("/hello"), 200, NULL);
}

static void what_does_not_exist_keeps_the_connection(void **state)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {GET("/nothing"), 404},
        {GET("/../hello"), 404},
        {GET("/%2e%2e%2fhello"), 404},
        {GET("/%252e"), 404},
        {GET("//hello"), 404},
        {GET("/./hello"), 404},
        {GET("/hello%00"), 404},
        {GET("/..%5chello"), 404},
        {GET("/show/%ff"), 404},
        {GET("/show/a%2fb"), 404},
        {GET("/show/%zz"), 400},
        {GET("/hello?q=%zz"), 400},
        {GET("/hello?q=%00"), 400},
        {GET("/hello/"), 200},
        {GET("/ws"), 426},
        {GET("/ws/"), 426},
        {GET("/ws?EIO=4"), 200},
        {GET("/"), 200},
        {"DELETE /hello HTTP/1.1\r\n" HOST "\r\n", 405},
        {"POST /ws HTTP/1.1\r\n" HOST "\r\n", 405},
        {GET("/drop"), 500},
        {GET("/inject"), 500},
        {GET("/refuse"), 409},
        {GET("/busy"), 503},
        // An Upgrade elsewhere is a request like any other.
        {"GET /hello HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200},
        {"GET /hello HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", 200},
    };
    int fd = rig_dial(*state);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig_reply reply;
        rig_say(fd, rows[i].request);
        rig_reply_read(fd, &reply);
        if (reply.status != rows[i].status) {
            fail_msg("%s\n-> %s%s", rows[i].request, reply.head, reply.body);
        }
        assert_false(rig_reply_has(&reply, "Set-Cookie"));
        assert_int_equal(rig_reply_has(&reply, "\r\nUpgrade: websocket\r\n"),
                         rows[i].status == 426);
        assert_int_equal(rig_reply_has(&reply, "\r\nRetry-After: 1\r\n"), rows[i].status == 503);
        assert_int_equal(rig_reply_has(&reply, "\r\nAllow: GET, HEAD, OPTIONS\r\n"),
                         rows[i].status == 405);
        if (rows[i].status == 409) {
            assert_string_equal(reply.body, "{\"error\":{\"code\":\"conflict\",\"message\":"
                                            "\"No \\\"twice\\\".\",\"index\":3}}");
        }
        rig_reply_free(&reply);
    }
    close(fd);
}

static void heads_that_are_too_long(void **state)
{
    struct buf b;
    struct rig_reply reply;
    for (int kind = 0; kind < 3; kind++) {
        int fd = rig_dial(*state);
        buf_init(&b, 1 << 20);
        buf_put(&b, kind == 0 ? STR("GET /") : STR("GET /hello HTTP/1.1\r\n" HOST));
        for (int i = 0; kind < 2 && i < 20000; i++) {
            buf_put(&b, i == 0 && kind == 1 ? STR("X: a") : STR("a"));
        }
        for (int i = 0; kind == 2 && i < 101; i++) {
            buf_put(&b, STR("X: a\r\n"));
        }
        buf_put(&b, kind == 0 ? STR(" HTTP/1.1\r\n" HOST "\r\n") : STR("\r\n\r\n"));
        rig_say_bytes(fd, buf_str(&b));
        rig_reply_read(fd, &reply);
        assert_int_equal(reply.status, kind == 0 ? 414 : 431);
        rig_reply_free(&reply);
        rig_expect_end(fd);
        buf_fini(&b);
    }
}

static void a_chunked_body_over_the_limit(void **state)
{
    int fd = rig_dial(*state);
    struct rig_reply reply;
    char *chunk = mem_alloc(0x10001);
    memset(chunk, 'x', 0x10000);
    rig_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++) {
        rig_say(fd, "10000\r\n");
        rig_say(fd, chunk);
        rig_say(fd, "\r\n");
    }
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 413);
    rig_reply_free(&reply);
    rig_expect_end(fd);
    mem_free(chunk);
}

static void foreign_hosts_and_origins(void **state)
{
    static const struct {
        const char *host, *origin;
        int status;
    } rows[] = {
        {"localhost:1", "http://127.0.0.1:5173", 200},
        {"127.0.0.1", "http://[::1]:99", 200},
        {"[::1]:80", NULL, 200},
        {"evil.example", NULL, 403},
        {"localhost", "http://evil.example", 403},
        {"localhost", "null", 403},
        {"localhost", "http://localhost.evil.example", 403},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256];
        struct rig_reply reply;
        snprintf(text, sizeof(text), "GET /hello HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", rows[i].host,
                 rows[i].origin ? "Origin: " : "", rows[i].origin ? rows[i].origin : "",
                 rows[i].origin ? "\r\n" : "");
        rig_ask(*state, text, &reply);
        if (reply.status != rows[i].status) {
            fail_msg("%s\n-> %s%s", text, reply.head, reply.body);
        }
        assert_int_equal(rig_reply_has(&reply, "Access-Control-Allow-Origin"),
                         rows[i].origin && rows[i].status == 200);
        rig_reply_free(&reply);
    }
    assert_int_equal(rig_metric(*state, METRIC_ORIGIN_REFUSED), 4);
    // Errors carry the fields too, or the page could not read them.
    struct rig_reply reply;
    rig_ask(*state, "GET /nothing HTTP/1.1\r\n" HOST "Origin: http://localhost:3\r\n\r\n", &reply);
    assert_int_equal(reply.status, 404);
    assert_true(rig_reply_has(&reply, "Access-Control-Allow-Origin: http://localhost:3\r\n"));
    rig_reply_free(&reply);
}

// ---- Time ----

static void slow_peers_are_let_go(void **state)
{
    static const struct {
        const char *said;
        int status; // 0: closed without a word
    } rows[] = {
        {"", 0},
        {"GET /hello HT", 408},
        {"\r\n", 408},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab", 408},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab", 408},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = rig_dial(*state);
        rig_say(fd, rows[i].said);
        if (rows[i].status) {
            struct rig_reply reply;
            rig_reply_read(fd, &reply);
            assert_int_equal(reply.status, rows[i].status);
            assert_non_null(strstr(reply.body, "\"timeout\""));
            rig_reply_free(&reply);
        }
        rig_expect_end(fd);
    }
    int fd = rig_dial(*state);
    rig_say(fd, GET("/hello"));
    expect_body(fd, 200, "hello");
    rig_expect_end(fd); // keep-alive is over
}

// The time of a head is not started anew by each byte.
static void a_trickling_head_is_too_slow(void **state)
{
    int fd = rig_dial(*state);
    struct rig_reply reply;
    static const char text[] = "GET /hello HTTP/1.1\r\nX: 1111111111111111111111";
    for (size_t i = 0; i < 40; i++) {
        if (send(fd, &text[i], 1, MSG_NOSIGNAL) < 0) {
            break;
        }
        usleep(5000);
    }
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 408);
    rig_reply_free(&reply);
    rig_expect_end(fd);
}

// Nor is that of a body.
static void a_trickling_body_is_too_slow(void **state)
{
    int fd = rig_dial(*state);
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    struct rig_reply reply;
    rig_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    while (poll(&answer, 1, 5) == 0) {
        rig_say(fd, "a");
    }
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 408);
    rig_reply_free(&reply);
    rig_expect_end(fd);
}

// ---- Going away ----

static void wait_for(atomic_int *what, int value)
{
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (*what != value) {
        assert_true(clock_now().mono_ms < end_ms);
        usleep(1000);
    }
}

static void a_held_request_learns_that_its_client_left(void **state)
{
    for (int i = 0; i < 3; i++) {
        aborted = 0;
        int fd = rig_dial(*state);
        rig_say(fd, i == 1 ? GET("/hold") GET("/hello") : GET("/hold"));
        if (i == 2) {
            struct linger hard = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        }
        usleep(20000);
        assert_int_equal(aborted, 0);
        close(fd);
        wait_for(&aborted, 1);
    }
}

static void half_a_close_still_gets_short_answers(void **state)
{
    int fd = rig_dial(*state);
    rig_say(fd, GET("/later?n=7") GET("/hello") "GET /half");
    shutdown(fd, SHUT_WR);
    expect_body(fd, 200, "7");
    expect_body(fd, 200, "hello");
    rig_expect_end(fd);
}

static void an_answer_comes_before_the_reset_that_unread_input_would_cause(void **state)
{
    int fd = rig_dial(*state);
    struct rig_reply reply;
    char *noise = mem_alloc(300000);
    rig_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2000000\r\n\r\n");
    (void)send(fd, noise, 300000, MSG_NOSIGNAL);
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 413);
    rig_reply_free(&reply);
    rig_expect_end(fd);
    mem_free(noise);
}

static void draining(void **state)
{
    struct rig *r = *state;
    int idle = rig_dial(r), busy_fd = rig_dial(r);
    struct rig_reply reply;
    rig_say(idle, GET("/hello"));
    expect_body(idle, 200, "hello");
    rig_say(busy_fd, "GET /hello HTTP/1.1\r\n");
    usleep(20000);
    rig_drain(r, 1001);
    rig_expect_end(idle);
    rig_say(busy_fd, HOST "\r\n");
    rig_reply_read(busy_fd, &reply);
    assert_int_equal(reply.status, 200);
    assert_true(rig_reply_has(&reply, "\r\nConnection: close\r\n"));
    rig_reply_free(&reply);
    rig_expect_end(busy_fd);
}

// ---- Streams and large answers ----

static void streams_are_chunked(void **state)
{
    int fd = rig_dial(*state);
    rig_say(fd, GET("/stream") GET("/hello"));
    expect_body(fd, 200, "data: 1\n\ndata: 2\n\n");
    expect_body(fd, 200, "hello");
    // One that its handler forgot does not look whole.
    struct rig_reply reply;
    rig_say(fd, GET("/drop-stream"));
    rig_reply_read_head(fd, &reply);
    char got[9];
    rig_read(fd, got, 9);
    assert_memory_equal(got, "4\r\nhalf\r\n", 9);
    assert_int_equal(recv(fd, got, 1, 0), 0);
    close(fd);
}

static void a_stream_goes_as_fast_as_it_is_read(void **state)
{
    struct rig_reply reply;
    drained_count = aborted = 0;
    int fd = rig_dial_small(*state, 4096);
    rig_say(fd, GET("/flow"));
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.body_len, 16 * 65536);
    assert_int_equal(drained_count, 17);
    rig_reply_free(&reply);
    assert_true(rig_metric(*state, METRIC_SHORT_SENDS) > 0);
    close(fd);
    fd = rig_dial_small(*state, 4096);
    rig_say(fd, GET("/flow"));
    rig_reply_read_head(fd, &reply);
    close(fd);
    wait_for(&aborted, 1);
}

static void a_large_answer_to_a_slow_reader_is_whole(void **state)
{
    int fd = rig_dial_small(*state, 4096);
    struct rig_reply reply;
    rig_say(fd, GET("/big") GET("/hello"));
    usleep(20000);
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.body_len, 3 << 20);
    rig_reply_free(&reply);
    expect_body(fd, 200, "hello");
    close(fd);
}

// ---- Want ----

static void out_of_descriptors_the_server_goes_on(void **state)
{
    struct rig *r = *state;
    struct rlimit old, low;
    int fds[200];
    size_t count = 1;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int held = rig_dial(r), last = rig_dial(r);
    rig_say(held, GET("/hello"));
    expect_body(held, 200, "hello");
    low = old;
    low.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    // Client and server share the limit: sockets of both fill it.
    fds[0] = dup(held);
    while (rig_metric(r, METRIC_ACCEPT_PAUSED) == 0 && count < ARRAY_LEN(fds)) {
        int fd = dup(held);
        if (fd >= 0) {
            fds[count++] = fd;
            continue;
        }
        close(fds[--count]);
        fds[count++] = rig_dial(r); // its other end finds no descriptor
        usleep(2000);
    }
    assert_true(rig_metric(r, METRIC_ACCEPT_PAUSED) > 0);
    rig_say(held, GET("/hello"));
    expect_body(held, 200, "hello");
    while (count > 0) {
        close(fds[--count]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    rig_expect(r, GET("/hello"), 200, NULL);
    close(held);
    close(last);
}

int main(void)
{
#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define QUICK(f)  cmocka_unit_test_setup_teardown(f, start_quick, stop)
    const struct CMUnitTest tests[] = {
        SERVED(answers_are_whole_and_kept_alive),
        SERVED(http_1_0_closes_unless_asked),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(a_flood_of_pipelined_requests_waits),
        SERVED(one_byte_at_a_time),
        SERVED(bodies_by_length_and_chunked),
        SERVED(head_has_the_length_and_no_body),
        SERVED(paths_are_decoded_once),
        SERVED(options_and_preflight),
        SERVED(broken_requests_are_refused_whole_and_closed),
        SERVED(what_does_not_exist_keeps_the_connection),
        SERVED(heads_that_are_too_long),
        SERVED(a_chunked_body_over_the_limit),
        SERVED(foreign_hosts_and_origins),
        QUICK(slow_peers_are_let_go),
        QUICK(a_trickling_head_is_too_slow),
        QUICK(a_trickling_body_is_too_slow),
        SERVED(a_held_request_learns_that_its_client_left),
        SERVED(half_a_close_still_gets_short_answers),
        SERVED(an_answer_comes_before_the_reset_that_unread_input_would_cause),
        QUICK(draining),
        SERVED(streams_are_chunked),
        SERVED(a_stream_goes_as_fast_as_it_is_read),
        SERVED(a_large_answer_to_a_slow_reader_is_whole),
        SERVED(out_of_descriptors_the_server_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
