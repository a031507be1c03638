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
#include "hub/principal.h"
#include "hub/token_check.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "server/config.h"

struct gate;
struct door;

// Reads the keys. Without any in the configuration authentication is off and every door lets
// everyone do everything. -E_BAD_REQUEST, -E_IO; both with the fault.
int gate_new(const struct config *c, struct gate **ret, struct config_fault *fault) MUST_CHECK;
void gate_start(struct gate *g); // its thread
void gate_free(struct gate *g);  // its doors first; accepts NULL
bool gate_is_on(const struct gate *g);
struct issuer *gate_issuer(struct gate *g); // without a key when authentication is off
// Reads the keys again. From then on tokens of keys that are gone are refused; sessions that are
// open go on. On failure everything stays as it was. The main thread.
int gate_reload(struct gate *g, struct config_fault *fault) MUST_CHECK;
// Any thread. From now on such tokens are refused; the sessions that they opened are the caller's
// matter (gate_is_revoked). -E_BAD_REQUEST, -E_LIMIT, -E_NO_MEMORY, -E_UNAVAILABLE: authentication
// is off.
int gate_revoke(struct gate *g, const struct revocation *r, int64_t wall_ms) MUST_CHECK;
// Any thread. Was the token of this principal revoked?
bool gate_is_revoked(struct gate *g, const struct principal *p, int64_t wall_ms);

struct door_config {
    struct gate *gate;
    struct loop *loop;
    struct metrics *metrics; // this thread's
    struct fanout *fanout;
};

// A worker's, on its thread, but for door_new and door_free, which come before and after it.
struct door *door_new(const struct door_config *cfg);
void door_free(struct door *d); // idle; accepts NULL
// From now on nobody visits its sessions.
void door_close(struct door *d);
// Nothing is under way that the worker must wait for.
bool door_is_idle(struct door *d);
// For httpd_config; the context is the door.
int door_authenticate(void *door, struct http_request *req, void **ret_principal);
void door_principal_unref(void *principal);
void door_refuse_upgrade(void *door, struct http_request *req);
// NULL when authentication is off.
struct token_checker *door_checker(struct door *d);

#endif
