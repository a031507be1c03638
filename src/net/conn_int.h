// SPDX-License-Identifier: MIT
// The inside of a connection: conn.c (life, reading), conn_write.c, conn_tls.c, and the sender of
// its loop.
#ifndef CLAIRON_NET_CONN_INT_H
#define CLAIRON_NET_CONN_INT_H

#include <sys/types.h>

#include "base/list.h"
#include "base/pool.h"
#include "net/conn.h"
#include "net/deadline.h"

struct conns {
    struct conns_config cfg;
    struct pool records;     // struct conn
    struct pool held;        // struct conn_held
    struct deadlines slow;   // OPEN, and the peer takes nothing
    struct deadlines linger; // LINGERING
    size_t buffer_bytes;     // allocated by all of `held`
    struct loop_task shed;   // they are too many
};

// What a connection has only while bytes are unsent or not consumed, or while it lingers.
struct conn_held {
    struct conn *conn;
    struct buf rest; // not consumed
    struct buf out;  // written and not sent, behind `sent`
    size_t sent;
    struct rcbuf *run; // its rest, behind `run_sent`, goes before what is in `out`; NULL: none
    size_t run_sent;
    size_t headroom; // of what is reserved, between the outbox and the text that will be sealed
    size_t counted;  // of this in conns.buffer_bytes
    struct list blocked_node; // in the sender's list of those to be told
    struct deadline deadline; // OPEN: the slow reader's; LINGERING: the end of it
};

enum conn_state { CONN_OPEN, CONN_LINGERING, CONN_CLOSED };

struct conn {
    struct loop_watch watch;
    struct loop_task task; // at the end of the turn: offer, flush, finish
    struct conns *all;
    const struct conn_ops *ops;
    void *arg;
    struct tls_conn *tls;   // NULL: none
    struct conn_held *held; // NULL: nothing is
    int err;
    enum conn_state state : 2;
    bool blocked : 1;
    bool take_runs : 1;
    bool pending : 1; // a run of it waits in the sender
    bool want_drained : 1;
    bool offer : 1;    // the rest is offered again at the end of the turn
    bool offering : 1; // inside on_data
    bool paused : 1;
    bool rest_full : 1;
    bool eof : 1;      // read to the peer's end
    bool hup_seen : 1; // the peer's end was noticed while not reading
    bool fin_sent : 1;
};

_Static_assert(sizeof(struct conn) <= CONN_BYTES_MAX, "a connection at rest is small");

// conn.c
void conn_close_with(struct conn *c, int err);
void conn_update_watch(struct conn *c);
struct conn_held *conn_hold(struct conn *c) MUST_CHECK; // NULL without memory
// After each change of what is held: counts it, and lets it go when nothing is left.
void conn_held_changed(struct conn *c);

bool conn_wants_to_read(const struct conn *c);
size_t conn_rest_room(const struct conn *c);
// Offers the user what came, behind what was not consumed.
void conn_deliver(struct conn *c, char *p, size_t len);
void conn_at_eof(struct conn *c);

// conn_tls.c
// Reads from the socket, or what was left over, and delivers it. OPEN, and it wants to read.
void conn_tls_read(struct conn *c);
// The bytes, sealed, into the outbox, which has room for them.
void conn_tls_put(struct conn *c, struct str bytes);
// The run, sealed, to be sent in its place. NULL: failed, and closed.
struct rcbuf *conn_tls_seal(struct conn *c, struct rcbuf *run) MUST_CHECK;
void conn_tls_shutdown(struct conn *c); // says goodbye; what is held is there

// conn_write.c
void conn_written(struct conn *c); // the outbox has more
void conn_flush(struct conn *c);   // one send of all that waits
// The run that was pushed, whose reference this takes: `n` bytes of it were taken, or -errno.
// Calls nobody; who is blocked by it puts itself into `blocked`, to be told by conn_tell_blocked.
void conn_run_sent(struct conn *c, struct rcbuf *run, ssize_t n, struct list *blocked);
void conn_tell_blocked(struct conn *c);

#endif
