// SPDX-License-Identifier: MIT
// The Socket.IO 5 server of one worker, over Engine.IO: namespaces, connecting, events and their
// acknowledgements both ways, attachments, leaving. What the events mean is its user's (the app).
// No hub. All on the worker's thread.
//
//   CONNECT nsp --> CONNECTING --sio_accept--> CONNECTED --41, the transport--> on_disconnect
//                       |                          \------ sio_disconnect ----> left
//                       +--sio_refuse--> refused
//
// Broken packets, and packets that the state does not allow, close the whole connection; those of a
// namespace that the server has left are dropped until the client enters it again, since they may
// have crossed. Memory of a connection: its namespaces, and one packet whose attachments are under
// way; both have limits.
#ifndef CLAIRON_SIO_SIO_H
#define CLAIRON_SIO_SIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/limits.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "http/request.h"
#include "sio/eio.h"
#include "wire/json.h"
#include "wire/socketio.h"

struct sio;        // the server
struct sio_socket; // one client on one namespace

struct sio_connect {
    struct str nsp;       // good as long as the socket
    struct json_val auth; // an object, or JSON_NONE; `pid` and `offset` are members of it
};

struct sio_event {
    struct str name;            // on_event: unescaped; of a number its digits
    struct json_val payload;    // the array; of on_event name first, then the arguments
    const struct str *attached; // attachments by number; placeholders in the payload name them
    unsigned attached_count;
    bool wants_ack; // on_event: an answer is asked for, by sio_ack, once at most
    uint64_t ack;   // on_event: for sio_ack; on_ack: what sio_emit gave
};

// What is given to a call is good until it returns. A socket is good from on_connect until
// on_disconnect has returned, or sio_refuse or sio_disconnect of it; on calls of the connection
// that one is inside of, until that returns, and does nothing any more.
struct sio_app {
    // Who the connection is: asked once, before any namespace. 0 or -E_* (eio_ops.on_open).
    int (*on_open)(void *ctx, struct http_request *req, void **ret_conn_arg);
    // The connection is over, after all on_disconnect.
    void (*on_gone)(void *conn_arg);
    // May there be one? Answer now or later, by sio_accept or sio_refuse; *ret_arg is what the
    // other calls are given, on_disconnect too when it was not accepted.
    void (*on_connect)(struct sio_socket *s, void *conn_arg, const struct sio_connect *c,
                       void **ret_arg);
    void (*on_event)(struct sio_socket *s, void *arg, const struct sio_event *e);
    // The client's answer to sio_emit with `wants_ack`: once for each at most, and only while it is
    // one of the last 64 that were asked for on the socket. NULL for who never asks.
    void (*on_ack)(struct sio_socket *s, void *arg, const struct sio_event *e);
    // See eio_ops: of each namespace that is connected. May be NULL.
    void (*on_blocked)(struct sio_socket *s, void *arg);
    void (*on_room)(struct sio_socket *s, void *arg);
    void (*on_upgraded)(struct sio_socket *s, void *arg);
    // `left`: the client left the namespace by itself (no recovery); else the transport went. Not
    // after sio_refuse and sio_disconnect.
    void (*on_disconnect)(struct sio_socket *s, void *arg, bool left);
};

struct sio_limits {
    struct socketio_limits packets;
    unsigned namespaces_max; // of one connection, and of refusals since it entered one
    int64_t namespace_ms;    // without a namespace
    int64_t attachments_ms;  // for the next attachment that was announced
};
struct sio_limits sio_limits_of(const struct limits *limits);

// All borrowed, for as long as the sio lives.
struct sio_config {
    struct eio_config transport; // without `ops` and `ctx`
    const struct sio_limits *limits;
    const struct sio_app *app;
    void *ctx;
};

struct sio *sio_new(const struct sio_config *cfg);
void sio_free(struct sio *sio);           // no connection may be left; accepts NULL
size_t sio_memory(const struct sio *sio); // bytes of its connections, without their transports
// For eio_handle, eio_drain and what else concerns transports.
struct eio *sio_eio(struct sio *sio);

// CONNECT is answered, with {"sid"} or, if pid.p is not NULL, {"sid","pid"}. Nothing may be sent
// before. Both texts are valid UTF-8.
void sio_accept(struct sio_socket *s, struct str sid, struct str pid);
// With {"message"} and, if data.p is not NULL, `data`, which is JSON. The client does not ask again
// by itself. A namespace that does not exist is "Invalid namespace", for all servers.
void sio_refuse(struct sio_socket *s, struct str message, struct str data);

struct sio_emit {
    // JSON, the whole array: of an event with its name (none of socketio_name_reserved) first.
    // Compact; attachments as placeholders in it.
    struct str payload;
    const struct str *attached;
    unsigned attached_count; // at most SOCKETIO_ATTACHMENTS_MAX
    bool wants_ack;          // of an event: *ret_ack is what on_ack will say
};
// Copied. `ret_ack` may be NULL.
void sio_emit(struct sio_socket *s, const struct sio_emit *e, uint64_t *ret_ack);
void sio_ack(struct sio_socket *s, uint64_t ack, const struct sio_emit *args);
// Whole packets for this namespace: see eio_send_run.
void sio_send_run(struct sio_socket *s, struct rcbuf *run);
// The client does not come back by itself. The connection stays for other namespaces.
void sio_disconnect(struct sio_socket *s);

struct str sio_nsp(const struct sio_socket *s);
struct eio_socket *sio_transport(const struct sio_socket *s);

#endif
