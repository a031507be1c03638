// SPDX-License-Identifier: MIT
// Headers of proxies, and TLS handshakes.
#include "net/reception.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "net/deadline.h"
#include "net/refusal.h"
#include "net/visitors.h"
#include "wire/proxy.h"
#include "wire/tls.h"

enum { FLIGHT_BYTES_MAX = 1 << 20 }; // of what one handshake has to send: mostly certificates

enum guest_state { GUEST_HEADER, GUEST_SILENT, GUEST_WAITING, GUEST_HANDSHAKE, GUEST_SENDING };

struct guest {
    struct list node; // in reception.guests or, WAITING, in reception.waiting
    struct reception *reception;
    struct loop_watch watch;
    struct deadline deadline;
    struct accepted accepted;
    enum guest_state state;
    size_t fed;        // bytes of its handshake
    struct buf header; // of a proxy, as far as it has come
    struct buf out;    // of the handshake, unsent
};

struct reception {
    struct reception_config cfg;
    struct accept_target target;
    struct handovers *workers;
    struct pool pool; // struct guest
    struct list guests, waiting;
    size_t count, handshakes;
    struct deadlines deadlines;
    struct timer ticket_timer;
    struct loop_task handover_task;
    bool stopped;
};

// ---- Leaving ----

static void serve_waiting(struct reception *r);

// Takes the guest out; its connection is somebody else's from here.
static void let_go(struct guest *g)
{
    struct reception *r = g->reception;
    bool served = g->state == GUEST_HANDSHAKE || g->state == GUEST_SENDING;
    loop_watch_del(r->cfg.loop, &g->watch);
    deadline_cancel(&g->deadline);
    list_del(&g->node);
    buf_fini(&g->header);
    buf_fini(&g->out);
    r->count--;
    r->handshakes -= served;
    atomic_fetch_sub_explicit(&r->target.load, 1, memory_order_relaxed);
    metrics_set(r->cfg.metrics, METRIC_RECEPTION, (int64_t)r->count);
    pool_free(&r->pool, g);
    serve_waiting(r);
}

static void close_it(struct guest *g)
{
    struct accepted a = g->accepted;
    let_go(g);
    accepted_drop(&a);
}

static void turn_away(struct guest *g, enum metric why)
{
    metrics_add(g->reception->cfg.metrics, why, 1);
    close_it(g);
}

static void on_handover(struct loop_task *t)
{
    struct reception *r = CONTAINER_OF(t, struct reception, handover_task);
    handovers_send(r->workers);
}

static void show_in(struct guest *g)
{
    struct reception *r = g->reception;
    struct accepted a = g->accepted;
    let_go(g);
    a.due = 0;
    handovers_put_take(r->workers, &a);
    loop_task_defer(r->cfg.loop, &r->handover_task);
}

static void on_late(struct deadlines *q UNUSED, struct deadline *d)
{
    struct guest *g = CONTAINER_OF(d, struct guest, deadline);
    metrics_hit(g->reception->cfg.metrics, LIMIT_ROW_RECEPTION_MS);
    close_it(g);
}

// ---- The handshake ----

// False: the socket is broken. What it does not take stays.
static bool send_some(struct guest *g)
{
    while (g->out.len > 0) {
        ssize_t n = send(g->accepted.fd, g->out.p, g->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == ENOBUFS;
        }
        buf_consume(&g->out, (size_t)n);
    }
    buf_fini(&g->out);
    return true;
}

static void watch(struct guest *g)
{
    uint32_t events = g->state == GUEST_SENDING ? 0 : EPOLLIN;
    events |= g->out.len > 0 ? EPOLLOUT : 0;
    loop_watch_set(g->reception->cfg.loop, &g->watch, events);
}

static void fail(struct guest *g)
{
    if (tls_conn_got_http(g->accepted.tls)) {
        static const char answer[] =
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 40\r\n"
            "Connection: close\r\n\r\nThis port speaks TLS: use https or wss.\n";
        buf_clear(&g->out);
        buf_put(&g->out, str_of(answer));
    }
    (void)send_some(g); // the alert; if it can't be had at once, it was not worth waiting
    turn_away(g, METRIC_TLS_FAILED);
}

static void done(struct guest *g)
{
    const struct reception *r = g->reception;
    metrics_add(r->cfg.metrics, METRIC_TLS_HANDSHAKES, 1);
    metrics_add(r->cfg.metrics, METRIC_TLS_RESUMED, tls_conn_resumed(g->accepted.tls));
    g->state = GUEST_SENDING;
    if (tls_conn_keep(g->accepted.tls) || !send_some(g)) {
        turn_away(g, METRIC_TLS_FAILED);
    } else if (g->out.len > 0) {
        watch(g);
    } else {
        show_in(g);
    }
}

