// SPDX-License-Identifier: MIT
// What a request without frames asks for: the topics that its URL names, and since when. Shared by
// Server-Sent Events and polling.
#ifndef CLAIRON_DIALECT_ASKED_H
#define CLAIRON_DIALECT_ASKED_H

#include "base/compiler.h"
#include "http/request.h"
#include "hub/session.h"
#include "hub/worker.h"

// `topic=T`, `event=E` and `channel=C`, each any number of times, in their order; none: the default
// channels that the asker may follow. In the request's arena. -E_LIMIT, -E_NO_MEMORY.
int asked_topics(struct http_request *req, const struct hub_worker *hub,
                 struct session_subscribe *ret) MUST_CHECK;

#endif
