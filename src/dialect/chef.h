// SPDX-License-Identifier: MIT
// Clients of Socket.IO: topics on request, builds in the words of their pages (chef_view.h), on the
// namespace `/` at /ws and /socket.io. Shared by chef.c (the session of a client, and what it is
// told), chef_pass.c (its right to be here), chef_connect.c (who comes in, and how) and chef_in.c
// (what clients say). On the worker's thread.
#ifndef CLAIRON_DIALECT_CHEF_H
#define CLAIRON_DIALECT_CHEF_H

#include "base/compiler.h"
#include "base/str.h"
#include "dialect/chef_view.h"
#include "dialect/dialect.h"
#include "http/route.h"
#include "hub/session.h"
#include "hub/worker.h"
#include "net/addr.h"
#include "net/loop.h"
#include "sio/sio.h"

struct chef_server; // a worker's

struct chef_server *chef_server_new(const struct dialects_config *cfg);
void chef_server_routes(struct chef_server *s, struct router *r);
// Sends all clients away, so that they come back by themselves, and takes no new ones.
void chef_server_drain(struct chef_server *s);
size_t chef_server_memory(const struct chef_server *s); // of their transports and namespaces
void chef_server_free(struct chef_server *s);           // drained, and a turn later; accepts NULL

// ---- Inside the dialect.

struct chef_server {
    struct dialects_config cfg;
    struct principal *anyone; // who comes when authentication is off
    struct eio_limits transport_limits;
    struct sio_limits limits;
    struct sio *sio;
};

// One client on the namespace: kept small.
//
//   CONNECT -> its token is checked -> chef_open: it has a session -> the socket goes -> freed with
//   its last reference
struct chef {
    struct chef_server *server;
    struct sio_socket *socket; // NULL once it is gone
    struct session *session;   // NULL before it is let in, and a turn after the socket
    struct quota *place;       // among those of its user; NULL: it is nobody's
    struct pass *pass;         // NULL: the session never expires
    struct loop_task over;
    char *key; // by which it may come back (hub/recall.h), owned; NULL: it can't
    unsigned refs;
    bool refreshing;   // a new token is being checked
    uint16_t brackets; // asked for and not over
    // Who is at the other end, and since when.
    struct net_addr peer;
    uint32_t since_s;
};

struct chef *chef_try_new(struct chef_server *s, struct sio_socket *socket,
                          const struct net_addr *peer) MUST_CHECK; // NULL without memory
struct chef *chef_ref(struct chef *c);
void chef_unref(struct chef *c);
// With a session as `principal`, which may not be let in: then *ret_why says so. False: no session.
bool chef_open(struct chef *c, struct principal *principal, const char **ret_why) MUST_CHECK;
// The socket is gone, or was sent away: `socket` is NULL from now on.
enum chef_end {
    CHEF_LOST, // it may come back
    CHEF_LEFT,
    CHEF_TAKEN, // it has come back by another connection
};
void chef_gone(struct chef *c, enum chef_end how);

// All do nothing without a socket.
void chef_refuse(struct chef *c, const struct chef_refusal *r);
void chef_say(struct chef *c, const char *type, struct str data); // p = NULL: no memory
void chef_say_connected(struct chef *c);
void chef_out_of_memory(struct chef *c);
void chef_make_room(struct chef *c); // after something was sent: the session waits if it must

// What a subscription, or another request, brings back.
struct chef_ask {
    bool wants_ack;
    bool quiet; // its topic was not asked for: nobody hears of a refusal
    uint64_t ack;
};
// False without memory. Answered by the session, and by the store.
bool chef_subscribe(struct chef *c, const struct session_subscribe *sub,
                    const struct chef_ask *ask) MUST_CHECK;
void chef_unsubscribe(struct chef *c, struct str topic, const struct chef_ask *ask);
void chef_answer_done(struct chef *c, const struct chef_ask *ask, uint64_t cursor);
void chef_keep(struct chef *c); // what is remembered of it is written
void chef_answer_refused(struct chef *c, const struct chef_ask *ask, const struct chef_refusal *r);
// The array of the answer's arguments.
void chef_acknowledge_take(struct chef *c, const struct chef_ask *ask, struct buf *args);

// chef_pass.c
bool chef_has_pass(struct chef *c) MUST_CHECK;      // false: no memory
void chef_on_end(void *sink, enum session_end why); // for sink_ops
// The client's new token.
void chef_refresh(struct chef *c, struct str token, const struct chef_ask *ask);

// chef_in.c
void chef_on_event(struct sio_socket *s, void *arg, const struct sio_event *e);

// chef_connect.c: of the Engine.IO connection, and of the namespace.
int chef_on_open(void *ctx, struct http_request *req, void **ret_conn);
void chef_on_conn_gone(void *conn);
void chef_on_connect(struct sio_socket *s, void *conn, const struct sio_connect *c, void **ret_arg);

#endif
