// SPDX-License-Identifier: MIT
// Listening, routes, and handshakes that wait.
#include "conformance/site.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/httpd.h"
#include "net/listener.h"

struct site {
    struct loop *loop;
    struct http_limits limits;
    struct origin_policy *origins;
    struct router *router;
    struct httpd *httpd;
    struct acceptor *acceptor;
    struct accept_target target;
};

// ---- Handshakes.

struct waiting {
    struct list node;
    struct timer timer;
    struct site_path *path;
    struct http_request *req;
};

static void let_go(struct waiting *w)
{
    list_del(&w->node);
    loop_timer_cancel(w->path->loop, &w->timer);
    http_request_unref(w->req);
    mem_free(w);
}

static void on_waited(struct timer *t)
{
    struct waiting *w = CONTAINER_OF(t, struct waiting, timer);
    if (http_is_open(w->req)) {
        eio_handle(w->path->eio, w->req);
    }
    let_go(w);
}

static void hold_back(struct http_request *req, void *ctx)
{
    struct site_path *path = ctx;
    struct waiting *w = mem_alloc(sizeof(*w));
    w->path = path;
    w->req = http_request_ref(req);
    timer_init(&w->timer, on_waited);
    list_push_back(&path->waiting, &w->node);
    loop_timer_after(path->loop, &w->timer, path->handshake_ms);
}

static bool is_handshake(const struct http_request *req, void *ctx)
{
    (void)ctx;
    return !http_query(req, "sid").p;
}

void site_add(struct site *s, struct site_path *path)
{
    static const enum route_kind kinds[] = {ROUTE_UPGRADE, ROUTE_HTTP};
    path->loop = s->loop;
    list_init(&path->waiting);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && path->handshake_ms > 0; i++) {
        router_add(s->router, &(struct route){.kind = kinds[i],
                                              .method = HTTP1_GET,
                                              .pattern = path->path,
                                              .flags = ROUTE_PUBLIC,
                                              .handle = hold_back,
                                              .ctx = path,
                                              .when = is_handshake});
    }
    eio_add_routes(s->router, path->eio, path->path, NULL);
}

void site_path_end(struct site_path *path)
{
    LIST_FOREACH(node, &path->waiting)
    {
        let_go(LIST_ENTRY(node, struct waiting, node));
    }
}

// ---- The server.

static void on_accept(struct accept_target *t, const struct accepted *a)
{
    struct site *s = t->ctx;
    httpd_accept(s->httpd, a);
}

struct site *site_new(struct loop *loop, struct metrics *metrics, size_t message_bytes_max)
{
    struct site *s = mem_alloc(sizeof(*s));
    struct accept_target *targets[] = {&s->target};
    struct str bad;
    int err = origin_policy_new(&(struct origin_config){.allowed = STR("*")}, &s->origins, &bad);
    ASSERT(err == 0);
    s->loop = loop;
    s->limits = http_limits_of(&limits_default);
    s->limits.message_bytes = message_bytes_max;
    s->limits.messages_per_second = 6500; // the suites send in bursts
    s->limits.message_bytes_per_second = 1 << 26;
    s->router = router_new();
    s->httpd = httpd_new(&(struct httpd_config){.loop = loop,
                                                .metrics = metrics,
                                                .router = s->router,
                                                .origins = s->origins,
                                                .limits = &s->limits,
                                                .upgrades = true,
                                                .load = &s->target.load});
    s->target = (struct accept_target){.loop = loop, .fn_take = on_accept, .ctx = s};
    s->acceptor = acceptor_new(&(struct acceptor_config){.loop = loop,
                                                         .metrics = metrics,
                                                         .targets = targets,
                                                         .targets_count = 1,
                                                         .reserve = 2,
                                                         .pause_ms = 100});
    return s;
}

static int listen_on(struct site *s, const char *label, struct str host, uint16_t *port)
{
    const struct listener *listener;
    int err = acceptor_listen(s->acceptor, host, *port, &listener);
    if (!err) {
        *port = listener_port(listener);
        (void)printf("%s: listening on http://%s\n", label, listener_text(listener));
        (void)fflush(stdout);
    }
    return err;
}

int site_listen(struct site *s, const char *label, struct str address)
{
    size_t host_len = address.len;
    uint64_t number;
    while (host_len > 0 && address.p[host_len - 1] != ':') {
        host_len--;
    }
    if (host_len == 0 || str_to_u64(str_from(address, host_len), &number) || number > UINT16_MAX) {
        return -E_BAD_REQUEST;
    }
    struct str host = str_make(address.p, host_len - 1);
    uint16_t port = (uint16_t)number;
    bool both = str_is(host, "localhost");
    if (!both && !str_is(host, "127.0.0.1") && !str_is(host, "[::1]")) {
        return -E_BAD_REQUEST;
    }
    int err = listen_on(s, label, both ? STR("127.0.0.1") : host, &port);
    if (!err && both) {
        err = listen_on(s, label, STR("[::1]"), &port);
    }
    return err;
}

void site_end(struct site *s)
{
    acceptor_stop(s->acceptor);
    httpd_close_all(s->httpd);
}

bool site_is_over(const struct site *s)
{
    return httpd_connections(s->httpd) == 0;
}

void site_free(struct site *s)
{
    if (s) {
        acceptor_free(s->acceptor);
        httpd_free(s->httpd);
        router_free(s->router);
        origin_policy_free(s->origins);
        mem_free(s);
    }
}
