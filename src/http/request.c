// SPDX-License-Identifier: MIT
// The request object: what was asked, and who still holds it.
#include "http/request.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "def/limits.h"
#include "http/forwarded.h"
#include "http/internal.h"
#include "wire/ws_handshake.h"

enum { FIELDS_BYTES_MAX = 16384 };

static struct str moved(struct str s, const char *from, const char *to)
{
    return s.p ? str_make(to + (s.p - from), s.len) : s;
}

// Copies the bytes and the part of the struct that is filled, and points its spans at the copy. A
// head of few fields would otherwise hold 8 KB while its request waits.
static bool copy_head(struct http_request *req, const struct http1_request *from, const char *text)
{
    size_t bytes = offsetof(struct http1_request, head.fields) +
                   from->head.count * sizeof(from->head.fields[0]);
    size_t len = from->head.bytes;
    struct http1_request *to = (void *)req->small;
    if (bytes + len > sizeof(req->small)) {
        to = arena_try_alloc(&req->arena, bytes + len);
    }
    if (!to) {
        return false;
    }
    char *copy = (char *)to + bytes;
    memcpy(to, from, bytes);
    memcpy(copy, text, len);
    to->method_text = moved(from->method_text, text, copy);
    to->target = moved(from->target, text, copy);
    to->path = moved(from->path, text, copy);
    to->query = moved(from->query, text, copy);
    to->host = moved(from->host, text, copy);
    for (size_t i = 0; i < from->head.count; i++) {
        to->head.fields[i].name = moved(from->head.fields[i].name, text, copy);
        to->head.fields[i].value = moved(from->head.fields[i].value, text, copy);
    }
    req->head = to;
    return true;
}

struct http_request *http_request_new(struct http_conn *hc, const struct http1_request *head,
                                      const char *text)
{
    struct http_request *req = pool_try_alloc(&hc->httpd->requests_pool);
    if (!req) {
        return NULL;
    }
    req->refs = 1;
    req->httpd = hc->httpd;
    req->hc = hc;
    req->metrics = conn_metrics(hc->conn);
    req->peer = forwarded_client(&head->head, &hc->peer, &hc->httpd->cfg.trusted_proxies);
    arena_init(&req->arena, HTTP_ARENA_BYTES);
    buf_init(&req->body, hc->httpd->cfg.limits->body_bytes);
    buf_init(&req->fields, FIELDS_BYTES_MAX);
    if (!copy_head(req, head, text)) {
        req->state = HTTP_ANSWERED;
        req->hc = NULL;
        http_request_unref(req);
        return NULL;
    }
    req->keep_alive = head->head.keep_alive;
    req->body_pending = head->head.framing != HTTP1_NO_BODY;
    return req;
}

struct http_request *http_request_ref(struct http_request *req)
{
    req->refs++;
    return req;
}

static void request_free(struct http_request *req)
{
    ASSERT(!req->hc);
    if (req->principal) {
        req->principal_unref(req->principal);
    }
    buf_fini(&req->body);
    buf_fini(&req->fields);
    arena_fini(&req->arena);
    pool_free(&req->httpd->requests_pool, req);
}

void http_request_unref(struct http_request *req)
{
    if (!req) {
        return;
    }
    ASSERT(req->refs > 0);
    req->refs--;
    if (req->refs == 0) {
        request_free(req);
    } else if (req->refs == 1 && req->hc && req->hc->phase == HTTP_HANDLING) {
        // Only the connection's is left: nobody will answer. The call below drops it.
        if (req->state == HTTP_OPEN) {
            http_reply_error(req, -E_INTERNAL, "The request was dropped without an answer.");
        } else {
            http_abort(req);
        }
    }
}

void http_request_abandon(struct http_request *req)
{
    bool tell = req->state != HTTP_ANSWERED;
    req->state = HTTP_ANSWERED;
    req->hc = NULL;
    if (tell && req->ops && req->ops->on_abort) {
        req->ops->on_abort(req, req->ops_arg);
    }
    http_request_unref(req);
}

enum http1_method http_method(const struct http_request *req)
{
    return req->head->method == HTTP1_HEAD ? HTTP1_GET : req->head->method;
}

struct str http_path(const struct http_request *req)
{
    return req->path;
}

struct str http_param(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->match.params_count; i++) {
        if (str_is(req->match.params[i].name, name)) {
            return req->match.params[i].value;
        }
    }
    return STR_NONE;
}

struct str http_query(const struct http_request *req, const char *name)
{
    return url_query_get(&req->query, name);
}

const struct url_query *http_query_all(const struct http_request *req)
{
    return &req->query;
}

struct str http_header(const struct http_request *req, const char *name)
{
    return http1_field(&req->head->head, name);
}

const struct http1_head *http_head(const struct http_request *req)
{
    return &req->head->head;
}

struct str http_body(const struct http_request *req)
{
    return buf_str(&req->body);
}

struct arena *http_arena(struct http_request *req)
{
    return &req->arena;
}

void *http_principal(const struct http_request *req)
{
    return req->principal;
}

const struct net_addr *http_peer(const struct http_request *req)
{
    return &req->peer;
}

struct loop *http_loop(const struct http_request *req)
{
    return req->httpd->cfg.loop;
}

struct metrics *http_metrics(const struct http_request *req)
{
    return req->metrics;
}

struct now http_now(const struct http_request *req)
{
    return loop_now(req->httpd->cfg.loop);
}

bool http_is_open(const struct http_request *req)
{
    return req->hc && req->state != HTTP_ANSWERED && conn_is_open(req->hc->conn);
}

void http_request_watch(struct http_request *req, const struct http_request_ops *ops, void *arg)
{
    req->ops = ops;
    req->ops_arg = arg;
    if (ops->on_abort && req->hc && req->hc->left) {
        conn_close(req->hc->conn); // it left before; on_abort comes at the end of the turn
    }
}

struct conn *http_conn(const struct http_request *req)
{
    return req->hc ? req->hc->conn : NULL;
}

bool http_is_blocked(const struct http_request *req)
{
    return req->hc && conn_is_blocked(req->hc->conn);
}

void http_want_drained(struct http_request *req)
{
    if (req->hc) {
        conn_want_drained(req->hc->conn);
    }
}

size_t http_unsent_bytes(const struct http_request *req)
{
    return req->hc ? conn_unsent_bytes(req->hc->conn) : 0;
}

bool ws_is_asked(const struct http_request *req)
{
    return req->match.route && req->match.route->kind == ROUTE_UPGRADE;
}

struct http1_list ws_offered(const struct http_request *req)
{
    return ws_offers(req->head);
}
