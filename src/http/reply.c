// SPDX-License-Identifier: MIT
// Answers: heads, whole bodies, errors, streams.
#include "http/request.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/err.h"
#include "http/internal.h"

enum { HEAD_BYTES_MAX = 65536, ERROR_BYTES_MAX = 65536 };

// For answers whose handler says nothing else: data, which no cache keeps and no browser shows as a
// page.
#define NOT_STORED STR("Cache-Control: no-store\r\n")
#define NOT_SHOWN  STR("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n")

struct str httpd_date(struct httpd *h)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(loop_now(h->cfg.loop).wall_ms / 1000);
    if (h->date_s != now || h->date[0] == '\0') {
        struct tm tm;
        gmtime_r(&now, &tm);
        snprintf(h->date, sizeof(h->date), "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
                 (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        h->date_s = now;
    }
    return str_of(h->date);
}

// ---- Heads ----

struct answer {
    int status;
    const char *content_type; // NULL: no body
    uint64_t content_length;
    bool has_length;
    bool chunked;
    bool close;
    bool http10; // keep-alive must be said
};

static void put_status(struct buf *b, int status)
{
    buf_putf(b, "HTTP/1.1 %d %s\r\n", status, http1_reason(status));
}

static void put_connection(struct buf *b, const struct answer *a)
{
    if (a->status == 426) { // RFC 9110 15.5.22
        http1_put_field(b, "Upgrade", STR("websocket"));
        http1_put_field(b, "Sec-WebSocket-Version", STR("13"));
        http1_put_field(b, "Connection", a->close ? STR("Upgrade, close") : STR("Upgrade"));
    } else if (a->close) {
        http1_put_field(b, "Connection", STR("close"));
    } else if (a->http10) {
        http1_put_field(b, "Connection", STR("keep-alive"));
    }
}

static void put_answer(struct buf *b, struct httpd *h, const struct answer *a)
{
    put_status(b, a->status);
    http1_put_field(b, "Date", httpd_date(h));
    put_connection(b, a);
    if (a->content_type) {
        http1_put_field(b, "Content-Type", str_of(a->content_type));
    }
    if (a->chunked) {
        http1_put_field(b, "Transfer-Encoding", STR("chunked"));
    } else if (a->has_length) {
        buf_putf(b, "Content-Length: %llu\r\n", (unsigned long long)a->content_length);
    }
    http1_put_field(b, "X-Content-Type-Options", STR("nosniff"));
    http1_put_field(b, "Vary", STR("Origin"));
}

static void put_cors(struct buf *b, const struct http_request *req)
{
    if (req->cors) {
        http1_put_field(b, "Access-Control-Allow-Origin", http1_field(&req->head->head, "Origin"));
        http1_put_field(b, "Access-Control-Allow-Credentials", STR("true"));
        http1_put_field(b, "Access-Control-Expose-Headers", STR("Retry-After"));
    }
}

static void put_error(struct buf *b, int err, const char *message, struct str members)
{
    buf_put(b, STR("{\"error\":{\"code\":"));
    buf_put_json(b, str_of(err_code(err)));
    buf_put(b, STR(",\"message\":"));
    buf_put_json(b, str_of(message ? message : err_text(err)));
    if (members.p) {
        buf_putc(b, ',');
        buf_put(b, members);
    }
    buf_put(b, STR("}}"));
}

void http_refuse(struct http_conn *hc, int err, const char *why)
{
    struct buf head, body;
    buf_init(&head, HEAD_BYTES_MAX);
    buf_init(&body, ERROR_BYTES_MAX);
    put_error(&body, err, why, STR_NONE);
    struct answer a = {.status = err_http_status(err),
                       .content_type = "application/json",
                       .content_length = body.len,
                       .has_length = true,
                       .close = true};
    put_answer(&head, hc->httpd, &a);
    buf_put(&head, NOT_STORED);
    buf_put(&head, NOT_SHOWN);
    buf_put(&head, STR("\r\n"));
    if (!head.failed && !body.failed) {
        conn_write(hc->conn, buf_str(&head));
        conn_write(hc->conn, buf_str(&body));
    }
    buf_fini(&head);
    buf_fini(&body);
    metrics_add(conn_metrics(hc->conn), METRIC_HTTP_REFUSED, 1);
    http_conn_over(hc);
}

// ---- Whole answers ----

void http_header_add(struct http_request *req, const char *name, struct str value)
{
    if (req->state != HTTP_OPEN) {
        return;
    }
    http1_put_field(&req->fields, name, value);
    req->fields_bad = req->fields_bad || req->fields.failed;
    struct str n = str_of(name);
    req->has_cache_control = req->has_cache_control || str_eq_nocase(n, STR("Cache-Control"));
    req->has_retry_after = req->has_retry_after || str_eq_nocase(n, STR("Retry-After"));
    req->has_policy = req->has_policy || str_eq_nocase(n, STR("Content-Security-Policy"));
}

static bool must_close(const struct http_request *req)
{
    return !req->keep_alive || req->body_pending || req->hc->httpd->draining;
}

// Writes the head; false: the connection is gone, or can't be answered for want of memory.
static bool begin(struct http_request *req, struct answer *a)
{
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    a->http10 = req->head->head.minor == 0;
    put_answer(&head, req->hc->httpd, a);
    put_cors(&head, req);
    if (!req->has_cache_control) {
        buf_put(&head, NOT_STORED);
    }
    if (!req->has_policy) {
        buf_put(&head, NOT_SHOWN);
    }
    buf_put(&head, buf_str(&req->fields));
    buf_put(&head, STR("\r\n"));
    bool ok = !head.failed;
    if (ok) {
        conn_write(req->hc->conn, buf_str(&head));
    } else {
        conn_close(req->hc->conn);
    }
    buf_fini(&head);
    metrics_add(req->metrics, METRIC_HTTP_REQUESTS, 1);
    if (a->status >= 400 && a->status < 500) {
        metrics_add(req->metrics, METRIC_CLIENT_ERRORS, 1);
    }
    return ok && conn_is_open(req->hc->conn);
}

static void finish(struct http_request *req)
{
    struct http_conn *hc = req->hc;
    req->state = HTTP_ANSWERED;
    req->hc = NULL;
    http_conn_answered(hc);
}

static void reply(struct http_request *req, struct answer *a, struct str body)
{
    bool bodiless = req->head->method == HTTP1_HEAD || a->status == 204 || a->status == 304;
    a->has_length = a->status != 204 && a->status != 304;
    a->content_length = body.len;
    req->keep_alive = !must_close(req);
    a->close = !req->keep_alive;
    if (begin(req, a) && !bodiless) {
        conn_write(req->hc->conn, body);
    }
    finish(req);
}

// Is there somebody to answer, and is it the first answer? A refused field makes it a 500.
static bool may_reply(struct http_request *req)
{
    if (req->state != HTTP_OPEN || !req->hc) {
        return false;
    }
    if (req->fields_bad) {
        req->fields_bad = false;
        buf_fini(&req->fields);
        http_reply_error(req, -E_INTERNAL, "The answer had a field that can't be sent.");
        return false;
    }
    return true;
}

void http_reply(struct http_request *req, int status, const char *content_type, struct str body)
{
    if (may_reply(req)) {
        reply(req, &(struct answer){.status = status, .content_type = content_type}, body);
    }
}

void http_reply_json(struct http_request *req, int status, struct str json)
{
    http_reply(req, status, "application/json", json);
}

void http_reply_empty(struct http_request *req, int status)
{
    http_reply(req, status, NULL, STR(""));
}

void http_reply_error(struct http_request *req, int err, const char *message)
{
    http_reply_error_with(req, err, message, STR_NONE);
}

void http_reply_error_with(struct http_request *req, int err, const char *message,
                           struct str members)
{
    struct buf body;
    if (!may_reply(req)) {
        return;
    }
    int status = err_http_status(err);
    if ((status == 429 || status == 503) && !req->has_retry_after) {
        http_header_add(req, "Retry-After", STR("1"));
    } else if (status == 401) {
        http_header_add(req, "WWW-Authenticate", STR("Bearer"));
    }
    buf_init(&body, ERROR_BYTES_MAX);
    put_error(&body, err, message, members);
    if (body.failed) {
        conn_close(req->hc->conn);
    } else {
        reply(req, &(struct answer){.status = status, .content_type = "application/json"},
              buf_str(&body));
    }
    buf_fini(&body);
}

// ---- Streams ----

static void begin_stream(struct http_request *req, int status, const char *content_type)
{
    struct answer a = {.status = status,
                       .content_type = content_type,
                       .chunked = req->chunked,
                       .close = !req->keep_alive};
    req->state = HTTP_STREAMING;
    if (!begin(req, &a)) {
        return; // on_abort comes at the end of the turn
    }
    if (req->head->method == HTTP1_HEAD) {
        finish(req);
    } else if (req->hc->left) {
        conn_close(req->hc->conn); // nobody waits for what comes
    }
}

void http_stream_begin(struct http_request *req, int status, const char *content_type)
{
    if (may_reply(req)) {
        req->chunked = req->head->head.minor > 0;
        req->keep_alive = !must_close(req) && req->chunked;
        begin_stream(req, status, content_type);
    }
}

void http_stream_begin_shared(struct http_request *req, int status, const char *content_type)
{
    if (may_reply(req)) {
        req->chunked = false;
        req->keep_alive = false;
        conn_take_runs(req->hc->conn, true);
        begin_stream(req, status, content_type);
    }
}

void http_stream_write(struct http_request *req, struct str bytes)
{
    if (req->state != HTTP_STREAMING || bytes.len == 0) {
        return;
    }
    struct conn *c = req->hc->conn;
    if (!req->chunked) {
        conn_write(c, bytes);
        return;
    }
    char size[24];
    int n = snprintf(size, sizeof(size), "%zx\r\n", bytes.len);
    conn_write(c, str_make(size, (size_t)n));
    conn_write(c, bytes);
    conn_write(c, STR("\r\n"));
}

void http_stream_end(struct http_request *req)
{
    if (req->state != HTTP_STREAMING) {
        return;
    }
    if (req->chunked) {
        conn_write(req->hc->conn, HTTP1_LAST_CHUNK);
    }
    conn_take_runs(req->hc->conn, false);
    finish(req);
}

void http_abort(struct http_request *req)
{
    if (req->state == HTTP_ANSWERED || !req->hc) {
        return;
    }
    struct http_conn *hc = req->hc;
    bool streaming = req->state == HTTP_STREAMING;
    req->keep_alive = false;
    if (!streaming) {
        conn_close(hc->conn);
    }
    finish(req);
}
