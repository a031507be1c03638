// SPDX-License-Identifier: MIT
// The inside of a connection: conn.c (life, reading), conn_write.c, and the sender of its loop.
#ifndef CLAIRON_NET_CONN_INT_H
#define CLAIRON_NET_CONN_INT_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/conn.h"

enum conn_state { CONN_OPEN, CONN_LINGERING, CONN_CLOSED };

struct conn {
    struct loop_watch watch;
    struct loop_task task; // at the end of the turn: offer, flush, finish
    struct timer timer;    // OPEN: the slow reader's; LINGERING: the end of it
    struct loop *loop;
    struct metrics *metrics;
    struct sender *sender;
    struct list blocked_node; // in the sender's list of those to be told
    const struct conn_ops *ops;
    void *arg;
    struct buf rest; // not consumed
    struct buf out;  // written and not sent, behind `sent`
    size_t sent;
    struct rcbuf *run; // its rest, behind `run_sent`, goes before what is in `out`; NULL: none
    size_t run_sent;
    int64_t slow_ms, linger_ms;
    enum conn_state state;
    int err;
    bool blocked;
    bool take_runs;
    bool pending; // a run of it waits in the sender
    bool want_drained;
    bool offer;    // the rest is offered again at the end of the turn
    bool offering; // inside on_data
    bool paused;
    bool rest_full;
    bool eof;      // read to the peer's end
    bool hup_seen; // the peer's end was noticed while not reading
    bool fin_sent;
};

// conn.c
void conn_close_with(struct conn *c, int err);
void conn_update_watch(struct conn *c);

// conn_write.c
void conn_flush(struct conn *c); // one send of all that waits
void conn_tell_blocked(struct conn *c);
// The run that was pushed, whose reference this takes: `n` bytes of it were taken, or -errno.
// Calls nobody; who is blocked by it puts itself into `blocked`, to be told by conn_tell_blocked.
void conn_run_sent(struct conn *c, struct rcbuf *run, ssize_t n, struct list *blocked);

#endif
