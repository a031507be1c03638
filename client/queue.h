// SPDX-License-Identifier: MIT
// The reports that wait: what the user's thread says goes in, batches for one request come out.
// Not thread-safe; the reporter guards it by its lock.
#ifndef CLAIRON_CLIENT_QUEUE_H
#define CLAIRON_CLIENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "client/report.h"
#include "client/spool.h"
#include "def/limits.h"

#define BATCH_LINES_MAX LIMIT_LOG_LINES_PER_REPORT
#define BATCH_BYTES_MAX (60 * 1024) // a report of lines becomes one event of at most 64 KiB

struct queue {
    enum clairon_kind kind;
    struct spool spool;
    struct buf scratch;
    uint64_t dropped; // lines since the last one that told of it
    bool dropping;    // until the file is half empty: one line tells of all of them
    bool ended;       // the end is in; nothing goes in any more
};

// One request's worth: some lines, or one report of another type.
struct batch {
    enum report_type type;
    enum clairon_outcome_type outcome; // of REPORT_END
    struct buf text;                   // lines joined by commas, or the members
    unsigned lines;
    size_t line_ends[BATCH_LINES_MAX]; // offset in `text` behind each
};

void queue_init(struct queue *q, enum clairon_kind kind, uint64_t spool_bytes_max);
void queue_fini(struct queue *q);
void queue_log(struct queue *q, enum clairon_level level, struct str line, bool cont);
void queue_progress(struct queue *q, double percent, const char *message);
void queue_step(struct queue *q, const char *name, const char *message);
void queue_end(struct queue *q, const struct clairon_outcome *o);
bool queue_is_empty(const struct queue *q);

void batch_init(struct batch *b);
void batch_fini(struct batch *b);
// Takes the oldest reports that fit one request. False when there are none.
bool batch_take(struct batch *b, struct queue *q, size_t bytes_max);
// The members of the request's body, each with a comma before it: for lines, `count` of them from
// number `from` on.
void batch_put_body(const struct batch *b, unsigned from, unsigned count, struct buf *out);

#endif
