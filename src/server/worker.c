// SPDX-License-Identifier: MIT
// A worker thread.
#include "server/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "auth/token.h"
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/quota.h"
#include "dialect/dialect.h"
#include "dialect/twins.h"
#include "http/httpd.h"
#include "http/limits.h"
#include "http/route.h"
#include "hub/presence.h"
#include "ingest/ingest.h"
#include "net/loop.h"
#include "net/sender.h"
#include "server/admin.h"
#include "server/audit.h"
#include "server/oust.h"
#include "server/pace.h"
#include "server/pages.h"
#include "wire/ws_compressor.h"

// So many sends before the worker turns to its sockets again.
#define TURN_SENDS 256
// How often gauges that must be counted are counted.
#define COUNT_MS 1000
// While stopping: how often to look whether everything has ended.
#define STOP_POLL_MS 10

struct worker {
    struct worker_config cfg;
    pthread_t thread;
    bool started;
    struct loop *loop;
    struct sender *sender;
    struct http_limits limits;
    struct httpd *httpd;
    struct router *router;
    struct dialects *dialects;
    struct metrics *metrics;
    struct door *door;
    struct admin admin;
    struct pages pages;
    struct hub_worker hub;
    struct intake intake;
    struct ask ask;
    struct recaller recaller;
    struct accept_target target;
    struct acceptor *acceptor; // borrowed; NULL: another thread accepts
    bool stopping;             // takes no connection any more
    struct loop_hook hook;
    struct pace pace;
    bool due;  // sessions that are behind want to read on
    bool lap;  // is under way
    bool full; // the window was when the last lap ended: no waiting
    int64_t lap_begin_us, lap_took_us;
    uint64_t lap_runs; // before it
    struct timer pace_timer, count_timer, stop_timer;
    struct fanout_stats counted;
    uint64_t counted_compressed, counted_saved;
    struct mail wake_mail, drain_mail, stop_mail;
    atomic_bool waking;
    atomic_uint turns;
    unsigned under_way; // submits and questions not yet answered
};

// --- answers come home ---

// The loop outlives every answer: worker_stop waits for them.
static void go_home(struct worker *w, struct mail *m, void (*run)(struct mail *m))
{
    m->run = run;
    bool taken = loop_post_take(w->loop, m);
    ASSERT(taken);
}

static void submit_home(struct mail *m)
{
    struct submit *s = CONTAINER_OF(m, struct submit, mail);
    struct worker *w = s->carrier;
    w->under_way--;
    s->done(s);
}

static void submit_answered(struct submit *s)
{
    go_home(s->carrier, &s->mail, submit_home);
}

// Back ends may publish as fast as they like; browsers and people may not.
static bool is_held_to_a_rate(const struct token *t)
{
    return t && !str_is(t->role, "admin") && !str_is(t->role, "worker");
}

static bool may_publish(struct worker *w, const struct token *t)
{
    char key[QUOTA_KEY_MAX];
    struct str id = t->jti.p ? t->jti : t->sub;
    int len = snprintf(key, sizeof(key), "%s%.*s", t->jti.p ? "token:" : "sub:", STR_ARG(id));
    size_t used = len < (int)sizeof(key) ? (size_t)len : sizeof(key) - 1;
    struct quota_rule rule = {.per_second =
                                  (uint32_t)LIMIT_OF(&w->cfg.config->limits, PUBLISHES_PER_TOKEN)};
    struct quota *none;
    enum quota_verdict verdict =
        quotas_take(w->cfg.users, str_make(key, used), &rule, loop_now(w->loop).mono_ms, &none);
    if (verdict != QUOTA_TAKEN) {
        metrics_hit(w->metrics, LIMIT_ROW_PUBLISHES_PER_TOKEN);
    }
    return verdict == QUOTA_TAKEN;
}

static int worker_submit_take(struct intake *in, struct submit *s)
{
    struct worker *w = CONTAINER_OF(in, struct worker, intake);
    const struct token *t = principal_ctx(s->principal);
    if (is_held_to_a_rate(t) && !may_publish(w, t)) {
        return -E_RATE_LIMITED;
    }
    s->carrier = w;
    s->answered = submit_answered;
    int err = engine_submit_take(w->cfg.engine, s);
    w->under_way += err == 0;
    return err;
}

