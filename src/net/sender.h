// SPDX-License-Identifier: MIT
// Batched sends of one loop: runs pushed by its connections go out together, as entries of an
// io_uring where the kernel has one, else by send(2). All on the loop's thread, except
// sender_new and sender_free.
#ifndef CLAIRON_NET_SENDER_H
#define CLAIRON_NET_SENDER_H

#include "base/compiler.h"
#include "base/str.h"
#include "net/metrics.h"

enum sender_limits {
    SENDER_BATCH = 64, // so many waiting are sent at once
};

enum send_mode { SEND_AUTO, SEND_URING, SEND_PLAIN };

struct conn;
struct rcbuf;
struct sender;

// "auto", "uring" or "plain"; -E_BAD_REQUEST.
int send_mode_parse(struct str text, enum send_mode *ret) MUST_CHECK;
// Whether SEND_URING can be had on this machine: 0 or -E_IO, with a reason for people in *ret_why.
int sender_check_uring(const char **ret_why) MUST_CHECK;

// -E_IO: SEND_URING and not to be had. SEND_AUTO falls back to send(2).
int sender_new(enum send_mode mode, struct sender **ret) MUST_CHECK;
void sender_free(struct sender *s);              // nothing may wait; accepts NULL
const char *sender_name(const struct sender *s); // "io_uring" | "send"

// Sends all that was pushed, then tells the connections that it blocked. What is pushed goes out at
// the end of the turn at the latest, so that calling this is a matter of time, not of need.
void sender_flush(struct sender *s);

// For conn_write.c: the connection's run waits until the next flush, or until SENDER_BATCH wait.
// Takes a reference. The outcome comes by conn_run_sent, which may be before this returns.
void sender_push(struct sender *s, struct conn *c, struct rcbuf *run);
void sender_drop(struct sender *s, const struct conn *c); // its run is not sent any more

#endif
