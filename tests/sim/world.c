// SPDX-License-Identifier: MIT
// One schedule: a hub around a model store, whose questions are carried out and answered in an
// order drawn from the seed.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "sim.h"
#include "store/model.h"

#define STEPS_MAX  220
#define SETTLE_MAX 200000

const char *plant_name(enum plant p)
{
    static const char *const names[] = {"none",  "skip",     "double", "reorder",
                                        "reuse", "terminal", "leak"};
    ASSERT(p < PLANT_NR);
    return names[p];
}

unsigned below(struct world *w, unsigned bound)
{
    return (unsigned)rng_below(&w->rng, bound);
}

bool chance(struct world *w, unsigned percent)
{
    return below(w, 100) < percent;
}

// --- questions under way ---

static void put_action(struct world *w, enum action_what what, void *arg, uint64_t top)
{
    ASSERT(w->actions_count < ARRAY_LEN(w->actions));
    w->actions[w->actions_count++] = (struct action){.what = what, .arg = arg, .top = top};
}

static int store_fault(struct world *w)
{
    return w->dead || below(w, 1000) < w->faults ? (chance(w, 30) ? -E_STORAGE_FULL : -E_IO) : 0;
}

// PLANT_TERMINAL: an end is acknowledged and shown, and never stored.
static void drop_terminal(struct world *w, struct store_batch *b)
{
    for (unsigned i = 0; w->plant == PLANT_TERMINAL && !w->planted && i < b->events_count; i++) {
        if (str_is(b->events[i]->type, "JOB_COMPLETED") ||
            str_is(b->events[i]->type, "DEPLOYMENT_COMPLETE")) {
            b->events[i] = b->events[b->events_count - 1];
            b->events_count--;
            w->planted = true;
        }
    }
}

static void carry_out(struct world *w, struct action *a)
{
    const struct store_ops *ops = w->store->ops;
    a->done = true;
    switch (a->what) {
    case ACT_LOAD:
        a->err = store_fault(w);
        a->err = a->err ? a->err : ops->load(w->store, a->arg);
        return;
    case ACT_COMMIT:
        a->err = store_fault(w);
        drop_terminal(w, a->arg);
        a->err = a->err ? a->err : ops->commit(w->store, a->arg);
        return;
    case ACT_SYNC:
        a->err = store_fault(w);
        a->err = a->err ? a->err : ops->sync(w->store);
        return;
    case ACT_RESERVE:
        a->err = store_fault(w);
        a->err = a->err ? a->err : ops->reserve(w->store, a->top);
        return;
    case ACT_READ: {
        struct read_req *r = a->arg;
        r->err = store_fault(w);
        if (!r->err) {
            read_req_run(r, w->reader);
        }
        return;
    }
    case ACT_SNAPSHOT:
    case ACT_TASKS:
        return;
    }
}

static void answer(struct world *w, const struct action *a)
{
    switch (a->what) {
    case ACT_LOAD:
        sequencer_on_loaded(w->sequencer, a->arg, a->err, w->now);
        return;
    case ACT_COMMIT:
        sequencer_on_committed(w->sequencer, a->arg, a->err, w->now);
        return;
    case ACT_SYNC:
        sequencer_on_synced(w->sequencer, a->err, w->now);
        return;
    case ACT_RESERVE:
        sequencer_on_reserved(w->sequencer, a->top, a->err, w->now);
        return;
    case ACT_READ: {
        struct read_req *r = a->arg;
        r->done(r);
        return;
    }
    case ACT_SNAPSHOT: {
        struct snapshot_req *r = a->arg;
        r->done(r);
        return;
    }
    case ACT_TASKS:
        return;
    }
}

// Either half of some question: reorderings between threads are choices made here.
static void act(struct world *w)
{
    if (w->actions_count == 0) {
        return;
    }
    unsigned i = below(w, w->actions_count);
    if (!w->actions[i].done) {
        carry_out(w, &w->actions[i]);
        return;
    }
    struct action a = w->actions[i];
    w->actions[i] = w->actions[--w->actions_count];
    answer(w, &a);
}

// --- the hub's own calls ---

static void on_load(void *ctx, struct store_load *load)
{
    put_action(ctx, ACT_LOAD, load, 0);
}

static void on_commit(void *ctx, struct store_batch *batch)
{
    put_action(ctx, ACT_COMMIT, batch, 0);
}

static void on_sync(void *ctx)
{
    put_action(ctx, ACT_SYNC, NULL, 0);
}

static void on_reserve(void *ctx, uint64_t top)
{
    put_action(ctx, ACT_RESERVE, NULL, top);
}

