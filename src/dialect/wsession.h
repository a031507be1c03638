// SPDX-License-Identifier: MIT
// A WebSocket and the session it stands for: what all dialects on WebSockets have in common. Frames
// are shared between connections, a slow socket holds its session, messages in are taken apart and
// pings answered. All on the worker's thread.
//
// A dialect puts a `struct wsession` first in its own struct. Life: wsession_open_take -> calls of
// the ops -> the socket ends: `ws` and `session` are NULL from then on -> the last reference goes:
// ops->free.
#ifndef CLAIRON_DIALECT_WSESSION_H
#define CLAIRON_DIALECT_WSESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "dialect/frames.h"
#include "dialect/variants.h"
#include "http/request.h"
#include "http/websocket.h"
#include "hub/kind.h"
#include "hub/session.h"
#include "hub/sink.h"
#include "hub/worker.h"
#include "net/addr.h"
#include "wire/json.h"

struct wsession;

// A message from the client: a JSON object. Everything dies when the call returns.
struct wmessage {
    struct str type; // p = NULL: none
    struct json_val object;
    struct str ref; // raw JSON; p = NULL: none
    struct arena *arena;
};

struct wsession_ops {
    const struct sink_variant *variant; // of the wsession; it sends by wsession_send_run
    bool pong_cursor;                   // a pong says where the session is
    // Anything but pings and new tokens.
    void (*message)(struct wsession *w, const struct wmessage *m);
    // May be NULL. The socket has taken all that it was given, after wsession_has_room said no.
    void (*drained)(struct wsession *w);
    // May be NULL. `ws` and `session` are gone.
    void (*closed)(struct wsession *w);
    void (*free)(struct wsession *w);
};

struct wsession {
    const struct wsession_ops *ops;
    struct hub_worker *hub;
    struct ws *ws;           // NULL once it is closed
    struct session *session; // the same
    struct quota *place;     // among those of its user; NULL: it is nobody's
    struct pass *pass;       // NULL: the session never expires
    unsigned refs;
    bool refreshing; // a new token is being checked
    // Who is at the other end, and since when.
    struct net_addr peer;
    uint32_t since_s;
    bool held; // the dialect has more to say before the session goes on, see wsession_hold
};

// Answers the Upgrade. `w` is zeroed memory of the dialect's, which this takes: false, when the
// request was answered otherwise, has freed it.
bool wsession_open_take(struct wsession *w, struct http_request *req, struct hub_worker *hub,
                        const struct wsession_ops *ops) MUST_CHECK;
// For answers under way.
struct wsession *wsession_ref(struct wsession *w);
void wsession_unref(struct wsession *w);

// All do nothing once it is closed. A buffer or frames that failed close the socket, for what the
// client would miss.
void wsession_send(struct wsession *w, const struct buf *message);
void wsession_send_frames(struct wsession *w, const struct frames *f);
void wsession_out_of_memory(struct wsession *w);

struct wrefusal {
    int err;
    const char *text;      // NULL: the error's own
    struct str ref, topic; // p = NULL: none
};
void wsession_refuse(struct wsession *w, const struct wrefusal *r);

// For sink_variant.send.
void wsession_send_run(void *port, struct rcbuf *run);
// Does the socket keep up? If not, and it is open, `drained` comes.
bool wsession_has_room(struct wsession *w);
// After something large that is no event: the session waits if the socket does not keep up.
void wsession_make_room(struct wsession *w);
// Between events: the session waits, whatever the socket takes, until wsession_release.
void wsession_hold(struct wsession *w);
void wsession_release(struct wsession *w);

// For sink_ops.
void wsession_about(const void *sink, struct sink_about *ret);
void wsession_on_end(void *sink, enum session_end why); // closes the socket

int64_t wsession_wall_ms(const struct wsession *w);
uint64_t wsession_epoch(const struct wsession *w);

#endif
