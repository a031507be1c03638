// SPDX-License-Identifier: MIT
// What the reports of each kind of job look like: their paths and the members of their bodies.
// Pure.
#ifndef CLAIRON_CLIENT_REPORT_H
#define CLAIRON_CLIENT_REPORT_H

#include "base/buf.h"
#include "base/str.h"
#include "clairon/client.h"

#define REPORT_PATH_SIZE 512

enum report_type {
    REPORT_START, // creates the job, or its next attempt
    REPORT_BEGIN, // it is under way
    REPORT_LEASE, // it still is
    REPORT_LOG,
    REPORT_PROGRESS,
    REPORT_STEP,
    REPORT_END,
};

// `outcome` counts for REPORT_END only.
void report_path(enum clairon_kind k, const char *id, enum report_type t,
                 enum clairon_outcome_type outcome, char out[REPORT_PATH_SIZE]);

// Members of the body, each with a comma before it. Texts are repaired to UTF-8 first.
struct report_start {
    const char *id, *project, *name; // name may be NULL
    int lease_s;
};
void report_put_start(struct buf *b, enum clairon_kind k, const struct report_start *s);
void report_put_begin(struct buf *b, enum clairon_kind k);
void report_put_lease(struct buf *b, int lease_s);
void report_put_progress(struct buf *b, enum clairon_kind k, double percent, const char *message);
void report_put_step(struct buf *b, enum clairon_kind k, const char *name, const char *message);
void report_put_end(struct buf *b, enum clairon_kind k, const struct clairon_outcome *o);
// One element of `lines`, with braces.
void report_put_line(struct buf *b, enum clairon_level level, struct str text, bool cont);

#endif
