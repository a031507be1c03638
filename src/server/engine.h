// SPDX-License-Identifier: MIT
// The hub's own threads: the sequencer, the store's writer, the sync thread, readers and
// maintenance, and how they hand work to each other. Workers come in by engine_submit, engine_read
// and engine_snapshot, and are told by `moved`.
//
//   worker --submit--> sequencer --load, commit, reserve--> writer --mail--> sequencer --answer-->
//   worker
//                          |------ sync --> sync thread --mail--^
//   worker --read--> reader --answer--> worker          maintenance --tasks--> sequencer
#ifndef CLAIRON_SERVER_ENGINE_H
#define CLAIRON_SERVER_ENGINE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "hub/ask.h"
#include "hub/intake.h"
#include "hub/realm.h"
#include "hub/recall.h"
#include "hub/store.h"
#include "net/metrics.h"

struct engine;

// Revocations to be kept, all or none. Its maker owns it, and what the rows refer to, until `home`
// is called.
struct revoke_req {
    struct mail mail;
    void *carrier;       // the asker's
    struct engine *lane; // the engine's
    const struct store_revocation *rows;
    unsigned count;
    void (*home)(struct revoke_req *r);
    int err; // 0: they are on disk
};

struct engine_config {
    const char *data_dir;
    struct store_policy policy;
    struct metrics *metrics; // the sequencer's
    const struct limits *limits;
    // The log moved. On the sequencer's thread.
    void (*moved)(void *ctx);
    void *ctx;
};

// Opens the store and takes jobs that are open back in charge; starts nothing yet. `fault`: one
// line why not, or a warning when it succeeded and is not empty.
int engine_new(const struct engine_config *cfg, struct engine **ret, char fault[256]) MUST_CHECK;
void engine_start(struct engine *e);
// Refuses submits, lets what is queued end, saves, marks a clean end, and joins the threads.
void engine_stop(struct engine *e);
void engine_free(struct engine *e); // stopped, or never started
struct realm *engine_realm(struct engine *e);
const char *engine_fault(struct engine *e); // why it can't serve right now, or NULL

// Any thread. -E_UNAVAILABLE when too many bytes are queued. s->answered is called on the
// sequencer's thread.
int engine_submit_take(struct engine *e, struct submit *s) MUST_CHECK;
// `home` is called on a reader's or the sequencer's thread when the answer is in. `lane` spreads
// askers over readers.
void engine_read(struct engine *e, struct read_req *r, unsigned lane,
                 void (*home)(struct read_req *r));
void engine_snapshot(struct engine *e, struct snapshot_req *r,
                     void (*home)(struct snapshot_req *r));
// Any thread. `home` is called on the writer's thread.
void engine_revoke(struct engine *e, struct revoke_req *r);
// Clients that may come back: a table for all threads, with what was kept of them.
struct recalls *engine_recalls(struct engine *e);
// Any thread. What has changed in it by now is written; then `home` is called on the writer's
// thread.
void engine_write_recalls(struct engine *e, struct recall_wait *w,
                          void (*home)(struct recall_wait *w));
// Before engine_start: what was kept, and has not expired.
int engine_read_revocations(struct engine *e,
                            bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                            void *ctx) MUST_CHECK;

#endif
