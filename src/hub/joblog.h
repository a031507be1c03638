// SPDX-License-Identifier: MIT
// Lines of a job's log out of the data of its log events: DEPLOYMENT_LOGS_UPDATE `logs`, TICKET_LOG
// and JOB_LOG `message`, each text one or more lines; `level` for all, or `levels` one per line;
// `cont` the numbers of lines that go on with the one before.
#ifndef CLAIRON_HUB_JOBLOG_H
#define CLAIRON_HUB_JOBLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "hub/event.h"

struct joblog_line {
    uint32_t line;
    struct str level; // lower case
    struct str message;
    int64_t wall_ms;
    bool cont;
};

// The level as we write it: debug info success warning error, from any case; "warn" is warning. p =
// NULL when unknown.
struct str joblog_level(struct str text);

// Calls `fn` for each line of the event's data in order; stops when it returns false. The spans
// live in the arena or the data. -E_NO_MEMORY, -E_BAD_JSON (a damaged record).
int joblog_each(struct str type, struct str data, int64_t wall_ms, struct arena *a,
                bool (*fn)(void *ctx, const struct joblog_line *line), void *ctx) MUST_CHECK;
// {"line":1,"level":"info","message":"…","timestamp":"…"} and "cont":true where it is.
void joblog_put_json(struct buf *b, const struct joblog_line *line);

#endif
