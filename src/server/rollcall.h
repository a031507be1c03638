// SPDX-License-Identifier: MIT
// The thread that keeps the roll (hub/roll.h), and how mails go between it and the workers.
#ifndef CLAIRON_SERVER_ROLLCALL_H
#define CLAIRON_SERVER_ROLLCALL_H

#include "base/limits.h"
#include "hub/presence_mail.h"
#include "net/metrics.h"

struct rollcall;

struct rollcall_config {
    unsigned workers;
    const struct limits *limits; // borrowed
    struct metrics *metrics;
    // To a worker, which takes it. On the roll's thread.
    void (*send)(void *ctx, unsigned worker, struct presence_mail *m);
    void *ctx;
};

struct rollcall *rollcall_new(const struct rollcall_config *cfg);
void rollcall_start(struct rollcall *r);
// Any thread; takes the mail.
void rollcall_post(struct rollcall *r, struct presence_mail *m);
// Any thread: from now on each question is answered at once, and those that wait too, since the
// workers end one after the other.
void rollcall_close(struct rollcall *r);
void rollcall_stop(struct rollcall *r); // closed, and the workers have ended; joins
void rollcall_free(struct rollcall *r); // stopped, or never started; accepts NULL

#endif
