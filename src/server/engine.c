// SPDX-License-Identifier: MIT
// The hub's own threads.
#include "server/engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "hub/sequencer.h"
#include "server/actor.h"
#include "store/sqlite.h"

#define READERS 2
// How often maintenance looks for something to do when it found nothing.
#define UPKEEP_MS 1000
// Of a batch of clients that may come back.
#define RECALLS_BYTES_MAX ((size_t)4 << 20)
// A read that failed is answered after this, so that nobody asks again in a tight loop.
#define READ_RETRY_MS 20

struct reader {
    struct actor actor;
    struct store_reader *reader;
};

struct engine {
    struct engine_config cfg;
    struct store *store;
    struct store_info info;
    struct realm realm;
    struct sequencer *sequencer;
    struct recalls *recalls;
    struct actor sequencing, writing, syncing, upkeep;
    struct reader readers[READERS];
    struct store_reader *upkeep_reader;
    atomic_size_t queued_bytes;
    _Atomic(int) store_err; // of the last commit or sync; 0: fine
    // Each carries one question to another thread and its answer back: at most one of each is under
    // way.
    struct errand {
        struct mail mail;
        struct engine *engine;
        int err;
        union {
            struct store_load *load;
            struct store_batch *batch;
            struct store_task *tasks;
            uint64_t top;
        };
    } load, commit, sync, reserve, tasks, drain;
    bool upkeep_busy; // tasks are at the sequencer
    atomic_bool stopping;
    pthread_mutex_t idle_lock; // guards `idle`
    pthread_cond_t idle_cond;
    bool idle; // after the drain
    uint64_t last_id;
};

static struct engine *errand_engine(struct mail *m, struct errand **ret)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    *ret = e;
    return e->engine;
}

// --- the store's writer and the sync thread ---

static void note_store(struct engine *e, int err, const char *what)
{
    if (err) {
        log_error("store.failed", "%s failed: %s", what, err_name(err));
    }
    atomic_store_explicit(&e->store_err, err, memory_order_relaxed);
}

static void loaded(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    sequencer_on_loaded(e->sequencer, er->load, er->err, clock_now());
}

static void do_load(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    er->err = e->store->ops->load(e->store, er->load);
    actor_post(&e->sequencing, m, loaded);
}

static void committed(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    sequencer_on_committed(e->sequencer, er->batch, er->err, clock_now());
}

static void do_commit(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    er->err = e->store->ops->commit(e->store, er->batch);
    note_store(e, er->err, "a commit");
    actor_post(&e->sequencing, m, committed);
}

static void reserved(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    sequencer_on_reserved(e->sequencer, er->top, er->err, clock_now());
}

static void do_reserve(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    er->err = e->store->ops->reserve(e->store, er->top);
    note_store(e, er->err, "reserving ids");
    actor_post(&e->sequencing, m, reserved);
}

static void synced(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    sequencer_on_synced(e->sequencer, er->err, clock_now());
}

static void do_sync(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    er->err = e->store->ops->sync(e->store);
    if (er->err) {
        note_store(e, er->err, "a sync");
    }
    actor_post(&e->sequencing, m, synced);
}

// --- what the sequencer asks ---

static void on_load(void *ctx, struct store_load *load)
{
    struct engine *e = ctx;
    e->load.load = load;
    actor_post(&e->writing, &e->load.mail, do_load);
}

static void on_commit(void *ctx, struct store_batch *batch)
{
    struct engine *e = ctx;
    e->commit.batch = batch;
    actor_post(&e->writing, &e->commit.mail, do_commit);
}

static void on_sync(void *ctx)
{
    struct engine *e = ctx;
    actor_post(&e->syncing, &e->sync.mail, do_sync);
}

static void on_reserve(void *ctx, uint64_t top)
{
    struct engine *e = ctx;
    e->reserve.top = top;
    actor_post(&e->writing, &e->reserve.mail, do_reserve);
}

static void on_moved(void *ctx)
{
    struct engine *e = ctx;
    e->cfg.moved(e->cfg.ctx);
}

static void on_snapshot(void *ctx, struct snapshot_req *r)
{
    (void)ctx;
    r->home(r);
}

static void upkeep_over(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    e->store->ops->tasks_free(er->tasks);
    e->upkeep_busy = false;
}

