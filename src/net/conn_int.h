// SPDX-License-Identifier: MIT
// What a connection and the sender of its loop say to each other.
#ifndef CLAIRON_NET_CONN_INT_H
#define CLAIRON_NET_CONN_INT_H

#include <sys/types.h>

#include "base/list.h"
#include "net/conn.h"

// The run that was pushed, whose reference this takes: `n` bytes of it were taken, or -errno.
// Calls nobody; who is blocked by it puts itself into `blocked`, to be told by conn_tell_blocked.
void conn_run_sent(struct conn *c, struct rcbuf *run, ssize_t n, struct list *blocked);
void conn_tell_blocked(struct list *node); // out of that list

#endif