static void on_moved(void *ctx)
{
    struct world *w = ctx;
    struct event *e;
    while (!w->dead && (e = memlog_next(&w->watch))) {
        ledger_visible(&w->ledger, w->realm.epoch, e);
    }
}

static void on_snapshot(void *ctx, struct snapshot_req *r)
{
    put_action(ctx, ACT_SNAPSHOT, r, 0);
}

static void on_tasks(void *ctx, struct store_task *tasks, int err)
{
    (void)err;
    struct world *w = ctx;
    w->store->ops->tasks_free(tasks);
}

static const struct sequencer_ops sequencer_ops = {
    .load = on_load,
    .commit = on_commit,
    .sync = on_sync,
    .reserve = on_reserve,
    .moved = on_moved,
    .snapshot_done = on_snapshot,
    .tasks_done = on_tasks,
};

static void ask_read(struct ask *a, struct read_req *r)
{
    put_action(CONTAINER_OF(a, struct sim_worker, ask)->w, ACT_READ, r, 0);
}

static void ask_snapshot(struct ask *a, struct snapshot_req *r)
{
    struct world *w = CONTAINER_OF(a, struct sim_worker, ask)->w;
    sequencer_snapshot_take(w->sequencer, r, w->now);
}

static void ask_again(struct ask *a)
{
    (void)a; // workers run all the time
}

static void submit_answered(struct submit *s)
{
    struct world *w = CONTAINER_OF(s->realm, struct world, realm);
    w->submits--;
    s->done(s);
}

void world_submit_take(struct world *w, struct submit *s)
{
    s->answered = submit_answered;
    w->submits++;
    sequencer_submit_take(w->sequencer, s, w->now);
}

// --- start, crash, end ---

static bool adopt(void *ctx, struct job *j)
{
    struct world *w = ctx;
    sequencer_adopt_take(w->sequencer, job_ref(j), w->now);
    return true;
}

static void start_hub(struct world *w, bool power_loss)
{
    // A few entries a segment and a few segments, so that readers meet the end of memory.
    struct memlog_limits limits = {.bytes_max = 600 + below(w, 8000),
                                   .segment_entries = 1 + below(w, 12),
                                   .segment_bytes = 4096};
    if (w->plant == PLANT_REUSE && w->crashes) {
        w->info.visible = w->info.visible > 8 && w->ledger.count
                              ? w->ledger.truths[w->ledger.count - 1].id - 1
                              : 0;
    }
    w->dead = false;
    realm_init(&w->realm, &(struct realm_init){.epoch = w->info.epoch,
                                               .visible = w->info.visible,
                                               .key = w->key,
                                               .limits = &limits});
    w->sequencer = sequencer_new(&w->realm, &w->info, &sequencer_ops, w);
    w->reader = w->store->ops->reader_new(w->store);
    ASSERT(w->reader);
    ledger_restart(&w->ledger, w, power_loss);
    int err = w->store->ops->read_open(w->reader, adopt, w);
    ASSERT(err == 0);
    w->watch = (struct memlog_reader){0};
    bool found = memlog_seek(w->realm.log, &w->watch, w->info.visible);
    ASSERT(found);
    for (unsigned i = 0; i < WORKERS; i++) {
        w->workers[i] = (struct sim_worker){
            .w = w, .ask = {.read = ask_read, .snapshot = ask_snapshot, .again = ask_again}};
        w->workers[i].fanout = fanout_new(&w->realm, &w->workers[i].ask);
    }
    (void)sequencer_tick(w->sequencer, w->now);
}

static bool resting(const struct world *w)
{
    bool rest = w->actions_count == 0 && sequencer_idle(w->sequencer) && w->submits == 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        rest = rest && fanout_idle(w->workers[i].fanout);
    }
    return rest;
}

// What is under way comes to nothing: nobody hears of it, and the store fails at all that was not
// done yet.
static void stop_hub(struct world *w)
{
    w->dead = true;
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (w->clients[i].session) {
            client_lose(&w->clients[i]);
        }
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producer_lose(&w->producers[i]);
    }
    sequencer_drain(w->sequencer, w->now);
    for (unsigned i = 0; !resting(w); i++) {
        ASSERT(i < SETTLE_MAX);
        act(w);
    }
    memlog_release(&w->watch);
    for (unsigned i = 0; i < WORKERS; i++) {
        fanout_free(w->workers[i].fanout);
    }
    sequencer_free(w->sequencer);
    w->store->ops->reader_free(w->reader);
    realm_fini(&w->realm);
}

static void crash(struct world *w)
{
    bool power = chance(w, 30);
    stop_hub(w);
    w->crashes++;
    store_model_crash(w->store, power, &w->rng, &w->info);
    start_hub(w, power);
}

