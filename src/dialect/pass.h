// SPDX-License-Identifier: MIT
// How long, and with which rights, a socket's session goes on: the life of its token. Before the
// token ends the client is told (SESSION_EXPIRED) and may bring another (AUTH_TOKEN_REFRESH), with
// which the session goes on as it is; otherwise the socket is closed with 4401. When rights are
// taken away the topics they were for are left at once (SESSION_PERMISSION_CHANGED). On the
// worker's thread.
#ifndef CLAIRON_DIALECT_PASS_H
#define CLAIRON_DIALECT_PASS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "dialect/wsession.h"

struct pass;

// For the session of `w`, which is open. NULL in *ret when it never expires. False: no memory.
bool pass_new(struct wsession *w, struct pass **ret) MUST_CHECK;
void pass_free(struct pass *p); // accepts NULL

// A client's AUTH_TOKEN_REFRESH; answers it.
void pass_refresh(struct wsession *w, const struct wmessage *m);
// For sink_ops: closes the socket.
void pass_on_end(void *sink, enum session_end why);

#endif