static void on_tasks(void *ctx, struct store_task *tasks, int err)
{
    struct engine *e = ctx;
    e->tasks.tasks = tasks;
    e->tasks.err = err;
    actor_post(&e->upkeep, &e->tasks.mail, upkeep_over);
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

static void count(struct engine *e)
{
    struct sequencer_stats s = sequencer_stats(e->sequencer);
    struct metrics *m = e->cfg.metrics;
    metrics_set(m, METRIC_EVENTS, (int64_t)s.events);
    metrics_set(m, METRIC_EVENTS_REFUSED, (int64_t)s.refused);
    metrics_set(m, METRIC_EVENTS_MERGED, (int64_t)s.merged);
    metrics_set(m, METRIC_COMMITS, (int64_t)s.commits);
    metrics_set(m, METRIC_COMMITS_FAILED, (int64_t)s.commits_failed);
    metrics_set(m, METRIC_SYNCS, (int64_t)s.syncs);
    metrics_set(m, METRIC_JOBS_OPEN, (int64_t)s.jobs);
    metrics_set(m, METRIC_VISIBLE, (int64_t)memlog_visible(e->realm.log));
    metrics_set(m, METRIC_MEMLOG_BYTES, (int64_t)memlog_bytes(e->realm.log));
}

static int64_t sequencing_tick(void *ctx)
{
    struct engine *e = ctx;
    int64_t next = sequencer_tick(e->sequencer, clock_now());
    count(e);
    if (atomic_load(&e->stopping) && sequencer_idle(e->sequencer)) {
        pthread_mutex_lock(&e->idle_lock);
        e->idle = true;
        e->last_id = sequencer_last_id(e->sequencer);
        pthread_cond_signal(&e->idle_cond);
        pthread_mutex_unlock(&e->idle_lock);
    }
    return next;
}

// --- maintenance ---

static void give_tasks(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    sequencer_tasks_take(e->sequencer, er->tasks, clock_now());
}

static int64_t upkeep_tick(void *ctx)
{
    struct engine *e = ctx;
    struct now now = clock_now();
    if (e->upkeep_busy || atomic_load(&e->stopping)) {
        return INT64_MAX;
    }
    int err = e->store->ops->checkpoint(e->upkeep_reader);
    if (err) {
        log_warn("store.checkpoint", "a checkpoint failed: %s", err_name(err));
    }
    struct store_task *tasks = e->store->ops->plan(e->upkeep_reader, now.wall_ms, &e->cfg.policy);
    if (!tasks) {
        return now.mono_ms + UPKEEP_MS;
    }
    e->upkeep_busy = true;
    e->tasks.tasks = tasks;
    actor_post(&e->sequencing, &e->tasks.mail, give_tasks);
    return INT64_MAX; // its end is a mail, after which this is called again
}

// --- what workers ask ---

static void do_submit(struct mail *m)
{
    struct submit *s = CONTAINER_OF(m, struct submit, mail);
    struct engine *e = CONTAINER_OF(s->realm, struct engine, realm);
    atomic_fetch_sub_explicit(&e->queued_bytes, submit_bytes(s), memory_order_relaxed);
    sequencer_submit_take(e->sequencer, s, clock_now());
}

int engine_submit_take(struct engine *e, struct submit *s)
{
    size_t bytes = submit_bytes(s);
    size_t before = atomic_fetch_add_explicit(&e->queued_bytes, bytes, memory_order_relaxed);
    if (before + bytes > (size_t)LIMIT_OF(e->realm.limits, SUBMIT_QUEUE_BYTES)) {
        metrics_hit(e->cfg.metrics, LIMIT_ROW_SUBMIT_QUEUE_BYTES);
        atomic_fetch_sub_explicit(&e->queued_bytes, bytes, memory_order_relaxed);
        return -E_UNAVAILABLE;
    }
    ASSERT(s->realm == &e->realm);
    actor_post(&e->sequencing, &s->mail, do_submit);
    return 0;
}

static void do_read(struct mail *m)
{
    struct read_req *r = CONTAINER_OF(m, struct read_req, mail);
    struct reader *reader = r->lane;
    read_req_run(r, reader->reader);
    if (r->err) {
        log_warn("store.read", "a read failed: %s", err_name(r->err));
        nanosleep(&(struct timespec){.tv_nsec = READ_RETRY_MS * 1000000L}, NULL);
    }
    r->home(r);
}

void engine_read(struct engine *e, struct read_req *r, unsigned lane,
                 void (*home)(struct read_req *r))
{
    r->home = home;
    r->lane = &e->readers[lane % READERS];
    actor_post(&e->readers[lane % READERS].actor, &r->mail, do_read);
}

static void do_snapshot(struct mail *m)
{
    struct snapshot_req *r = CONTAINER_OF(m, struct snapshot_req, mail);
    struct engine *e = r->lane;
    sequencer_snapshot_take(e->sequencer, r, clock_now());
}

void engine_snapshot(struct engine *e, struct snapshot_req *r, void (*home)(struct snapshot_req *r))
{
    r->home = home;
    r->lane = e;
    actor_post(&e->sequencing, &r->mail, do_snapshot);
}

// A batch of its own, between those of the sequencer.
static void do_revoke(struct mail *m)
{
    struct revoke_req *r = CONTAINER_OF(m, struct revoke_req, mail);
    struct engine *e = r->lane;
    struct store_batch batch = {
        .revocations = r->rows, .revocations_count = r->count, .wall_ms = clock_now().wall_ms};
    r->err = e->store->ops->commit(e->store, &batch);
    r->err = r->err ? r->err : e->store->ops->sync(e->store);
    note_store(e, r->err, "keeping a revocation");
    r->home(r);
}

void engine_revoke(struct engine *e, struct revoke_req *r)
{
    r->lane = e;
    actor_post(&e->writing, &r->mail, do_revoke);
}

// The same: all that has changed, or that could not be written before.
static void do_write_recalls(struct mail *m)
{
    struct recall_wait *w = CONTAINER_OF(m, struct recall_wait, mail);
    struct engine *e = w->lane;
    int err = 0;
    bool more = true;
    while (more && !err) {
        struct arena a;
        const struct store_recall *rows;
        arena_init(&a, RECALLS_BYTES_MAX);
        unsigned count = recalls_begin_write(e->recalls, &a, &rows);
        struct store_batch batch = {
            .recalls = rows, .recalls_count = count, .wall_ms = clock_now().wall_ms};
        more = count > 0;
        if (more) {
            err = e->store->ops->commit(e->store, &batch);
            note_store(e, err, "keeping clients that may come back");
        }
        recalls_end_write(e->recalls, err);
        arena_fini(&a);
    }
    w->home(w);
}

void engine_write_recalls(struct engine *e, struct recall_wait *w,
                          void (*home)(struct recall_wait *w))
{
    w->home = home;
    w->lane = e;
    actor_post(&e->writing, &w->mail, do_write_recalls);
}

struct recalls *engine_recalls(struct engine *e)
{
    return e->recalls;
}

// --- life ---

static bool recall(void *ctx, const struct store_recall *row)
{
    struct engine *e = ctx;
    recalls_load(e->recalls, row, clock_now().wall_ms);
    return true;
}

static bool adopt(void *ctx, struct job *j)
{
    struct engine *e = ctx;
    sequencer_adopt_take(e->sequencer, job_ref(j), clock_now());
    return true;
}

static int open_readers(struct engine *e)
{
    const struct store_ops *ops = e->store->ops;
    e->upkeep_reader = ops->reader_new(e->store);
    bool ok = e->upkeep_reader != NULL;
    for (unsigned i = 0; i < READERS; i++) {
        e->readers[i].reader = ops->reader_new(e->store);
        ok = ok && e->readers[i].reader;
    }
    int err = ok ? ops->read_open(e->upkeep_reader, adopt, e) : -E_IO;
    return err ? err : ops->read_recalls(e->upkeep_reader, recall, e);
}

int engine_new(const struct engine_config *cfg, struct engine **ret, char fault[256])
{
    struct engine *e = mem_alloc(sizeof(*e));
    e->cfg = *cfg;
    struct errand *errands[] = {&e->load, &e->commit, &e->sync, &e->reserve, &e->tasks, &e->drain};
    for (size_t i = 0; i < ARRAY_LEN(errands); i++) {
        errands[i]->engine = e;
    }
    struct hash_key key;
    random_bytes(&key, sizeof(key));
    struct store_sqlite_options options = {.key = key, .now = clock_now()};
    fault[0] = '\0';
    int err = store_sqlite_open(cfg->data_dir, &options, &e->store, &e->info, fault);
    if (err) {
        mem_free(e);
        return err;
    }
    struct memlog_limits memlog = memlog_limits_default;
    memlog.bytes_max = (size_t)LIMIT_OF(cfg->limits, MEMLOG_BYTES);
    realm_init(&e->realm, &(struct realm_init){.epoch = e->info.epoch,
                                               .visible = e->info.visible,
                                               .key = key,
                                               .limits = &memlog,
                                               .table = cfg->limits,
                                               .retained = cfg->policy.retained,
                                               .retained_count = cfg->policy.retained_count});
    e->sequencer = sequencer_new(&e->realm, &e->info, &sequencer_ops, e);
    e->recalls = recalls_new(
        &(struct recalls_config){.key = key,
                                 .clients_max = (unsigned)LIMIT_OF(cfg->limits, RECOVERIES),
                                 .kept_ms = LIMIT_OF(cfg->limits, RECOVERY_MS)});
    actor_init(&e->sequencing, sequencing_tick, e);
    actor_init(&e->writing, NULL, e);
    actor_init(&e->syncing, NULL, e);
    actor_init(&e->upkeep, upkeep_tick, e);
    for (unsigned i = 0; i < READERS; i++) {
        actor_init(&e->readers[i].actor, NULL, e);
    }
    pthread_mutex_init(&e->idle_lock, NULL);
    pthread_cond_init(&e->idle_cond, NULL);
    err = open_readers(e);
    if (err) {
        (void)snprintf(fault, 256, "%s: the store can't be read", cfg->data_dir);
        engine_free(e);
        return err;
    }
    *ret = e;
    return 0;
}

int engine_read_revocations(struct engine *e,
                            bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                            void *ctx)
{
    return e->store->ops->read_revocations(e->upkeep_reader, 0, clock_now().wall_ms, fn, ctx);
}

void engine_start(struct engine *e)
{
    actor_start(&e->writing, "store-writer");
    actor_start(&e->syncing, "store-sync");
    for (unsigned i = 0; i < READERS; i++) {
        actor_start(&e->readers[i].actor, "store-reader");
    }
    actor_start(&e->sequencing, "sequencer");
    actor_start(&e->upkeep, "maintenance");
}

static void do_drain(struct mail *m)
{
    struct errand *er;
    struct engine *e = errand_engine(m, &er);
    sequencer_drain(e->sequencer, clock_now());
    atomic_store(&e->stopping, true);
}

void engine_stop(struct engine *e)
{
    actor_post(&e->sequencing, &e->drain.mail, do_drain);
    pthread_mutex_lock(&e->idle_lock);
    while (!e->idle) {
        pthread_cond_wait(&e->idle_cond, &e->idle_lock);
    }
    pthread_mutex_unlock(&e->idle_lock);
    actor_stop(&e->upkeep);
    actor_stop(&e->sequencing);
    actor_stop(&e->writing);
    actor_stop(&e->syncing);
    for (unsigned i = 0; i < READERS; i++) {
        actor_stop(&e->readers[i].actor);
    }
    int err = e->store->ops->save_clean(e->store, e->last_id);
    if (err) {
        log_error("store.failed", "the clean end could not be marked: %s", err_name(err));
    }
}

void engine_free(struct engine *e)
{
    if (!e) {
        return;
    }
    const struct store_ops *ops = e->store->ops;
    struct actor *actors[] = {&e->sequencing, &e->writing,          &e->syncing,
                              &e->upkeep,     &e->readers[0].actor, &e->readers[1].actor};
    for (size_t i = 0; i < ARRAY_LEN(actors); i++) {
        actor_fini(actors[i]);
    }
    sequencer_free(e->sequencer);
    recalls_free(e->recalls);
    for (unsigned i = 0; i < READERS; i++) {
        if (e->readers[i].reader) {
            ops->reader_free(e->readers[i].reader);
        }
    }
    if (e->upkeep_reader) {
        ops->reader_free(e->upkeep_reader);
    }
    ops->free(e->store);
    realm_fini(&e->realm);
    pthread_cond_destroy(&e->idle_cond);
    pthread_mutex_destroy(&e->idle_lock);
    mem_free(e);
}

struct realm *engine_realm(struct engine *e)
{
    return &e->realm;
}

const char *engine_fault(struct engine *e)
{
    int err = atomic_load_explicit(&e->store_err, memory_order_relaxed);
    return err ? err_text(err) : NULL;
}
