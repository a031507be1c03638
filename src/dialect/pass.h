// SPDX-License-Identifier: MIT
// How long, and with which rights, a client's session goes on: the life of its token. Before the
// token ends the client is told (SESSION_EXPIRED) and may bring another (AUTH_TOKEN_REFRESH), with
// which the session goes on as it is; otherwise its connection is ended. When rights are taken away
// the topics they were for are left at once (SESSION_PERMISSION_CHANGED). Whose connection it is,
// and how it is told, is the holder's matter. On the worker's thread.
#ifndef CLAIRON_DIALECT_PASS_H
#define CLAIRON_DIALECT_PASS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"
#include "hub/session.h"
#include "hub/sink.h"
#include "hub/worker.h"
#include "net/loop.h"

struct pass;

// What a holder is just now.
struct pass_holder {
    struct hub_worker *hub;
    struct session *session; // NULL: its connection is over
    struct loop *loop;
    struct pass **pass;
    bool *refreshing; // a new token is being checked
};

struct pass_ops {
    struct pass_holder (*look)(void *holder);
    // Tells the client; `data` is raw JSON, p = NULL without memory.
    void (*say)(void *holder, const char *type, struct str data);
    // Ends the connection: a code of WebSockets, and a constant sentence.
    void (*end)(void *holder, int code, const char *why);
    // The answer to pass_refresh: 0 and the data of AUTH_TOKEN_REFRESH, or -E_* and its text (NULL:
    // the error's own). Called also when the connection is over. `ref` is given back, and so is the
    // reference on the holder.
    void (*refreshed)(void *holder, int err, const char *text, struct str data, void *ref);
};

// For the session of `holder`, whose connection is open; sets *holder.pass, to NULL when it never
// expires. False: no memory.
bool pass_new(const struct pass_ops *ops, void *holder) MUST_CHECK;
void pass_free(struct pass *p); // accepts NULL

// A client's AUTH_TOKEN_REFRESH: whatever becomes of it is told by `refreshed`, perhaps before this
// returns. The caller gives a reference on the holder and `ref`.
void pass_refresh_take(const struct pass_ops *ops, void *holder, struct str token, void *ref);
// For sink_ops.end: tells who is to know, and ends the connection.
void pass_end(const struct pass_ops *ops, void *holder, enum session_end why);

#endif
