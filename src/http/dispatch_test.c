// SPDX-License-Identifier: MIT
// Tests of the question who asks: answered at once, later, or when nobody is there any more.
#include "http/httpd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/rig.h"

#define HOST      "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static atomic_int principals;

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

static void whoami(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply(req, 200, "text/plain", str_of(http_principal(req)));
}

static void address(struct http_request *req, void *ctx)
{
    char text[NET_ADDR_TEXT_BYTES];
    (void)ctx;
    http_reply(req, 200, "text/plain", str_make(text, net_addr_text(http_peer(req), text)));
}

static const struct route routes[] = {
    {.pattern = "/hello", .flags = ROUTE_PUBLIC, .handle = hello},
    {.pattern = "/echo", .method = HTTP1_POST, .handle = echo},
    {.pattern = "/whoami", .handle = whoami},
    {.pattern = "/address", .handle = address},
};

static void expect_body(int fd, int status, const char *body)
{
    struct rig_reply reply;
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, status);
    assert_string_equal(reply.body, body);
    rig_reply_free(&reply);
}

static int authenticate(void *ctx, struct http_request *req, void **ret_principal)
{
    struct str who = http_header(req, "Authorization");
    (void)ctx;
    if (!who.p) {
        return -E_UNAUTHORIZED;
    }
    principals++;
    *ret_principal = mem_strdup(who);
    return 0;
}

static void principal_unref(void *principal)
{
    principals--;
    mem_free(principal);
}

static void the_hook_says_who_asks(void **state)
{
    struct rig_reply reply;
    (void)state;
    struct rig *r = rig_start(&(struct rig_config){.routes = routes,
                                                   .routes_count = ARRAY_LEN(routes),
                                                   .authenticate = authenticate,
                                                   .principal_unref = principal_unref});
    rig_ask(r, GET("/whoami"), &reply);
    assert_int_equal(reply.status, 401);
    assert_true(rig_reply_has(&reply, "\r\nWWW-Authenticate: Bearer\r\n"));
    rig_reply_free(&reply);
    rig_expect(r, GET("/hello"), 200, NULL);
    rig_ask(r, "GET /whoami HTTP/1.1\r\n" HOST "Authorization: me\r\n\r\n", &reply);
    assert_string_equal(reply.body, "me");
    rig_reply_free(&reply);
    rig_stop(r);
    assert_int_equal(principals, 0);
}

// A hook that answers in a later turn, what the request's `Authorization` says.
struct decision {
    struct mail mail;
    struct http_request *req; // one reference
};

static void decide(struct mail *m)
{
    struct decision *l = CONTAINER_OF(m, struct decision, mail);
    void *principal = NULL;
    int err = authenticate(NULL, l->req, &principal);
    http_authenticated_take(l->req, err, principal);
    http_request_unref(l->req);
    mem_free(l);
}

static int authenticate_later(void *ctx, struct http_request *req, void **ret_principal)
{
    (void)ctx, (void)ret_principal;
    struct decision *l = mem_alloc(sizeof(*l));
    l->req = http_request_ref(req);
    l->mail.run = decide;
    assert_true(loop_post_take(http_loop(req), &l->mail));
    return -E_AGAIN;
}

static void the_hook_may_take_its_time(void **state)
{
    static const char post[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n";
    struct rig_reply reply;
    (void)state;
    struct rig *r = rig_start(&(struct rig_config){.routes = routes,
                                                   .routes_count = ARRAY_LEN(routes),
                                                   .authenticate = authenticate_later,
                                                   .principal_unref = principal_unref});
    // The body comes with the head, later, or never; more requests are pipelined behind.
    int fd = rig_dial(r);
    rig_say(fd, post);
    rig_say(fd, "Authorization: me\r\n\r\nhello");
    expect_body(fd, 200, "hello");
    rig_say(fd, "GET /whoami HTTP/1.1\r\n" HOST "Authorization: a\r\n\r\n"
                "GET /whoami HTTP/1.1\r\n" HOST "Authorization: b\r\n\r\n");
    expect_body(fd, 200, "a");
    expect_body(fd, 200, "b");
    rig_say(fd, GET("/whoami"));
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 401);
    rig_reply_free(&reply);
    rig_say(fd, "GET /whoami HTTP/1.1\r\n" HOST "Authorization: c\r\n\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_body(fd, 200, "c");
    rig_expect_end(fd);
    close(fd);
    // A refused request's body is not read: the connection ends.
    fd = rig_dial(r);
    rig_say(fd, post);
    rig_say(fd, "\r\nhello");
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 401);
    rig_reply_free(&reply);
    rig_expect_end(fd);
    close(fd);
    // Nobody is there any more.
    for (int i = 0; i < 20; i++) {
        fd = rig_dial(r);
        rig_say(fd, post);
        rig_say(fd, "Authorization: me\r\n\r\n");
        close(fd);
    }
    rig_stop(r);
    assert_int_equal(principals, 0);
}

static void expect_address(const struct rig *r, const char *request, const char *want)
{
    struct rig_reply reply;
    rig_ask(r, request, &reply);
    assert_string_equal(reply.body, want);
    rig_reply_free(&reply);
}

static void only_trusted_proxies_say_who_asks(void **state)
{
    static const char plain[] = GET("/address");
    static const char said[] =
        "GET /address HTTP/1.1\r\n" HOST "X-Forwarded-For: 198.51.100.7, 203.0.113.1\r\n\r\n";
    static const char broken[] = "GET /address HTTP/1.1\r\n" HOST "Forwarded: for=me\r\n\r\n";
    struct net_block local;
    (void)state;
    struct rig *r =
        rig_start(&(struct rig_config){.routes = routes, .routes_count = ARRAY_LEN(routes)});
    expect_address(r, plain, "127.0.0.1");
    expect_address(r, said, "127.0.0.1");
    rig_stop(r);
    assert_int_equal(net_block_parse(STR("127.0.0.1"), &local), 0);
    r = rig_start(&(struct rig_config){.routes = routes,
                                       .routes_count = ARRAY_LEN(routes),
                                       .trusted_proxies = {.items = &local, .count = 1}});
    expect_address(r, plain, "127.0.0.1");
    expect_address(r, said, "203.0.113.1");
    expect_address(r, broken, "127.0.0.1");
    rig_stop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hook_says_who_asks),
        cmocka_unit_test(the_hook_may_take_its_time),
        cmocka_unit_test(only_trusted_proxies_say_who_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
