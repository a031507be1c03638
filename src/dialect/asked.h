// SPDX-License-Identifier: MIT
// What a request without frames asks for: the topics that its URL names, and since when. Shared by
// Server-Sent Events and polling.
#ifndef CLAIRON_DIALECT_ASKED_H
#define CLAIRON_DIALECT_ASKED_H

#include "base/compiler.h"
#include "http/request.h"
#include "hub/session.h"
#include "hub/worker.h"

// Answers with an error, and counts the limit if it is one.
void asked_refuse(struct http_request *req, int err, const char *text);
// For sink_ops.about.
void asked_about(const struct http_request *req, const char *dialect, int64_t since_wall_ms,
                 struct sink_about *ret);

// `topic=T`, `event=E` and `channel=C`, each any number of times, in their order; none: the default
// channels that the asker may follow. In the request's arena. -E_LIMIT, -E_NO_MEMORY.
int asked_topics(struct http_request *req, const struct hub_worker *hub,
                 struct session_subscribe *ret) MUST_CHECK;
// What a native socket is on without asking: the user's own topic and, with `channels`, the default
// channels that the asker may follow. None: count 0. In the request's arena. -E_NO_MEMORY.
int asked_automatic(struct http_request *req, const struct hub_worker *hub, bool channels,
                    struct session_subscribe *ret) MUST_CHECK;

#endif
