// SPDX-License-Identifier: MIT
// Batches of sends. See sender.h.
#include "net/sender.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rcbuf.h"
#include "net/conn_int.h"
#include "net/uring.h"

struct entry {
    struct conn *conn;
    struct rcbuf *run; // one reference
};

struct sender {
    struct uring *uring;   // NULL: send(2)
    struct loop_task task; // flushes at the end of the turn what nobody flushed
    struct list blocked;   // connections to be told
    unsigned count;
    struct entry entries[SENDER_BATCH];
};

_Static_assert((int)SENDER_BATCH <= (int)URING_BATCH, "a batch fits into the ring");

// ---- Modes ----

int send_mode_parse(struct str text, enum send_mode *ret)
{
    static const char *const names[] = {
        [SEND_AUTO] = "auto", [SEND_URING] = "uring", [SEND_PLAIN] = "plain"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_is(text, names[i])) {
            *ret = (enum send_mode)i;
            return 0;
        }
    }
    return -E_BAD_REQUEST;
}

static const char *why_not(int error)
{
    switch (error) {
    case ENOSYS:
        return "this kernel has no io_uring, or a filter of system calls hides it";
    case EPERM:
    case EACCES:
        return "io_uring is forbidden here, by the sysctl kernel.io_uring_disabled or a filter of "
               "system calls";
    case EINVAL:
        return "the io_uring of this kernel is too old; Linux 6.1 has what is needed";
    case ENOMEM:
        return "there is no memory for an io_uring, or RLIMIT_MEMLOCK is too low";
    case ENOTSUP:
        return "the io_uring of this kernel does not report short sends";
    default:
        return strerrordesc_np(error);
    }
}

int sender_check_uring(const char **ret_why)
{
    int e = uring_check();
    if (e) {
        *ret_why = why_not(-e);
        return -E_IO;
    }
    return 0;
}

// ---- Life ----

static void on_task(struct loop_task *t)
{
    sender_flush(CONTAINER_OF(t, struct sender, task));
}

int sender_new(enum send_mode mode, struct sender **ret)
{
    struct uring *uring = NULL;
    if (mode != SEND_PLAIN && uring_new(&uring) != 0 && mode == SEND_URING) {
        return -E_IO;
    }
    struct sender *s = mem_alloc(sizeof(*s));
    s->uring = uring;
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
    uring_free(s->uring);
    mem_free(s);
}

const char *sender_name(const struct sender *s)
{
    return s->uring ? "io_uring" : "send";
}

// ---- Sending ----

static void send_plain(struct sender *s, const struct entry *e)
{
    struct str bytes = rcbuf_str(e->run);
    ssize_t n = send(conn_fd(e->conn), bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    conn_run_sent(e->conn, e->run, n < 0 ? -errno : n, &s->blocked);
}

// How many of the first entries were sent: all, unless the ring failed.
static unsigned send_uring(struct sender *s)
{
    struct uring_send sends[SENDER_BATCH];
    for (unsigned i = 0; i < s->count; i++) {
        const struct entry *e = &s->entries[i];
        sends[i] = (struct uring_send){.fd = conn_fd(e->conn), .bytes = rcbuf_str(e->run)};
    }
    unsigned made = uring_send(s->uring, sends, s->count);
    for (unsigned i = 0; i < made; i++) {
        conn_run_sent(s->entries[i].conn, s->entries[i].run, sends[i].n, &s->blocked);
    }
    if (made < s->count) {
        log_warn("sender.fallback", "the kernel took no more sends by io_uring; going on without");
        uring_free(s->uring);
        s->uring = NULL;
    }
    return made;
}

static void send_batch(struct sender *s)
{
    // One alone is cheaper by send(2).
    unsigned made = s->uring && s->count > 1 ? send_uring(s) : 0;
    for (unsigned i = made; i < s->count; i++) {
        send_plain(s, &s->entries[i]);
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
            s->entries[i] = s->entries[--s->count]; // between connections there is no order
            return;
        }
    }
}
