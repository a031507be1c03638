// SPDX-License-Identifier: MIT
// The native dialect: JSON messages on a WebSocket, topics on request. Shared by native.c (what
// goes out) and native_in.c (what comes in).
#ifndef CLAIRON_DIALECT_NATIVE_H
#define CLAIRON_DIALECT_NATIVE_H

#include "dialect/wsession.h"
#include "http/route.h"
#include "hub/worker.h"

// Adds its routes; `hub` is the worker's and outlives the router.
void native_routes(struct router *r, struct hub_worker *hub);

// ---- Inside the dialect.

// There is one for each connection, mostly idle: kept small.
struct native {
    struct wsession base;           // first
    struct respond_call *streams;   // those calls
    struct native_waiting *waiting; // answers that wait for the end of brackets; NULL: none
    uint16_t brackets;              // asked for and not over
    uint16_t questions;             // about history, not yet answered
    uint16_t calls;                 // to responders, not over
    bool channels;                  // sending to a channel joins it
};

// What a subscription brings back with each of its answers; its `ref` in the session.
struct native_bracket {
    char *ref;     // raw JSON, owned; NULL: none
    char *event;   // owned; NULL unless the client named an event type
    bool quiet;    // of a topic that the client did not ask for
    bool presence; // it is to be told who is there
};
// False without memory: nothing happened. Answered by the session.
bool native_subscribe(struct native *n, const struct session_subscribe *sub,
                      const struct native_bracket *told) MUST_CHECK;
// Sends now, or when the brackets asked for so far are over. False: too many wait.
bool native_send_in_turn(struct native *n, const struct frames *f) MUST_CHECK;

// Who is on a topic, or why that is not known.
void native_tell_present(struct native *n, const struct sink_present *p);

// native_respond.c: what is said on a channel that has a responder. False: refused.
struct native_asked {
    unsigned responder;
    const struct wmessage *message;
    struct str channel;
    struct json_val data;
};
bool native_ask(struct native *n, const struct native_asked *a) MUST_CHECK;
void native_stream_cancel(struct native *n, const struct wmessage *m);
void native_drained(struct wsession *w);
void native_closed(struct wsession *w);

void native_message(struct wsession *w, const struct wmessage *m);

#endif
