// SPDX-License-Identifier: MIT
// WebSocket text messages put together one after the other, as whole frames: what an event looks
// like to a dialect, made once for all of its connections. Owned by whoever initialised it; any
// thread.
#ifndef CLAIRON_DIALECT_FRAMES_H
#define CLAIRON_DIALECT_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "hub/event.h"
#include "hub/store.h"
#include "wire/json.h"

struct frames {
    struct buf out;     // whole frames
    struct buf message; // the one being written
};

void frames_init(struct frames *f);
void frames_fini(struct frames *f);
// A message is written into the buffer that begin returns, and is framed by end.
struct buf *frames_begin(struct frames *f);
void frames_end(struct frames *f);
bool frames_failed(const struct frames *f); // out of memory, or larger than any message may be
// For sink_variant.put: appends what `put` makes of the event; out->failed when that failed.
void frames_put_event(struct buf *out,
                      void (*put)(struct frames *f, const struct event *e, uint64_t epoch),
                      const struct event *e, uint64_t epoch);

// ---- What flat messages are made of. All put `,"name":value`.

void flat_put_text(struct buf *b, const char *name, struct str text); // p = NULL: null
void flat_put_raw(struct buf *b, const char *name, struct str json);  // p = NULL: null
void flat_put_int(struct buf *b, const char *name, int64_t number);
void flat_put_progress(struct buf *b, const char *name, double progress);
void flat_put_time(struct buf *b, const char *name, int64_t wall_ms);
void flat_put_cursor(struct buf *b, const char *name, uint64_t epoch, uint64_t id);
// The value as it stands in the event's data; null, or left out, when it is absent.
void flat_put_member(struct buf *b, const char *name, struct json_val value);
void flat_put_if_set(struct buf *b, const char *name, struct json_val value);
// All members of the data but those named `type` and `id`; data that is no object goes as `data`.
void flat_put_members(struct buf *b, struct json_val data);

// An event's data, which the hub keeps as valid JSON; JSON_NONE for a damaged record.
struct json_val flat_data(struct str data);
// How one kind of job shows its log lines:
// {"type":"log",ID_FIELD:id,"level","message","timestamp","line"}.
struct flat_log {
    const char *id_field;
    bool upper; // the level
};
// One message per line of a log event; only the last one carries the event's id.
void flat_put_log(struct frames *f, const struct flat_log *how, const struct event *e,
                  uint64_t epoch);
// One message per line of a snapshot's tail.
void flat_put_tail(struct frames *f, const struct flat_log *how, struct str id,
                   const struct store_lines *tail);
// A gap, as a line of level warning with the gap itself in `gap`. `id`: p = NULL: of no one job.
struct flat_gap {
    const struct gap *gap;
    struct str id;
    uint64_t epoch;
    int64_t wall_ms;
};
void flat_put_gap(struct frames *f, const struct flat_log *how, const struct flat_gap *g);
// What is said of one, to people.
#define FLAT_GAP_TEXT 96
struct str flat_gap_text(const struct gap *gap, char out[FLAT_GAP_TEXT]);
// Any other event: its data with `type` and `id`.
void flat_put_other(struct frames *f, const struct event *e, uint64_t epoch);

#endif
