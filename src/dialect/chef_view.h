// SPDX-License-Identifier: MIT
// What Socket.IO clients are sent, as the text of events: `["name",{…}]`, with the cursor as a last
// argument where the client may go on from there. Pure.
//
// A build's event is `job:*` to who follows the job, `project:*` to who follows its project, and
// what every other event is, its type with the event object, to who follows it by another topic: to
// who does several of that, all of them back to back, the cursor with the last one only.
#ifndef CLAIRON_DIALECT_CHEF_VIEW_H
#define CLAIRON_DIALECT_CHEF_VIEW_H

#include "base/buf.h"
#include "base/str.h"
#include "hub/event.h"
#include "hub/sink.h"

// The looks (hub/sink.h) of topics.
enum chef_look { CHEF_JOB = 1, CHEF_PROJECT = 2, CHEF_NATIVE = 4 };
unsigned chef_looks_of(struct str topic);

// Takes what is written, one event after the other.
struct chef_out {
    struct buf text; // as the packet `42[…]`
    // One is whole.
    void (*take)(struct chef_out *o);
};
void chef_out_init(struct chef_out *o, void (*take)(struct chef_out *o));
void chef_out_fini(struct chef_out *o);
struct str chef_payload(const struct chef_out *o); // the array

// One that puts them as a transport has them, one behind the other: WebSocket frames, or packets
// each behind the separator of polling. `out` is marked as failed when that failed.
struct chef_run {
    struct chef_out base; // first
    struct buf *out;
};
void chef_run_init(struct chef_run *r, struct buf *out, bool websocket);
void chef_run_fini(struct chef_run *r);

// For sink_variant.put.
void chef_put_frames(struct buf *out, const struct event *e, const struct sink_encoding *how);
void chef_put_packets(struct buf *out, const struct event *e, const struct sink_encoding *how);

// Late comers of a build: the log's tail, the progress, the end, all marked `snapshot`; of other
// jobs the snapshot object. Without cursors: they are not what moves it.
void chef_put_snapshot(struct chef_out *o, const struct sink_snapshot *s, uint64_t epoch);
void chef_put_gap(struct chef_out *o, const struct gap *gap, uint64_t epoch, int64_t wall_ms);
void chef_put_connected(struct chef_out *o, uint64_t epoch, uint64_t position);

// What the hub says of itself: `["type",{"type":type,"data":data}]`.
void chef_put_message(struct chef_out *o, const char *type, struct str data);
struct chef_refusal {
    int err;
    const char *text; // NULL: the error's own
    struct str topic; // p = NULL: none
};
// WEBSOCKET_ERROR: code and message both in `data` and beside it.
void chef_put_refusal(struct chef_out *o, const struct chef_refusal *r);

// Acknowledgements: the array of their one argument.
void chef_put_done(struct buf *b, uint64_t epoch, uint64_t cursor); // [{"ok":true,"cursor"}]
void chef_put_refused(struct buf *b, const struct chef_refusal *r); // [{"ok":false,"error":{…}}]

#endif
