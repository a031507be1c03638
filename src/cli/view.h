// SPDX-License-Identifier: MIT
// How `clairon watch` shows a job: on a terminal the log with a live bar pinned below it, elsewhere
// plain lines. Log lines go to standard output, what else is to be said to standard error.
#ifndef CLAIRON_CLI_VIEW_H
#define CLAIRON_CLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "cli/track.h"

struct view {
    bool terminal; // standard output is one
    int columns;
    bool bar_shown;
    struct buf out; // what view_flush writes
};

void view_init(struct view *v);
void view_fini(struct view *v);
void view_resize(struct view *v);
// A log line. On a terminal only colours survive of what could steer it.
void view_line(struct view *v, struct str level, struct str text);
// Something to be said beside the log, without moving the bar.
void view_say(struct view *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Draws the bar anew; nothing when there is no terminal.
void view_bar(struct view *v, const struct track *t, const char *trouble, int64_t now_wall_ms);
void view_hide_bar(struct view *v);
// Writes what was put. False when nobody reads it any more.
bool view_flush(struct view *v) MUST_CHECK;

// Appends `text` as a terminal may have it: printable, with colours (ECMA-48 SGR), which are ended.
void view_put_safe(struct buf *b, struct str text);
// Appends 0:07, 12:34 or 1:02:03.
void view_put_elapsed(struct buf *b, int64_t ms);

#endif
