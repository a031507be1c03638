// SPDX-License-Identifier: MIT
// Connections that are not let in: told so by an answer that is ready, and held for a moment so
// that it arrives, since to close a socket with bytes unread takes back what was sent. A few at a
// time and without any memory of their own; the oldest go when more come. One thread, the loop's.
#ifndef CLAIRON_NET_REFUSAL_H
#define CLAIRON_NET_REFUSAL_H

#include <stdint.h>

#include "base/limits.h"
#include "net/loop.h"

enum { REFUSALS_HELD = 64 };

struct refusals {
    struct loop *loop;
    struct timer timer;
    struct {
        int fd;
        int64_t due_ms;
    } held[REFUSALS_HELD]; // a ring
    unsigned first, count;
};

// Says it and no more: the descriptor stays the caller's.
void refusal_say(int fd, enum limit_row limit);

void refusals_init(struct refusals *r, struct loop *loop);
void refusals_fini(struct refusals *r); // closes what is held; idempotent
// Takes the descriptor, on which nothing was sent yet. What it is told goes by the limit.
void refusals_put_take(struct refusals *r, int fd, enum limit_row limit);

#endif
