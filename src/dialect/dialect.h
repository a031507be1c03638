// SPDX-License-Identifier: MIT
// All dialects: each speaks to one family of clients. Those of one worker, on its thread.
#ifndef CLAIRON_DIALECT_DIALECT_H
#define CLAIRON_DIALECT_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

#include "http/route.h"
#include "hub/worker.h"
#include "net/addr.h"
#include "net/loop.h"
#include "net/metrics.h"

struct dialects;

// All borrowed, for as long as the dialects live.
struct dialects_config {
    struct hub_worker *hub;
    struct loop *loop;
    struct metrics *metrics;
    unsigned worker;          // its number
    struct net_blocks exempt; // addresses whose sessions by polling are not counted
    bool enabled; // else there are no connections that last: no WebSockets, no Engine.IO
};

// Adds the routes of every dialect.
struct dialects *dialects_new(const struct dialects_config *cfg, struct router *r);
// Clients whose connection is more than their socket are sent away, so that they come back by
// themselves; and no new ones are taken.
void dialects_drain(struct dialects *d);
// Bytes of clients whose connection is more than their socket, besides that and their sessions.
size_t dialects_memory(const struct dialects *d);
void dialects_free(struct dialects *d); // drained, and a turn later, or never used; accepts NULL

#endif
