// SPDX-License-Identifier: MIT
// One TCP connection: shared read buffer, gathered writes, lingering close. See conn.h for its
// states.
#include "net/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/conn_int.h"

enum {
    UNSENT_LOW_WATER_BYTES = 16384, // without it a reader that never reads holds 4 MB of the kernel
    COMPACT_BYTES = 4096,           // sent bytes in front of the outbox worth moving the rest for
};

enum conn_state { OPEN, LINGERING, CLOSED };

struct conn {
    struct loop_watch watch;
    struct loop_task task; // at the end of the turn: offer, flush, finish
    struct timer timer;    // OPEN: the slow reader's; LINGERING: the end of it
    struct loop *loop;
    struct metrics *metrics;
    struct sender *sender;
    struct list blocked_node; // in the sender's list of those to be told
    const struct conn_ops *ops;
    void *arg;
    struct buf rest; // not consumed
    struct buf out;  // written and not sent, behind `sent`
    size_t sent;
    struct rcbuf *run; // its rest, behind `run_sent`, goes before what is in `out`; NULL: none
    size_t run_sent;
    int64_t slow_ms, linger_ms;
    enum conn_state state;
    int err;
    bool blocked;
    bool take_runs;
    bool pending; // a run of it waits in the sender
    bool want_drained;
    bool offer;    // the rest is offered again at the end of the turn
    bool offering; // inside on_data
    bool paused;
    bool rest_full;
    bool eof;      // read to the peer's end
    bool hup_seen; // the peer's end was noticed while not reading
    bool fin_sent;
};

static void close_with(struct conn *c, int err)
{
    if (c->state == CLOSED) {
        return;
    }
    c->state = CLOSED;
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
    return c->state == LINGERING ? !c->eof : !c->eof && !c->paused && !c->rest_full;
}

