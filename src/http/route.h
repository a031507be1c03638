// SPDX-License-Identifier: MIT
// The table of routes: method and path pattern to handler. Built at start, then only read, by any
// thread.
//
// Patterns are "/api/jobs/{id}/log": a segment is a literal or one `{name}`. Requests are compared
// after one decoding, segment by segment; a slash at the end is ignored on both sides. The first
// route added that fits is taken, so that narrower ones go before wider ones.
#ifndef CLAIRON_HTTP_ROUTE_H
#define CLAIRON_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"
#include "wire/http1.h"

struct http_request;

enum route_kind {
    ROUTE_HTTP,
    // A WebSocket: taken when the request asks for an Upgrade, before any ROUTE_HTTP of the path.
    // The handshake was checked; the handler calls ws_upgrade or replies with an error. Where there
    // is no ROUTE_HTTP for the path, a request without Upgrade is answered 426.
    ROUTE_UPGRADE,
};

enum route_flags {
    ROUTE_PUBLIC = 1,  // the authenticate hook is not asked
    ROUTE_LASTING = 2, // its answers last: counts like a connection of its client's, as Upgrades do
};

#define ROUTE_PARAMS_MAX 4

struct route {
    enum route_kind kind;
    enum http1_method method; // GET also serves HEAD; ROUTE_UPGRADE: GET
    const char *pattern;      // of static storage
    unsigned flags;
    void (*handle)(struct http_request *req, void *ctx);
    // The number of the worker that has what the request is about; -1: any will do. Its connection
    // moves there before anything else is looked at. NULL: any.
    int (*owner)(const struct http_request *req, void *ctx);
    // The head of a request that is let in is here, and a body will follow: it may be refused now,
    // by answering it, and then is not read. NULL: nothing is to be said yet.
    void (*begin)(struct http_request *req, void *ctx);
    void *ctx;
    // A further condition (on the query, say); NULL: none. Without it the route does not exist for
    // that request.
    bool (*when)(const struct http_request *req, void *ctx);
    // Answers, at once, whoever the authenticate hook calls unauthorized; NULL: 401 as everywhere.
    void (*unauthorized)(struct http_request *req, void *ctx);
};

struct router;

struct router *router_new(void);
void router_free(struct router *r); // accepts NULL
void router_add(
    struct router *r,
    const struct route *route); // copies the struct; a bad pattern is a programming error

struct route_match {
    const struct route *route; // NULL: none
    size_t params_count;
    struct {
        struct str name, value;
    } params[ROUTE_PARAMS_MAX];
    bool path_known;   // some route has this path
    bool upgrade_only; // only upgrades have it
    unsigned methods; // bit (1 << enum http1_method) for each method this path has; GET brings HEAD
};

struct route_query {
    struct str path; // decoded
    enum http1_method method;
    bool upgrade;
    const struct http_request *req; // for `when`
};
void router_match(const struct router *r, const struct route_query *q, struct route_match *ret);

#endif
