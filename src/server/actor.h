// SPDX-License-Identifier: MIT
// A thread that lives on mails: it runs them in order, sleeps when there are none, and wakes at a
// deadline of its own. Used for all threads that don't watch sockets.
#ifndef CLAIRON_SERVER_ACTOR_H
#define CLAIRON_SERVER_ACTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"

struct actor {
    struct mailbox mailbox;
    pthread_t thread;
    const char *name;
    pthread_mutex_t lock; // guards `woken` and `stopping`
    pthread_cond_t cond;
    bool woken, stopping, started;
    // After each round of mails, and when the deadline it returned (mono_ms; INT64_MAX: none) is
    // reached. May be NULL.
    int64_t (*tick)(void *ctx);
    void *ctx;
};

void actor_init(struct actor *a, int64_t (*tick)(void *ctx), void *ctx);
void actor_start(struct actor *a, const char *name); // of at most 15 bytes, a literal
void actor_stop(struct actor *a);                    // after the mails that are queued; joins
void actor_fini(struct actor *a);                    // stopped, or never started
// Any thread; never refused before actor_fini.
void actor_post(struct actor *a, struct mail *m, void (*run)(struct mail *m));

#endif
