// SPDX-License-Identifier: MIT
// Listening sockets and the handing over of what they accept.
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/refusal.h"
#include "net/visitors.h"

enum { ACCEPTS_PER_TURN = 64, BACKLOG = 4096, HOST_BYTES_MAX = 255 };

struct listener {
    struct list node; // in acceptor.listeners
    struct acceptor *acceptor;
    struct loop_watch watch;
    bool loopback, tls;
    uint16_t port;
    char text[NET_ADDR_TEXT_BYTES];
};

struct acceptor {
    struct acceptor_config cfg;
    struct handovers *workers, *reception; // the second may be NULL
    struct list listeners;
    struct timer retry;
    int *reserve; // -1: given back
    struct refusals refusals;
    bool paused;
    bool told; // of this want of descriptors
};

// ---- Addresses ----

union address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

static void describe(struct listener *l, const union address *a)
{
    struct net_addr addr = net_addr_of_sockaddr(&a->any);
    l->loopback = net_addr_is_loopback(&addr);
    l->port = addr.port;
    net_addr_text_port(&addr, l->text);
}

// -E_BAD_REQUEST: no such host.
static int resolve(struct str host, uint16_t port, struct addrinfo **ret)
{
    char name[HOST_BYTES_MAX + 1], service[8];
    if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
        host = str_make(host.p + 1, host.len - 2);
    }
    if (host.len > HOST_BYTES_MAX || str_chr(host, '\0', 0) >= 0) {
        return -E_BAD_REQUEST;
    }
    snprintf(name, sizeof(name), "%.*s", STR_ARG(host));
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        .ai_family = host.len == 0 ? AF_INET : AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    if (getaddrinfo(host.len == 0 ? NULL : name, service, &hints, ret) != 0) {
        return -E_BAD_REQUEST;
    }
    return 0;
}

// A descriptor, or -E_IO with errno.
static int open_socket(const struct addrinfo *ai)
{
    int one = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -E_IO;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        (ai->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
        bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -E_IO;
    }
    conn_prepare_listener(fd);
    return fd;
}

// ---- Want of descriptors ----

static void reserve_release(struct acceptor *a)
{
    for (unsigned i = 0; i < a->cfg.reserve; i++) {
        if (a->reserve[i] >= 0) {
            close(a->reserve[i]);
            a->reserve[i] = -1;
        }
    }
}

