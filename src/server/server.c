// SPDX-License-Identifier: MIT
// The composition root.
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/quota.h"
#include "base/rng.h"
#include "http/origin.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/visitors.h"
#include "server/admin.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/engine.h"
#include "server/front.h"
#include "server/harden.h"
#include "server/machine.h"
#include "server/notify.h"
#include "server/pages.h"
#include "server/rollcall.h"
#include "server/upstream.h"
#include "server/watch.h"
#include "server/worker.h"

// Descriptors that stay free for the store when connections have taken the rest.
#define DESCRIPTORS_HELD 16
#define ACCEPT_PAUSE_MS  100
// How long connections have to end by themselves after SIGTERM.
#define DRAIN_MS      5000
#define DRAIN_POLL_MS 20

struct server {
    struct config config;
    struct engine *engine;
    struct metrics_table *metrics;
    struct origin_policy *origins;
    struct gate *gate;
    struct audit_tokens *audit_tokens; // NULL: authentication is off
    struct rollcall *rollcall;
    struct upstream *upstream; // NULL: there are no responders
    struct front *front;       // NULL: neither TLS nor proxies that name their clients
    enum send_mode send;
    enum sandbox_mode sandbox;
    struct status status;
    struct worker *workers[WORKERS_MAX];
    struct accept_target *targets[WORKERS_MAX]; // theirs
    unsigned workers_count;
    struct loop *loop; // signals and listeners
    struct visitors *visitors;
    struct quotas *users;
    struct acceptor *acceptor;
    struct loop_watch signals;
    struct timer drain_timer;
    struct notify notify;
    struct watch watch;
    int64_t drain_until_mono_ms;
};

static int complain(const char *text)
{
    (void)fprintf(stderr, "clairon: %s\n", text);
    return 1;
}

static int complain_of_word(const char *must, struct str word)
{
    char text[300];
    (void)snprintf(text, sizeof(text), "%s, not \"%.*s\"", must,
                   (int)(word.len > 80 ? 80 : word.len), word.p);
    return complain(text);
}

// --- configuration ---

static int read_config(struct server *s, const struct server_options *o)
{
    extern char **environ;
    struct config_fault fault = {""};
    config_init(&s->config);
    int err = o->config_path ? config_read_file(&s->config, o->config_path, &fault) : 0;
    if (!err) {
        err = config_read_environ(&s->config, environ, &fault);
    }
    if (err) {
        return complain(fault.text);
    }
    if (o->data_dir) {
        s->config.store_data = str_of(o->data_dir);
    }
    if (o->send) {
        s->config.server_send = str_of(o->send);
    }
    if (send_mode_parse(s->config.server_send, &s->send) != 0) {
        return complain_of_word("server.send must be auto, uring or plain", s->config.server_send);
    }
    if (sandbox_mode_parse(s->config.server_sandbox, &s->sandbox) != 0) {
        return complain_of_word("server.sandbox must be on, strict or off",
                                s->config.server_sandbox);
    }
    bool json = str_is(s->config.log_format, "json");
    if (!json && !str_is(s->config.log_format, "text")) {
        return complain_of_word("log.format must be text or json", s->config.log_format);
    }
    log_set_format(json ? LOG_JSON : LOG_TEXT);
    struct str bad;
    err = origin_policy_new(&(struct origin_config){.allowed = s->config.websocket_cors_origin,
                                                    .hosts = s->config.server_hosts.items,
                                                    .hosts_count = s->config.server_hosts.count},
                            &s->origins, &bad);
    if (err) {
        char text[300];
        (void)snprintf(text, sizeof(text), "neither an origin nor a host name: \"%.*s\"",
                       (int)(bad.len > 200 ? 200 : bad.len), bad.p);
        return complain(text);
    }
    if (s->config.auth_cookie.p && str_is(s->config.websocket_cors_origin, "*")) {
        return complain(
            "auth.cookie and websocket.cors_origin: * together would let every page act "
            "for whoever is logged in: list the origins");
    }
    return 0;
}

