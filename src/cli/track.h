// SPDX-License-Identifier: MIT
// One job as a watcher knows it: from its snapshot, its events, and the pages of its log. Each line
// is given out once and in order; lines that the session did not bring are fetched.
#ifndef CLAIRON_CLI_TRACK_H
#define CLAIRON_CLI_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "clairon/client.h"

enum track_end { TRACK_OPEN, TRACK_WELL, TRACK_FAILED, TRACK_CANCELLED };

struct track {
    enum clairon_kind kind;
    const char *id;
    struct clairon_http *http;
    // `missing` > 0: so many lines before this one are not kept any more, and `text` is empty.
    void (*on_line)(void *arg, struct str level, struct str text, uint64_t missing);
    void (*on_change)(void *arg); // of the status, step or attempt
    void *arg;

    bool known; // something was reported
    int64_t attempt;
    char status[32], step[256], message[512], error[512];
    double progress; // percent
    enum track_end end;
    bool stalled, deleted;
    int64_t started_wall_ms, ended_wall_ms; // 0: unknown

    int64_t next_line; // to be given out; from 1 per attempt
    int64_t last_line; // that is known to exist
};

void track_init(struct track *t); // behind the fields up to `arg`, which are the caller's
void track_snapshot(struct track *t, struct str job);
void track_event(struct track *t, struct str type, struct str data, struct str timestamp);
// Lines are known of that were not given out: the hub could not be asked for them.
bool track_is_behind(const struct track *t);
// Asks the hub for what is missing, up to the end of the log. False when it does not answer.
bool track_catch_up(struct track *t);

#endif