static void read_home(struct mail *m)
{
    struct read_req *r = CONTAINER_OF(m, struct read_req, mail);
    struct worker *w = r->carrier;
    w->under_way--;
    r->done(r);
}

static void read_answered(struct read_req *r)
{
    go_home(r->carrier, &r->mail, read_home);
}

static void worker_read(struct ask *a, struct read_req *r)
{
    struct worker *w = CONTAINER_OF(a, struct worker, ask);
    r->carrier = w;
    w->under_way++;
    engine_read(w->cfg.engine, r, w->cfg.index, read_answered);
}

static void snapshot_home(struct mail *m)
{
    struct snapshot_req *r = CONTAINER_OF(m, struct snapshot_req, mail);
    struct worker *w = r->carrier;
    w->under_way--;
    r->done(r);
}

static void snapshot_answered(struct snapshot_req *r)
{
    go_home(r->carrier, &r->mail, snapshot_home);
}

static void worker_snapshot(struct ask *a, struct snapshot_req *r)
{
    struct worker *w = CONTAINER_OF(a, struct worker, ask);
    r->carrier = w;
    w->under_way++;
    engine_snapshot(w->cfg.engine, r, snapshot_answered);
}

static void presence_home(struct mail *mail)
{
    struct presence_mail *m = CONTAINER_OF(mail, struct presence_mail, mail);
    const struct worker *w = m->carrier;
    presence_take(w->hub.presence, m);
}

void worker_presence(struct worker *w, struct presence_mail *m)
{
    m->carrier = w;
    go_home(w, &m->mail, presence_home);
}

static void to_roll(void *ctx, struct presence_mail *m)
{
    struct worker *w = ctx;
    rollcall_post(w->cfg.rollcall, m);
}

// --- clients that may come back ---

static void recall_home(struct mail *m)
{
    struct recall_wait *r = CONTAINER_OF(m, struct recall_wait, mail);
    struct worker *w = r->carrier;
    w->under_way--;
    r->done(r);
}

static void recall_written(struct recall_wait *r)
{
    go_home(r->carrier, &r->mail, recall_home);
}

static void write_recalls(struct recaller *rec, struct recall_wait *r)
{
    struct worker *w = CONTAINER_OF(rec, struct worker, recaller);
    r->carrier = w;
    w->under_way++;
    engine_write_recalls(w->cfg.engine, r, recall_written);
}

static void oust(struct recaller *rec, uint64_t session)
{
    oust_session(CONTAINER_OF(rec, struct worker, recaller)->door, session);
}

// --- the log ---

static void on_wake(struct mail *m)
{
    // The hook at the end of this turn does the work.
    struct worker *w = CONTAINER_OF(m, struct worker, wake_mail);
    atomic_store_explicit(&w->waking, false, memory_order_release);
}

void worker_moved(struct worker *w)
{
    if (!atomic_exchange_explicit(&w->waking, true, memory_order_acq_rel)) {
        go_home(w, &w->wake_mail, on_wake);
    }
}

static void worker_again(struct ask *a)
{
    struct worker *w = CONTAINER_OF(a, struct worker, ask);
    w->due = true;
    worker_moved(w);
}

static void count(struct worker *w)
{
    struct fanout_stats now = fanout_stats(w->hub.fanout);
    metrics_add(w->metrics, METRIC_DELIVERIES, (int64_t)(now.deliveries - w->counted.deliveries));
    metrics_add(w->metrics, METRIC_RUNS, (int64_t)(now.runs - w->counted.runs));
    metrics_add(w->metrics, METRIC_GAPS, (int64_t)(now.gaps - w->counted.gaps));
    metrics_set(w->metrics, METRIC_SESSIONS, now.sessions);
    metrics_set(w->metrics, METRIC_SESSIONS_BEHIND, now.behind);
    w->counted = now;
    const struct ws_compressor *c = httpd_compressor(w->httpd);
    metrics_add(w->metrics, METRIC_WS_COMPRESSED, (int64_t)(c->messages - w->counted_compressed));
    metrics_add(w->metrics, METRIC_WS_COMPRESSED_SAVED,
                (int64_t)(c->saved_bytes - w->counted_saved));
    w->counted_compressed = c->messages;
    w->counted_saved = c->saved_bytes;
}

