// SPDX-License-Identifier: MIT
// A ring of the kernel's that takes many sends by one system call (io_uring_enter(2)), and can do
// nothing else: it is restricted to that before its first use. One thread; creating and freeing may
// be another's.
#ifndef CLAIRON_NET_URING_H
#define CLAIRON_NET_URING_H

#include <sys/types.h>

#include "base/compiler.h"
#include "base/str.h"

enum uring_limits { URING_BATCH = 64 };

struct uring;

struct uring_send {
    int fd;
    struct str bytes; // not empty, at most INT32_MAX; only read while uring_send runs
    ssize_t n;        // what came of it: bytes taken, maybe fewer than all, or -errno
};

// 0 or -errno.
int uring_new(struct uring **ret) MUST_CHECK;
void uring_free(struct uring *u); // accepts NULL
// Makes these sends, at most URING_BATCH, none of which waits. Returns how many of the first were
// made; when that is less than `count` the ring is of no use any more and must be freed, and the
// rest was not sent.
unsigned uring_send(struct uring *u, struct uring_send *sends, unsigned count) MUST_CHECK;

// Whether a ring can be had from this kernel and its sends do as uring_send says, tried on a pair
// of sockets: 0 or -errno, -ENOTSUP if they do otherwise.
int uring_check(void) MUST_CHECK;

#endif
