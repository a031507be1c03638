// SPDX-License-Identifier: MIT
// The HTTP/1.1 server of one worker: connections in, requests to handlers, answers out (RFC 9112).
// One request at a time is handled per connection; what is pipelined behind it waits. All on the
// worker's thread.
#ifndef CLAIRON_HTTP_HTTPD_H
#define CLAIRON_HTTP_HTTPD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "http/limits.h"
#include "http/origin.h"
#include "http/request.h"
#include "http/route.h"
#include "net/addr.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/metrics.h"

struct httpd;
struct visitors;

// permessage-deflate, with clients that offer it.
struct ws_compression {
    bool on;
    bool shared;            // who lets us is put on streams, for which see hub/streams.h
    size_t threshold_bytes; // shorter messages are not compressed
};

// All borrowed, for as long as the httpd lives.
struct httpd_config {
    struct loop *loop;
    struct metrics *metrics; // this thread's
    struct sender *sender;   // the loop's; NULL: runs are copied and go out alone
    const struct router *router;
    const struct origin_policy *origins;
    const struct http_limits *limits;
    struct visitors *visitors;         // who may come in behind a proxy; NULL: everyone
    struct net_blocks trusted_proxies; // whose word about their clients is taken
    bool upgrades;                     // false: 503 to every Upgrade
    struct ws_compression compression;
    // Who is asking. 0 and a reference in *ret_principal (given back by principal_unref); -E_* to
    // answer with; or -E_AGAIN, and http_authenticated_take will say. Meanwhile nothing more of the
    // connection is read. NULL: http_principal is NULL.
    int (*authenticate)(void *ctx, struct http_request *req, void **ret_principal);
    void (*principal_unref)(void *principal);
    // Answers the Upgrade of a browser that is not let in: a page can't see the status of a refused
    // handshake. NULL: 401, as for everyone else.
    void (*unauthorized_upgrade)(void *ctx, struct http_request *req);
    void *authenticate_ctx;
    // All workers by their numbers, and which this is, for routes with an owner. Filled before the
    // first connection. NULL: it is alone.
    struct accept_target *const *workers;
    unsigned workers_count, worker;
    _Atomic(uint32_t) *load; // counted down with every connection that is over; NULL: nobody counts
};

struct httpd *httpd_new(const struct httpd_config *cfg);
// No connection may be left: drain and turn the loop until httpd_connections is 0.
void httpd_free(struct httpd *h); // accepts NULL

// What frames for its WebSockets are compressed with. On the worker's thread.
struct ws_compressor;
struct ws_compressor *httpd_compressor(struct httpd *h);

// Takes all of it.
void httpd_accept(struct httpd *h, const struct accepted *a);

// What `authenticate` left open: 0 with a reference to the principal, which is taken, or -E_* and
// NULL. The caller holds a reference to the request, whose connection may be gone by now.
void http_authenticated_take(struct http_request *req, int err, void *principal);

// From now on: idle connections are closed, answers say `Connection: close`, streams and requests
// with on_abort under way are left to their handlers (on_drain), WebSockets are closed with
// `ws_code` (1001 or 1012).
void httpd_drain(struct httpd *h, int ws_code);
// Closes everything that is left, at once.
void httpd_close_all(struct httpd *h);
size_t httpd_connections(const struct httpd *h);

// Bytes held for connections, whatever they speak and by what they speak; of requests under way the
// record, without what their handlers keep.
struct httpd_memory {
    struct conns_memory connections;
    size_t http;
    size_t websockets;
};
struct httpd_memory httpd_memory(const struct httpd *h);

#endif
