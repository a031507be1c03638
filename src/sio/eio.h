// SPDX-License-Identifier: MIT
// The Engine.IO 4 server of one worker: clients that come by polling or WebSocket and may change
// from the one to the other in mid-stream. Heartbeat, upgrade, limits and the numbered errors are
// done here; what is said in the messages is its user's. No hub. All on the worker's thread.
//
//   POLLING --5 on a probed WebSocket--> WEBSOCKET
//      \--------- eio_close, the peer's close, silence, a fault -------> CLOSED
//
// on_close comes once, at the end of that turn and never from inside a call of the user's. After it
// the user must not touch the socket; between leaving the open states and on_close every call does
// nothing.
#ifndef CLAIRON_SIO_EIO_H
#define CLAIRON_SIO_EIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "http/request.h"

struct eio;        // the server
struct eio_socket; // one client

enum eio_end {
    EIO_END_CLIENT,   // the peer said so, or broke the connection off
    EIO_END_SERVER,   // eio_close
    EIO_END_SILENT,   // no pong in time
    EIO_END_PROTOCOL, // broken packets, two polls at once, too much
};

struct eio_ops {
    // A client whose handshake is to be answered; `req` is good until this returns. 0: *ret_arg is
    // what the other calls are given. -E_*: refused (403 for E_FORBIDDEN, else the error's status).
    int (*on_open)(struct eio_socket *s, struct http_request *req, void *ctx, void **ret_arg);
    // A message, valid UTF-8; good until this returns.
    void (*on_text)(struct eio_socket *s, void *arg, struct str text);
    void (*on_bytes)(struct eio_socket *s, void *arg, struct str bytes);
    // What was given to eio_send_run did not all go: nothing more until on_room.
    void (*on_blocked)(struct eio_socket *s, void *arg);
    // The socket takes runs again: the WebSocket has sent all it had, or the next poll is here.
    void (*on_room)(struct eio_socket *s, void *arg);
    // It is a WebSocket from now on: runs are of that form (eio_is_websocket).
    void (*on_upgraded)(struct eio_socket *s, void *arg);
    void (*on_close)(struct eio_socket *s, void *arg, enum eio_end why);
};

struct eio_limits {
    int64_t ping_interval_ms, ping_timeout_ms, upgrade_timeout_ms;
    size_t payload_bytes_max; // maxPayload: of a POST, and of a message on WebSocket
    unsigned packets_max;     // in one POST
    size_t unsent_bytes_max;  // of answers and other single messages that wait for a poll
};

// All borrowed, for as long as the eio lives.
struct eio_config {
    struct loop *loop;
    struct metrics *metrics;
    const struct eio_limits *limits;
    unsigned worker; // its number, which every sid begins with
    const struct eio_ops *ops;
    void *ctx;
};

struct eio *eio_new(const struct eio_config *cfg);
void eio_free(struct eio *e); // no socket may be left; accepts NULL
// Closes all, so that clients come back by themselves (RFC 6455 code for those on WebSocket).
void eio_drain(struct eio *e, int ws_code);

// Any request, whatever its method, of an Engine.IO path, or an Upgrade there.
void eio_handle(struct eio *e, struct http_request *req);

// One message each, copied. They wait, within unsent_bytes_max, for the next poll.
void eio_send_text(struct eio_socket *s, struct str text);
void eio_send_bytes(struct eio_socket *s, struct str bytes);
// One or more messages put together before, to be shared between sockets; borrowed. On WebSocket:
// whole frames. Polling: packets, each after an ENGINEIO_SEPARATOR (the first one's is dropped);
// only when there is room: then they are the poll's answer and the socket is blocked until the
// next.
void eio_send_run(struct eio_socket *s, struct rcbuf *run);
bool eio_is_blocked(const struct eio_socket *s);
bool eio_is_websocket(const struct eio_socket *s);
// Ends it after what was sent before; clients come back by themselves.
void eio_close(struct eio_socket *s);

#endif
