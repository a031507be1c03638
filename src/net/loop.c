// SPDX-License-Identifier: MIT
// The event loop: one epoll instance, one turn after the other.
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    EVENTS_PER_TURN = 256,
    TIMERS_PER_TURN = 1024, // so that one that re-arms itself as due can't hold the turn
    WAIT_MS_MAX = 3600000,
};

struct loop {
    int epoll_fd;
    int wake_fd;
    struct loop_watch wake_watch;
    size_t watches; // without the loop's own
    struct now now;
    struct timer_heap timers;
    struct mailbox mailbox;
    struct list hooks;
    struct list tasks;
    atomic_bool stop;
    struct epoll_event events[EVENTS_PER_TURN];
    int events_at, events_count; // of the batch being handled
    char read_buffer[LOOP_READ_BYTES];
};

// Called under the mailbox's lock, by any thread.
static void wake(void *arg)
{
    struct loop *l = arg;
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(l->wake_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    ASSERT(n == sizeof(one) || errno == EAGAIN); // full: it is awake
}

static void on_wake(struct loop_watch *w, uint32_t events UNUSED)
{
    struct loop *l = CONTAINER_OF(w, struct loop, wake_watch);
    uint64_t count;
    ssize_t n = read(l->wake_fd, &count, sizeof(count));
    ASSERT(n == sizeof(count) || errno == EAGAIN || errno == EINTR);
    (void)mailbox_run(&l->mailbox);
}

int loop_new(struct loop **ret)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        return -E_IO;
    }
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) {
        close(epoll_fd);
        return -E_IO;
    }
    struct loop *l = mem_alloc(sizeof(*l));
    l->epoll_fd = epoll_fd;
    l->wake_fd = wake_fd;
    l->now = clock_now();
    list_init(&l->hooks);
    list_init(&l->tasks);
    mailbox_init(&l->mailbox, wake, l);
    l->wake_watch = (struct loop_watch){.fd = wake_fd, .fn = on_wake};
    int e = loop_watch_add(l, &l->wake_watch, EPOLLIN);
    if (e) {
        mailbox_fini(&l->mailbox);
        close(wake_fd);
        close(epoll_fd);
        mem_free(l);
        return e;
    }
    l->watches = 0;
    *ret = l;
    return 0;
}

void loop_free(struct loop *l)
{
    if (!l) {
        return;
    }
    mailbox_close(&l->mailbox);
    while (mailbox_run(&l->mailbox) > 0) {
    }
    ASSERT(l->watches == 0);
    ASSERT(list_empty(&l->tasks));
    mailbox_fini(&l->mailbox);
    close(l->wake_fd);
    close(l->epoll_fd);
    mem_free(l);
}

static int wait_ms_of(const struct loop *l, int wait_ms)
{
    if (!list_empty(&l->tasks) || atomic_load(&l->stop)) {
        return 0;
    }
    int64_t due_ms = timer_heap_due_ms(&l->timers);
    if (due_ms == INT64_MAX) {
        return wait_ms;
    }
    int64_t left_ms = due_ms - clock_now().mono_ms;
    left_ms = left_ms < 0 ? 0 : left_ms > WAIT_MS_MAX ? WAIT_MS_MAX : left_ms;
    return wait_ms >= 0 && wait_ms < left_ms ? wait_ms : (int)left_ms;
}

static void run_timers(struct loop *l)
{
    for (int i = 0; i < TIMERS_PER_TURN; i++) {
        struct timer *t = timer_heap_pop(&l->timers, l->now.mono_ms);
        if (!t) {
            return;
        }
        t->fn(t);
    }
}

static void run_events(struct loop *l)
{
    for (l->events_at = 0; l->events_at < l->events_count; l->events_at++) {
        struct epoll_event *e = &l->events[l->events_at];
        struct loop_watch *w = e->data.ptr;
        if (w) { // else its watch was deleted by a handler before it
            w->fn(w, e->events);
        }
    }
    l->events_count = 0;
}

static void run_tasks(struct loop *l)
{
    struct list now;
    list_init(&now);
    if (list_empty(&l->tasks)) {
        return;
    }
    // A list of their own, so that what they put off waits for the next turn.
    list_insert_before(&l->tasks, &now);
    list_del(&l->tasks);
    struct list *node;
    while ((node = list_pop_front(&now))) {
        struct loop_task *t = LIST_ENTRY(node, struct loop_task, node);
        t->fn(t);
    }
}

void loop_turn(struct loop *l, int wait_ms)
{
    int n = epoll_wait(l->epoll_fd, l->events, EVENTS_PER_TURN, wait_ms_of(l, wait_ms));
    ASSERT(n >= 0 || errno == EINTR);
    l->events_count = n > 0 ? n : 0;
    l->now = clock_now();
    // Events first: after this process was stopped for a while, answers that lie there count before
    // the deadlines they were late for.
    run_events(l);
    run_timers(l);
    LIST_FOREACH(node, &l->hooks)
    {
        struct loop_hook *h = LIST_ENTRY(node, struct loop_hook, node);
        h->fn(h);
    }
    run_tasks(l);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stop)) {
        loop_turn(l, -1);
    }
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    wake(l);
}

struct now loop_now(const struct loop *l)
{
    return l->now;
}

bool loop_post_take(struct loop *l, struct mail *m)
{
    return mailbox_post_take(&l->mailbox, m);
}

struct mailbox *loop_mailbox(struct loop *l)
{
    return &l->mailbox;
}

void loop_timer_at(struct loop *l, struct timer *t, int64_t due_mono_ms)
{
    timer_heap_arm(&l->timers, t, due_mono_ms);
}

void loop_timer_after(struct loop *l, struct timer *t, int64_t ms)
{
    timer_heap_arm(&l->timers, t, l->now.mono_ms + ms);
}

void loop_timer_cancel(struct loop *l, struct timer *t)
{
    timer_heap_disarm(&l->timers, t);
}

void loop_hook_add(struct loop *l, struct loop_hook *h)
{
    list_push_back(&l->hooks, &h->node);
}

void loop_hook_del(struct loop_hook *h)
{
    list_del(&h->node);
}

void loop_task_init(struct loop_task *t, void (*fn)(struct loop_task *t))
{
    t->fn = fn;
    list_init(&t->node);
}

void loop_task_defer(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->node)) {
        list_push_back(&l->tasks, &t->node);
    }
}

void loop_task_cancel(struct loop_task *t)
{
    list_del(&t->node);
}

int loop_watch_add(struct loop *l, struct loop_watch *w, uint32_t events)
{
    ASSERT(w->fd >= 0 && w->fn);
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &e) != 0) {
        ASSERT(errno == ENOMEM || errno == ENOSPC);
        return -E_NO_MEMORY;
    }
    w->events = events;
    l->watches++;
    return 0;
}

void loop_watch_set(struct loop *l, struct loop_watch *w, uint32_t events)
{
    if (w->events == events) {
        return;
    }
    struct epoll_event e = {.events = events, .data.ptr = w};
    int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &e);
    ASSERT(rc == 0);
    w->events = events;
}

void loop_watch_del(struct loop *l, struct loop_watch *w)
{
    int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    ASSERT(rc == 0);
    ASSERT(l->watches > 0);
    l->watches--;
    for (int i = l->events_at + 1; i < l->events_count; i++) {
        if (l->events[i].data.ptr == w) {
            l->events[i].data.ptr = NULL;
        }
    }
}

char *loop_read_buffer(struct loop *l)
{
    return l->read_buffer;
}
