// SPDX-License-Identifier: MIT
// Threads that live on mails.
#include "server/actor.h"

#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

static void wake(void *arg)
{
    struct actor *a = arg;
    pthread_mutex_lock(&a->lock);
    a->woken = true;
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->lock);
}

void actor_init(struct actor *a, int64_t (*tick)(void *ctx), void *ctx)
{
    *a = (struct actor){.tick = tick, .ctx = ctx};
    mailbox_init(&a->mailbox, wake, a);
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->cond, &attr);
    pthread_condattr_destroy(&attr);
}

// True when it is time to stop.
static bool wait_until(struct actor *a, int64_t mono_ms)
{
    struct timespec at = {.tv_sec = mono_ms / 1000, .tv_nsec = (mono_ms % 1000) * 1000000};
    pthread_mutex_lock(&a->lock);
    int err = 0;
    while (!a->woken && !a->stopping && err == 0) {
        err = mono_ms == INT64_MAX ? pthread_cond_wait(&a->cond, &a->lock)
                                   : pthread_cond_timedwait(&a->cond, &a->lock, &at);
    }
    bool stop = a->stopping && !a->woken;
    a->woken = false;
    pthread_mutex_unlock(&a->lock);
    return stop;
}

static void *actor_main(void *arg)
{
    struct actor *a = arg;
    (void)pthread_setname_np(pthread_self(), a->name); // no other thread may: that is a file
    for (;;) {
        (void)mailbox_run(&a->mailbox);
        int64_t next = a->tick ? a->tick(a->ctx) : INT64_MAX;
        if (wait_until(a, next)) {
            (void)mailbox_run(&a->mailbox);
            return NULL;
        }
    }
}

void actor_start(struct actor *a, const char *name)
{
    a->name = name;
    int err = pthread_create(&a->thread, NULL, actor_main, a);
    ASSERT(err == 0);
    a->started = true;
}

void actor_stop(struct actor *a)
{
    if (!a->started) {
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    a->started = false;
}

void actor_fini(struct actor *a)
{
    mailbox_close(&a->mailbox);
    mailbox_fini(&a->mailbox);
    pthread_cond_destroy(&a->cond);
    pthread_mutex_destroy(&a->lock);
}

void actor_post(struct actor *a, struct mail *m, void (*run)(struct mail *m))
{
    m->run = run;
    bool taken = mailbox_post_take(&a->mailbox, m);
    ASSERT(taken);
}
