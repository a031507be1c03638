// SPDX-License-Identifier: MIT
// One TCP connection on a loop. Reading goes through the loop's shared buffer; only what the user
// did not consume is kept. Writing is gathered and goes out by one send at the end of the turn. At
// rest it is its record of CONN_BYTES_MAX, and owns nothing else.
//
//   OPEN --conn_shutdown--> LINGERING (outbox, FIN, drain) --> CLOSED
//     |                                                          ^
//     +------------- conn_close, reset, no memory ---------------+
//
// CLOSED: the descriptor is gone at once; on_closed comes once, from the end of a turn and never
// from inside a call of the user's, and then the connection is freed. Until then every call on it
// is allowed and does nothing. All on the loop's thread.
#ifndef CLAIRON_NET_CONN_H
#define CLAIRON_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/sender.h"

struct accepted;
struct conn;
struct tls_conn;
struct visitors;

enum conn_limits { CONN_BYTES_MAX = 88 };

struct conn_ops {
    // Bytes that came: those not consumed before and the new ones, in one piece, which may be
    // changed in place. Returns how many are consumed. The rest is kept and offered again in front
    // of the next bytes, or after conn_resume_reading. When what is kept reaches rest_bytes_max,
    // nothing more is read until some is consumed.
    size_t (*on_data)(struct conn *c, void *arg, char *p, size_t len);
    // The peer shut its side and all it sent was offered. The user decides what that means; until
    // it closes the connection, writing goes on. NULL: conn_close.
    void (*on_eof)(struct conn *c, void *arg);
    // The peer shut its side while reading is held up (paused, or the rest is full): bytes may be
    // unread, and on_eof still comes if they are read. NULL: nothing.
    void (*on_hangup)(struct conn *c, void *arg);
    // The outbox is empty again after it was blocked, or after conn_want_drained. May be NULL.
    void (*on_drained)(struct conn *c, void *arg);
    // The socket took less of a run than it was given. Once until on_drained; from sender_flush or
    // the end of a turn, never from inside conn_send_run. May be NULL.
    void (*on_blocked)(struct conn *c, void *arg);
    // The peer took no byte for slow_ms while bytes wait. NULL: conn_close.
    void (*on_stuck)(struct conn *c, void *arg);
    // Once, last. `err`: 0 closed by this side or after the peer's end, else -E_* (reset, no
    // memory, outbox full).
    void (*on_closed)(struct conn *c, void *arg, int err);
};

// The connections of one owner, and what they have in common.
struct conns;

struct conns_config {
    struct loop *loop;
    struct metrics *metrics;   // of this thread
    struct sender *sender;     // of the loop; NULL: runs are copied and go out alone
    struct visitors *visitors; // told of each descriptor that is closed; may be NULL
    size_t rest_bytes_max;
    size_t outbox_bytes_max;   // more closes the connection: -E_TOO_LARGE
    size_t outboxes_bytes_max; // of all together; more closes the slowest; 0: no bound
    int64_t slow_ms;
    int64_t linger_ms;
};

struct conns *conns_new(const struct conns_config *cfg);
void conns_free(struct conns *all); // none may be left; accepts NULL

struct conns_memory {
    size_t records; // of all connections, at rest or not
    size_t buffers; // of those with bytes unsent or not consumed; without the runs they share
};
struct conns_memory conns_memory(const struct conns *all);

// Sets on a listening socket what each connection that it accepts inherits and needs.
void conn_prepare_listener(int fd);
// Takes the descriptor, also on failure: -E_NO_MEMORY. Nobody else may have a copy of it.
int conn_new_take(struct conns *all, int fd, const struct conn_ops *ops, void *arg,
                  struct conn **ret) MUST_CHECK;
// The connection speaks TLS, whose handshake is done. Before anything is read or written; takes
// `tls`. All that is said here of bytes is then said of plain text, but what is unsent is sealed.
// Runs are sealed for each connection and sent together all the same.
void conn_set_tls_take(struct conn *c, struct tls_conn *tls);
// Bytes that came before, to be offered at the end of this turn. Before anything is read.
void conn_put_rest(struct conn *c, struct str bytes);
// For another thread, whose it is from now on: fills the descriptor, what TLS knows, and what was
// not consumed. Open, and nothing is unsent. Here on_closed follows. -E_NO_MEMORY: it is closed.
int conn_hand_over(struct conn *c, struct accepted *ret) MUST_CHECK;
// Hands the connection to another user from the next call on. What was not consumed is offered to
// the new one.
void conn_set_user(struct conn *c, const struct conn_ops *ops, void *arg);
size_t conn_rest_bytes(const struct conn *c); // kept because they were not consumed

// Both copy; failing for want of memory closes the connection.
void conn_write(struct conn *c, struct str bytes);
void conn_write_rcbuf(struct conn *c, struct rcbuf *bytes); // borrowed
// Where frames can be put together in place: the outbox has room for `len` bytes, then commit how
// many were written. NULL: closed, or just failed.
char *conn_write_reserve(struct conn *c, size_t len) MUST_CHECK;
void conn_write_commit(struct conn *c, size_t len);

// Sends a shared, immutable run of bytes together with those of other connections, at the next
// sender_flush. Takes its own reference while it needs it. What the socket does not take stays as
// the rest of the run: nothing is copied, unless bytes are unsent already; then it is copied behind
// them. Does nothing unless runs are on and the connection is open.
void conn_send_run(struct conn *c, struct rcbuf *run);
void conn_take_runs(struct conn *c, bool on); // off at first

// From a send that the socket did not take whole until all of it is sent.
bool conn_is_blocked(const struct conn *c);
// on_drained is called as soon as the outbox is empty, at the earliest at the end of this turn.
void conn_want_drained(struct conn *c);
size_t conn_unsent_bytes(const struct conn *c); // without a run that waits for sender_flush
// Bytes the kernel holds and has not sent because the peer's window is closed or the network is
// slow.
size_t conn_kernel_unsent_bytes(const struct conn *c);

void conn_pause_reading(struct conn *c);
void conn_resume_reading(
    struct conn *c); // what was not consumed is offered again, at the end of this turn

// Lingering close: sends the outbox, shuts this side, throws away what still comes until the peer
// shuts its side or linger_ms are over, then closes. Reading by the user is over at once; only
// on_closed still comes.
void conn_shutdown(struct conn *c);
// Closes now; what is unsent is lost. Idempotent.
void conn_close(struct conn *c);
bool conn_is_open(const struct conn *c); // neither lingering nor closed

struct loop *conn_loop(const struct conn *c);
struct metrics *conn_metrics(const struct conn *c);
int conn_fd(const struct conn *c); // -1 once closed

#endif
