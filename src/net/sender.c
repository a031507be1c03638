// SPDX-License-Identifier: MIT
// Batches of sends. See sender.h.
#include "net/sender.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rcbuf.h"
#include "net/conn_int.h"

struct entry {
    struct conn *conn; // NULL: dropped
    struct rcbuf *run; // one reference
};

struct sender {
    struct metrics *metrics;
    struct loop_task task; // flushes at the end of the turn what nobody flushed
    struct list blocked;   // connections to be told
    unsigned count;
    struct entry entries[SENDER_BATCH];
};

static void on_task(struct loop_task *t)
{
    sender_flush(CONTAINER_OF(t, struct sender, task));
}

int sender_new(enum send_mode mode UNUSED, struct metrics *m, struct sender **ret)
{
    struct sender *s = mem_alloc(sizeof(*s));
    s->metrics = m;
    list_init(&s->blocked);
    loop_task_init(&s->task, on_task);
    *ret = s;
    return 0;
}

void sender_free(struct sender *s)
{
    if (!s) {
        return;
    }
    ASSERT(s->count == 0 && list_empty(&s->blocked));
    loop_task_cancel(&s->task);
    mem_free(s);
}

const char *sender_name(const struct sender *s UNUSED)
{
    return "send";
}

static ssize_t send_plain(int fd, struct str bytes)
{
    ssize_t n = send(fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static void send_batch(struct sender *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct entry *e = &s->entries[i];
        if (e->conn) {
            ssize_t n = send_plain(conn_fd(e->conn), rcbuf_str(e->run));
            conn_run_sent(e->conn, e->run, n, &s->blocked);
        }
    }
    s->count = 0;
}

void sender_flush(struct sender *s)
{
    send_batch(s);
    struct list *node;
    while ((node = list_pop_front(&s->blocked))) {
        conn_tell_blocked(LIST_ENTRY(node, struct conn_held, blocked_node)->conn);
    }
}

void sender_push(struct sender *s, struct conn *c, struct rcbuf *run)
{
    ASSERT(s->count < SENDER_BATCH);
    s->entries[s->count++] = (struct entry){.conn = c, .run = rcbuf_ref(run)};
    if (s->count == 1) {
        loop_task_defer(conn_loop(c), &s->task);
    }
    if (s->count == SENDER_BATCH) {
        send_batch(s);
    }
}

void sender_drop(struct sender *s, const struct conn *c)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->entries[i].conn == c) {
            rcbuf_unref(s->entries[i].run);
            s->entries[i].conn = NULL;
        }
    }
}
