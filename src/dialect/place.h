// SPDX-License-Identifier: MIT
// The place of a connection among those that its user may have open at a time.
#ifndef CLAIRON_DIALECT_PLACE_H
#define CLAIRON_DIALECT_PLACE_H

#include "base/compiler.h"
#include "base/quota.h"
#include "http/request.h"
#include "hub/worker.h"

// Just before a session begins. `*ret` NULL: it is nobody's, or nobody counts. -E_LIMIT: the user
// has all of them. -E_UNAUTHORIZED: the token was revoked meanwhile.
int place_take(struct hub_worker *hub, struct http_request *req, struct quota **ret) MUST_CHECK;
// The same for who named themselves after the request.
int place_take_for(struct hub_worker *hub, const struct principal *p, struct metrics *metrics,
                   int64_t mono_ms, struct quota **ret) MUST_CHECK;
void place_give(struct hub_worker *hub, struct quota *place); // accepts NULL

#endif
