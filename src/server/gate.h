// SPDX-License-Identifier: MIT
// The gate: who is asking. It makes principals of tokens, knows what was revoked, and ends sessions
// whose right is gone. One for the server; each worker has a door of its own in it.
#ifndef CLAIRON_SERVER_GATE_H
#define CLAIRON_SERVER_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/revoke.h"
#include "base/compiler.h"
#include "base/str.h"
#include "http/request.h"
#include "hub/fanout.h"
#include "hub/sink.h"
#include "hub/token_check.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "server/config.h"

struct gate;
struct door;

// Reads the keys. Without any in the configuration authentication is off and every door lets
// everyone do everything. -E_BAD_REQUEST, -E_IO; both with the fault.
int gate_new(const struct config *c, struct gate **ret, struct config_fault *fault) MUST_CHECK;
void gate_free(struct gate *g); // its doors first; accepts NULL
bool gate_is_on(const struct gate *g);
// Reads the keys again. From then on tokens of keys that are gone are refused; sessions that are
// open go on. On failure everything stays as it was. The main thread.
int gate_reload(struct gate *g, struct config_fault *fault) MUST_CHECK;
// Any thread. From now on such tokens are refused and their sessions ended. -E_BAD_REQUEST,
// -E_LIMIT, -E_NO_MEMORY.
int gate_revoke(struct gate *g, const struct revocation *r, int64_t wall_ms) MUST_CHECK;

// Which sessions; all that is named must fit.
struct gate_sessions {
    struct str user;     // p = NULL: any
    uint64_t session_id; // 0: any
};
// Any thread. Ends them on all workers, soon.
void gate_end_sessions(struct gate *g, const struct gate_sessions *which);

struct door_config {
    struct gate *gate;
    struct loop *loop;
    struct metrics *metrics; // this thread's
    struct fanout *fanout;
};

// A worker's, on its thread. Life: door_new before it, door_close after it while the loop and the
// fanout are still there, door_free (accepts NULL) when the loop is gone.
struct door *door_new(const struct door_config *cfg);
void door_close(struct door *d);
void door_free(struct door *d);
bool door_is_idle(const struct door *d); // no token is being checked
// For httpd_config; the context is the door.
int door_authenticate(void *door, struct http_request *req, void **ret_principal);
void door_principal_unref(void *principal);
void door_refuse_upgrade(void *door, struct http_request *req);
// NULL when authentication is off.
struct token_checker *door_checker(struct door *d);

#endif
