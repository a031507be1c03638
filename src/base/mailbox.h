// SPDX-License-Identifier: MIT
// A queue from any thread to one: messages are intrusive nodes, taken out in order and all at once.
// The owner sleeps in its own way (epoll, condition) and is woken by the `wake` callback only when
// it said it sleeps.
#ifndef CLAIRON_BASE_MAILBOX_H
#define CLAIRON_BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/list.h"

struct mail {
    struct list node;
    void (*run)(struct mail *m); // called on the owner's thread; frees or reuses the mail
};

struct mailbox {
    pthread_mutex_t lock;
    struct list queue;
    bool woken; // a wake is under way since the last take
    bool closed;
    void (*wake)(void *arg);
    void *wake_arg;
};

void mailbox_init(struct mailbox *mb, void (*wake)(void *arg), void *arg);
void mailbox_fini(struct mailbox *mb); // must be empty
// Any thread. Takes the mail. False when closed: the caller keeps it.
bool mailbox_post_take(struct mailbox *mb, struct mail *m) MUST_CHECK;
// Owner: moves all queued mails to `out` (an initialised list) in order; the next post wakes again.
void mailbox_take(struct mailbox *mb, struct list *out);
// Owner: runs all queued mails; returns how many.
size_t mailbox_run(struct mailbox *mb);
// Owner: refuses further posts; what is queued can still be taken.
void mailbox_close(struct mailbox *mb);

#endif
