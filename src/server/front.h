// SPDX-License-Identifier: MIT
// What stands in front of the workers when TLS is configured, or proxies that name their clients:
// the certificate, and the reception with its thread (net/reception.h).
#ifndef CLAIRON_SERVER_FRONT_H
#define CLAIRON_SERVER_FRONT_H

#include "net/handover.h"
#include "net/metrics.h"
#include "server/config.h"

struct front;

// Reads the certificate and its key. *ret is NULL when nothing needs a front. -E_BAD_REQUEST with
// the fault. `config` is borrowed.
int front_new(const struct config *config, struct front **ret,
              struct config_fault *fault) MUST_CHECK;
// Gets it ready for connections, which wait until front_start. -E_IO.
int front_open(struct front *f, struct metrics *metrics, struct accept_target *const *targets,
               size_t count) MUST_CHECK;
struct accept_target *front_target(struct front *f); // opened
void front_start(struct front *f);
// With TLS: reads certificate and key again, for handshakes from now on. When they are no good
// those before stay, and the fault says why.
int front_reload(struct front *f, struct config_fault *fault) MUST_CHECK;
// Closes all that have not come to a worker yet, joins. Idempotent. What comes still is closed.
void front_stop(struct front *f);
void front_free(
    struct front *f); // stopped, or never started; nobody hands over any more; accepts NULL

#endif
