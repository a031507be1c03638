// SPDX-License-Identifier: MIT
// The life of a connection, and reading: shared read buffer, lingering close. Writing is in
// conn_write.c. See conn.h for the states.
#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/conn_int.h"

enum {
    UNSENT_LOW_WATER_BYTES = 16384, // without it a reader that never reads holds 4 MB of the kernel
};

void conn_close_with(struct conn *c, int err)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->state = CONN_CLOSED;
    c->err = err;
    if (c->pending) {
        c->pending = false;
        sender_drop(c->sender, c);
    }
    list_del(&c->blocked_node);
    loop_watch_del(c->loop, &c->watch);
    close(c->watch.fd);
    c->watch.fd = -1;
    loop_timer_cancel(c->loop, &c->timer);
    loop_task_defer(c->loop, &c->task);
}

static bool wants_to_read(const struct conn *c)
{
    return c->state == CONN_LINGERING ? !c->eof : !c->eof && !c->paused && !c->rest_full;
}

void conn_update_watch(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    uint32_t events = c->blocked ? EPOLLOUT : 0;
    if (wants_to_read(c)) {
        events |= EPOLLIN;
    } else if (!c->eof && !c->hup_seen) {
        events |= EPOLLRDHUP; // once only: it would fire at every turn
    }
    loop_watch_set(c->loop, &c->watch, events);
}

static void on_timer(struct timer *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);
    if (c->state == CONN_OPEN && c->ops->on_stuck) {
        c->ops->on_stuck(c, c->arg);
        return;
    }
    if (c->state == CONN_OPEN) {
        metrics_add(c->metrics, METRIC_SLOW_CLOSED, 1);
    }
    conn_close_with(c, c->state == CONN_OPEN ? -E_SLOW : 0);
}

// ---- Reading ----

static void keep_rest(struct conn *c, bool from_rest, char *p, size_t len, size_t used)
{
    if (from_rest) {
        if (used == len) {
            buf_fini(&c->rest);
        } else {
            buf_consume(&c->rest, used);
        }
    } else if (used < len) {
        buf_put_mem(&c->rest, p + used, len - used);
        if (c->rest.failed) {
            conn_close_with(c, -E_NO_MEMORY);
        }
    }
    c->rest_full = c->rest.len >= c->rest.max;
}

// Offers bytes to the user, and again when it handed the connection on and left some.
static void offer(struct conn *c, char *p, size_t len)
{
    bool from_rest = p == c->rest.p;
    size_t used = 0;
    c->offer = false;
    c->offering = true;
    while (used < len && c->state == CONN_OPEN && !c->paused) {
        const struct conn_ops *ops = c->ops;
        void *arg = c->arg;
        size_t n = ops->on_data(c, arg, p + used, len - used);
        ASSERT(n <= len - used);
        used += n;
        if (c->ops == ops && c->arg == arg) {
            break;
        }
    }
    c->offering = false;
    if (c->state != CONN_CLOSED) {
        keep_rest(c, from_rest, p, len, used);
    }
}

static void offer_rest(struct conn *c)
{
    if (c->paused) {
        return; // conn_resume_reading comes back to it
    }
    c->offer = false;
    if (c->state == CONN_OPEN && c->rest.len > 0) {
        offer(c, c->rest.p, c->rest.len);
    }
}

static void at_eof(struct conn *c)
{
    c->eof = true;
    if (c->state == CONN_LINGERING) {
        if (c->fin_sent) {
            conn_close_with(c, 0);
        }
    } else if (c->ops->on_eof) {
        c->ops->on_eof(c, c->arg);
    } else {
        conn_close_with(c, 0);
    }
}

static void read_some(struct conn *c)
{
    char *p = loop_read_buffer(c->loop);
    size_t room = LOOP_READ_BYTES;
    if (c->state == CONN_OPEN && c->rest.max - c->rest.len < room) {
        room = c->rest.max - c->rest.len;
    }
    ASSERT(room > 0);
    ssize_t n = recv(c->watch.fd, p, room, MSG_DONTWAIT);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            conn_close_with(c, c->state == CONN_LINGERING ? 0 : -E_CLOSED);
        }
        return;
    }
    if (n == 0) {
        at_eof(c);
        return;
    }
    if (c->state == CONN_LINGERING) {
        return; // thrown away
    }
    if (c->rest.len == 0) {
        offer(c, p, (size_t)n);
        return;
    }
    buf_put_mem(&c->rest, p, (size_t)n);
    if (c->rest.failed) {
        conn_close_with(c, -E_NO_MEMORY);
        return;
    }
    offer(c, c->rest.p, c->rest.len);
}

static void on_event(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);
    if ((events & EPOLLOUT) && c->blocked) {
        conn_flush(c);
        loop_task_defer(c->loop, &c->task);
    }
    if (c->state != CONN_CLOSED && wants_to_read(c)) {
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            read_some(c);
        }
    } else if (c->state != CONN_CLOSED && (events & (EPOLLHUP | EPOLLERR))) {
        conn_close_with(c, c->state == CONN_LINGERING ? 0 : -E_CLOSED);
    } else if (c->state == CONN_OPEN && (events & EPOLLRDHUP) && !c->hup_seen) {
        c->hup_seen = true;
        if (c->ops->on_hangup) {
            c->ops->on_hangup(c, c->arg);
        }
    }
    conn_update_watch(c);
}