static void see(struct worker *w)
{
    pace_saw(&w->pace, memlog_visible(w->hub.realm->log));
}

// May a lap begin? If not yet, a timer brings the turn in which it may.
static bool begin_lap(struct worker *w, int64_t now_us)
{
    see(w);
    if (!w->full && !pace_is_due(&w->pace, now_us)) {
        if (!timer_armed(&w->pace_timer)) {
            loop_timer_after(w->loop, &w->pace_timer, pace_wait_ms(&w->pace, now_us));
        }
        return false;
    }
    w->lap = true;
    w->lap_begin_us = now_us;
    w->lap_took_us = 0;
    w->lap_runs = fanout_stats(w->hub.fanout).runs;
    return true;
}

static void end_lap(struct worker *w, enum fanout_more more)
{
    w->lap = false;
    w->full = more == FANOUT_FULL;
    if (fanout_stats(w->hub.fanout).runs != w->lap_runs) {
        pace_note(&w->pace, w->lap_begin_us, w->lap_begin_us + w->lap_took_us);
        see(w);
    }
}

static void hand_out(struct worker *w)
{
    int64_t begin_us = clock_mono_us();
    if (!w->lap && !begin_lap(w, begin_us)) {
        return;
    }
    enum fanout_more more = fanout_run(w->hub.fanout, TURN_SENDS);
    sender_flush(w->sender);
    w->lap_took_us += clock_mono_us() - begin_us;
    if (more != FANOUT_LAP) {
        end_lap(w, more);
    }
    if (more != FANOUT_REST) {
        worker_moved(w);
    }
}

static void on_turn(struct loop_hook *h)
{
    struct worker *w = CONTAINER_OF(h, struct worker, hook);
    atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
    bool read_on = w->due;
    if (read_on) {
        w->due = false;
        if (fanout_read_on(w->hub.fanout)) {
            worker_again(&w->ask);
        }
        sender_flush(w->sender);
    }
    bool news = fanout_has_news(w->hub.fanout);
    if (news) {
        hand_out(w);
    }
    if (news || read_on) {
        count(w);
    }
}

static void on_pace(struct timer *t)
{
    (void)t; // the hook at the end of this turn does the work
}

// What is told now and then: gauges, and memory that is given back.
static void on_count(struct timer *t)
{
    struct worker *w = CONTAINER_OF(t, struct worker, count_timer);
    fanout_trim(w->hub.fanout);
    count(w);
    struct fanout_memory memory = fanout_memory(w->hub.fanout);
    metrics_set(w->metrics, METRIC_MEMORY_SESSIONS, (int64_t)memory.sessions);
    metrics_set(w->metrics, METRIC_MEMORY_TOPICS, (int64_t)memory.topics);
    metrics_set(w->metrics, METRIC_MEMORY_FRAMES, (int64_t)memory.frames);
    struct httpd_memory http = httpd_memory(w->httpd);
    metrics_set(w->metrics, METRIC_MEMORY_CONNECTIONS, (int64_t)http.connections.records);
    metrics_set(w->metrics, METRIC_MEMORY_BUFFERS, (int64_t)http.connections.buffers);
    metrics_set(w->metrics, METRIC_MEMORY_HTTP, (int64_t)http.http);
    metrics_set(w->metrics, METRIC_MEMORY_WEBSOCKETS, (int64_t)http.websockets);
    metrics_set(w->metrics, METRIC_MEMORY_SOCKETIO, (int64_t)dialects_memory(w->dialects));
    loop_timer_after(w->loop, t, COUNT_MS);
}

// --- life ---

