// SPDX-License-Identifier: MIT
// The Socket.IO 5 server of one worker, over Engine.IO: namespaces, connecting, events and their
// acknowledgements both ways, attachments, leaving. What the events mean is its user's (the app).
// No hub. All on the worker's thread.
//
//   client: CONNECT nsp --on_connect--> sio_accept -> CONNECTED --on_disconnect--> gone
//                             \------> sio_refuse (CONNECT_ERROR) -> gone
#ifndef CLAIRON_SIO_SIO_H
#define CLAIRON_SIO_SIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "http/request.h"
#include "sio/eio.h"
#include "wire/json.h"

struct sio;        // the server
struct sio_socket; // one client on one namespace

struct sio_connect {
    struct str nsp;
    struct json_val auth; // an object, or JSON_NONE; `pid` and `offset` are members of it
};

struct sio_event {
    struct str name;            // unescaped; of a number its digits
    struct json_val payload;    // the array: name first, then the arguments
    const struct str *attached; // attachments by number; placeholders in the payload name them
    unsigned attached_count;
    bool wants_ack;
    uint64_t ack; // for sio_ack
};

struct sio_app {
    // Who the connection is: asked once, before any namespace. 0 or -E_* (eio_ops.on_open).
    int (*on_open)(void *ctx, struct http_request *req, void **ret_conn_arg);
    void (*on_gone)(void *conn_arg); // the connection is over, after all on_disconnect
    // May there be one? Answer now or later, by sio_accept or sio_refuse; *ret_arg is what the
    // other calls are given, on_disconnect too when it was not accepted.
    void (*on_connect)(struct sio_socket *s, void *conn_arg, const struct sio_connect *c,
                       void **ret_arg);
    void (*on_event)(struct sio_socket *s, void *arg, const struct sio_event *e);
    // The client's answer to sio_emit with `ack`.
    void (*on_ack)(struct sio_socket *s, void *arg, const struct sio_event *e);
    void (*on_blocked)(struct sio_socket *s, void *arg); // see eio_ops
    void (*on_room)(struct sio_socket *s, void *arg);
    void (*on_upgraded)(struct sio_socket *s, void *arg);
    // `left`: the client left the namespace by itself (no recovery); else the transport went.
    void (*on_disconnect)(struct sio_socket *s, void *arg, bool left);
};

// CONNECT is answered: `raw` is the object's JSON ({"sid":…} or with "pid").
void sio_accept(struct sio_socket *s, struct str sid, struct str pid); // pid.p = NULL: none
void sio_refuse(struct sio_socket *s, struct str message,
                struct str data); // data: raw JSON or none
// One event: `payload` is the whole array as raw JSON, attachments as placeholders in it.
struct sio_emit {
    struct str payload;
    const struct str *attached;
    unsigned attached_count;
    bool wants_ack; // *ret_ack is what on_ack will say
};
void sio_emit(struct sio_socket *s, const struct sio_emit *e, uint64_t *ret_ack);
void sio_ack(struct sio_socket *s, uint64_t ack, const struct sio_emit *args);
void sio_send_run(struct sio_socket *s, struct rcbuf *run); // see eio_send_run
// Leaves: the client does not come back by itself. The connection stays for other namespaces.
void sio_disconnect(struct sio_socket *s);
struct eio_socket *sio_transport(const struct sio_socket *s);

#endif