static void update_watch(struct conn *c)
{
    if (c->state == CLOSED) {
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
    if (c->state == OPEN && c->ops->on_stuck) {
        c->ops->on_stuck(c, c->arg);
        return;
    }
    if (c->state == OPEN) {
        metrics_add(c->metrics, METRIC_SLOW_CLOSED, 1);
    }
    close_with(c, c->state == OPEN ? -E_SLOW : 0);
}

// ---- Writing ----

static void all_sent(struct conn *c)
{
    buf_fini(&c->out);
    c->sent = 0;
    if (c->state == OPEN) {
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
    if (c->state == OPEN && (taken > 0 || !timer_armed(&c->timer))) {
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

// One send of all that waits.
static void flush(struct conn *c)
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
        close_with(c, -E_CLOSED);
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
    update_watch(c);
}

static void tell_blocked(struct conn *c)
{
    if (c->state == OPEN && c->blocked && c->take_runs && c->ops->on_blocked) {
        c->ops->on_blocked(c, c->arg);
    }
}

void conn_tell_blocked(struct list *node)
{
    tell_blocked(LIST_ENTRY(node, struct conn, blocked_node));
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
        close_with(c, -E_CLOSED);
        return;
    }
    c->run = run;
    c->run_sent = taken;
    sent_short(c, taken);
    update_watch(c);
    list_push_back(blocked, &c->blocked_node);
}

void conn_send_run(struct conn *c, struct rcbuf *run)
{
    if (c->state != OPEN || !c->take_runs || rcbuf_str(run).len == 0) {
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
    if (c->state != OPEN) {
        return NULL;
    }
    if (c->sent >= COMPACT_BYTES && c->sent > c->out.len / 2) {
        buf_consume(&c->out, c->sent);
        c->sent = 0;
    }
    char *p = buf_reserve(&c->out, len);
    if (!p) {
        close_with(c, len > c->out.max - c->out.len ? -E_TOO_LARGE : -E_NO_MEMORY);
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
    if (c->state == OPEN) {
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
    if (c->state == CLOSED || ioctl(c->watch.fd, SIOCOUTQNSD, &bytes) != 0 || bytes < 0) {
        return 0;
    }
    return (size_t)bytes;
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
            close_with(c, -E_NO_MEMORY);
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
    while (used < len && c->state == OPEN && !c->paused) {
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
    if (c->state != CLOSED) {
        keep_rest(c, from_rest, p, len, used);
    }
}

static void offer_rest(struct conn *c)
{
    if (c->paused) {
        return; // conn_resume_reading comes back to it
    }
    c->offer = false;
    if (c->state == OPEN && c->rest.len > 0) {
        offer(c, c->rest.p, c->rest.len);
    }
}

static void at_eof(struct conn *c)
{
    c->eof = true;
    if (c->state == LINGERING) {
        if (c->fin_sent) {
            close_with(c, 0);
        }
    } else if (c->ops->on_eof) {
        c->ops->on_eof(c, c->arg);
    } else {
        close_with(c, 0);
    }
}

static void read_some(struct conn *c)
{
    char *p = loop_read_buffer(c->loop);
    size_t room = LOOP_READ_BYTES;
    if (c->state == OPEN && c->rest.max - c->rest.len < room) {
        room = c->rest.max - c->rest.len;
    }
    ASSERT(room > 0);
    ssize_t n = recv(c->watch.fd, p, room, MSG_DONTWAIT);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            close_with(c, c->state == LINGERING ? 0 : -E_CLOSED);
        }
        return;
    }
    if (n == 0) {
        at_eof(c);
        return;
    }
    if (c->state == LINGERING) {
        return; // thrown away
    }
    if (c->rest.len == 0) {
        offer(c, p, (size_t)n);
        return;
    }
    buf_put_mem(&c->rest, p, (size_t)n);
    if (c->rest.failed) {
        close_with(c, -E_NO_MEMORY);
        return;
    }
    offer(c, c->rest.p, c->rest.len);
}

static void on_event(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);
    if ((events & EPOLLOUT) && c->blocked) {
        flush(c);
        loop_task_defer(c->loop, &c->task);
    }
    if (c->state != CLOSED && wants_to_read(c)) {
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            read_some(c);
        }
    } else if (c->state != CLOSED && (events & (EPOLLHUP | EPOLLERR))) {
        close_with(c, c->state == LINGERING ? 0 : -E_CLOSED);
    } else if (c->state == OPEN && (events & EPOLLRDHUP) && !c->hup_seen) {
        c->hup_seen = true;
        if (c->ops->on_hangup) {
            c->ops->on_hangup(c, c->arg);
        }
    }
    update_watch(c);
}

void conn_pause_reading(struct conn *c)
{
    c->paused = true;
    update_watch(c);
}

void conn_resume_reading(struct conn *c)
{
    c->paused = false;
    if (c->rest.len > 0 || c->offering) {
        c->offer = true;
        if (c->state != CLOSED) {
            loop_task_defer(c->loop, &c->task);
        }
    }
    update_watch(c);
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
        close_with(c, 0);
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
    if (c->state != CLOSED && !c->blocked) {
        flush(c);
        if (c->blocked) {
            tell_blocked(c);
        }
    }
    if (c->state == OPEN && c->want_drained && !c->pending && conn_unsent_bytes(c) == 0) {
        c->want_drained = false;
        if (c->ops->on_drained) {
            c->ops->on_drained(c, c->arg);
        }
    }
    if (c->state == LINGERING) {
        send_fin(c);
    }
    if (c->state == CLOSED) {
        finish(c);
    } else {
        update_watch(c);
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
    if (c->state != OPEN) {
        return;
    }
    c->state = LINGERING;
    c->want_drained = false;
    // From now on the kernel may take all that waits, so that a reader that comes back late still
    // gets it.
    int any = 0;
    (void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &any, sizeof(any));
    c->blocked = false;
    loop_timer_after(c->loop, &c->timer, c->linger_ms);
    loop_task_defer(c->loop, &c->task);
    update_watch(c);
}

void conn_close(struct conn *c)
{
    close_with(c, 0);
}

bool conn_is_open(const struct conn *c)
{
    return c->state == OPEN;
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