static void take_connection(struct accept_target *t, const struct accepted *a)
{
    struct worker *w = t->ctx;
    if (w->stopping) { // it was moved here by another worker
        accepted_drop(a);
        atomic_fetch_sub_explicit(&t->load, 1, memory_order_relaxed);
        return;
    }
    httpd_accept(w->httpd, a);
}

static struct net_blocks exempt(const struct config *c)
{
    return (struct net_blocks){.items = c->limits_exempt.items, .count = c->limits_exempt.count};
}

static struct net_blocks trusted_proxies(const struct config *c)
{
    return (struct net_blocks){.items = c->server_trusted_proxies.items,
                               .count = c->server_trusted_proxies.count};
}

static struct ws_compression compression(const struct config *c)
{
    return (struct ws_compression){.on = c->websocket_compression,
                                   .shared = c->websocket_compression_shared,
                                   .threshold_bytes = c->websocket_compression_threshold};
}

static void open_httpd(struct worker *w)
{
    const struct worker_config *cfg = &w->cfg;
    w->limits = http_limits_of(&cfg->config->limits);
    w->limits.outboxes_bytes /= cfg->workers;
    w->httpd = httpd_new(&(struct httpd_config){.loop = w->loop,
                                                .metrics = w->metrics,
                                                .sender = w->sender,
                                                .router = w->router,
                                                .origins = cfg->origins,
                                                .limits = &w->limits,
                                                .visitors = cfg->visitors,
                                                .trusted_proxies = trusted_proxies(cfg->config),
                                                .upgrades = cfg->config->websocket_enabled,
                                                .compression = compression(cfg->config),
                                                .authenticate = door_authenticate,
                                                .principal_unref = door_principal_unref,
                                                .unauthorized_upgrade = door_refuse_upgrade,
                                                .authenticate_ctx = w->door,
                                                .workers = cfg->targets,
                                                .workers_count = cfg->workers,
                                                .worker = cfg->index,
                                                .load = &w->target.load});
}

struct worker *worker_new(const struct worker_config *cfg)
{
    struct worker *w = mem_alloc(sizeof(*w));
    w->cfg = *cfg;
    int err = loop_new(&w->loop);
    if (err) {
        mem_free(w);
        return NULL;
    }
    w->metrics = metrics_of(cfg->metrics, cfg->index);
    err = sender_new(cfg->send, &w->sender);
    if (err) {
        loop_free(w->loop);
        mem_free(w);
        return NULL;
    }
    w->intake.submit_take = worker_submit_take;
    w->ask = (struct ask){.read = worker_read, .snapshot = worker_snapshot, .again = worker_again};
    struct realm *realm = engine_realm(cfg->engine);
    w->hub = (struct hub_worker){
        .realm = realm, .fanout = fanout_new(realm, &w->ask), .intake = &w->intake, .ask = &w->ask};
    w->door = door_new(&(struct door_config){
        .gate = cfg->gate, .loop = w->loop, .metrics = w->metrics, .fanout = w->hub.fanout});
    if (cfg->rollcall) {
        w->hub.presence = presence_new(&(struct presence_config){
            .fanout = w->hub.fanout, .worker = cfg->index, .send = to_roll, .ctx = w});
    }
    w->hub.responders = upstream_door_new(cfg->upstream, loop_mailbox(w->loop), &w->under_way);
    w->hub.users = cfg->users;
    w->recaller = (struct recaller){
        .table = engine_recalls(cfg->engine), .write = write_recalls, .oust = oust};
    w->hub.recaller = &w->recaller;
    w->hub.checker = door_checker(w->door);
    if (cfg->audit_tokens) {
        w->hub.audit = audit_new(&(struct audit_config){
            .hub = &w->hub, .tokens = cfg->audit_tokens, .metrics = w->metrics, .loop = w->loop});
    }
    w->admin =
        (struct admin){.hub = &w->hub, .door = w->door, .gate = cfg->gate, .engine = cfg->engine};
    w->hub.channels = cfg->config->channels_default.items;
    w->hub.channels_count = cfg->config->channels_default.count;
    w->router = router_new();
    w->dialects = dialects_new(&(struct dialects_config){.hub = &w->hub,
                                                         .loop = w->loop,
                                                         .metrics = w->metrics,
                                                         .worker = cfg->index,
                                                         .exempt = exempt(cfg->config),
                                                         .enabled = cfg->config->websocket_enabled},
                               w->router);
    ingest_routes(w->router, &w->hub);
    admin_routes(w->router, &w->admin);
    w->pages = (struct pages){.status = cfg->status, .hub = &w->hub};
    pages_routes(w->router, &w->pages);
    open_httpd(w);
    w->hub.twins = twins_new(httpd_compressor(w->httpd));
    w->target = (struct accept_target){.loop = w->loop, .fn_take = take_connection, .ctx = w};
    w->hook.fn = on_turn;
    loop_hook_add(w->loop, &w->hook);
    timer_init(&w->pace_timer, on_pace);
    timer_init(&w->count_timer, on_count);
    return w;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    (void)snprintf(name, sizeof(name), "worker-%u", w->cfg.index);
    (void)pthread_setname_np(pthread_self(), name);
    loop_timer_after(w->loop, &w->count_timer, COUNT_MS);
    loop_run(w->loop);
    return NULL;
}