void conn_pause_reading(struct conn *c)
{
    c->paused = true;
    conn_update_watch(c);
}

void conn_resume_reading(struct conn *c)
{
    c->paused = false;
    if (c->rest.len > 0 || c->offering) {
        c->offer = true;
        if (c->state != CONN_CLOSED) {
            loop_task_defer(c->loop, &c->task);
        }
    }
    conn_update_watch(c);
}

// ---- Life ----

static void finish(struct conn *c)
{
    metrics_add(c->metrics, METRIC_CONNECTIONS, -1);
    loop_task_cancel(&c->task);
    buf_fini(&c->rest);
    buf_fini(&c->out);
    rcbuf_unref(c->run);
    if (c->ops->on_closed) {
        c->ops->on_closed(c, c->arg, c->err);
    }
    ASSERT(!timer_armed(&c->timer));
    mem_free(c);
}

static void send_fin(struct conn *c)
{
    if (c->fin_sent || conn_unsent_bytes(c) > 0) {
        return;
    }
    c->fin_sent = true;
    if (shutdown(c->watch.fd, SHUT_WR) != 0 || c->eof) {
        conn_close_with(c, 0);
    }
}

// The end of the turn. Nothing of the user's is on the stack, so this is where a connection goes.
static void on_task(struct loop_task *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, task);
    if (c->offer) {
        offer_rest(c);
    }
    if (c->pending) { // what was written since goes behind it
        sender_flush(c->sender);
    }
    if (c->state != CONN_CLOSED && !c->blocked) {
        conn_flush(c);
        if (c->blocked) {
            conn_tell_blocked(c);
        }
    }
    if (c->state == CONN_OPEN && c->want_drained && !c->pending && conn_unsent_bytes(c) == 0) {
        c->want_drained = false;
        if (c->ops->on_drained) {
            c->ops->on_drained(c, c->arg);
        }
    }
    if (c->state == CONN_LINGERING) {
        send_fin(c);
    }
    if (c->state == CONN_CLOSED) {
        finish(c);
    } else {
        conn_update_watch(c);
    }
}

static void set_options(int fd)
{
    int one = 1, low_water = UNSENT_LOW_WATER_BYTES;
    // Both fail on sockets that are not TCP, which is fine.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water, sizeof(low_water));
}

int conn_new_take(const struct conn_config *cfg, int fd, struct conn **ret)
{
    ASSERT(cfg->ops->on_data && cfg->rest_bytes_max > 0 && cfg->outbox_bytes_max > 0);
    struct conn *c = mem_try_alloc(sizeof(*c));
    if (!c) {
        close(fd);
        return -E_NO_MEMORY;
    }
    c->loop = cfg->loop;
    c->metrics = cfg->metrics;
    c->sender = cfg->sender;
    list_init(&c->blocked_node);
    c->ops = cfg->ops;
    c->arg = cfg->arg;
    c->slow_ms = cfg->slow_ms;
    c->linger_ms = cfg->linger_ms;
    buf_init(&c->rest, cfg->rest_bytes_max);
    buf_init(&c->out, cfg->outbox_bytes_max);
    timer_init(&c->timer, on_timer);
    loop_task_init(&c->task, on_task);
    c->watch = (struct loop_watch){.fd = fd, .fn = on_event};
    set_options(fd);
    int e = loop_watch_add(c->loop, &c->watch, EPOLLIN);
    if (e) {
        close(fd);
        mem_free(c);
        return e;
    }
    metrics_add(c->metrics, METRIC_CONNECTIONS, 1);
    *ret = c;
    return 0;
}

void conn_set_user(struct conn *c, const struct conn_ops *ops, void *arg)
{
    c->ops = ops;
    c->arg = arg;
    conn_resume_reading(c);
}

size_t conn_rest_bytes(const struct conn *c)
{
    return c->rest.len;
}

void conn_shutdown(struct conn *c)
{
    if (c->state != CONN_OPEN) {
        return;
    }
    c->state = CONN_LINGERING;
    c->want_drained = false;
    // From now on the kernel may take all that waits, so that a reader that comes back late still
    // gets it.
    int any = 0;
    (void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &any, sizeof(any));
    c->blocked = false;
    loop_timer_after(c->loop, &c->timer, c->linger_ms);
    loop_task_defer(c->loop, &c->task);
    conn_update_watch(c);
}

void conn_close(struct conn *c)
{
    conn_close_with(c, 0);
}

bool conn_is_open(const struct conn *c)
{
    return c->state == CONN_OPEN;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

struct metrics *conn_metrics(const struct conn *c)
{
    return c->metrics;
}

int conn_fd(const struct conn *c)
{
    return c->watch.fd;
}