static int open_gate(struct server *s)
{
    struct config_fault fault = {""};
    if (gate_new(&s->config, &s->gate, &fault) != 0 ||
        upstream_new(&s->config, &s->upstream, &fault) != 0) {
        return complain(fault.text[0] ? fault.text : "responders: out of memory");
    }
    return front_new(&s->config, &s->front, &fault) != 0 ? complain(fault.text) : 0;
}

// --- listening ---

struct address {
    struct str host;
    uint16_t port;
};

// "HOST:PORT", "[::1]:PORT".
static int parse_address(struct str text, struct address *ret)
{
    ptrdiff_t colon = -1;
    for (ptrdiff_t at = str_chr(text, ':', 0); at >= 0; at = str_chr(text, ':', (size_t)at + 1)) {
        colon = at;
    }
    uint64_t port;
    if (colon < 1 || str_to_u64(str_from(text, (size_t)colon + 1), &port) != 0 || port > 65535) {
        return -E_BAD_REQUEST;
    }
    *ret = (struct address){.host = str_make(text.p, (size_t)colon), .port = (uint16_t)port};
    return 0;
}

// `may_skip`: a port taken by somebody else is reported and passed over.
static int listen_on(struct server *s, struct str text, bool tls, bool may_skip)
{
    struct address a;
    char fault[300];
    int shown = (int)(text.len > 200 ? 200 : text.len);
    if (parse_address(text, &a) != 0) {
        (void)snprintf(fault, sizeof(fault), "listen: \"%.*s\" is not HOST:PORT", shown, text.p);
        return complain(fault);
    }
    const struct listener *l;
    int err = tls ? acceptor_listen_tls(s->acceptor, a.host, a.port, &l)
                  : acceptor_listen(s->acceptor, a.host, a.port, &l);
    int why = errno;
    if (err) {
        const char *reason = err == -E_BAD_REQUEST ? "there is no such address"
                             : why == EADDRINUSE   ? "the port is taken"
                                                   : strerror(why);
        (void)snprintf(fault, sizeof(fault), "cannot listen on %.*s: %s%s", shown, text.p, reason,
                       may_skip ? "; skipped" : "");
        (void)complain(fault);
        return may_skip ? 0 : 1;
    }
    if (!listener_is_loopback(l) && !gate_is_on(s->gate)) {
        if (!s->config.auth_allow_remote_without_auth) {
            (void)snprintf(fault, sizeof(fault),
                           "%.*s can be reached from other machines and authentication is off: "
                           "listen on loopback, name a key file in auth, "
                           "or set auth.allow_remote_without_auth: true",
                           shown, text.p);
            return complain(fault);
        }
        log_warn("server.remote", "anyone who can reach %s can read and change everything",
                 listener_text(l));
        s->status.remote_without_auth = true;
    }
    (void)printf("listening on %s://%s\n", tls ? "https" : "http", listener_text(l));
    return 0;
}

static int listen_without_tls(struct server *s, const struct server_options *o)
{
    int failed = 0;
    if (o->listens_count) {
        for (unsigned i = 0; i < o->listens_count && !failed; i++) {
            failed = listen_on(s, str_of(o->listens[i]), false, false);
        }
        return failed;
    }
    const struct config_list *list = &s->config.server_listen;
    struct address first = {0}, a;
    if (list->count == 0) {
        return listen_on(s, STR("127.0.0.1:8000"), false, false);
    }
    (void)!parse_address(list->items[0], &first);
    for (unsigned i = 0; i < list->count && !failed; i++) {
        // The first address must be had. Of the others a port, or an address family, may be
        // missing.
        bool other = i > 0 && (parse_address(list->items[i], &a) != 0 || a.port != first.port ||
                               !str_eq(a.host, first.host));
        failed =
            listen_on(s, list->items[i], false, other && parse_address(list->items[i], &a) == 0);
    }
    return failed;
}

static int listen_all(struct server *s, const struct server_options *o)
{
    int failed = listen_without_tls(s, o);
    const struct config_list *list = &s->config.tls_listen;
    for (unsigned i = 0; i < list->count && !failed; i++) {
        failed = listen_on(s, list->items[i], true, false);
    }
    return failed;
}

