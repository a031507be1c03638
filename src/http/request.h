// SPDX-License-Identifier: MIT
// One HTTP request as a handler sees it, and its answer. Reference-counted and answered whenever
// the handler likes: at once, or later from the same worker thread while it holds a reference. All
// spans live as long as the request.
//
// Answer exactly once: http_reply*, or http_stream_begin … http_stream_end, or ws_upgrade
// (websocket.h). When the connection is gone all of them do nothing. If the last reference goes
// without an answer, 500 is answered.
#ifndef CLAIRON_HTTP_REQUEST_H
#define CLAIRON_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "wire/http1.h"
#include "wire/url.h"

struct http_request;

struct http_request *http_request_ref(struct http_request *req);
void http_request_unref(struct http_request *req); // accepts NULL

// ---- What was asked ----

enum http1_method http_method(const struct http_request *req); // HEAD reads as GET
struct str http_path(const struct http_request *req); // decoded, without a slash at the end
// Path parameter of the route's pattern ("{id}"), decoded, not empty, not validated otherwise; p =
// NULL when the pattern has none of that name.
struct str http_param(const struct http_request *req, const char *name);
// Last query parameter of that name, decoded; p = NULL when absent.
struct str http_query(const struct http_request *req, const char *name);
const struct url_query *http_query_all(const struct http_request *req); // for repeated ones
struct str http_header(const struct http_request *req,
                       const char *name);                           // first of that name; p = NULL
const struct http1_head *http_head(const struct http_request *req); // for lists and repeated fields
struct str http_body(const struct http_request *req); // whole; empty when there is none

// ---- Whose it is ----

// For what lives as long as the request. At most HTTP_ARENA_BYTES in all.
#define HTTP_ARENA_BYTES (8u << 20)
struct arena *http_arena(struct http_request *req);
void *http_principal(const struct http_request *req); // what the authenticate hook gave; borrowed
// The client's address: the peer's, or what trusted proxies say.
const struct net_addr *http_peer(const struct http_request *req);
struct loop *http_loop(const struct http_request *req);
struct metrics *http_metrics(const struct http_request *req);
struct now http_now(const struct http_request *req); // of this turn

struct http_request_ops {
    // Nobody is there to answer any more: the peer shut its side, or the connection is gone. Called
    // at most once, never from inside a call of the handler's, and not after an answer was
    // finished. While the body comes (route.begin) also when the server refuses it. With this set
    // the connection is closed as soon as the peer shuts its side; without it a short request is
    // still answered. May be NULL.
    void (*on_abort)(struct http_request *req, void *arg);
    // Streams: the socket took less of a run than it was given (conn_send_run). Once until
    // on_drained. May be NULL.
    void (*on_blocked)(struct http_request *req, void *arg);
    // The server is going away: answer soon, or end the stream. May be NULL.
    void (*on_drain)(struct http_request *req, void *arg);
    // Streams: all that was written is sent, after http_is_blocked was true or http_want_drained.
    // May be NULL.
    void (*on_drained)(struct http_request *req, void *arg);
};
// `ops` and `arg` stay good until the answer is finished or on_abort was called.
void http_request_watch(struct http_request *req, const struct http_request_ops *ops, void *arg);
// Can an answer still reach anybody?
bool http_is_open(const struct http_request *req);

// ---- The answer ----
// Date, Content-Length, the CORS fields, `X-Content-Type-Options: nosniff` and, unless a
// Cache-Control was added, `Cache-Control: no-store` are put by the server.

// Adds a field to the answer; before it begins. A value with CR, LF or NUL makes the answer a 500.
void http_header_add(struct http_request *req, const char *name, struct str value);
void http_reply(struct http_request *req, int status, const char *content_type, struct str body);
void http_reply_json(struct http_request *req, int status, struct str json);
void http_reply_empty(struct http_request *req, int status); // 204, 304
// `{"error":{"code","message"}}` with the error's status. `message` NULL: the error's own text. 429
// and 503 get `Retry-After: 1` unless the handler added one, 401 `WWW-Authenticate: Bearer`.
void http_reply_error(struct http_request *req, int err, const char *message);
// The same with further members inside "error": `"index":3`. p = NULL: none.
void http_reply_error_with(struct http_request *req, int err, const char *message,
                           struct str members);

// An answer of unknown length: chunked, or until close for HTTP/1.0. What is written in one turn
// goes out together.
void http_stream_begin(struct http_request *req, int status, const char *content_type);
// A stream that ends with its connection and not before, whatever the version: what many share can
// be handed to http_conn as runs.
void http_stream_begin_shared(struct http_request *req, int status, const char *content_type);
// Good until on_abort, or the end of the answer. NULL: it is gone.
struct conn *http_conn(const struct http_request *req);
void http_stream_write(struct http_request *req, struct str bytes);
void http_stream_end(struct http_request *req);
// Breaks a stream off, so that the client sees that it is not whole; or drops a request without any
// answer.
void http_abort(struct http_request *req);
bool http_is_blocked(const struct http_request *req);
void http_want_drained(struct http_request *req);
size_t http_unsent_bytes(const struct http_request *req);

#endif
