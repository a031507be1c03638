// SPDX-License-Identifier: MIT
// From a head to its handler: Host and Origin, path, route, method, preflight, Upgrade, who asks.
// Order: what is forbidden, what does not exist, what is malformed, who may.
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "http/internal.h"
#include "net/visitors.h"
#include "wire/ws_handshake.h"

enum { ALLOW_BYTES_MAX = 256, PREFLIGHT_SECONDS = 600, REQUESTED_BYTES_MAX = 1024 };

static bool refuse(struct http_request *req, int err, const char *why)
{
    http_reply_error(req, err, why);
    return false;
}

// ---- Host and Origin ----

static bool let_in(struct http_request *req)
{
    const struct http_conn *hc = req->hc;
    const struct origin_policy *policy = hc->httpd->cfg.origins;
    struct str origin = http_header(req, "Origin");
    int e = origin_check_host(policy, req->head->host, hc->loopback);
    if (e) {
        metrics_add(req->metrics, METRIC_ORIGIN_REFUSED, 1);
        return refuse(req, e, "This hub does not answer to that Host.");
    }
    if (http1_field_count(&req->head->head, "Origin") > 1) {
        e = -E_FORBIDDEN;
    } else {
        e = origin_check(policy, origin, req->head->host, hc->loopback);
    }
    if (e) {
        metrics_add(req->metrics, METRIC_ORIGIN_REFUSED, 1);
        return refuse(req, e, "Pages of that Origin are not let in.");
    }
    req->cors = origin.p != NULL;
    return true;
}

// ---- OPTIONS ----

// The field names a preflight asks for: echoed when they are field names.
static bool names_only(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!name && !strchr("-_, ", c)) {
            return false;
        }
    }
    return s.len > 0 && s.len <= REQUESTED_BYTES_MAX;
}

static void answer_options(struct http_request *req, unsigned methods)
{
    struct buf allow;
    buf_init(&allow, ALLOW_BYTES_MAX);
    route_put_methods(&allow, methods);
    ASSERT(!allow.failed);
    http_header_add(req, "Allow", buf_str(&allow));
    if (req->cors && http_header(req, "Access-Control-Request-Method").p) {
        struct str asked = http_header(req, "Access-Control-Request-Headers");
        http_header_add(req, "Access-Control-Allow-Methods", buf_str(&allow));
        if (names_only(asked)) {
            http_header_add(req, "Access-Control-Allow-Headers", asked);
        }
        http_header_add(req, "Access-Control-Max-Age", STR("600"));
        http_header_add(req, "Vary", STR("Access-Control-Request-Headers"));
    }
    http_reply_empty(req, 204);
    buf_fini(&allow);
}

// ---- The route ----

static bool refuse_method(struct http_request *req)
{
    struct buf allow;
    unsigned methods = req->match.upgrade_only ? 1u << HTTP1_GET : req->match.methods;
    buf_init(&allow, ALLOW_BYTES_MAX);
    route_put_methods(&allow, methods);
    http_header_add(req, "Allow", buf_str(&allow));
    buf_fini(&allow);
    return refuse(req, -E_METHOD, NULL);
}

static bool find_route(struct http_request *req)
{
    bool upgrade = ws_asks_upgrade(req->head);
    if (upgrade && !req->hc->httpd->cfg.upgrades) {
        return refuse(req, -E_UNAVAILABLE, "WebSockets are switched off.");
    }
    int e = url_path_decode(req->head->path, &req->arena, &req->path);
    if (e) {
        return refuse(req, e, NULL);
    }
    if (req->path.len > 1 && req->path.p[req->path.len - 1] == '/') {
        req->path.len--;
    }
    e = url_query_parse(req->head->query, &req->arena, &req->query);
    if (e) {
        return refuse(req, e, "The query is malformed.");
    }
    struct route_query q = {
        .path = req->path, .method = req->head->method, .upgrade = upgrade, .req = req};
    router_match(req->hc->httpd->cfg.router, &q, &req->match);
    if (!req->match.path_known) {
        return refuse(req, -E_NOT_FOUND, "There is nothing at this path.");
    }
    if (req->head->method == HTTP1_OPTIONS) {
        answer_options(req, req->match.upgrade_only ? 1u << HTTP1_GET : req->match.methods);
        return false;
    }
    if (!req->match.route && req->match.upgrade_only && req->head->method == HTTP1_GET) {
        return refuse(req, -E_UPGRADE_REQUIRED, NULL);
    }
    return req->match.route || refuse_method(req);
}

static bool is_elsewhere(struct http_request *req)
{
    const struct httpd *h = req->httpd;
    const struct route *route = req->match.route;
    if (!route->owner || !h->cfg.workers || h->draining) {
        return false;
    }
    int owner = route->owner(req, route->ctx);
    if (owner < 0 || (unsigned)owner >= h->cfg.workers_count || (unsigned)owner == h->cfg.worker) {
        return false;
    }
    req->hc->owner = (unsigned)owner;
    return true;
}

