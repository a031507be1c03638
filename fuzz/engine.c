// SPDX-License-Identifier: MIT
// The engine of the stateful targets.
#include "fuzz/engine.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/sequencer.h"
#include "store/model.h"

enum { QUESTIONS_MAX = 4096 };

enum what { LOAD, COMMIT, SYNC, RESERVE, READ, SNAPSHOT, SUBMIT };

struct question {
    enum what what;
    bool done;
    int err;
    void *arg;
    uint64_t top;
};

struct engine {
    struct engine_config cfg;
    struct store *store;
    struct store_reader *reader;
    struct store_info info;
    struct realm realm;
    struct sequencer *sequencer;
    struct recalls *recalls;
    struct question questions[QUESTIONS_MAX];
    unsigned count;
    size_t queued_bytes;
};

static void ask(struct engine *e, enum what what, void *arg, uint64_t top)
{
    ASSERT(e->count < QUESTIONS_MAX);
    e->questions[e->count++] = (struct question){.what = what, .arg = arg, .top = top};
}

// ---- what the sequencer asks

static void on_load(void *ctx, struct store_load *load)
{
    ask(ctx, LOAD, load, 0);
}

static void on_commit(void *ctx, struct store_batch *batch)
{
    ask(ctx, COMMIT, batch, 0);
}

static void on_sync(void *ctx)
{
    ask(ctx, SYNC, NULL, 0);
}

