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
//
// While polling, what is sent waits for the client's next poll and is its answer, all of one turn
// together. A sid is a secret: whoever has it speaks for the client. It is never logged, and names
// the worker that has the socket.
#ifndef CLAIRON_SIO_EIO_H
#define CLAIRON_SIO_EIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/limits.h"
#include "base/quota.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "http/request.h"
#include "http/route.h"
#include "wire/ws_compressor.h"

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
    // what the other calls are given; what is sent from inside goes with the handshake. -E_*:
    // refused (403 for E_FORBIDDEN, else the error's status), and nothing else is called.
    int (*on_open)(struct eio_socket *s, struct http_request *req, void *ctx, void **ret_arg);
    // A message, valid UTF-8; good until this returns.
    void (*on_text)(struct eio_socket *s, void *arg, struct str text);
    void (*on_bytes)(struct eio_socket *s, void *arg, struct str bytes);
    // What was given to eio_send_run did not all go: nothing more until on_room. From the end of a
    // turn or of a sender_flush.
    void (*on_blocked)(struct eio_socket *s, void *arg);
    // The socket takes runs again: the WebSocket has sent all it had, or the next poll took what
    // waited.
    void (*on_room)(struct eio_socket *s, void *arg);
    // It is a WebSocket from now on: runs are of that form (eio_is_websocket).
    void (*on_upgraded)(struct eio_socket *s, void *arg);
    void (*on_close)(struct eio_socket *s, void *arg, enum eio_end why);
};

struct eio_limits {
    int64_t ping_interval_ms, ping_timeout_ms, upgrade_timeout_ms;
    int64_t poll_gap_ms; // between two runs that are polled; what comes meanwhile goes together
    size_t payload_bytes_max; // maxPayload: of a POST, and of a message on WebSocket
    unsigned packets_max;     // in one POST
    size_t unsent_bytes_max;  // of answers and other single messages that wait, if there are two
    // Of messages that are POSTed, per socket; those on WebSocket have the limits of the HTTP
    // server. 0: not counted.
    unsigned messages_per_second;
    int64_t message_bytes_per_second;
    unsigned sockets_per_address; // that poll
};
// Of a hub.
struct eio_limits eio_limits_of(const struct limits *limits);

// All borrowed, for as long as the eio lives.
struct eio_config {
    struct loop *loop;
    struct metrics *metrics;
    const struct eio_limits *limits;
    unsigned worker;          // its number, which every sid begins with
    struct quotas *addresses; // counts sockets that poll by address; NULL: nobody does
    struct net_blocks exempt; // addresses that are not counted
    const struct eio_ops *ops;
    void *ctx;
};

struct eio *eio_new(const struct eio_config *cfg);
// No socket may be left, but for those whose client has not yet come for its end: drain and turn
// the loop, then end the connections. Accepts NULL.
void eio_free(struct eio *e);
// Closes all, so that clients come back by themselves (RFC 6455 code for those on WebSocket), and
// takes no new ones.
void eio_drain(struct eio *e, int ws_code);
size_t eio_sockets(const struct eio *e); // all there are
size_t eio_memory(const struct eio *e);  // their bytes, without what waits for polls

// Routes of one path, every method and the Upgrade, as far as `when` allows (NULL: always).
void eio_add_routes(struct router *r, struct eio *e, const char *pattern,
                    bool (*when)(const struct http_request *req, void *ctx));
// One such request, for who has a route of its own.
void eio_handle(struct eio *e, struct http_request *req);

// One message each, copied. What waits beyond unsent_bytes_max closes the socket.
void eio_send_text(struct eio_socket *s, struct str text);
void eio_send_bytes(struct eio_socket *s, struct str bytes);
// One or more messages put together before, to be shared between sockets; borrowed. On WebSocket:
// whole frames. Polling: packets, each after an ENGINEIO_SEPARATOR. All of it is taken; what does
// not go at once waits, and then the socket is blocked. Who polls is blocked after each run, until
// poll_gap_ms are over and the next poll is here: so a busy stream costs few polls.
void eio_send_run(struct eio_socket *s, struct rcbuf *run);
bool eio_is_blocked(const struct eio_socket *s);
bool eio_is_websocket(const struct eio_socket *s);
// The frames that it takes, see ws_send_frames; plain ones while it polls.
enum ws_class eio_class(const struct eio_socket *s);
// From inside on_text and on_bytes: the client says more than it may. The message is not to be
// taken, but by whom a part of one can't be refused; who goes on far beyond is closed.
bool eio_is_limited(const struct eio_socket *s);
// From inside on_text and on_bytes: the POST that brings the message; NULL: none does.
struct http_request *eio_posted(const struct eio_socket *s);
// Ends it after what was sent before; clients come back by themselves.
void eio_close(struct eio_socket *s);

#endif
