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
#include "wire/tls.h"

enum {
    COMPACT_BYTES = 4096, // sent bytes in front of the outbox worth moving the rest for
};

static void all_sent(struct conn *c)
{
    buf_fini(&c->held->out);
    c->held->sent = 0;
    if (c->state == CONN_OPEN) {
        deadline_cancel(&c->held->deadline);
        c->want_drained = c->want_drained || c->blocked;
    }
    conn_held_changed(c);
    c->blocked = false;
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOBUFS;
}

// The socket took `taken` bytes and no more.
static void sent_short(struct conn *c, size_t taken)
{
    metrics_add(c->all->cfg.metrics, METRIC_SHORT_SENDS, 1);
    if (c->state == CONN_OPEN && (taken > 0 || !deadline_armed(&c->held->deadline))) {
        deadline_arm(&c->all->slow, &c->held->deadline);
    }
    c->blocked = true;
}

static void advance(struct conn_held *h, size_t taken)
{
    if (h->run) {
        size_t left = rcbuf_str(h->run).len - h->run_sent;
        size_t of_run = taken < left ? taken : left;
        h->run_sent += of_run;
        taken -= of_run;
        if (of_run == left) {
            rcbuf_unref(h->run);
            h->run = NULL;
        }
    }
    h->sent += taken;
}

static size_t gather(const struct conn_held *h, struct iovec parts[2])
{
    size_t count = 0;
    if (h->run) {
        struct str run = rcbuf_str(h->run);
        parts[count++] = (struct iovec){.iov_base = (char *)(uintptr_t)run.p + h->run_sent,
                                        .iov_len = run.len - h->run_sent};
    }
    if (h->out.len > h->sent) {
        parts[count++] =
            (struct iovec){.iov_base = h->out.p + h->sent, .iov_len = h->out.len - h->sent};
    }
    return count;
}

void conn_flush(struct conn *c)
{
    size_t len = conn_unsent_bytes(c);
    if (len == 0) {
        return;
    }
    struct iovec parts[2];
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = gather(c->held, parts)};
    ssize_t n = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && !is_passing(errno)) {
        conn_close_with(c, -E_CLOSED);
        return;
    }
    size_t taken = n > 0 ? (size_t)n : 0;
    metrics_add(c->all->cfg.metrics, METRIC_BYTES_OUT, (int64_t)taken);
    advance(c->held, taken);
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
    ASSERT(c->pending && !(c->held && c->held->run));
    c->pending = false;
    size_t taken = n > 0 ? (size_t)n : 0;
    metrics_add(c->all->cfg.metrics, METRIC_BYTES_OUT, (int64_t)taken);
    if (taken == rcbuf_str(run).len) {
        rcbuf_unref(run);
        return;
    }
    if (n < 0 && !is_passing((int)-n)) {
        rcbuf_unref(run);
        conn_close_with(c, -E_CLOSED);
        return;
    }
    struct conn_held *h = conn_hold(c);
    if (!h) {
        rcbuf_unref(run);
        conn_close_with(c, -E_NO_MEMORY);
        return;
    }
    h->run = run;
    h->run_sent = taken;
    sent_short(c, taken);
    conn_update_watch(c);
    conn_held_changed(c);
    list_push_back(blocked, &h->blocked_node);
}

void conn_send_run(struct conn *c, struct rcbuf *run)
{
    if (c->state != CONN_OPEN || !c->take_runs || rcbuf_str(run).len == 0) {
        return;
    }
    struct sender *sender = c->all->cfg.sender;
    if (!sender || c->pending || conn_unsent_bytes(c) > 0) {
        conn_write_rcbuf(c, run);
        return;
    }
    if (c->tls) {
        struct rcbuf *sealed = conn_tls_seal(c, run);
        if (sealed) {
            c->pending = true;
            sender_push(sender, c, sealed);
            rcbuf_unref(sealed);
        }
        return;
    }
    c->pending = true;
    sender_push(sender, c, run);
}

void conn_take_runs(struct conn *c, bool on)
{
    c->take_runs = on;
}

void conn_written(struct conn *c)
{
    conn_held_changed(c);
    if (!c->blocked) {
        loop_task_defer(c->all->cfg.loop, &c->task);
    }
}

// Room behind the outbox; NULL: closed, or just failed.
static char *make_room(struct conn *c, size_t len)
{
    if (c->state != CONN_OPEN) {
        return NULL;
    }
    struct conn_held *h = conn_hold(c);
    if (!h) {
        conn_close_with(c, -E_NO_MEMORY);
        return NULL;
    }
    if (h->sent >= COMPACT_BYTES && h->sent > h->out.len / 2) {
        buf_consume(&h->out, h->sent);
        h->sent = 0;
    }
    char *p = buf_reserve(&h->out, len);
    if (!p) {
        bool full = len > h->out.max - h->out.len;
        if (full) {
            metrics_hit(c->all->cfg.metrics, LIMIT_ROW_OUTBOX_BYTES);
        }
        conn_close_with(c, full ? -E_TOO_LARGE : -E_NO_MEMORY);
    }
    return p;
}

// What is reserved under TLS lies so far behind the outbox that its records, which are longer than
// it, never reach the text that is still to be sealed, and that the outbox need not grow meanwhile.
char *conn_write_reserve(struct conn *c, size_t len)
{
    if (!c->tls) {
        return make_room(c, len);
    }
    size_t headroom = tls_sealed_bytes_max(len) - len + TLS_RECORD_OVERHEAD;
    char *p = make_room(c, headroom + len);
    if (!p) {
        return NULL;
    }
    c->held->headroom = headroom;
    return p + headroom;
}

void conn_write_commit(struct conn *c, size_t len)
{
    if (c->tls) {
        struct conn_held *h = c->held;
        conn_tls_put(c, str_make(h->out.p + h->out.len + h->headroom, len));
        return;
    }
    buf_commit(&c->held->out, len);
    conn_written(c);
}

void conn_write(struct conn *c, struct str bytes)
{
    if (bytes.len == 0) {
        return;
    }
    if (c->tls) {
        if (make_room(c, tls_sealed_bytes_max(bytes.len))) {
            conn_tls_put(c, bytes);
        }
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
        loop_task_defer(c->all->cfg.loop, &c->task);
    }
}

size_t conn_unsent_bytes(const struct conn *c)
{
    const struct conn_held *h = c->held;
    if (!h) {
        return 0;
    }
    size_t run = h->run ? rcbuf_str(h->run).len - h->run_sent : 0;
    return run + h->out.len - h->sent;
}

size_t conn_kernel_unsent_bytes(const struct conn *c)
{
    int bytes = 0;
    if (c->state == CONN_CLOSED || ioctl(c->watch.fd, SIOCOUTQNSD, &bytes) != 0 || bytes < 0) {
        return 0;
    }
    return (size_t)bytes;
}