static void shake_hands(struct guest *g)
{
    struct reception *r = g->reception;
    char *bytes = loop_read_buffer(r->cfg.loop);
    ssize_t n = recv(g->accepted.fd, bytes, LOOP_READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        turn_away(g, METRIC_TLS_FAILED);
        return;
    }
    g->fed += (size_t)n;
    tls_conn_feed(g->accepted.tls, bytes, (size_t)n);
    int err = tls_conn_handshake(g->accepted.tls, &g->out);
    if (err == 0) {
        done(g);
    } else if (err == -E_AGAIN && g->fed > r->cfg.bytes_max) {
        metrics_hit(r->cfg.metrics, LIMIT_ROW_HANDSHAKE_BYTES);
        fail(g);
    } else if (err != -E_AGAIN || !send_some(g)) {
        fail(g);
    } else {
        watch(g);
    }
}

// Something has come of the handshake: it gets its memory now.
static void begin(struct guest *g)
{
    struct reception *r = g->reception;
    g->accepted.tls = tls_conn_try_new(r->cfg.tls, NULL);
    if (!g->accepted.tls) {
        turn_away(g, METRIC_TLS_FAILED);
        return;
    }
    r->handshakes++;
    g->state = GUEST_HANDSHAKE;
    list_del(&g->node);
    list_push_back(&r->guests, &g->node);
    deadline_arm(&r->deadlines, &g->deadline);
    watch(g);
    shake_hands(g);
}

static void begin_or_wait(struct guest *g)
{
    struct reception *r = g->reception;
    if (r->handshakes < r->cfg.handshakes_max) {
        begin(g);
        return;
    }
    metrics_hit(r->cfg.metrics, LIMIT_ROW_HANDSHAKES);
    g->state = GUEST_WAITING;
    deadline_cancel(&g->deadline);
    list_del(&g->node);
    list_push_back(&r->waiting, &g->node);
    loop_watch_set(r->cfg.loop, &g->watch, 0);
}

// One who waits gets its turn, if there is one: by an event to come, since to begin may be to end,
// and to serve the next.
static void serve_waiting(struct reception *r)
{
    if (r->stopped || list_empty(&r->waiting) || r->handshakes >= r->cfg.handshakes_max) {
        return;
    }
    struct guest *g = LIST_ENTRY(list_pop_front(&r->waiting), struct guest, node);
    list_push_back(&r->guests, &g->node);
    g->state = GUEST_SILENT;
    deadline_arm(&r->deadlines, &g->deadline);
    loop_watch_set(r->cfg.loop, &g->watch, EPOLLIN);
}

// ---- The header of a proxy ----

// From here on the connection is its client's and counted as such. False: it may not come in.
static bool name_client(struct guest *g, const struct proxy_header *h)
{
    struct reception *r = g->reception;
    struct accepted *a = &g->accepted;
    enum limit_row limit;
    if (h->family == 0) {
        return true; // the proxy speaks for itself
    }
    a->peer = net_addr_of_bytes(h->family, h->address, h->port);
    struct visitor visit = {.fd = a->fd, .from = &a->peer, .newcomer = true};
    if (!a->visitors ||
        visitors_enter(a->visitors, &visit, loop_now(r->cfg.loop).mono_ms, &limit)) {
        return true;
    }
    metrics_hit(r->cfg.metrics, limit);
    if (!(a->due & ACCEPTED_TLS)) {
        refusal_say(a->fd, limit);
    }
    return false;
}

// Looks at what has come, and takes no byte that is not the header's.
static void read_header(struct guest *g)
{
    char *bytes = loop_read_buffer(g->reception->cfg.loop);
    struct proxy_header h;
    size_t before = g->header.len;
    ssize_t n = recv(g->accepted.fd, bytes, PROXY_BYTES_MAX - before, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        turn_away(g, METRIC_PROXY_REFUSED);
        return;
    }
    buf_put_mem(&g->header, bytes, (size_t)n);
    int err = g->header.failed ? -E_NO_MEMORY : proxy_parse(buf_str(&g->header), &h);
    if (err && err != -E_AGAIN) {
        turn_away(g, METRIC_PROXY_REFUSED);
        return;
    }
    size_t used = err ? (size_t)n : h.len - before;
    n = recv(g->accepted.fd, bytes, used, MSG_DONTWAIT);
    if (n < 0 || (size_t)n != used) { // urgent data in the middle of it
        turn_away(g, METRIC_PROXY_REFUSED);
    } else if (err == 0 && !name_client(g, &h)) {
        close_it(g);
    } else if (err == 0) {
        buf_fini(&g->header);
        g->state = GUEST_SILENT;
        if (!(g->accepted.due & ACCEPTED_TLS)) {
            show_in(g);
        }
    }
}

// ---- Arriving ----