// --- starting ---

static void on_moved(void *ctx)
{
    struct server *s = ctx;
    for (unsigned i = 0; i < s->workers_count; i++) {
        worker_moved(s->workers[i]);
    }
}

static int start_engine(struct server *s, unsigned workers)
{
    char dir[4096];
    (void)snprintf(dir, sizeof(dir), "%.*s", STR_ARG(s->config.store_data));
    char fault[256];
    s->metrics = metrics_table_new(workers + 1);
    struct engine_config cfg = {
        .data_dir = dir,
        .policy = {.retention_ms = (int64_t)s->config.store_retention_hours * 3600000,
                   .job_log_bytes = s->config.store_job_log_mb << 20,
                   .retained = s->config.channels_retained.items,
                   .retained_count = s->config.channels_retained.count},
        .metrics = metrics_of(s->metrics, workers),
        .limits = &s->config.limits,
        .moved = on_moved,
        .ctx = s,
    };
    int err = engine_new(&cfg, &s->engine, fault);
    if (err) {
        return complain(fault[0] ? fault : err_text(err));
    }
    if (fault[0]) {
        log_warn("store.opened", "%s", fault);
    }
    err = admin_load_revocations(s->engine, s->gate);
    if (err) { // to serve without them would let in who was shut out
        (void)snprintf(fault, sizeof(fault), "revocations can't be read: %s", err_text(err));
        return complain(fault);
    }
    return 0;
}

// Tries io_uring once, for all workers.
static int choose_send(struct server *s)
{
    const char *why;
    if (s->send == SEND_PLAIN || sender_check_uring(&why) == 0) {
        return 0;
    }
    if (s->send == SEND_URING) {
        char fault[300];
        (void)snprintf(fault, sizeof(fault), "server.send is uring, but %s", why);
        return complain(fault);
    }
    log_info("server.send", "sending without io_uring: %s", why);
    s->send = SEND_PLAIN;
    return 0;
}

static int open_doors(struct server *s)
{
    bool alone = s->workers_count == 1;
    struct metrics *metrics = metrics_of(s->metrics, s->workers_count);
    const struct config_blocks *proxies = &s->config.server_trusted_proxies;
    struct acceptor_config cfg = {.loop = alone ? worker_loop(s->workers[0]) : s->loop,
                                  .metrics = metrics,
                                  .targets = s->targets,
                                  .targets_count = s->workers_count,
                                  .visitors = s->visitors,
                                  .reserve = DESCRIPTORS_HELD,
                                  .pause_ms = ACCEPT_PAUSE_MS};
    if (s->config.server_proxy_protocol) {
        cfg.proxies = (struct net_blocks){.items = proxies->items, .count = proxies->count};
    }
    if (s->front) {
        if (front_open(s->front, metrics, s->targets, s->workers_count) != 0) {
            return complain("no descriptors for the reception's event loop");
        }
        cfg.reception = front_target(s->front);
    }
    s->acceptor = acceptor_new(&cfg);
    if (alone) {
        worker_bring_acceptor(s->workers[0], s->acceptor);
    }
    return 0;
}

static void count_people(struct server *s)
{
    const struct config *c = &s->config;
    struct visitors_config cfg = {
        .limits = &c->limits,
        .exempt = {c->limits_exempt.items, c->limits_exempt.count},
        .proxies = {c->server_trusted_proxies.items, c->server_trusted_proxies.count}};
    random_bytes(&cfg.key, sizeof(cfg.key));
    s->visitors = visitors_new(&cfg);
    s->users = quotas_new((size_t)LIMIT_OF(&c->limits, USERS), &cfg.key);
}

static void on_presence(void *ctx, unsigned worker, struct presence_mail *m)
{
    const struct server *s = ctx;
    worker_presence(s->workers[worker], m);
}

