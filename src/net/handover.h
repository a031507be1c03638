// SPDX-License-Identifier: MIT
// Accepted connections on their way from one thread to another: to the least loaded of several
// targets, those of one turn by one mail.
#ifndef CLAIRON_NET_HANDOVER_H
#define CLAIRON_NET_HANDOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rcbuf.h"
#include "net/addr.h"
#include "net/loop.h"

struct tls_conn;
struct visitors;

// What the reception has to do before a worker gets the connection.
enum accepted_due { ACCEPTED_PROXY = 1, ACCEPTED_TLS = 2 };

// A connection on its way to a worker.
struct accepted {
    int fd;                    // the taker's
    bool loopback_listener;    // it came by a socket bound to a loopback address
    uint8_t due;               // of enum accepted_due; 0 for a worker
    struct net_addr peer;      // the other end of the socket, or whom a trusted proxy names
    struct visitors *visitors; // that know of it; borrowed; NULL: none do
    struct tls_conn *tls;      // the handshake is done; the taker's; NULL: without TLS
    struct rcbuf *rest;        // what was read of it and belongs to the taker; NULL: nothing
};
// Whoever can't take it: closes it.
void accepted_drop(const struct accepted *a);

// One who takes connections. Owned by the caller; outlives who hands over.
struct accept_target {
    struct loop *loop;
    // On that loop's thread; takes a->fd, a->tls and a->rest. When the connection is over the taker
    // does atomic_fetch_sub on `load`.
    void (*fn_take)(struct accept_target *t, const struct accepted *a);
    void *ctx;
    _Atomic(uint32_t) load; // connections handed over and not yet over
};

// To that one and no other. Any thread.
void accept_target_put_take(struct accept_target *t, const struct accepted *a);

// On the thread of `loop`.
struct handovers;
struct handovers *handovers_new(struct loop *loop, struct accept_target *const *targets,
                                size_t count);
void handovers_free(struct handovers *h); // accepts NULL; nothing may wait
// A target on the same loop takes it at once, others with the next handovers_send.
void handovers_put_take(struct handovers *h, const struct accepted *a);
void handovers_send(struct handovers *h);

#endif
