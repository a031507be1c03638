// SPDX-License-Identifier: MIT
// What the hub asks of a store: an ops table that store/ implements twice (SQLite, and a model in
// memory for tests and simulation). All calls block; the server puts them on threads of their own.
// There is one writer handle, used by one thread at a time, and any number of reader handles, each
// used by one thread at a time. Readers see every commit that finished before the call.
#ifndef CLAIRON_HUB_STORE_H
#define CLAIRON_HUB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/siphash.h"
#include "base/str.h"
#include "hub/event.h"
#include "hub/job.h"
#include "hub/joblog.h"

struct store_ops;

// Implementations put these first in their own structs. Opening is theirs: store/sqlite.h,
// store/model.h.
struct store {
    const struct store_ops *ops;
};
struct store_reader {
    struct store *store;
};

// What opening found or made.
struct store_info {
    uint64_t epoch;        // rolls when an id may come again with other content
    uint64_t reserved_top; // ids up to here were reserved
    uint64_t visible; // everything up to here is committed or will never come: the first new id is
                      // visible + 1
    uint64_t trimmed_max; // highest id removed on any topic
    bool clean;           // the last user closed it
};

// --- writing ---

// Rows that a batch needs before it can be reduced. Filled in place; spans and results live as the
// caller says.
struct store_load_job {
    enum job_kind kind;
    struct str id;
    struct job *job; // out: one reference to the latest attempt, or NULL
};

struct store_idem {
    struct str scope; // principal and path
    struct str key;
    uint8_t body_hash[32];
    int64_t expires_wall_ms;
    struct str answer; // JSON: what the first answer said
};

struct store_load_idem {
    struct str scope, key;
    struct arena *arena; // where the found row is copied
    bool found;          // out
    struct store_idem row;
};

// Tokens that are no longer taken. What `what` means is auth's matter; a store only keeps one row
// for each (what, name).
struct store_revocation {
    unsigned what;
    struct str name; // empty: about nobody in particular
    int64_t before_ms;
    int64_t until_ms; // of the row; INT64_MAX: for ever
    uint64_t row;     // out: rises in the order in which rows were made
};

// What is remembered of a client that may come back, see hub/recall.h, whose matter the data are.
struct store_recall {
    struct str key;
    struct str data; // p = NULL: the row goes
    int64_t until_ms;
};

struct store_load {
    struct store_load_job *jobs;
    unsigned jobs_count;
    struct store_load_idem *idems;
    unsigned idems_count;
    int64_t wall_ms; // rows that expired by then are not found
};

// Upkeep proposed by a reader (retention, merging of small chunks): opaque to the hub, carried out
// in a batch.
struct store_task {
    struct store_task *next;
};

// One transaction: all or nothing. Removes come before the rest, so a job made again in the same
// batch starts empty.
struct store_batch {
    struct event **events; // with ids, rising; EVENT_MEMORY ones are never here
    unsigned events_count;
    struct job **jobs; // rows to write, the latest attempt of each
    unsigned jobs_count;
    struct {
        enum job_kind kind;
        struct str id;
    } * removes; // jobs to delete with log and history
    unsigned removes_count;
    struct store_idem *idems;
    unsigned idems_count;
    // A second row for the same thing widens the first: the later of both times counts.
    const struct store_revocation *revocations;
    unsigned revocations_count;
    const struct store_recall *recalls; // each in place of the row of its key
    unsigned recalls_count;
    struct store_task *tasks; // carried out after the rest; stays the caller's
    int64_t wall_ms;
    uint64_t trimmed_max; // out: highest id that tasks and removes took away; 0 = none
};

// --- reading ---

// Events of some topics with after < id <= upto, ascending; or, with `backward`, the newest ones
// with id < before.
struct store_query {
    struct str *topics;
    unsigned topics_count;
    uint64_t after, upto;
    bool backward;
    uint64_t before;
    unsigned count_max;
    size_t bytes_max; // at least one event comes whatever its size
};

enum gap_reason { GAP_RETENTION, GAP_QUOTA, GAP_RATE, GAP_MEMORY, GAP_EPOCH };
const char *gap_reason_name(enum gap_reason r);

// Something was removed: ids in (from, to] of a topic. `from` is already raised to the reader's
// position.
struct gap {
    struct str topic;
    uint64_t from, to;
    uint64_t count, bytes; // 0 when unknown
    enum gap_reason reason;
};

