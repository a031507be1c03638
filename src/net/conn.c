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
#include "net/handover.h"
#include "net/visitors.h"
#include "wire/tls.h"

enum {
    UNSENT_LOW_WATER_BYTES = 16384, // without it a reader that never reads holds 4 MB of the kernel
};

static void close_fd(struct conns *all, int fd)
{
    visitors_leave(all->cfg.visitors, fd);
    close(fd);
}

// The descriptor, which is nobody's any more.
static int leave_loop(struct conn *c, int err)
{
    int fd = c->watch.fd;
    c->state = CONN_CLOSED;
    c->err = err;
    if (c->pending) {
        c->pending = false;
        sender_drop(c->all->cfg.sender, c);
    }
    if (c->held) {
        list_del(&c->held->blocked_node);
        deadline_cancel(&c->held->deadline);
    }
    // Not left to close: a child of ours that has yet to exec holds the descriptor too, and the
    // kernel would go on telling of a record that is gone.
    loop_watch_del(c->all->cfg.loop, &c->watch);
    c->watch.fd = -1;
    loop_task_defer(c->all->cfg.loop, &c->task);
    return fd;
}

void conn_close_with(struct conn *c, int err)
{
    if (c->state != CONN_CLOSED) {
        close_fd(c->all, leave_loop(c, err));
    }
}

bool conn_wants_to_read(const struct conn *c)
{
    return c->state == CONN_LINGERING ? !c->eof : !c->eof && !c->paused && !c->rest_full;
}

void conn_update_watch(struct conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    uint32_t events = c->blocked ? EPOLLOUT : 0;
    if (conn_wants_to_read(c)) {
        events |= EPOLLIN;
    } else if (!c->eof && !c->hup_seen) {
        events |= EPOLLRDHUP; // once only: it would fire at every turn
    }
    loop_watch_set(c->all->cfg.loop, &c->watch, events);
}

static void on_slow(struct deadlines *q UNUSED, struct deadline *d)
{
    struct conn *c = CONTAINER_OF(d, struct conn_held, deadline)->conn;
    if (c->ops->on_stuck) {
        c->ops->on_stuck(c, c->arg);
        return;
    }
    metrics_add(c->all->cfg.metrics, METRIC_SLOW_CLOSED, 1);
    metrics_hit(c->all->cfg.metrics, LIMIT_ROW_SLOW_MS);
    conn_close_with(c, -E_SLOW);
}

static void on_lingered(struct deadlines *q UNUSED, struct deadline *d)
{
    conn_close_with(CONTAINER_OF(d, struct conn_held, deadline)->conn, 0);
}

// ---- What is held ----

struct conn_held *conn_hold(struct conn *c)
{
    if (!c->held) {
        struct conn_held *h = pool_try_alloc(&c->all->held);
        if (!h) {
            return NULL;
        }
        h->conn = c;
        buf_init(&h->rest, c->all->cfg.rest_bytes_max);
        buf_init(&h->out, c->all->cfg.outbox_bytes_max);
        list_init(&h->blocked_node);
        deadline_init(&h->deadline);
        c->held = h;
    }
    return c->held;
}

static void let_go(struct conn *c)
{
    struct conn_held *h = c->held;
    if (h) {
        list_del(&h->blocked_node);
        deadline_cancel(&h->deadline);
        buf_fini(&h->rest);
        buf_fini(&h->out);
        rcbuf_unref(h->run);
        c->all->buffer_bytes -= h->counted;
        pool_free(&c->all->held, h);
        c->held = NULL;
    }
}

void conn_held_changed(struct conn *c)
{
    struct conn_held *h = c->held;
    if (!h) {
        return;
    }
    if (h->rest.len == 0 && h->out.len == 0 && !h->run && !deadline_armed(&h->deadline)) {
        let_go(c);
        return;
    }
    size_t bytes = h->rest.cap + h->out.cap;
    if (c->tls && h->run) { // shared with nobody
        bytes += rcbuf_str(h->run).len;
    }
    c->all->buffer_bytes += bytes - h->counted;
    h->counted = bytes;
    if (c->all->buffer_bytes > c->all->cfg.outboxes_bytes_max) {
        loop_task_defer(c->all->cfg.loop, &c->all->shed);
    }
}

