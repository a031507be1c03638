// SPDX-License-Identifier: MIT
// The inside of the Engine.IO server: eio.c (life, heartbeat, what is sent), eio_request.c (sids,
// handshakes, routes), eio_poll.c (GET and POST), eio_ws.c (WebSocket and the change to it).
#ifndef CLAIRON_SIO_EIO_INT_H
#define CLAIRON_SIO_EIO_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "http/websocket.h"
#include "net/deadline.h"
#include "net/loop.h"
#include "sio/eio.h"
#include "wire/engineio.h"

struct eio {
    struct eio_config cfg;
    struct pool sockets, pollings;
    struct map sids;          // of all but those that are OVER
    struct deadlines quiet;   // ping_interval_ms until a ping
    struct deadlines pinged;  // ping_timeout_ms for the pong
    struct deadlines probes;  // upgrade_timeout_ms to the end of an upgrade
    struct deadlines parting; // for the poll that is told the end
    struct deadlines paces;   // poll_gap_ms after a run that was polled
    struct list due;          // pollings with something to do at the end of the turn
    struct list ended;        // sockets whose on_close is due then
    struct loop_task task;
    struct ws_ops ws_ops;
    struct buf frame; // a message on its way out
    struct buf bytes; // what base64 stood for, of one on its way in
    bool draining;
};

enum { EIO_WORKER_BYTES = 2, EIO_ID_BYTES = 16 }; // of a sid

// OPEN --eio_end--> ENDED --on_close--> PARTING --polled, or too late--> OVER
//                                 \------ nothing waits for a poll ------>
enum eio_state {
    EIO_OPEN,
    EIO_ENDED,   // in eio.ended
    EIO_PARTING, // the client has not fetched yet what was sent before eio_close, and `1`
    EIO_OVER,    // freed as soon as no request and no WebSocket has it
};

struct eio_socket {
    struct deadline beat; // its place in quiet, pinged, ended or parting
    struct eio *eio;
    void *arg;
    struct ws *ws;               // the transport; NULL: polling, or gone
    struct eio_polling *polling; // NULL: none, it is on WebSocket
    uint8_t id[EIO_ID_BYTES];    // of its sid, behind the worker's number
    enum eio_state state : 2;
    enum eio_end why : 3;
    bool websocket : 1; // it is one, or about to be
    bool base64 : 1;    // no binary frames
    bool pinged : 1;    // the pong is awaited
    bool limited : 1;   // see eio_is_limited
};

static inline struct str eio_id(const struct eio_socket *s)
{
    return str_make((const char *)s->id, sizeof(s->id));
}

// Of a socket that polls.
struct eio_polling {
    struct eio_socket *socket;
    struct list due;           // in eio.due
    struct http_request *get;  // the poll that waits; referenced
    struct http_request *post; // whose body is under way or being taken; referenced
    struct ws *probe;          // the WebSocket that it may change to
    struct deadline deadline;  // of that
    struct deadline pace;      // armed: no run is taken yet
    struct buf out;            // packets that wait for a poll
    struct rcbuf *run;         // behind them
    struct quota *place;       // among those of its address
    uint32_t second_ms;        // begin of the second that is counted, cut off
    uint32_t messages;         // in that second
    uint64_t message_bytes;
    bool probed : 1;  // its `2probe` was answered: no poll waits any more
    bool taking : 1;  // the packets of `post`
    bool blocked : 1; // the run waits, or is folded into `out`
    bool tell_blocked : 1;
};

// eio.c
// Leaves OPEN. A poll that waits is answered; with EIO_END_SERVER by all that was sent before.
void eio_end(struct eio_socket *s, enum eio_end why);
void eio_over(struct eio_socket *s);     // at once
void eio_silent(struct eio_socket *s);   // no pong came in time
void eio_try_free(struct eio_socket *s); // if it is over and nobody has it
void eio_put(struct eio_socket *s, const struct engineio_packet *p);
// May `len` bytes wait behind those that do? If not, the socket ends.
bool eio_room_for(struct eio_socket *s, size_t waiting, size_t len) MUST_CHECK;
// A packet that came, by either transport. May end the socket.
void eio_take(struct eio_socket *s, const struct engineio_packet *p);
void eio_work(struct eio_polling *p); // has something to do at the end of the turn
void eio_trim(struct buf *b);         // empties it, and keeps a little memory

// eio_request.c
void eio_refuse(struct http_request *req, enum engineio_error err);

// eio_poll.c
void eio_poll(struct eio_socket *s, struct http_request *req);
void eio_hold(struct eio_socket *s, struct http_request *req);
void eio_post_begin(struct eio_socket *s, struct http_request *req); // its body is to come
void eio_post(struct eio_socket *s, struct http_request *req);
void eio_answer(struct eio_polling *p, struct str body); // the poll that waits
void eio_flush(struct eio_polling *p);                   // if there is a poll, and something for it
struct eio_polling *eio_polling_try_new(struct eio_socket *s) MUST_CHECK; // NULL without memory
void eio_polling_free(struct eio_polling *p); // neither GET nor POST nor probe is left
void eio_polling_put(struct eio_polling *p, const struct engineio_packet *packet);
void eio_polling_put_run(struct eio_polling *p, struct rcbuf *run);
void eio_polling_fold(struct eio_polling *p);   // the run into `out`
void eio_polling_detach(struct eio_polling *p); // from the POST
void eio_pace_over(struct deadlines *q, struct deadline *d);

// eio_ws.c
void eio_ws_init(struct eio *e);
void eio_ws_put(struct eio_socket *s, const struct engineio_packet *p);
void eio_ws_open(struct eio_socket *s, struct http_request *req);  // of a handshake
void eio_ws_probe(struct eio_socket *s, struct http_request *req); // of one that polls

#endif
