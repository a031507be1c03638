// SPDX-License-Identifier: MIT
// A queue from any thread to one.
#include "base/mailbox.h"

#include "base/assert.h"

void mailbox_init(struct mailbox *mb, void (*wake)(void *arg), void *arg)
{
    *mb = (struct mailbox){.wake = wake, .wake_arg = arg};
    int rc = pthread_mutex_init(&mb->lock, NULL);
    ASSERT(rc == 0);
    list_init(&mb->queue);
}

void mailbox_fini(struct mailbox *mb)
{
    ASSERT(list_empty(&mb->queue));
    pthread_mutex_destroy(&mb->lock);
}

bool mailbox_post_take(struct mailbox *mb, struct mail *m)
{
    pthread_mutex_lock(&mb->lock);
    bool open = !mb->closed;
    bool wake = open && !mb->woken;
    if (open) {
        list_push_back(&mb->queue, &m->node);
        mb->woken = true;
        // Under the lock, so that an owner that closed the mailbox is never woken after that.
        if (wake && mb->wake) {
            mb->wake(mb->wake_arg);
        }
    }
    pthread_mutex_unlock(&mb->lock);
    return open;
}

void mailbox_take(struct mailbox *mb, struct list *out)
{
    pthread_mutex_lock(&mb->lock);
    mb->woken = false;
    if (!list_empty(&mb->queue)) {
        struct list *first = mb->queue.next, *last = mb->queue.prev;
        first->prev = out->prev;
        out->prev->next = first;
        last->next = out;
        out->prev = last;
        list_init(&mb->queue);
    }
    pthread_mutex_unlock(&mb->lock);
}

size_t mailbox_run(struct mailbox *mb)
{
    struct list mails, *node;
    size_t count = 0;
    list_init(&mails);
    mailbox_take(mb, &mails);
    while ((node = list_pop_front(&mails))) {
        struct mail *m = LIST_ENTRY(node, struct mail, node);
        m->run(m);
        count++;
    }
    return count;
}

void mailbox_close(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    mb->closed = true;
    pthread_mutex_unlock(&mb->lock);
}