// All together hold too much: of those that have taken nothing for longest, whoever holds more than
// its share goes. What such a peer is told would not reach it before what it does not read.
static void on_shed(struct loop_task *t)
{
    struct conns *all = CONTAINER_OF(t, struct conns, shed);
    size_t share = all->buffer_bytes / (pool_count(&all->held) + 1);
    LIST_FOREACH(node, &all->slow.members)
    {
        struct conn_held *h =
            CONTAINER_OF(LIST_ENTRY(node, struct deadline, node), struct conn_held, deadline);
        if (all->buffer_bytes <= all->cfg.outboxes_bytes_max) {
            return;
        }
        if (h->counted >= share) {
            metrics_hit(all->cfg.metrics, LIMIT_ROW_OUTBOXES_BYTES);
            conn_close_with(h->conn, -E_SLOW);
        }
    }
}

// ---- Reading ----

size_t conn_rest_room(const struct conn *c)
{
    return c->all->cfg.rest_bytes_max - conn_rest_bytes(c);
}

static void put_rest(struct conn *c, const char *p, size_t len)
{
    struct conn_held *h = conn_hold(c);
    if (h) {
        buf_put_mem(&h->rest, p, len);
    }
    if (!h || h->rest.failed) {
        conn_close_with(c, -E_NO_MEMORY);
    }
}

static void keep_rest(struct conn *c, bool from_rest, char *p, size_t len, size_t used)
{
    if (from_rest && used == len) {
        buf_fini(&c->held->rest);
    } else if (from_rest) {
        buf_consume(&c->held->rest, used);
    } else if (used < len) {
        put_rest(c, p + used, len - used);
    }
    c->rest_full = conn_rest_room(c) == 0;
    conn_held_changed(c);
}

// Offers bytes to the user, and again when it handed the connection on and left some.
static void offer(struct conn *c, char *p, size_t len)
{
    bool from_rest = c->held && p == c->held->rest.p;
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
    if (c->state == CONN_OPEN && conn_rest_bytes(c) > 0) {
        offer(c, c->held->rest.p, c->held->rest.len);
    }
}

void conn_at_eof(struct conn *c)
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

void conn_deliver(struct conn *c, char *p, size_t len)
{
    if (conn_rest_bytes(c) == 0) {
        offer(c, p, len);
        return;
    }
    put_rest(c, p, len);
    if (c->state == CONN_OPEN) {
        offer(c, c->held->rest.p, c->held->rest.len);
    }
}

static void read_some(struct conn *c)
{
    if (c->tls && c->state == CONN_OPEN) {
        conn_tls_read(c);
        return;
    }
    char *p = loop_read_buffer(c->all->cfg.loop);
    size_t room = LOOP_READ_BYTES;
    if (c->state == CONN_OPEN && conn_rest_room(c) < room) {
        room = conn_rest_room(c);
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
        conn_at_eof(c);
        return;
    }
    if (c->state == CONN_LINGERING) {
        return; // thrown away
    }
    conn_deliver(c, p, (size_t)n);
}

static void on_event(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);
    if ((events & EPOLLOUT) && c->blocked) {
        conn_flush(c);
        loop_task_defer(c->all->cfg.loop, &c->task);
    }
    if (c->state != CONN_CLOSED && conn_wants_to_read(c)) {
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
    if (conn_rest_bytes(c) > 0 || c->offering || (c->tls && tls_conn_has_unread(c->tls))) {
        c->offer = true;
        if (c->state != CONN_CLOSED) {
            loop_task_defer(c->all->cfg.loop, &c->task);
        }
    }
    conn_update_watch(c);
}

// ---- Life ----

