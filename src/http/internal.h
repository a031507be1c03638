// SPDX-License-Identifier: MIT
// What the files of http/ share and nobody else includes: the connection and the request.
#ifndef CLAIRON_HTTP_INTERNAL_H
#define CLAIRON_HTTP_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "http/httpd.h"
#include "http/request.h"
#include "http/websocket.h"
#include "net/conn.h"
#include "wire/http1.h"

struct httpd {
    struct httpd_config cfg;
    struct conns *sockets; // of all connections
    struct list conns;
    size_t conns_count;
    bool draining;
    struct http1_request scratch; // the head being parsed
    int64_t date_s;               // second that `date` says
    char date[32];
};

// One connection.
//
//   IDLE --bytes--> HEAD --whole--> BODY --whole--> HANDLING --answered--> IDLE
//     |               |      no body  +-------------^   |  \--ws_upgrade--> UPGRADED
//     +---------------+-------------- refused, no keep-alive, drain --> OVER (lingering)
enum http_phase {
    HTTP_IDLE,     // nothing of a request has come
    HTTP_HEAD,     // some of a head
    HTTP_BODY,     // `req` waits for its body
    HTTP_HANDLING, // `req` is the handler's; what is pipelined waits unread
    HTTP_UPGRADED, // `ws` has the connection
    HTTP_OVER,     // the last answer is given
};

struct http_conn {
    struct list node; // in httpd.conns
    struct httpd *httpd;
    struct conn *conn;
    struct timer timer; // of the phase: keep-alive, head, body
    struct http1_parser parser;
    struct http1_body body;
    struct http_request *req; // one reference: in BODY and HANDLING
    struct ws *ws;
    _Atomic(uint32_t) *load;
    enum http_phase phase;
    bool loopback; // came by a loopback listener
    bool fresh;    // no request has come yet
    bool in_data;  // inside on_data, which goes on by itself
    bool left;     // the peer shut its side
    bool eof;      // and all it sent was offered
};

enum http_request_state {
    HTTP_OPEN,      // not answered
    HTTP_STREAMING, // begun
    HTTP_ANSWERED,  // done, or nobody is there any more
};

struct http_request {
    unsigned refs;
    enum http_request_state state;
    struct http_conn *hc; // NULL once answered or gone
    struct loop *loop;
    struct metrics *metrics;
    // A copy of the head in the arena, cut off behind its last field.
    const struct http1_request *head;
    struct arena arena;
    struct str path;
    struct url_query query;
    struct route_match match;
    struct buf body;
    bool body_pending; // declared and not read to its end
    bool keep_alive;
    bool chunked;      // the stream's framing
    bool fields_bad;   // a field was refused
    struct buf fields; // added to the answer
    bool has_cache_control, has_retry_after;
    bool cors; // Origin is allowed: its fields go into the answer
    struct str ws_key;
    void *principal;
    void (*principal_unref)(void *principal);
    const struct http_request_ops *ops;
    void *ops_arg;
};

// request.c
// Copies the parsed head, whose bytes begin at `text`. NULL without memory. One reference, the
// connection's.
struct http_request *http_request_new(struct http_conn *hc, const struct http1_request *head,
                                      const char *text) MUST_CHECK;
// The connection is gone or shall go: tells the handler unless it has answered, and drops the
// connection's reference.
void http_request_abandon(struct http_request *req);

// reply.c
// An answer to what is no request: whole, JSON, closing.
void http_refuse(struct http_conn *hc, int err, const char *why);
struct str httpd_date(struct httpd *h);

// httpd.c
// The request of this connection has its whole answer.
void http_conn_answered(struct http_conn *hc);
// ws: the connection is over; frees hc.
void http_conn_gone(struct http_conn *hc);
void http_conn_over(struct http_conn *hc); // lingering close

// dispatch.c
// Judges the head and finds the handler. False: answered already (a refusal, a preflight).
bool http_dispatch(struct http_request *req);
// Calls the handler; the body is whole.
void http_handle(struct http_request *req);

// route.c
// Appends "GET, HEAD, OPTIONS".
void route_put_methods(struct buf *b, unsigned methods);

#endif
