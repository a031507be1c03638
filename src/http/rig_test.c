// SPDX-License-Identifier: MIT
// The server and the client that the tests of httpd and websocket share.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
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

#include "base/clock.h"
#include "base/mem.h"
#include "http/rig.h"

struct rig {
    pthread_t thread;
    struct loop *loop;
    struct metrics_table *table;
    struct router *router;
    struct origin_policy *policy;
    struct http_limits limits;
    struct httpd *httpd;
    struct acceptor *acceptor;
    struct accept_target target;
    uint16_t port;
    struct accept_target *workers[2]; // if it is one of two
    atomic_bool joined;
    struct mail mail;
    int drain_code;
    bool stopping;
    void (*on_stop)(void *ctx);
    void (*on_drain)(void *ctx, int ws_code);
    void *ctx;
};

static void on_accept(struct accept_target *t, const struct accepted *a)
{
    struct rig *r = t->ctx;
    httpd_accept(r->httpd, a);
}

static void *serve(void *arg)
{
    struct rig *r = arg;
    loop_run(r->loop);
    return NULL;
}

static bool is_zero(const struct http_limits *l)
{
    return l->head.head_bytes == 0;
}

static void on_join(struct mail *m)
{
    struct rig *r = CONTAINER_OF(m, struct rig, mail);
    r->joined = true;
}

// The first knows the second before anything comes to it.
static void join(struct rig *first, struct rig *second)
{
    second->workers[0] = first->workers[0] = &first->target;
    second->workers[1] = first->workers[1] = &second->target;
    first->mail.run = on_join;
    assert_true(loop_post_take(first->loop, &first->mail));
    while (!first->joined) {
        usleep(1000);
    }
}

struct rig *rig_start(const struct rig_config *cfg)
{
    struct rig *r = mem_alloc(sizeof(*r));
    struct accept_target *targets[] = {&r->target};
    const struct listener *listener;
    struct str bad;
    bool paired = cfg->is_first || cfg->first;
    assert_int_equal(loop_new(&r->loop), 0);
    r->table = metrics_table_new(1);
    r->router = router_new();
    for (size_t i = 0; i < cfg->routes_count; i++) {
        router_add(r->router, &cfg->routes[i]);
    }
    assert_int_equal(origin_policy_new(&cfg->origins, &r->policy, &bad), 0);
    r->limits = is_zero(&cfg->limits) ? http_limits_of(&limits_default) : cfg->limits;
    r->httpd = httpd_new(&(struct httpd_config){.loop = r->loop,
                                                .metrics = metrics_of(r->table, 0),
                                                .router = r->router,
                                                .origins = r->policy,
                                                .limits = &r->limits,
                                                .trusted_proxies = cfg->trusted_proxies,
                                                .upgrades = !cfg->no_upgrades,
                                                .compression = cfg->compression,
                                                .authenticate = cfg->authenticate,
                                                .authenticate_ctx = cfg->authenticate_ctx,
                                                .principal_unref = cfg->principal_unref,
                                                .workers = paired ? r->workers : NULL,
                                                .workers_count = ARRAY_LEN(r->workers),
                                                .worker = cfg->first ? 1 : 0,
                                                .load = &r->target.load});
    r->target = (struct accept_target){.loop = r->loop, .fn_take = on_accept, .ctx = r};
    r->acceptor = acceptor_new(&(struct acceptor_config){.loop = r->loop,
                                                         .metrics = metrics_of(r->table, 0),
                                                         .targets = targets,
                                                         .targets_count = 1,
                                                         .reserve = 2,
                                                         .pause_ms = 20});
    assert_int_equal(acceptor_listen(r->acceptor, STR("127.0.0.1"), 0, &listener), 0);
    r->port = listener_port(listener);
    r->on_stop = cfg->on_stop;
    r->on_drain = cfg->on_drain;
    r->ctx = cfg->ctx;
    if (cfg->on_start) {
        cfg->on_start(cfg->ctx, r->loop, metrics_of(r->table, 0));
    }
    if (cfg->add_routes) {
        cfg->add_routes(cfg->ctx, r->router);
    }
    if (cfg->first) {
        join(cfg->first, r);
    }
    assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
    return r;
}

static void on_mail(struct mail *m)
{
    struct rig *r = CONTAINER_OF(m, struct rig, mail);
    if (r->stopping) {
        acceptor_stop(r->acceptor);
        httpd_close_all(r->httpd);
        loop_stop(r->loop);
        return;
    }
    if (r->on_drain) {
        r->on_drain(r->ctx, r->drain_code);
    }
    httpd_drain(r->httpd, r->drain_code);
}

static void post(struct rig *r)
{
    r->mail.run = on_mail;
    assert_true(loop_post_take(r->loop, &r->mail));
}

void rig_drain(struct rig *r, int ws_code)
{
    r->drain_code = ws_code;
    post(r);
}

void rig_stop(struct rig *r)
{
    r->stopping = true;
    post(r);
    pthread_join(r->thread, NULL);
    for (int i = 0; i < 100 && httpd_connections(r->httpd) > 0; i++) {
        loop_turn(r->loop, 10);
    }
    assert_int_equal(httpd_connections(r->httpd), 0);
    if (r->on_stop) {
        r->on_stop(r->ctx);
    }
    assert_int_equal(r->target.load, 0);
    assert_int_equal(rig_metric(r, METRIC_CONNECTIONS), 0);
    acceptor_free(r->acceptor);
    httpd_free(r->httpd);
    origin_policy_free(r->policy);
    router_free(r->router);
    metrics_table_free(r->table);
    loop_free(r->loop);
    mem_free(r);
}