static void on_event(struct loop_watch *w, uint32_t events)
{
    struct guest *g = CONTAINER_OF(w, struct guest, watch);
    bool readable = events & (EPOLLIN | EPOLLHUP | EPOLLERR);
    switch (g->state) {
    case GUEST_HEADER:
        read_header(g);
        break;
    case GUEST_SILENT:
        begin_or_wait(g);
        break;
    case GUEST_WAITING: // nothing but its end is told
        turn_away(g, METRIC_TLS_FAILED);
        break;
    case GUEST_HANDSHAKE:
        if ((events & EPOLLOUT) && !send_some(g)) {
            turn_away(g, METRIC_TLS_FAILED);
            break;
        }
        watch(g);
        if (readable) {
            shake_hands(g);
        }
        break;
    case GUEST_SENDING:
        if (!send_some(g)) {
            turn_away(g, METRIC_TLS_FAILED);
        } else if (g->out.len == 0) {
            show_in(g);
        }
        break;
    }
}

static void take(struct accept_target *t, const struct accepted *a)
{
    struct reception *r = t->ctx;
    bool full = r->count >= r->cfg.connections_max;
    struct guest *g = r->stopped || full ? NULL : pool_try_alloc(&r->pool);
    if (!g) {
        if (full) {
            metrics_hit(r->cfg.metrics, LIMIT_ROW_RECEPTION);
        }
        atomic_fetch_sub_explicit(&t->load, 1, memory_order_relaxed);
        accepted_drop(a);
        return;
    }
    g->reception = r;
    g->accepted = *a;
    g->state = a->due & ACCEPTED_PROXY ? GUEST_HEADER : GUEST_SILENT;
    g->watch = (struct loop_watch){.fd = a->fd, .fn = on_event};
    buf_init(&g->header, PROXY_BYTES_MAX);
    buf_init(&g->out, FLIGHT_BYTES_MAX);
    deadline_init(&g->deadline);
    if (loop_watch_add(r->cfg.loop, &g->watch, EPOLLIN)) {
        pool_free(&r->pool, g);
        atomic_fetch_sub_explicit(&t->load, 1, memory_order_relaxed);
        accepted_drop(a);
        return;
    }
    list_push_back(&r->guests, &g->node);
    deadline_arm(&r->deadlines, &g->deadline);
    metrics_set(r->cfg.metrics, METRIC_RECEPTION, (int64_t)++r->count);
}

// ---- Life ----

static void on_ticket_key(struct timer *t)
{
    struct reception *r = CONTAINER_OF(t, struct reception, ticket_timer);
    tls_tickets_rotate(r->cfg.tickets);
    loop_timer_after(r->cfg.loop, t, r->cfg.ticket_key_ms);
}

struct reception *reception_new(const struct reception_config *cfg)
{
    ASSERT(!cfg->tls || (cfg->tickets && cfg->ticket_key_ms > 0));
    struct reception *r = mem_alloc(sizeof(*r));
    r->cfg = *cfg;
    r->target = (struct accept_target){.loop = cfg->loop, .fn_take = take, .ctx = r};
    r->workers = handovers_new(cfg->loop, cfg->targets, cfg->targets_count);
    pool_init(&r->pool, sizeof(struct guest), NULL);
    list_init(&r->guests);
    list_init(&r->waiting);
    deadlines_init(&r->deadlines, cfg->loop, cfg->handshake_ms, on_late);
    timer_init(&r->ticket_timer, on_ticket_key);
    loop_task_init(&r->handover_task, on_handover);
    if (cfg->tls) {
        tls_context_ref(cfg->tls);
        loop_timer_after(cfg->loop, &r->ticket_timer, cfg->ticket_key_ms);
    }
    return r;
}

void reception_stop(struct reception *r)
{
    r->stopped = true;
    while (!list_empty(&r->guests) || !list_empty(&r->waiting)) {
        struct list *from = list_empty(&r->guests) ? &r->waiting : &r->guests;
        close_it(LIST_ENTRY(from->next, struct guest, node));
    }
    handovers_send(r->workers);
    loop_timer_cancel(r->cfg.loop, &r->ticket_timer);
}

void reception_free(struct reception *r)
{
    if (!r) {
        return;
    }
    ASSERT(r->count == 0);
    loop_timer_cancel(r->cfg.loop, &r->ticket_timer);
    loop_task_cancel(&r->handover_task);
    deadlines_fini(&r->deadlines);
    handovers_free(r->workers);
    pool_fini(&r->pool);
    tls_context_unref(r->cfg.tls);
    mem_free(r);
}

struct new_context {
    struct mail mail;
    struct reception *reception;
    struct tls_context *tls;
};

static void on_new_context(struct mail *m)
{
    struct new_context *n = CONTAINER_OF(m, struct new_context, mail);
    tls_context_unref(n->reception->cfg.tls);
    n->reception->cfg.tls = n->tls;
    mem_free(n);
}

void reception_use_take(struct reception *r, struct tls_context *tls)
{
    struct new_context *n = mem_alloc(sizeof(*n));
    *n = (struct new_context){.mail.run = on_new_context, .reception = r, .tls = tls};
    if (!loop_post_take(r->cfg.loop, &n->mail)) { // it is ending
        tls_context_unref(tls);
        mem_free(n);
    }
}

struct accept_target *reception_target(struct reception *r)
{
    return &r->target;
}
