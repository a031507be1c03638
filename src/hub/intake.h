// SPDX-License-Identifier: MIT
// The only door in. A producer makes a submit, adds events and reports to it, and hands it over;
// the sequencer answers it once by `done`. Every producer comes this way: HTTP, sockets, the
// runner, plugins.
//
// Life: submit_new (producer's thread) -> submit_add_* -> intake->submit_take -> queued -> reduced,
// committed (sequencer's thread) -> answered(submit), the intake's way home -> done(submit) on the
// producer's thread, which reads `answer` and frees it.
#ifndef CLAIRON_HUB_INTAKE_H
#define CLAIRON_HUB_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "hub/event.h"
#include "hub/job.h"
#include "hub/principal.h"
#include "hub/realm.h"
#include "hub/report.h"
#include "wire/json.h"

struct submit_event {
    struct str type, data; // data minified
    unsigned topics_count;
    struct str topics[LIMIT_TOPICS_PER_EVENT];
    uint32_t flags; // EVENT_CHANNEL
    bool to_user;   // a message to a user: durability disk
};

struct submit_item {
    bool is_report;
    bool if_owned; // a report that is allowed to whom owns the job, which the sequencer knows
    union {
        struct submit_event event;
        struct report report;
    };
    // Answer of this item.
    uint64_t id; // of its (last) event; 0: merged, or nothing was published
    bool merged;
};

struct submit_answer {
    int err;        // 0 or -E_*
    unsigned index; // which item was refused, when err
    char text[200]; // why, for people; empty: the error's own text
    enum durability reached;
    bool duplicate; // seen before (producer and seq, or Idempotency-Key): nothing was published
    struct str idem_answer; // with `duplicate` by Idempotency-Key: what the first answer said (in
                            // the arena)
    struct job
        *job;       // one reference (freed with the submit): the job after the last report, or NULL
    bool published; // with err: published all the same, but not at the durability asked
};

struct submit {
    struct list node; // for whoever holds it now
    struct mail mail; // the intake's
    struct realm *realm;
    struct principal *principal; // one reference
    struct arena arena;          // all that the items refer to
    struct submit_item *items;
    unsigned count, cap;
    enum durability want; // at least this
    bool want_named;
    uint64_t origin; // session id that gets no copy; 0 = none
    // Idempotency-Key, for POSTs without a producer. p = NULL: none.
    struct str idem_scope, idem_key;
    uint8_t idem_hash[32];
    // What to store as the first answer: called at reduction, when the ids are known; puts JSON.
    void (*idem_put)(struct buf *b, const struct submit *s);
    void (*done)(struct submit *s);     // producer's thread, which owns the submit again
    void *ctx;                          // the producer's
    void (*answered)(struct submit *s); // sequencer's thread: set by the intake
    void *carrier;                      // the intake's
    struct submit_answer answer;
};

// NULL without memory. Takes its own reference on the principal.
struct submit *submit_new(struct realm *realm, struct principal *principal) MUST_CHECK;
void submit_free(struct submit *s); // accepts NULL
size_t submit_bytes(const struct submit *s);

// Each adds one item or explains in `fault` why not (-E_BAD_REQUEST, -E_UNKNOWN_TYPE, -E_TOO_LARGE,
// -E_FORBIDDEN, -E_NO_MEMORY). What they keep is copied into the submit's arena. An event of a job
// type that names its job becomes a report.

// `{"topic"|"topics"|"channel"|"user","type","data"}` of the publish API.
int submit_add_publish(struct submit *s, struct json_val object,
                       struct report_fault *fault) MUST_CHECK;
// A client's `{"type":T,"data":…}`: shown on `event:T`.
int submit_add_client_event(struct submit *s, struct str type, struct json_val data,
                            struct report_fault *fault) MUST_CHECK;
// A client's `{"channel":C,"data":…}`.
int submit_add_channel(struct submit *s, struct str channel, struct json_val data,
                       struct report_fault *fault) MUST_CHECK;
// A call of a job API.
int submit_add_call(struct submit *s, enum job_kind kind, enum report_verb verb, struct str id,
                    struct json_val body, struct report_fault *fault) MUST_CHECK;

// Where submits go: the server's queue to the sequencer, or a test's. -E_UNAVAILABLE: full, the
// submit stays the caller's; 0: `done` will be called, once, perhaps before this returns.
struct intake {
    int (*submit_take)(struct intake *in, struct submit *s);
};

#endif