static bool judge_upgrade(struct http_request *req)
{
    const char *why = NULL;
    int e = ws_server_check(req->head, &req->ws_key, &why);
    return e == 0 || refuse(req, e, why);
}

// ---- The body's type ----

static bool charset_is_utf8(struct str rest)
{
    while (rest.p) {
        struct str item = str_trim(str_cut(&rest, ';'));
        struct str value = item, name = str_trim(str_cut(&value, '='));
        if (!str_eq_nocase(name, STR("charset")) || !value.p) {
            continue;
        }
        value = str_trim(value);
        if (value.len >= 2 && value.p[0] == '"' && value.p[value.len - 1] == '"') {
            value = str_make(value.p + 1, value.len - 2);
        }
        if (!str_eq_nocase(value, STR("utf-8")) && !str_eq_nocase(value, STR("utf8"))) {
            return false;
        }
    }
    return true;
}

// Bodies are read as what the path expects, whatever they are called, except for what surely is
// something else.
static bool judge_type(struct http_request *req)
{
    static const struct str multipart = STR("multipart/");
    struct str rest = http_header(req, "Content-Type");
    if (!req->body_pending || !rest.p) {
        return true;
    }
    struct str type = str_trim(str_cut(&rest, ';'));
    bool is_multipart =
        type.len >= multipart.len && str_eq_nocase(str_make(type.p, multipart.len), multipart);
    return (!is_multipart && charset_is_utf8(rest)) || refuse(req, -E_MEDIA_TYPE, NULL);
}

// ---- Who asks ----

bool http_let_in(struct http_request *req, int err)
{
    const struct httpd_config *cfg = &req->hc->httpd->cfg;
    const struct route *route = req->match.route;
    if (err == -E_UNAUTHORIZED && route->unauthorized) {
        route->unauthorized(req, route->ctx);
        return false;
    }
    if (err == -E_UNAUTHORIZED && req->match.route->kind == ROUTE_UPGRADE &&
        cfg->unauthorized_upgrade && http_header(req, "Origin").p) {
        req->hc->phase = HTTP_HANDLING;
        cfg->unauthorized_upgrade(cfg->authenticate_ctx, req);
        return false;
    }
    return err == 0 || refuse(req, err, NULL);
}

static enum http_verdict authenticate(struct http_request *req)
{
    const struct httpd_config *cfg = &req->hc->httpd->cfg;
    if (!cfg->authenticate || (req->match.route->flags & ROUTE_PUBLIC)) {
        return HTTP_LET_IN;
    }
    req->principal_unref = cfg->principal_unref;
    int e = cfg->authenticate(cfg->authenticate_ctx, req, &req->principal);
    if (e == -E_AGAIN) {
        return HTTP_UNDECIDED;
    }
    return http_let_in(req, e) ? HTTP_LET_IN : HTTP_REFUSED;
}

enum http_verdict http_dispatch(struct http_request *req)
{
    if (!let_in(req)) {
        return HTTP_REFUSED;
    }
    if (str_eq(req->head->path, STR("*"))) {
        answer_options(req, 1u << HTTP1_GET | 1u << HTTP1_POST | 1u << HTTP1_DELETE);
        return HTTP_REFUSED;
    }
    if (!find_route(req)) {
        return HTTP_REFUSED;
    }
    if (is_elsewhere(req)) {
        return HTTP_ELSEWHERE;
    }
    if (req->match.route->kind == ROUTE_UPGRADE && !judge_upgrade(req)) {
        return HTTP_REFUSED;
    }
    return judge_type(req) ? authenticate(req) : HTTP_REFUSED;
}

// A client that came by a proxy which is known by name is counted from here on, as long as the
// connection is its own.
static bool count_client(struct visitors *v, struct http_request *req, int fd)
{
    enum limit_row limit;
    if (net_addr_same_host(&req->peer, &req->hc->peer)) {
        return true;
    }
    visitors_leave(v, fd);
    struct visitor visit = {.fd = fd, .from = &req->peer};
    if (visitors_enter(v, &visit, http_now(req).mono_ms, &limit)) {
        return true;
    }
    metrics_hit(req->metrics, limit);
    return refuse(req, -E_RATE_LIMITED, "There are too many connections from your address.");
}

// Whoever has asked for something is no newcomer any more.
static bool welcome(struct http_request *req)
{
    struct visitors *v = req->httpd->cfg.visitors;
    int fd = v && req->hc ? conn_fd(req->hc->conn) : -1;
    if (fd < 0) {
        return true;
    }
    visitors_welcome(v, fd);
    const struct route *route = req->match.route;
    bool lasting = route->kind == ROUTE_UPGRADE || (route->flags & ROUTE_LASTING);
    return !lasting || count_client(v, req, fd);
}

void http_handle(struct http_request *req)
{
    const struct route *route = req->match.route;
    http_request_ref(req);
    if (welcome(req)) {
        route->handle(req, route->ctx);
    }
    http_request_unref(req);
}
