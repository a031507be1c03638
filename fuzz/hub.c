// SPDX-License-Identifier: MIT
// The hub of the stateful targets.
#include "fuzz/hub.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/quota.h"
#include "fuzz/kernel.h"
#include "http/origin.h"
#include "net/visitors.h"
#include "server/pages.h"

enum { SETTLE_TURNS = 20000, LEAVE_TURNS = 400 };

// Those that outlive one hub: they hold nothing of it.
static struct metrics_table *metrics;
static struct origin_policy *origins;
static struct config config;
static struct status status;
static struct gate *gate; // authentication is off

static void prepare(void)
{
    struct str bad;
    if (metrics) {
        return;
    }
    log_set_level(LOG_ERROR + 1);
    metrics = metrics_table_new(1);
    int rc = origin_policy_new(&(struct origin_config){0}, &origins, &bad);
    ASSERT(rc == 0);
    config_init(&config);
    struct config_fault fault;
    rc = gate_new(&config, &gate, &fault);
    ASSERT(rc == 0);
    status = (struct status){.metrics = metrics, .websocket_enabled = true};
}

static void on_moved(void *ctx)
{
    struct hub *h = ctx;
    worker_moved(h->worker);
}

void hub_start(struct hub *h)
{
    prepare();
    kernel_init();
    h->worker = NULL;
    h->fail_nth = 0;
    h->engine = fuzz_engine_new(&(struct engine_config){.moved = on_moved, .ctx = h});
    status.engine = h->engine;
    const struct hash_key key = {5, 6};
    h->visitors = visitors_new(&(struct visitors_config){.limits = &config.limits, .key = key});
    h->users = quotas_new((size_t)LIMIT_OF(&config.limits, USERS), &key);
    h->worker = worker_new(&(struct worker_config){.engine = h->engine,
                                                   .metrics = metrics,
                                                   .origins = origins,
                                                   .gate = gate,
                                                   .workers = 1,
                                                   .visitors = h->visitors,
                                                   .users = h->users,
                                                   .config = &config,
                                                   .send = SEND_PLAIN,
                                                   .status = &status});
    ASSERT(h->worker);
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        h->clients[i].fd = -1;
    }
}

uint64_t hub_epoch(struct hub *h)
{
    return engine_realm(h->engine)->epoch;
}

bool hub_open(struct hub *h, unsigned client)
{
    struct client *c = &h->clients[client];
    if (c->fd >= 0 && c->peer->open) {
        return false;
    }
    if (c->fd >= 0) {
        client_close(c);
    }
    struct accepted a = {.fd = kernel_socket(), .loopback_listener = true, .visitors = h->visitors};
    (void)net_addr_parse(STR("127.0.0.1"), &a.peer);
    struct visitor visit = {.fd = a.fd, .from = &a.peer, .newcomer = true};
    enum limit_row limit;
    if (!visitors_enter(h->visitors, &visit, clock_now().mono_ms, &limit)) {
        close(a.fd); // as the listener does, after an answer
        c->fd = -1;
        return false;
    }
    client_open(c, a.fd);
    struct accept_target *target = worker_target(h->worker);
    atomic_fetch_add(&target->load, 1);
    target->fn_take(target, &a);
    return true;
}

void hub_turn(struct hub *h)
{
    mem_fail_nth(h->fail_nth);
    h->fail_nth = 0;
    loop_turn(worker_loop(h->worker), 0);
    mem_fail_nth(0);
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        if (h->clients[i].fd >= 0) {
            client_hear(&h->clients[i]);
        }
    }
}

void hub_pass_ms(struct hub *h, int64_t ms)
{
    kernel_pass_ms(ms);
    fuzz_engine_tick(h->engine);
    hub_turn(h);
}

// A turn without news changes nothing: then it has come to rest. The pace needs a little time.
static size_t heard_by_all(const struct hub *h)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        const struct client *c = &h->clients[i];
        bytes += c->fd < 0 ? 0 : c->peer->in.len;
    }
    return bytes;
}

void hub_settle(struct hub *h)
{
    unsigned quiet = 0;
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        if (h->clients[i].fd >= 0) {
            h->clients[i].peer->room = SIZE_MAX;
            h->clients[i].peer->in_piece = 0;
        }
    }
    int64_t before = -1, said = -1;
    for (unsigned i = 0; quiet < 4 || !fuzz_engine_idle(h->engine); i++) {
        ASSERT(i < SETTLE_TURNS); // it does come to rest
        bool moved = fuzz_engine_step(h->engine, 0);
        kernel_pass_ms(1);
        fuzz_engine_tick(h->engine);
        hub_turn(h);
        int64_t out = metrics_sum(metrics, METRIC_BYTES_OUT), in = (int64_t)heard_by_all(h);
        quiet = moved || out != before || in != said ? 0 : quiet + 1;
        before = out;
        said = in;
    }
}

static void leave(struct hub *h)
{
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        if (h->clients[i].fd >= 0 && i % 2) {
            client_reset(&h->clients[i]);
        } else if (h->clients[i].fd >= 0) {
            client_fin(&h->clients[i]);
        }
    }
    for (unsigned i = 0; kernel_open_sockets() > 0; i++) {
        ASSERT(i < LEAVE_TURNS);
        (void)fuzz_engine_step(h->engine, 0);
        hub_pass_ms(h, 1000);
    }
}

void hub_stop(struct hub *h)
{
    hub_settle(h);
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        struct client *c = &h->clients[i];
        ASSERT(c->fd < 0 || !c->peer->open || c->has_left || client_answered(c));
    }
    leave(h);
    fuzz_engine_drain(h->engine);
    hub_settle(h);
    ASSERT(worker_connections(h->worker) == 0);
    ASSERT(metrics_sum(metrics, METRIC_CONNECTIONS) == 0);
    for (unsigned i = 0; i < HUB_CLIENTS; i++) {
        if (h->clients[i].fd >= 0) {
            client_close(&h->clients[i]);
        }
    }
    worker_free(h->worker);
    engine_free(h->engine);
    visitors_free(h->visitors);
    quotas_free(h->users);
    kernel_fini();
}