static bool run_worker(struct world *w, unsigned k)
{
    bool more = fanout_run(w->workers[k].fanout, 1 + below(w, 3)) != FANOUT_REST;
    more = fanout_read_on(w->workers[k].fanout) || more;
    if (chance(w, 2)) {
        fanout_trim(w->workers[k].fanout);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_hold(&w->clients[i]);
    }
    return more;
}

static void step(struct world *w)
{
    w->steps++;
    unsigned pick = below(w, 100);
    struct client *c = &w->clients[below(w, CLIENTS)];
    if (pick < 34) {
        act(w);
    } else if (pick < 54) {
        (void)run_worker(w, below(w, WORKERS));
    } else if (pick < 68) {
        producer_step(&w->producers[below(w, PRODUCERS)]);
    } else if (pick < 74) {
        publish_step(w);
    } else if (pick < 80) {
        unsigned ms = chance(w, 10) ? below(w, 5000) : below(w, 150);
        w->now.mono_ms += ms;
        w->now.wall_ms += ms;
        (void)sequencer_tick(w->sequencer, w->now);
    } else if (!c->session) {
        client_connect(c);
        client_subscribe(c);
    } else if (pick < 88) {
        client_drain(c);
    } else if (pick < 94) {
        client_subscribe(c);
    } else if (pick < 96) {
        client_unsubscribe(c);
    } else if (pick < 99) {
        client_disconnect(c);
    } else {
        crash(w);
    }
}

// Everything is let run until nothing is left to do, then everybody must have all they are owed.
static void settle(struct world *w)
{
    w->faults = 0;
    bool more = true;
    for (unsigned i = 0; (more || !resting(w)) && !w->ledger.failed; i++) {
        if (i > SETTLE_MAX) {
            ledger_fail(&w->ledger, "it does not come to rest");
            return;
        }
        act(w);
        more = false;
        for (unsigned k = 0; k < WORKERS; k++) {
            more = run_worker(w, k) || more;
        }
        for (unsigned k = 0; k < CLIENTS; k++) {
            if (w->clients[k].session && w->clients[k].full) {
                client_drain(&w->clients[k]);
                more = true;
            }
        }
    }
    for (unsigned k = 0; k < CLIENTS && !w->ledger.failed; k++) {
        struct client *c = &w->clients[k];
        if (c->session && session_position(c->session) != memlog_visible(w->realm.log)) {
            ledger_fail(&w->ledger, "client %u rests at %llu of %llu", k,
                        (unsigned long long)session_position(c->session),
                        (unsigned long long)memlog_visible(w->realm.log));
        }
        for (unsigned i = 0; c->session && i < c->owed_count; i++) {
            if (!c->owed[i].joined) {
                ledger_fail(&w->ledger, "client %u never joined %s", k, c->owed[i].topic);
            }
        }
        if (c->session) {
            client_disconnect(c);
        }
    }
    ledger_check_store(&w->ledger, w);
}

const char *sim_run(uint64_t seed, enum plant plant, struct world *stats)
{
    static struct world w;
    static char fault[sizeof(w.ledger.fault)];
    w = (struct world){.seed = seed, .plant = plant};
    rng_init(&w.rng, seed);
    w.key = (struct hash_key){rng_next(&w.rng), rng_next(&w.rng)};
    w.now = (struct now){.wall_ms = 1700000000000, .mono_ms = 1000};
    w.faults = chance(&w, 50) ? 0 : below(&w, 100);
    ledger_init(&w.ledger);
    w.principal = principal_new_anyone(true);
    w.store = store_model_new(&w.key, rng_next(&w.rng), &w.info);
    ASSERT(w.store);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_init(&w.clients[i], &w, i);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        w.producers[i] = (struct producer){.w = &w, .number = i};
    }
    start_hub(&w, false);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_connect(&w.clients[i]);
        client_subscribe(&w.clients[i]);
    }
    for (unsigned i = 0, steps = 40 + below(&w, STEPS_MAX - 40); i < steps && !w.ledger.failed;
         i++) {
        step(&w);
    }
    if (!w.ledger.failed) {
        settle(&w);
    }
    stop_hub(&w);
    bool failed = w.ledger.failed;
    (void)snprintf(fault, sizeof(fault), "%s", w.ledger.fault);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_fini(&w.clients[i]);
    }
    w.store->ops->free(w.store);
    principal_unref(w.principal);
    if (stats) {
        stats->steps += w.steps;
        stats->crashes += w.crashes;
        stats->ledger.deliveries += w.ledger.deliveries;
        stats->ledger.acks_count += w.ledger.acks_count;
        stats->ledger.count += w.ledger.count;
    }
    ledger_fini(&w.ledger);
    return failed ? fault : NULL;
}
