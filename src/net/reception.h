// SPDX-License-Identifier: MIT
// Where connections are before a worker gets them, if anything comes before HTTP: first the header
// of a proxy, then the TLS handshake. On a loop and a thread of its own, so that neither costs
// those who are connected anything.
//
//   take --due & PROXY--> HEADER --whole--> SILENT --bytes--> HANDSHAKE --done--> SENDING -->
//   worker
//     |                     |                 ^  \--too many--> WAITING --^  |                  ^
//     +---------------------|-----------------+                              +------------------+
//                           +--- no TLS --------------------------------------------------------^
//
// From each, closed: by the peer, in error, after handshake_ms (but for WAITING, which ends when
// one of those before it does), by reception_stop.
#ifndef CLAIRON_NET_RECEPTION_H
#define CLAIRON_NET_RECEPTION_H

#include "net/handover.h"
#include "net/metrics.h"

struct reception;
struct tls_context;
struct tls_tickets;

struct reception_config {
    struct loop *loop;
    struct metrics *metrics;
    struct accept_target *const *targets; // the workers'
    size_t targets_count;
    struct tls_context *tls;     // referenced; NULL: nobody is due for TLS
    struct tls_tickets *tickets; // borrowed; their keys are changed from here
    int64_t handshake_ms, ticket_key_ms;
    size_t handshakes_max, connections_max, bytes_max;
};

// All on the loop's thread but reception_use_take, and _new and _free while it does not run.
struct reception *reception_new(const struct reception_config *cfg);
void reception_free(struct reception *r); // stopped; accepts NULL
// From now on handshakes get this context. Any thread; takes the reference.
void reception_use_take(struct reception *r, struct tls_context *tls);
void reception_stop(struct reception *r); // closes all that are in it; idempotent
struct accept_target *reception_target(struct reception *r);

#endif
