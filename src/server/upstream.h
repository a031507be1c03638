// SPDX-License-Identifier: MIT
// Responders: HTTP servers of the configuration that answer what clients say on a channel
// (hub/respond.h). One thread asks them, by libcurl; their answers are taken apart there and come
// home to the worker that asked. Nothing that a client says has a part in where a question goes:
// redirects are not followed, no proxy is used, and nothing but http and https is spoken.
//
//   ask -> CONNECTING -> WAITING for the head -> FLOWING <-> PAUSED: the client's socket is behind
//   any of them -> over: ended, failed, cancelled, too late, too large
#ifndef CLAIRON_SERVER_UPSTREAM_H
#define CLAIRON_SERVER_UPSTREAM_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/mailbox.h"
#include "hub/respond.h"
#include "net/metrics.h"
#include "server/config.h"

struct upstream;

// Reads what the configuration says of responders, before rights are given up; NULL in *ret when
// there are none. `c` outlives it. -E_BAD_REQUEST, -E_IO, -E_NO_MEMORY with the fault.
int upstream_new(const struct config *c, struct upstream **ret,
                 struct config_fault *fault) MUST_CHECK;
void upstream_free(struct upstream *u); // stopped, or never started; accepts NULL
// All others accept NULL and do nothing.
void upstream_start(struct upstream *u, struct metrics *metrics);
// No call is under way and the workers have ended.
void upstream_stop(struct upstream *u);

// The ports that are connected to; at most `max`. Returns how many.
unsigned upstream_ports(const struct upstream *u, uint16_t *ret, unsigned max);

// A worker's way there, whose mails come to `home`. `*under_way` counts calls that are not over, on
// the worker's thread.
struct responders *upstream_door_new(struct upstream *u, struct mailbox *home,
                                     unsigned *under_way); // NULL for NULL
void upstream_door_free(struct responders *door);          // accepts NULL

#endif