static void finish(struct conn *c)
{
    metrics_add(c->all->cfg.metrics, METRIC_CONNECTIONS, -1);
    loop_task_cancel(&c->task);
    let_go(c);
    tls_conn_free(c->tls);
    if (c->ops->on_closed) {
        c->ops->on_closed(c, c->arg, c->err);
    }
    pool_free(&c->all->records, c);
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
        if (c->tls && c->state == CONN_OPEN && conn_wants_to_read(c) &&
            tls_conn_has_unread(c->tls)) {
            conn_tls_read(c);
        }
    }
    if (c->pending) { // what was written since goes behind it
        sender_flush(c->all->cfg.sender);
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

void conn_prepare_listener(int fd)
{
    int one = 1, low_water = UNSENT_LOW_WATER_BYTES;
    // Both fail on sockets that are not TCP, which is fine.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low_water, sizeof(low_water));
}

struct conns *conns_new(const struct conns_config *cfg)
{
    ASSERT(cfg->rest_bytes_max > 0 && cfg->outbox_bytes_max > 0);
    struct conns *all = mem_alloc(sizeof(*all));
    all->cfg = *cfg;
    all->cfg.outboxes_bytes_max = cfg->outboxes_bytes_max ? cfg->outboxes_bytes_max : SIZE_MAX;
    pool_init(&all->records, sizeof(struct conn), NULL);
    loop_task_init(&all->shed, on_shed);
    pool_init(&all->held, sizeof(struct conn_held), NULL);
    deadlines_init(&all->slow, cfg->loop, cfg->slow_ms, on_slow);
    deadlines_init(&all->linger, cfg->loop, cfg->linger_ms, on_lingered);
    return all;
}

void conns_free(struct conns *all)
{
    if (!all) {
        return;
    }
    ASSERT(all->buffer_bytes == 0);
    loop_task_cancel(&all->shed);
    deadlines_fini(&all->slow);
    deadlines_fini(&all->linger);
    pool_fini(&all->held);
    pool_fini(&all->records);
    mem_free(all);
}

struct conns_memory conns_memory(const struct conns *all)
{
    return (struct conns_memory){.records = pool_bytes(&all->records),
                                 .buffers = pool_bytes(&all->held) + all->buffer_bytes};
}

int conn_new_take(struct conns *all, int fd, const struct conn_ops *ops, void *arg,
                  struct conn **ret)
{
    ASSERT(ops->on_data);
    struct conn *c = pool_try_alloc(&all->records);
    if (!c) {
        close_fd(all, fd);
        return -E_NO_MEMORY;
    }
    c->all = all;
    c->ops = ops;
    c->arg = arg;
    loop_task_init(&c->task, on_task);
    c->watch = (struct loop_watch){.fd = fd, .fn = on_event};
    int e = loop_watch_add(all->cfg.loop, &c->watch, EPOLLIN);
    if (e) {
        close_fd(all, fd);
        pool_free(&all->records, c);
        return e;
    }
    metrics_add(all->cfg.metrics, METRIC_CONNECTIONS, 1);
    *ret = c;
    return 0;
}

void conn_set_tls_take(struct conn *c, struct tls_conn *tls)
{
    ASSERT(!c->tls && !c->held);
    c->tls = tls;
    c->offer = tls_conn_has_unread(tls); // what came right behind the handshake
    if (c->offer) {
        loop_task_defer(c->all->cfg.loop, &c->task);
    }
}

void conn_put_rest(struct conn *c, struct str bytes)
{
    put_rest(c, bytes.p, bytes.len);
    if (c->state == CONN_OPEN) {
        c->rest_full = conn_rest_room(c) == 0;
        conn_held_changed(c);
        conn_resume_reading(c);
    }
}

int conn_hand_over(struct conn *c, struct accepted *ret)
{
    ASSERT(c->state == CONN_OPEN && !c->pending && conn_unsent_bytes(c) == 0);
    struct rcbuf *rest = NULL;
    if (conn_rest_bytes(c) > 0) {
        rest = rcbuf_try_new(buf_str(&c->held->rest));
        if (!rest) {
            conn_close_with(c, -E_NO_MEMORY);
            return -E_NO_MEMORY;
        }
    }
    ret->fd = leave_loop(c, 0);
    ret->tls = c->tls;
    ret->rest = rest;
    c->tls = NULL;
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
    return c->held ? c->held->rest.len : 0;
}

void conn_shutdown(struct conn *c)
{
    if (c->state != CONN_OPEN) {
        return;
    }
    struct conn_held *h = conn_hold(c);
    if (!h) { // nothing is unsent, then
        conn_close_with(c, -E_NO_MEMORY);
        return;
    }
    if (c->tls) {
        conn_tls_shutdown(c);
        if (c->state != CONN_OPEN) {
            return;
        }
    }
    c->state = CONN_LINGERING;
    c->want_drained = false;
    // From now on the kernel may take all that waits, so that a reader that comes back late still
    // gets it.
    int any = 0;
    (void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &any, sizeof(any));
    c->blocked = false;
    deadline_arm(&c->all->linger, &h->deadline);
    loop_task_defer(c->all->cfg.loop, &c->task);
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
    return c->all->cfg.loop;
}

struct metrics *conn_metrics(const struct conn *c)
{
    return c->all->cfg.metrics;
}

int conn_fd(const struct conn *c)
{
    return c->watch.fd;
}