static int start_workers(struct server *s, unsigned workers)
{
    count_people(s);
    s->status.engine = s->engine;
    s->status.metrics = s->metrics;
    sockstat_open(&s->status.sockstat);
    s->status.auth_enabled = gate_is_on(s->gate);
    if (gate_is_on(s->gate)) {
        struct hash_key key;
        random_bytes(&key, sizeof(key));
        s->audit_tokens = audit_tokens_new(&key);
    }
    s->status.websocket_enabled = s->config.websocket_enabled;
    s->status.started_mono_ms = clock_now().mono_ms;
    s->rollcall = rollcall_new(&(struct rollcall_config){.workers = workers,
                                                         .limits = &s->config.limits,
                                                         .metrics = metrics_of(s->metrics, workers),
                                                         .send = on_presence,
                                                         .ctx = s});
    for (unsigned i = 0; i < workers; i++) {
        struct worker_config cfg = {.engine = s->engine,
                                    .metrics = s->metrics,
                                    .index = i,
                                    .workers = workers,
                                    .targets = s->targets,
                                    .origins = s->origins,
                                    .gate = s->gate,
                                    .audit_tokens = s->audit_tokens,
                                    .config = &s->config,
                                    .visitors = s->visitors,
                                    .users = s->users,
                                    .send = s->send,
                                    .rollcall = s->rollcall,
                                    .upstream = s->upstream,
                                    .status = &s->status};
        s->workers[i] = worker_new(&cfg);
        if (!s->workers[i]) {
            return complain("no descriptors or no memory for a worker's event loop");
        }
        s->targets[i] = worker_target(s->workers[i]);
        s->workers_count = i + 1;
    }
    if (loop_new(&s->loop) != 0) {
        return complain("no descriptors for the event loop");
    }
    return open_doors(s);
}

// --- stopping ---

// A worker that is alone does so itself when it is told to drain or to stop.
static void stop_accepting(struct server *s)
{
    if (s->workers_count > 1) {
        acceptor_stop(s->acceptor);
    }
    if (s->front) {
        front_stop(s->front);
    }
}

static void poll_drain(struct timer *t)
{
    struct server *s = CONTAINER_OF(t, struct server, drain_timer);
    size_t left = 0;
    for (unsigned i = 0; i < s->workers_count; i++) {
        left += worker_connections(s->workers[i]);
    }
    if (left == 0 || loop_now(s->loop).mono_ms >= s->drain_until_mono_ms) {
        loop_stop(s->loop);
        return;
    }
    loop_timer_after(s->loop, t, DRAIN_POLL_MS);
}

// What is read again while everything goes on. What is wrong is said, and stays as it was.
static void reload(struct server *s)
{
    struct config_fault fault = {""};
    notify_reloading(&s->notify);
    if (gate_reload(s->gate, &fault) != 0) {
        log_warn("server.reload", "the keys stay as they were: %s", fault.text);
    } else {
        log_info("server.reload", "the keys were read again");
    }
    if (s->config.tls_listen.count > 0) {
        if (front_reload(s->front, &fault) != 0) {
            log_warn("server.reload", "the certificate stays as it was: %s", fault.text);
        } else {
            log_info("server.reload", "the certificate was read again");
        }
    }
    notify_ready(&s->notify);
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
    (void)events;
    struct server *s = CONTAINER_OF(w, struct server, signals);
    struct signalfd_siginfo info;
    if (read(w->fd, &info, sizeof(info)) != (ssize_t)sizeof(info) ||
        atomic_load(&s->status.stopping)) {
        return;
    }
    if (info.ssi_signo == SIGHUP) {
        reload(s);
        return;
    }
    notify_stopping(&s->notify);
    log_info("server.stopping", "signal %u: draining", info.ssi_signo);
    atomic_store(&s->status.stopping, true);
    stop_accepting(s);
    for (unsigned i = 0; i < s->workers_count; i++) {
        worker_drain(s->workers[i]);
    }
    s->drain_until_mono_ms = loop_now(s->loop).mono_ms + DRAIN_MS;
    timer_init(&s->drain_timer, poll_drain);
    loop_timer_after(s->loop, &s->drain_timer, 0);
}

// Before the first thread, so that all inherit it: these signals are read, not handled.
static int block_signals(struct server *s)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    s->signals =
        (struct loop_watch){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .fn = on_signal};
    return s->signals.fd == -1 ? complain("no descriptor for signals") : 0;
}

