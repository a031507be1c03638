// SPDX-License-Identifier: MIT
// Listening sockets, all on one loop, one per address. Each accepted connection is handed to the
// least loaded worker by mail; where TLS or the header of a proxy comes first, to the reception
// instead. Out of descriptors, accepting pauses, gives back a few held in
// reserve so that the rest of the process can still open files, and goes on when they can be had
// again.
#ifndef CLAIRON_NET_LISTENER_H
#define CLAIRON_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/handover.h"
#include "net/loop.h"
#include "net/metrics.h"

struct listener;
struct visitors;

struct acceptor_config {
    struct loop *loop;
    struct metrics *metrics;
    struct accept_target *const *targets;
    size_t targets_count;
    struct accept_target *reception; // NULL: there are neither TLS listeners nor proxies
    struct net_blocks proxies;       // whose connections begin with the header of a proxy; borrowed
    unsigned reserve;                // descriptors held back
    int64_t pause_ms;                // after the descriptors ran out
    struct visitors *visitors;       // who may come in; NULL: everyone
};

struct acceptor;
struct acceptor *acceptor_new(const struct acceptor_config *cfg);
void acceptor_stop(struct acceptor *a); // closes the listening sockets; idempotent
void acceptor_free(
    struct acceptor *a); // stops first; accepts NULL; on the loop's thread or after it ended

// Binds and listens; accepts from the loop's next turn on. `host`: an IPv4 or IPv6 address
// (brackets allowed), a name, or empty for every IPv4 address; port 0: the kernel's choice.
// -E_BAD_REQUEST: no such host; -E_IO: errno says why (EADDRINUSE: taken). The listener belongs to
// the acceptor.
int acceptor_listen(struct acceptor *a, struct str host, uint16_t port,
                    const struct listener **ret) MUST_CHECK;
// The same for those who speak TLS. There must be a reception.
int acceptor_listen_tls(struct acceptor *a, struct str host, uint16_t port,
                        const struct listener **ret) MUST_CHECK;

uint16_t listener_port(const struct listener *l);
const char *listener_text(const struct listener *l); // "127.0.0.1:8000", "[::1]:8000"
bool listener_is_loopback(const struct listener *l);

#endif