uint16_t rig_port(const struct rig *r)
{
    return r->port;
}

int64_t rig_metric(const struct rig *r, enum metric which)
{
    return metrics_sum(r->table, which);
}

int64_t rig_hits(const struct rig *r, enum limit_row limit)
{
    return metrics_hits(r->table, limit);
}

void rig_wait_metric(const struct rig *r, enum metric which, int64_t value)
{
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (rig_metric(r, which) != value) {
        assert_true(clock_now().mono_ms < end_ms);
        usleep(1000);
    }
}

// ---- Client ----

int rig_dial_small(const struct rig *r, int receive_bytes)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(r->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_bytes) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (void *)&a, sizeof(a)), 0);
    return fd;
}

int rig_dial(const struct rig *r)
{
    return rig_dial_small(r, 0);
}

void rig_say_bytes(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.p, bytes.len, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = str_from(bytes, (size_t)n);
    }
}

void rig_say(int fd, const char *text)
{
    rig_say_bytes(fd, str_of(text));
}

void rig_read(int fd, char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

void rig_reply_read_head(int fd, struct rig_reply *ret)
{
    size_t len = 0;
    *ret = (struct rig_reply){0};
    do {
        assert_true(len + 1 < sizeof(ret->head));
        rig_read(fd, &ret->head[len], 1);
        len++;
    } while (len < 4 || memcmp(&ret->head[len - 4], "\r\n\r\n", 4) != 0);
    assert_memory_equal(ret->head, "HTTP/1.1 ", 9);
    ret->status = (int)strtol(ret->head + 9, NULL, 10);
}

static void read_more(int fd, struct rig_reply *reply, size_t len)
{
    reply->body = mem_realloc(reply->body, reply->body_len + len + 1);
    rig_read(fd, reply->body + reply->body_len, len);
    reply->body_len += len;
    reply->body[reply->body_len] = '\0';
}

static void read_chunks(int fd, struct rig_reply *reply)
{
    size_t size;
    do {
        char line[32];
        size_t len = 0;
        do {
            assert_true(len < sizeof(line) - 1);
            rig_read(fd, &line[len], 1);
        } while (line[len++] != '\n');
        line[len] = '\0';
        size = strtoul(line, NULL, 16);
        read_more(fd, reply, size);
        char end[2];
        rig_read(fd, end, 2);
        assert_memory_equal(end, "\r\n", 2);
    } while (size > 0);
}

void rig_reply_read(int fd, struct rig_reply *ret)
{
    rig_reply_read_head(fd, ret);
    read_more(fd, ret, 0);
    const char *length = strstr(ret->head, "\r\nContent-Length: ");
    if (rig_reply_has(ret, "Transfer-Encoding: chunked")) {
        read_chunks(fd, ret);
    } else if (length) {
        read_more(fd, ret, strtoul(length + 18, NULL, 10));
    }
}

void rig_frame_say(int fd, enum ws_opcode op, struct str payload)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    struct buf b;
    buf_init(&b, 1 << 22);
    ws_put_frame(&b, op, payload, mask);
    rig_say_bytes(fd, buf_str(&b));
    buf_fini(&b);
}

struct rig_frame rig_frame_read(int fd)
{
    struct rig_frame f;
    uint8_t head[2], more[8];
    rig_read(fd, (char *)head, 2);
    assert_int_equal(head[0] & 0xf0, 0x80);
    assert_int_equal(head[1] & 0x80, 0);
    f.op = head[0] & 0x0f;
    f.len = head[1];
    size_t extra = f.len == 126 ? 2 : f.len == 127 ? 8 : 0;
    if (extra) {
        rig_read(fd, (char *)more, extra);
        f.len = 0;
        for (size_t i = 0; i < extra; i++) {
            f.len = f.len << 8 | more[i];
        }
    }
    f.payload = mem_alloc(f.len + 1);
    rig_read(fd, f.payload, f.len);
    return f;
}

int rig_close_code(const struct rig_frame *f)
{
    return f->len < 2 ? 0 : (uint8_t)f->payload[0] << 8 | (uint8_t)f->payload[1];
}

void rig_reply_free(struct rig_reply *reply)
{
    mem_free(reply->body);
    reply->body = NULL;
}

bool rig_reply_has(const struct rig_reply *reply, const char *text)
{
    return strstr(reply->head, text) != NULL;
}

void rig_expect_end(int fd)
{
    char buf[4096];
    ssize_t n;
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
    }
    assert_int_equal(n, 0); // an end, not a reset
    close(fd);
}

void rig_ask(const struct rig *r, const char *request, struct rig_reply *ret)
{
    int fd = rig_dial(r);
    rig_say(fd, request);
    rig_reply_read(fd, ret);
    close(fd);
}

void rig_expect(const struct rig *r, const char *request, int status, const char *code)
{
    struct rig_reply reply;
    char want[64];
    rig_ask(r, request, &reply);
    if (reply.status != status) {
        fail_msg("%s\n-> %s%s, not %d", request, reply.head, reply.body, status);
    }
    if (code) {
        snprintf(want, sizeof(want), "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
        assert_true(str_starts(str_make(reply.body, reply.body_len), str_of(want)));
        assert_true(rig_reply_has(&reply, "\r\nContent-Type: application/json\r\n"));
    }
    rig_reply_free(&reply);
}