// Before the first thread: what is given up here is given up for all that are started after.
static void confine(struct server *s)
{
    struct harden_config cfg = {
        .mode = s->sandbox,
        .user = s->config.server_user,
        .uring = s->send != SEND_PLAIN,
        .data_dir = s->config.store_data.p,
        .metrics = metrics_of(s->metrics, s->workers_count),
    };
    cfg.outbound = s->upstream != NULL;
    cfg.ports_count = upstream_ports(s->upstream, cfg.ports, HARDEN_PORTS_MAX);
    cfg.files_count = config_files(&s->config, cfg.files, HARDEN_FILES_MAX);
    harden_confine(&cfg);
}

static int become_user(struct server *s)
{
    struct harden_fault fault = {""};
    if (harden_become(s->config.server_user, s->config.store_data.p, &fault) != 0) {
        return complain(fault.text);
    }
    harden_hide(s->sandbox);
    notify_open(&s->notify);
    return 0;
}

static int run(struct server *s, const struct server_options *o)
{
    if (loop_watch_add(s->loop, &s->signals, 0x001 /* EPOLLIN */) != 0) {
        return complain("no memory for signals");
    }
    int failed = listen_all(s, o); // who comes before the workers run waits in the backlog
    (void)fflush(stdout);
    if (!failed) {
        confine(s);
    }
    gate_start(s->gate);
    engine_start(s->engine);
    rollcall_start(s->rollcall);
    upstream_start(s->upstream, metrics_of(s->metrics, s->workers_count));
    if (!failed) {
        s->watch = (struct watch){.loop = s->loop,
                                  .notify = &s->notify,
                                  .workers = s->workers,
                                  .workers_count = s->workers_count};
        watch_start(&s->watch);
        for (unsigned i = 0; i < s->workers_count; i++) {
            worker_start(s->workers[i]);
        }
        if (s->front) {
            front_start(s->front);
        }
        notify_ready(&s->notify);
        loop_run(s->loop);
        watch_stop(&s->watch);
    }
    harden_tell_refused();
    stop_accepting(s);
    rollcall_close(s->rollcall);
    for (unsigned i = 0; i < s->workers_count; i++) {
        worker_stop(s->workers[i]);
    }
    rollcall_stop(s->rollcall);
    upstream_stop(s->upstream);
    engine_stop(s->engine);
    loop_watch_del(s->loop, &s->signals);
    return failed;
}

static void server_fini(struct server *s)
{
    acceptor_free(s->acceptor);
    front_free(s->front);
    for (unsigned i = 0; i < s->workers_count; i++) {
        worker_free(s->workers[i]);
    }
    rollcall_free(s->rollcall);
    upstream_free(s->upstream);
    loop_free(s->loop);
    engine_free(s->engine);
    notify_close(&s->notify);
    sockstat_close(&s->status.sockstat);
    visitors_free(s->visitors);
    quotas_free(s->users);
    metrics_table_free(s->metrics);
    origin_policy_free(s->origins);
    gate_free(s->gate);
    audit_tokens_free(s->audit_tokens);
    config_fini(&s->config);
    if (s->signals.fd > 0) {
        (void)close(s->signals.fd);
    }
}

int server_run(const struct server_options *o)
{
    struct server s = {.status.sockstat = {-1, -1}, .notify.fd = -1};
    harden_begin();
    // Keys are read by the user that reads them again later.
    int failed =
        block_signals(&s) || read_config(&s, o) || (!o->check && become_user(&s)) || open_gate(&s);
    if (!failed && o->check) {
        (void)puts("configuration ok");
    } else if (!failed) {
        machine_raise_descriptors();
        unsigned workers = s.config.server_workers && s.config.server_workers <= WORKERS_MAX
                               ? (unsigned)s.config.server_workers
                               : machine_cores(WORKERS_MAX);
        failed = choose_send(&s) || start_engine(&s, workers) || start_workers(&s, workers) ||
                 run(&s, o);
    }
    server_fini(&s);
    return failed;
}