void worker_start(struct worker *w)
{
    int err = pthread_create(&w->thread, NULL, worker_main, w);
    ASSERT(err == 0);
    w->started = true;
}

static void stop_accepting(struct worker *w)
{
    if (w->acceptor) {
        acceptor_stop(w->acceptor);
    }
}

static void do_drain(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, drain_mail);
    stop_accepting(w);
    dialects_drain(w->dialects);
    httpd_drain(w->httpd, 1001);
}

void worker_drain(struct worker *w)
{
    go_home(w, &w->drain_mail, do_drain);
}

size_t worker_connections(struct worker *w)
{
    return atomic_load(&w->target.load);
}

static void stop_when_idle(struct timer *t)
{
    struct worker *w = CONTAINER_OF(t, struct worker, stop_timer);
    bool idle = httpd_connections(w->httpd) == 0 && w->under_way == 0 && door_is_idle(w->door) &&
                fanout_idle(w->hub.fanout) && fanout_stats(w->hub.fanout).sessions == 0 &&
                !atomic_load(&w->waking);
    if (idle) {
        loop_timer_cancel(w->loop, &w->count_timer);
        loop_timer_cancel(w->loop, &w->pace_timer);
        loop_stop(w->loop);
        return;
    }
    loop_timer_after(w->loop, t, STOP_POLL_MS);
}

static void do_stop(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, stop_mail);
    w->stopping = true;
    stop_accepting(w);
    door_close(w->door);
    dialects_drain(w->dialects);
    httpd_close_all(w->httpd);
    timer_init(&w->stop_timer, stop_when_idle);
    loop_timer_after(w->loop, &w->stop_timer, 0);
}

void worker_stop(struct worker *w)
{
    if (w->started) {
        go_home(w, &w->stop_mail, do_stop);
        pthread_join(w->thread, NULL);
        w->started = false;
    }
}

void worker_free(struct worker *w)
{
    if (!w) {
        return;
    }
    httpd_free(w->httpd);
    router_free(w->router);
    dialects_free(w->dialects);
    loop_hook_del(&w->hook);
    presence_close(w->hub.presence);
    fanout_free(w->hub.fanout);
    twins_free(w->hub.twins);
    sender_free(w->sender);
    loop_free(w->loop);
    presence_free(w->hub.presence);
    upstream_door_free(w->hub.responders);
    door_free(w->door);
    audit_free(w->hub.audit);
    mem_free(w);
}

struct accept_target *worker_target(struct worker *w)
{
    return &w->target;
}

void worker_bring_acceptor(struct worker *w, struct acceptor *a)
{
    w->acceptor = a;
}

struct loop *worker_loop(struct worker *w)
{
    return w->loop;
}

unsigned worker_turns(const struct worker *w)
{
    return atomic_load_explicit(&w->turns, memory_order_relaxed);
}
