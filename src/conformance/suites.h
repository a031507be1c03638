// SPDX-License-Identifier: MIT
// What the suites find behind the transports: one server for each. The place outlives them.
#ifndef CLAIRON_CONFORMANCE_SUITES_H
#define CLAIRON_CONFORMANCE_SUITES_H

#include "http/request.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "sio/eio.h"
#include "sio/sio.h"

struct place {
    struct loop *loop;
    struct metrics *metrics;
    struct sio_limits limits;
    // Of both protocol suites: impatient, as they expect, unless calm was asked for.
    struct eio_limits hasty_transport;
    struct sio_limits hasty;
};

// engineio.c. Messages come back as they are.
struct eio *echo_new(const struct place *place);
// The same, after a greeting and cookies; refuses who asks for it, and tells of headers.
struct eio *greeter_new(const struct place *place);

// protocol.c: two namespaces that say who came; the main one echoes.
struct sio *protocol_new(const struct place *place);

// client.c: namespaces, events of many kinds, and connection state recovery.
struct client;
struct client *client_new(const struct place *place);
void client_free(struct client *c); // accepts NULL
struct sio *client_sio(struct client *c);

#endif