static bool reserve_fill(struct acceptor *a)
{
    for (unsigned i = 0; i < a->cfg.reserve; i++) {
        if (a->reserve[i] < 0) {
            a->reserve[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        if (a->reserve[i] < 0) {
            return false;
        }
    }
    return true;
}

static void watch_all(struct acceptor *a, uint32_t events)
{
    LIST_FOREACH(node, &a->listeners)
    {
        struct listener *l = LIST_ENTRY(node, struct listener, node);
        loop_watch_set(a->cfg.loop, &l->watch, events);
    }
}

static void pause_accepting(struct acceptor *a, int why)
{
    metrics_add(a->cfg.metrics, METRIC_ACCEPT_PAUSED, 1);
    if (!a->told) {
        a->told = true;
        log_warn("listener.paused", "can't accept connections for now: %s", strerrordesc_np(why));
    }
    a->paused = true;
    reserve_release(a);
    watch_all(a, 0);
    loop_timer_after(a->cfg.loop, &a->retry, a->cfg.pause_ms);
}

static void on_retry(struct timer *t)
{
    struct acceptor *a = CONTAINER_OF(t, struct acceptor, retry);
    if (!reserve_fill(a)) {
        reserve_release(a);
        loop_timer_after(a->cfg.loop, &a->retry, a->cfg.pause_ms);
        return;
    }
    a->paused = false;
    watch_all(a, EPOLLIN);
}

// ---- Accepting ----

static uint8_t due_of(const struct listener *l, const struct net_addr *peer)
{
    const struct net_blocks *proxies = &l->acceptor->cfg.proxies;
    unsigned due = l->tls ? ACCEPTED_TLS : 0;
    if (proxies->count > 0 && net_blocks_contain(proxies, peer)) {
        due |= ACCEPTED_PROXY;
    }
    return (uint8_t)due;
}

// False: it was refused and taken. By a TLS listener nothing could be said before the handshake.
static bool may_enter_take(struct acceptor *a, const struct accepted *c)
{
    enum limit_row limit;
    struct visitor visit = {.fd = c->fd, .from = &c->peer, .newcomer = true};
    if (!c->visitors ||
        visitors_enter(c->visitors, &visit, loop_now(a->cfg.loop).mono_ms, &limit)) {
        return true;
    }
    metrics_hit(a->cfg.metrics, limit);
    if (c->due & ACCEPTED_TLS) {
        close(c->fd);
    } else {
        refusals_put_take(&a->refusals, c->fd, limit);
    }
    return false;
}

static void take(struct listener *l, int fd, const union address *peer)
{
    struct acceptor *a = l->acceptor;
    struct accepted c = {.fd = fd,
                         .loopback_listener = l->loopback,
                         .peer = net_addr_of_sockaddr(&peer->any),
                         .visitors = a->cfg.visitors};
    c.due = due_of(l, &c.peer);
    a->told = false;
    if (may_enter_take(a, &c)) {
        metrics_add(a->cfg.metrics, METRIC_ACCEPTED, 1);
        handovers_put_take(c.due ? a->reception : a->workers, &c);
    }
}

static void on_acceptable(struct loop_watch *w, uint32_t events UNUSED)
{
    struct listener *l = CONTAINER_OF(w, struct listener, watch);
    struct acceptor *a = l->acceptor;
    for (int i = 0; i < ACCEPTS_PER_TURN && !a->paused; i++) {
        union address peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(w->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(l, fd, &peer);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(a, errno);
        } // else this one connection came to nothing
    }
    handovers_send(a->workers);
    if (a->reception) {
        handovers_send(a->reception);
    }
}

// ---- Life ----

struct acceptor *acceptor_new(const struct acceptor_config *cfg)
{
    ASSERT(cfg->pause_ms > 0 && (cfg->reception || cfg->proxies.count == 0));
    struct acceptor *a = mem_alloc(sizeof(*a));
    a->cfg = *cfg;
    a->workers = handovers_new(cfg->loop, cfg->targets, cfg->targets_count);
    if (cfg->reception) {
        a->reception = handovers_new(cfg->loop, &cfg->reception, 1);
    }
    list_init(&a->listeners);
    refusals_init(&a->refusals, cfg->loop);
    timer_init(&a->retry, on_retry);
    a->reserve = mem_calloc(cfg->reserve + 1, sizeof(*a->reserve));
    for (unsigned i = 0; i < cfg->reserve; i++) {
        a->reserve[i] = -1;
    }
    (void)reserve_fill(a); // without it accepting works as well
    return a;
}

static int listen_at(struct acceptor *a, struct str host, uint16_t port, bool tls,
                     const struct listener **ret)
{
    struct addrinfo *ai;
    int e = resolve(host, port, &ai);
    if (e) {
        return e;
    }
    int fd = open_socket(ai);
    freeaddrinfo(ai);
    if (fd < 0) {
        return fd;
    }
    union address address = {0};
    socklen_t len = sizeof(address);
    int rc = getsockname(fd, &address.any, &len);
    ASSERT(rc == 0);
    struct listener *l = mem_alloc(sizeof(*l));
    l->acceptor = a;
    l->tls = tls;
    l->watch = (struct loop_watch){.fd = fd, .fn = on_acceptable};
    describe(l, &address);
    e = loop_watch_add(a->cfg.loop, &l->watch, a->paused ? 0 : EPOLLIN);
    if (e) {
        close(fd);
        mem_free(l);
        return e;
    }
    list_push_back(&a->listeners, &l->node);
    *ret = l;
    return 0;
}

int acceptor_listen(struct acceptor *a, struct str host, uint16_t port, const struct listener **ret)
{
    return listen_at(a, host, port, false, ret);
}

int acceptor_listen_tls(struct acceptor *a, struct str host, uint16_t port,
                        const struct listener **ret)
{
    ASSERT(a->reception);
    return listen_at(a, host, port, true, ret);
}

void acceptor_stop(struct acceptor *a)
{
    struct list *node;
    while ((node = list_pop_front(&a->listeners))) {
        struct listener *l = LIST_ENTRY(node, struct listener, node);
        loop_watch_del(a->cfg.loop, &l->watch);
        close(l->watch.fd);
        mem_free(l);
    }
    loop_timer_cancel(a->cfg.loop, &a->retry);
    refusals_fini(&a->refusals);
}

void acceptor_free(struct acceptor *a)
{
    if (!a) {
        return;
    }
    acceptor_stop(a);
    reserve_release(a);
    mem_free(a->reserve);
    handovers_free(a->workers);
    handovers_free(a->reception);
    mem_free(a);
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

const char *listener_text(const struct listener *l)
{
    return l->text;
}

bool listener_is_loopback(const struct listener *l)
{
    return l->loopback;
}
