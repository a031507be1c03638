// SPDX-License-Identifier: MIT
// What a worker asks of other threads: pages and rows from a store reader, jobs as of now from the
// sequencer. Both are answered once, on the asking worker's thread, by `done`, also when they
// failed. The server carries them; a test answers at once or in any order.
#ifndef CLAIRON_HUB_ASK_H
#define CLAIRON_HUB_ASK_H

#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "hub/job.h"
#include "hub/store.h"

// Jobs as of one moment: everything up to `visible` has been reduced into them and is in the memory
// log.
struct snapshot_key {
    enum job_kind kind;
    struct str id;
};

struct snapshot_req {
    struct mail mail;                     // the carrier's
    struct list node;                     // the sequencer's
    void *carrier, *lane;                 // the carrier's
    void (*home)(struct snapshot_req *r); // the carrier's
    struct snapshot_key *keys;            // in the arena
    unsigned count;
    struct arena arena;
    void (*done)(struct snapshot_req *r);
    void *ctx;   // the asker's; NULL: nobody waits any more
    void *owner; // the asker's too, and stays
    // Answer.
    struct job **jobs; // in the arena: one reference each, or NULL for a job nobody reported on
    uint64_t visible;
    int err;
};

// NULL without memory; room for `count` keys, which the asker fills by snapshot_req_set.
struct snapshot_req *snapshot_req_new(unsigned count) MUST_CHECK;
int snapshot_req_set(struct snapshot_req *r, unsigned index, enum job_kind kind,
                     struct str id) MUST_CHECK;
void snapshot_req_free(struct snapshot_req *r); // accepts NULL; drops the answer

enum read_what { READ_PAGE, READ_GAPS, READ_LINES, READ_JOBS, READ_JOB, READ_REVOCATIONS };

enum { READ_REVOCATIONS_MAX = 1000 };

struct read_req {
    struct mail mail;                 // the carrier's
    void *carrier, *lane;             // the carrier's
    void (*home)(struct read_req *r); // the carrier's
    enum read_what what;
    // Question; spans live in the arena.
    struct store_query query;             // PAGE, GAPS
    struct store_lines_query lines_query; // LINES
    struct store_jobs_query jobs_query;   // JOBS
    enum job_kind kind;                   // JOB
    struct str id;
    uint32_t attempt;
    struct { // REVOCATIONS
        uint64_t after;
        int64_t wall_ms;
        unsigned limit; // 1 to READ_REVOCATIONS_MAX
    } revocations_query;
    struct arena arena;
    void (*done)(struct read_req *r);
    void *ctx;   // the asker's; NULL: nobody waits any more
    void *owner; // the asker's too, and stays
    // Answer.
    int err;
    struct store_page page;
    struct store_lines lines;
    struct store_jobs jobs;
    struct job *job; // one reference or NULL
    struct {
        struct store_revocation *list; // in the arena
        unsigned count;
        bool more;
    } revocations;
};

struct read_req *read_req_new(enum read_what what) MUST_CHECK; // NULL without memory
void read_req_free(struct read_req *r);                        // accepts NULL; drops the answer
// Does the read on this thread and fills the answer; for carriers.
void read_req_run(struct read_req *r, struct store_reader *reader);

struct ask {
    void (*read)(struct ask *a, struct read_req *r);
    void (*snapshot)(struct ask *a, struct snapshot_req *r);
    // A session wants fanout_read_on soon. On the worker's thread.
    void (*again)(struct ask *a);
};

#endif
