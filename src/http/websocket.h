// SPDX-License-Identifier: MIT
// A WebSocket (RFC 6455) on a connection that came by HTTP: whole text messages in, frames out.
// Pings, pongs, limits and the closing handshake are done here. All on the worker's thread.
//
//   OPEN --ws_close--> CLOSING (our Close is sent, the peer's awaited) --> lingering close
//     +-- the peer's Close, a fault, silence, a reader that is stuck ------> lingering close
//
// on_closed comes once, as soon as OPEN is left, at the end of that turn and never from inside a
// call of the user's. After it the user must not touch the ws. Between leaving OPEN and on_closed
// every call does nothing.
#ifndef CLAIRON_HTTP_WEBSOCKET_H
#define CLAIRON_HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "http/request.h"
#include "wire/ws_compressor.h"

struct ws;

struct ws_ops {
    // A whole message, valid UTF-8; good until this returns.
    void (*on_text)(struct ws *ws, void *arg, struct str text);
    // NULL: a binary message closes with 1003.
    void (*on_binary)(struct ws *ws, void *arg, struct str bytes);
    // A message beyond messages_per_second: it counts as not taken, so that the user can say so.
    // NULL: dropped. A peer that goes on far beyond the limit is closed with 1008.
    void (*on_limited)(struct ws *ws, void *arg, struct str message, bool binary);
    // All that was written is sent, after ws_is_blocked was true or ws_want_drained. May be NULL.
    void (*on_drained)(struct ws *ws, void *arg);
    // The socket took less of a run than it was given (conn_send_run). Once until on_drained. May
    // be NULL.
    void (*on_blocked)(struct ws *ws, void *arg);
    // The code that ended it: the peer's (1005: none given), ours, or 1006: the connection broke.
    void (*on_closed)(struct ws *ws, void *arg, int code);
    size_t message_bytes_max; // 1009 beyond; 0: as for the others of the server
    bool no_reasons;          // Close frames have a code and no text
    bool has_heartbeat;       // of its user's own: no pings are sent here
};

// Answers the request of a ROUTE_UPGRADE with 101. `ops` are good as long as the ws. `protocol`:
// the subprotocol chosen, one of those offered (ws_offers on http_head); p = NULL: none. The
// request is finished by this; bytes behind the handshake are kept for on_text. False: the
// connection is gone or there is no memory (then answered 503); nothing will be called.
bool ws_upgrade(struct http_request *req, struct str protocol, const struct ws_ops *ops, void *arg,
                struct ws **ret) MUST_CHECK;
// The class of compression (wire/ws_compressor.h) that ws_upgrade will agree to.
enum ws_class ws_offered_class(const struct http_request *req);
enum ws_class ws_class(const struct ws *ws); // and what it agreed to
// The subprotocols offered, in the client's order; see wire/ws_handshake.h.
struct http1_list ws_offered(const struct http_request *req);
// Is it the request of a ROUTE_UPGRADE?
bool ws_is_asked(const struct http_request *req);

// Copied, and compressed where that was agreed and pays.
void ws_send_text(struct ws *ws, struct str text); // valid UTF-8
void ws_send_binary(struct ws *ws, struct str bytes);
// One or more whole frames that were put together before, to be shared between connections, and
// compressed for none but those of this one's class. Borrowed.
void ws_send_frames(struct ws *ws, struct rcbuf *frames);
// Sends Close after all that was sent before. `reason`: short, valid UTF-8, for people.
void ws_close(struct ws *ws, int code, const char *reason);

// The socket took less than it was given; the rest waits.
bool ws_is_blocked(const struct ws *ws);
void ws_want_drained(struct ws *ws); // on_drained once when the outbox is empty, at the earliest at
                                     // the end of this turn
size_t ws_unsent_bytes(const struct ws *ws);
bool ws_is_open(const struct ws *ws);

// Where whole frames that many share are sent to, by conn_send_run. Good until on_closed.
struct conn *ws_conn(const struct ws *ws);
struct loop *ws_loop(const struct ws *ws);
struct metrics *ws_metrics(const struct ws *ws);

#endif
