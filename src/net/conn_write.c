// SPDX-License-Identifier: MIT
// Writing of a connection: what a turn wrote goes out by one send, what the socket does not take
// waits for it to be writable.
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "base/err.h"
#include "net/conn_int.h"

enum {
    COMPACT_BYTES = 4096, // sent bytes in front of the outbox worth moving the rest for
};

static void all_sent(struct conn *c)
{
    buf_fini(&c->out);
    c->sent = 0;
    if (c->state == CONN_OPEN) {
        loop_timer_cancel(c->loop, &c->timer);
        if (c->blocked) {
            c->want_drained = true;
        }
    }
    c->blocked = false;
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOBUFS;
}

// The socket took `taken` bytes and no more.
static void sent_short(struct conn *c, size_t taken)
{
    metrics_add(c->metrics, METRIC_SHORT_SENDS, 1);
    if (c->state == CONN_OPEN && (taken > 0 || !timer_armed(&c->timer))) {
        loop_timer_after(c->loop, &c->timer, c->slow_ms);
    }
    c->blocked = true;
}

static void advance(struct conn *c, size_t taken)
{
    if (c->run) {
        size_t left = rcbuf_str(c->run).len - c->run_sent;
        size_t of_run = taken < left ? taken : left;
        c->run_sent += of_run;
        taken -= of_run;
        if (of_run == left) {
            rcbuf_unref(c->run);
            c->run = NULL;
        }
    }
    c->sent += taken;
}

void conn_flush(struct conn *c)
{
    size_t len = conn_unsent_bytes(c);
    if (len == 0) {
        return;
    }
    struct iovec parts[2];
    struct msghdr m = {.msg_iov = parts};
    if (c->run) {
        struct str run = rcbuf_str(c->run);
        parts[m.msg_iovlen++] = (struct iovec){.iov_base = (char *)(uintptr_t)run.p + c->run_sent,
                                               .iov_len = run.len - c->run_sent};
    }
    if (c->out.len > c->sent) {
        parts[m.msg_iovlen++] =
            (struct iovec){.iov_base = c->out.p + c->sent, .iov_len = c->out.len - c->sent};
    }
    ssize_t n = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && !is_passing(errno)) {
        conn_close_with(c, -E_CLOSED);
        return;
    }
    size_t taken = n > 0 ? (size_t)n : 0;
    metrics_add(c->metrics, METRIC_BYTES_OUT, (int64_t)taken);
    advance(c, taken);
    if (taken == len) {
        all_sent(c);
    } else {
        sent_short(c, taken);
    }
    conn_update_watch(c);
}

void conn_tell_blocked(struct conn *c)
{
    if (c->state == CONN_OPEN && c->blocked && c->take_runs && c->ops->on_blocked) {
        c->ops->on_blocked(c, c->arg);
    }
}

void conn_run_sent(struct conn *c, struct rcbuf *run, ssize_t n, struct list *blocked)
{
    ASSERT(c->pending && !c->run);
    c->pending = false;
    size_t taken = n > 0 ? (size_t)n : 0;
    metrics_add(c->metrics, METRIC_BYTES_OUT, (int64_t)taken);
    if (taken == rcbuf_str(run).len) {
        rcbuf_unref(run);
        return;
    }
    if (n < 0 && !is_passing((int)-n)) {
        rcbuf_unref(run);
        conn_close_with(c, -E_CLOSED);
        return;
    }
    c->run = run;
    c->run_sent = taken;
    sent_short(c, taken);
    conn_update_watch(c);
    list_push_back(blocked, &c->blocked_node);
}

void conn_send_run(struct conn *c, struct rcbuf *run)
{
    if (c->state != CONN_OPEN || !c->take_runs || rcbuf_str(run).len == 0) {
        return;
    }
    if (!c->sender || c->pending || conn_unsent_bytes(c) > 0) {
        conn_write_rcbuf(c, run);
        return;
    }
    c->pending = true;
    sender_push(c->sender, c, run);
}

void conn_take_runs(struct conn *c, bool on)
{
    c->take_runs = on;
}

char *conn_write_reserve(struct conn *c, size_t len)
{
    if (c->state != CONN_OPEN) {
        return NULL;
    }
    if (c->sent >= COMPACT_BYTES && c->sent > c->out.len / 2) {
        buf_consume(&c->out, c->sent);
        c->sent = 0;
    }
    char *p = buf_reserve(&c->out, len);
    if (!p) {
        conn_close_with(c, len > c->out.max - c->out.len ? -E_TOO_LARGE : -E_NO_MEMORY);
    }
    return p;
}

void conn_write_commit(struct conn *c, size_t len)
{
    buf_commit(&c->out, len);
    if (!c->blocked) {
        loop_task_defer(c->loop, &c->task);
    }
}

void conn_write(struct conn *c, struct str bytes)
{
    if (bytes.len == 0) {
        return;
    }
    char *p = conn_write_reserve(c, bytes.len);
    if (p) {
        memcpy(p, bytes.p, bytes.len);
        conn_write_commit(c, bytes.len);
    }
}

void conn_write_rcbuf(struct conn *c, struct rcbuf *bytes)
{
    conn_write(c, rcbuf_str(bytes));
}

bool conn_is_blocked(const struct conn *c)
{
    return c->blocked;
}

void conn_want_drained(struct conn *c)
{
    if (c->state == CONN_OPEN) {
        c->want_drained = true;
        loop_task_defer(c->loop, &c->task);
    }
}

size_t conn_unsent_bytes(const struct conn *c)
{
    size_t run = c->run ? rcbuf_str(c->run).len - c->run_sent : 0;
    return run + c->out.len - c->sent;
}

size_t conn_kernel_unsent_bytes(const struct conn *c)
{
    int bytes = 0;
    if (c->state == CONN_CLOSED || ioctl(c->watch.fd, SIOCOUTQNSD, &bytes) != 0 || bytes < 0) {
        return 0;
    }
    return (size_t)bytes;
}
