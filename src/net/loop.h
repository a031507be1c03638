// SPDX-License-Identifier: MIT
// The event loop of one worker thread: epoll, timers, a mailbox, and work put off to the end of the
// turn. Everything here is called on the loop's own thread, except loop_post_take and loop_stop.
//
// A turn: wait; read the clock once; run descriptor events and mails, then due timers, then the
// hooks, then the tasks. What runs late in a turn may put off more: that is the next turn, which
// then doesn't wait.
#ifndef CLAIRON_NET_LOOP_H
#define CLAIRON_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "net/timer.h"

struct loop;

// -E_IO when the kernel refuses a descriptor (errno says why).
int loop_new(struct loop **ret) MUST_CHECK;
// No descriptor may be watched any more. Mails still queued are run first.
void loop_free(struct loop *l); // accepts NULL
void loop_run(struct loop *l);  // until loop_stop
void loop_stop(struct loop *l); // any thread; loop_run returns at the end of its turn
// One turn that waits at most `wait_ms` (-1: as long as it takes). For tests and embedding.
void loop_turn(struct loop *l, int wait_ms);

// The clock as read at the beginning of this turn.
struct now loop_now(const struct loop *l);

// Any thread. The mail runs on the loop's thread. False once the loop is being freed: the caller
// keeps the mail.
bool loop_post_take(struct loop *l, struct mail *m) MUST_CHECK;
struct mailbox *loop_mailbox(struct loop *l); // the same, for who answers by mailboxes

// Timers belong to the caller; fn runs on the loop's thread and may free what holds the timer.
void loop_timer_at(struct loop *l, struct timer *t, int64_t due_mono_ms); // (re)arms
void loop_timer_after(struct loop *l, struct timer *t, int64_t ms);       // from loop_now
void loop_timer_cancel(struct loop *l, struct timer *t);                  // safe to repeat

// A hook runs at the end of every turn, before the tasks, in the order added: fan-out belongs here.
struct loop_hook {
    struct list node;
    void (*fn)(struct loop_hook *h);
};
void loop_hook_add(struct loop *l, struct loop_hook *h);
void loop_hook_del(struct loop_hook *h);

// A task runs once at the end of the turn, after the hooks, in the order put off; it may free what
// holds it. A task put off while tasks run waits for the next turn.
struct loop_task {
    struct list node;
    void (*fn)(struct loop_task *t);
};
void loop_task_init(struct loop_task *t, void (*fn)(struct loop_task *t));
void loop_task_defer(struct loop *l, struct loop_task *t); // no effect when already put off
void loop_task_cancel(struct loop_task *t);                // safe to repeat

// A descriptor and what to call. Embedded in its owner, who keeps the descriptor. Level-triggered.
struct loop_watch {
    int fd;
    uint32_t events;
    void (*fn)(struct loop_watch *w, uint32_t events);
};
// -E_NO_MEMORY when the kernel refuses.
int loop_watch_add(struct loop *l, struct loop_watch *w, uint32_t events) MUST_CHECK;
void loop_watch_set(struct loop *l, struct loop_watch *w, uint32_t events);
// Before the descriptor is closed. Events of this turn that were not handled yet are dropped, so
// the owner may be freed.
void loop_watch_del(struct loop *l, struct loop_watch *w);

// One buffer for reading, shared by all connections of the loop: good until the handler returns.
#define LOOP_READ_BYTES 65536
char *loop_read_buffer(struct loop *l);

#endif