// Owned by the caller; store_page_fini. Gaps are those of the query's topics that a reader at
// `after` must be told.
struct store_page {
    struct event **events; // one reference each, ascending also when read backward
    unsigned count;
    struct gap *gaps; // forward pages; at most one per topic and page
    unsigned gaps_count;
    uint64_t examined;  // forward: everything up to here was looked at; == query.upto at the end
    bool more;          // backward: there are older ones
    struct arena arena; // what gaps' spans point into
};
void store_page_init(struct store_page *p);
void store_page_fini(struct store_page *p);

// Lines of one attempt's log.
struct store_lines_query {
    enum job_kind kind;
    struct str id;
    uint32_t attempt; // 0: the latest
    int64_t from;     // first line number wanted; negative: that many from the end
    unsigned count_max;
    size_t bytes_max; // of messages; at least one line comes
    uint32_t last;    // nothing beyond this line (0: no bound)
    bool tail;        // with bytes_max: drop from the front rather than the back
};

struct store_lines {
    struct joblog_line *lines; // in the arena
    unsigned count;
    uint32_t first_kept, last; // of the whole log; 0 when it is empty
    uint32_t attempt;          // 0: no such job
    struct arena arena;
};
void store_lines_init(struct store_lines *l);
void store_lines_fini(struct store_lines *l);

// The JOB object of the API, with these lines as its log.
void store_put_job_json(struct buf *b, const struct job *j, const struct store_lines *tail,
                        uint64_t epoch);

struct store_jobs_query {
    enum job_kind kind;
    struct str status; // p = NULL: all
    struct str after;  // opaque `next` of the page before; p = NULL: from the start
    unsigned limit;
};

struct store_jobs {
    struct job **jobs; // one reference each, newest first
    unsigned count;
    char next[160]; // empty: no more
};
void store_jobs_fini(struct store_jobs *l);

#define STORE_RETAINED_MAX 64

// How long things are kept.
struct store_policy {
    int64_t retention_ms;       // events and ended jobs older than this go
    uint64_t job_log_bytes;     // log kept per attempt; the oldest chunks go first
    const struct str *retained; // channels whose last message stays, however old
    unsigned retained_count;    // at most STORE_RETAINED_MAX
};

// --- the table ---

// Every int: 0, -E_IO, -E_STORAGE_FULL, -E_NO_MEMORY; nothing partial is left behind.
struct store_ops {
    // Writer.
    int (*load)(struct store *s, struct store_load *load);
    int (*commit)(struct store *s, struct store_batch *batch);
    int (*reserve)(struct store *s,
                   uint64_t top); // ids up to top may be used once this returned: it is on disk
    int (*save_clean)(struct store *s, uint64_t last_id); // at a clean end, nothing in flight
    // Any thread, also during a commit: what was committed before the call is on disk when it
    // returns.
    int (*sync)(struct store *s);
    // Readers.
    struct store_reader *(*reader_new)(struct store *s); // NULL: could not
    void (*reader_free)(struct store_reader *r);
    int (*read)(struct store_reader *r, const struct store_query *q, struct store_page *page);
    int (*read_lines)(struct store_reader *r, const struct store_lines_query *q,
                      struct store_lines *ret);
    int (*read_jobs)(struct store_reader *r, const struct store_jobs_query *q,
                     struct store_jobs *ret);
    int (*read_job)(struct store_reader *r, enum job_kind kind, struct str id, uint32_t attempt,
                    struct job **ret);
    // The jobs whose attempt is open, at start-up, for their leases.
    int (*read_open)(struct store_reader *r, bool (*fn)(void *ctx, struct job *borrowed),
                     void *ctx);
    // Revocations that live beyond `wall_ms`, those made after row `after` (0: all), in the order
    // of rows, until `fn` says false.
    int (*read_revocations)(struct store_reader *r, uint64_t after, int64_t wall_ms,
                            bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                            void *ctx);
    // All rows, in no order, until `fn` says false.
    int (*read_recalls)(struct store_reader *r,
                        bool (*fn)(void *ctx, const struct store_recall *borrowed), void *ctx);
    // Highest id removed on any of these topics (0: none), and the gap a reader at `after` must be
    // told, per topic.
    int (*read_gaps)(struct store_reader *r, const struct store_query *q, struct store_page *page);
    // Proposes upkeep that takes at most a few ms; NULL: nothing to do.
    struct store_task *(*plan)(struct store_reader *r, int64_t wall_ms,
                               const struct store_policy *policy);
    void (*tasks_free)(struct store_task *t);
    // Moves committed pages from the write-ahead log into the database, off the writer's path.
    int (*checkpoint)(struct store_reader *r);
    void (*free)(struct store *s); // readers first
};

#endif