static void on_reserve(void *ctx, uint64_t top)
{
    ask(ctx, RESERVE, NULL, top);
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

static void on_tasks(void *ctx, struct store_task *tasks, int err)
{
    struct engine *e = ctx;
    (void)err;
    e->store->ops->tasks_free(tasks);
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

// ---- carrying out, and answering

static void carry_out(struct engine *e, struct question *q)
{
    const struct store_ops *ops = e->store->ops;
    q->done = true;
    switch (q->what) {
    case LOAD:
        q->err = ops->load(e->store, q->arg);
        return;
    case COMMIT:
        q->err = ops->commit(e->store, q->arg);
        return;
    case SYNC:
        q->err = ops->sync(e->store);
        return;
    case RESERVE:
        q->err = ops->reserve(e->store, q->top);
        return;
    case READ:
        read_req_run(q->arg, e->reader);
        return;
    case SNAPSHOT:
    case SUBMIT:
        return;
    }
}

static void answer(struct engine *e, const struct question *q)
{
    struct read_req *r = q->arg;
    struct submit *s = q->arg;
    switch (q->what) {
    case LOAD:
        sequencer_on_loaded(e->sequencer, q->arg, q->err, clock_now());
        return;
    case COMMIT:
        sequencer_on_committed(e->sequencer, q->arg, q->err, clock_now());
        return;
    case SYNC:
        sequencer_on_synced(e->sequencer, q->err, clock_now());
        return;
    case RESERVE:
        sequencer_on_reserved(e->sequencer, q->top, q->err, clock_now());
        return;
    case READ:
        r->home(r);
        return;
    case SNAPSHOT:
        sequencer_snapshot_take(e->sequencer, q->arg, clock_now());
        return;
    case SUBMIT:
        e->queued_bytes -= submit_bytes(s);
        sequencer_submit_take(e->sequencer, s, clock_now());
        return;
    }
}

// Mails to one thread keep their order: a submit or a snapshot may not pass an earlier one.
static bool passes(const struct engine *e, unsigned at)
{
    enum what what = e->questions[at].what;
    for (unsigned i = 0; i < at && (what == SUBMIT || what == SNAPSHOT); i++) {
        if (e->questions[i].what == SUBMIT || e->questions[i].what == SNAPSHOT) {
            return true;
        }
    }
    return false;
}

bool fuzz_engine_step(struct engine *e, unsigned pick)
{
    if (e->count == 0) {
        return false;
    }
    unsigned at = pick % e->count;
    while (passes(e, at)) {
        at--;
    }
    if (!e->questions[at].done) {
        carry_out(e, &e->questions[at]);
        return true;
    }
    struct question q = e->questions[at];
    e->count--;
    for (unsigned i = at; i < e->count; i++) {
        e->questions[i] = e->questions[i + 1];
    }
    answer(e, &q);
    return true;
}

void fuzz_engine_tick(struct engine *e)
{
    (void)sequencer_tick(e->sequencer, clock_now());
}

void fuzz_engine_drain(struct engine *e)
{
    sequencer_drain(e->sequencer, clock_now());
}

bool fuzz_engine_idle(const struct engine *e)
{
    return e->count == 0 && sequencer_idle(e->sequencer);
}

void fuzz_engine_fail_next(struct engine *e, unsigned what)
{
    static const enum model_call calls[] = {MODEL_LOAD, MODEL_COMMIT, MODEL_SYNC, MODEL_READ};
    store_model_fail(e->store, calls[what % ARRAY_LEN(calls)], what & 4 ? -E_STORAGE_FULL : -E_IO);
}

// ---- server/engine.h

int engine_submit_take(struct engine *e, struct submit *s)
{
    if (e->count >= QUESTIONS_MAX / 2) {
        return -E_UNAVAILABLE;
    }
    e->queued_bytes += submit_bytes(s);
    ask(e, SUBMIT, s, 0);
    return 0;
}

void engine_read(struct engine *e, struct read_req *r, unsigned lane,
                 void (*home)(struct read_req *r))
{
    (void)lane;
    r->home = home;
    ask(e, READ, r, 0);
}

void engine_snapshot(struct engine *e, struct snapshot_req *r, void (*home)(struct snapshot_req *r))
{
    r->home = home;
    ask(e, SNAPSHOT, r, 0);
}

struct realm *engine_realm(struct engine *e)
{
    return &e->realm;
}

const char *engine_fault(struct engine *e)
{
    (void)e;
    return NULL;
}

struct engine *fuzz_engine_new(const struct engine_config *cfg)
{
    static const struct hash_key key = {3, 4};
    // A few entries a segment, so that readers meet the end of memory.
    static const struct memlog_limits limits = {
        .bytes_max = 6000, .segment_entries = 8, .segment_bytes = 4096};
    struct engine *e = mem_alloc(sizeof(*e));
    e->cfg = *cfg;
    e->store = store_model_new(&key, 7, &e->info);
    ASSERT(e->store);
    realm_init(&e->realm, &(struct realm_init){.epoch = e->info.epoch,
                                               .visible = e->info.visible,
                                               .key = key,
                                               .limits = &limits});
    e->sequencer = sequencer_new(&e->realm, &e->info, &sequencer_ops, e);
    e->recalls =
        recalls_new(&(struct recalls_config){.key = key, .clients_max = 8, .kept_ms = 1000});
    e->reader = e->store->ops->reader_new(e->store);
    ASSERT(e->reader);
    fuzz_engine_tick(e);
    return e;
}

void engine_free(struct engine *e)
{
    ASSERT(fuzz_engine_idle(e) && e->queued_bytes == 0);
    sequencer_free(e->sequencer);
    recalls_free(e->recalls);
    e->store->ops->reader_free(e->reader);
    e->store->ops->free(e->store);
    realm_fini(&e->realm);
    mem_free(e);
}

struct recalls *engine_recalls(struct engine *e)
{
    return e->recalls;
}

void engine_write_recalls(struct engine *e, struct recall_wait *w,
                          void (*home)(struct recall_wait *w))
{
    struct arena a;
    const struct store_recall *rows;
    arena_init(&a, (size_t)1 << 20);
    (void)recalls_begin_write(e->recalls, &a, &rows);
    recalls_end_write(e->recalls, 0);
    arena_fini(&a);
    w->home = home;
    home(w);
}

void engine_revoke(struct engine *e, struct revoke_req *r)
{
    (void)e;
    r->err = 0;
    r->home(r);
}

int engine_read_revocations(struct engine *e,
                            bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                            void *ctx)
{
    (void)e;
    (void)fn;
    (void)ctx;
    return 0;
}
