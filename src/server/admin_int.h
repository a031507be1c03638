// SPDX-License-Identifier: MIT
// Between the files of the administrators' API.
#ifndef CLAIRON_SERVER_ADMIN_INT_H
#define CLAIRON_SERVER_ADMIN_INT_H

#include <stdbool.h>

#include "http/request.h"
#include "server/admin.h"

// False: answered 403.
bool admin_is_allowed(struct http_request *req) MUST_CHECK;
// `?limit=`: 1 to `most`, else what is usual. False: answered 400.
bool admin_limit(struct http_request *req, unsigned usual, unsigned most, unsigned *ret) MUST_CHECK;
// `"name":"…"`, with a comma in front; null for INT64_MAX.
void admin_put_time(struct buf *b, const char *name, int64_t wall_ms);

void admin_token_routes(struct router *router, struct admin *a);
void admin_revocation_routes(struct router *router, struct admin *a);

#endif
