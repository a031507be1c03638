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
#include "base/pool.h"
#include "http/httpd.h"
#include "http/request.h"
#include "http/websocket_int.h"
#include "net/conn.h"
#include "net/deadline.h"
#include "wire/http1.h"

struct httpd {
    struct httpd_config cfg;
    struct conns *sockets; // of all connections
    struct pool conns_pool;
    struct pool requests_pool;
    struct list conns;  // without those that became WebSockets
    size_t conns_count; // with them
    // Of the phases; in ASKING, HANDLING and OVER none runs.
    struct deadlines idle, heads, bodies;
    struct websockets websockets;
    bool draining;
    struct http1_request scratch; // the head being parsed
    int64_t date_s;               // second that `date` says
    char date[32];
};

// One connection.
//
//   IDLE --bytes--> HEAD --whole--> [ASKING] --> BODY --whole--> HANDLING --answered--> IDLE
//     |               |\            no body        +-------------^   |  \--ws_upgrade--> UPGRADED
//     |               | \--another worker's--> MOVING
//     +---------------+-------------- refused, no keep-alive, drain --> OVER (lingering)
enum http_phase {
    HTTP_IDLE,     // nothing of a request has come
    HTTP_HEAD,     // some of a head
    HTTP_ASKING,   // it is not known yet whose `req` is; what follows waits unread
    HTTP_BODY,     // `req` waits for its body
    HTTP_HANDLING, // `req` is the handler's; what is pipelined waits unread
    HTTP_MOVING,   // to the worker `owner`, as soon as all answers are sent
    HTTP_UPGRADED, // a WebSocket has the connection; freed when on_data returns
    HTTP_OVER,     // the last answer is given
};

struct http_conn {
    struct list node; // in httpd.conns
    struct httpd *httpd;
    struct conn *conn;
    struct deadline deadline; // of the phase
    struct net_addr peer;     // the other end of the socket
    struct http1_parser parser;
    struct http_request *req; // one reference: in ASKING, BODY and HANDLING
    unsigned owner;           // in MOVING
    enum http_phase phase : 4;
    bool loopback : 1; // came by a loopback listener
    bool fresh : 1;    // no request has come yet
    bool in_data : 1;  // inside on_data, which goes on by itself
    bool left : 1;     // the peer shut its side
    bool eof : 1;      // and all it sent was offered
};

enum http_request_state {
    HTTP_OPEN,      // not answered
    HTTP_STREAMING, // begun
    HTTP_ANSWERED,  // done, or nobody is there any more
};

// Most heads fit, with their spans, so that most requests are one object of a pool.
enum { HTTP_SMALL_BYTES = 1024 };

struct http_request {
    unsigned refs;
    enum http_request_state state;
    struct httpd *httpd;
    struct http_conn *hc; // NULL once answered or gone
    struct metrics *metrics;
    struct net_addr peer; // the client, as far as it is known
    // A copy of the head, cut off behind its last field: in `small`, or in the arena.
    const struct http1_request *head;
    struct arena arena;
    struct str path;
    struct url_query query;
    struct route_match match;
    struct http1_body body_decoder;
    struct buf body;
    size_t body_timed; // what of it had come when its time was last started
    bool body_pending; // declared and not read to its end
    bool keep_alive;
    bool chunked;      // the stream's framing
    bool fields_bad;   // a field was refused
    struct buf fields; // added to the answer
    bool has_cache_control, has_retry_after, has_policy;
    bool cors; // Origin is allowed: its fields go into the answer
    struct str ws_key;
    void *principal;
    void (*principal_unref)(void *principal);
    const struct http_request_ops *ops;
    void *ops_arg;
    _Alignas(max_align_t) char small[HTTP_SMALL_BYTES];
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
// A WebSocket has taken the connection: frees hc, at the latest when on_data returns.
void http_conn_upgraded(struct http_conn *hc);
void httpd_conn_over(struct httpd *h);     // there is one connection less
void http_conn_over(struct http_conn *hc); // lingering close

// dispatch.c
// Judges the head and finds the handler.
enum http_verdict {
    HTTP_REFUSED, // answered already: a refusal, a preflight
    HTTP_LET_IN,
    HTTP_UNDECIDED, // http_authenticated_take comes later
    HTTP_ELSEWHERE, // another worker's, the connection's `owner`
};
enum http_verdict http_dispatch(struct http_request *req);
// Answers by what the authenticate hook found, unless it is 0.
bool http_let_in(struct http_request *req, int err);
// Calls the handler; the body is whole.
void http_handle(struct http_request *req);

// route.c
// Appends "GET, HEAD, OPTIONS".
void route_put_methods(struct buf *b, unsigned methods);

#endif
