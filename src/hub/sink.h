// SPDX-License-Identifier: MIT
// The only door out: what a session tells its dialect. All calls come on the session's worker
// thread. A sink takes whatever it is given; its answer says whether it wants more now.
#ifndef CLAIRON_HUB_SINK_H
#define CLAIRON_HUB_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rcbuf.h"
#include "base/str.h"
#include "hub/event.h"
#include "hub/store.h"

enum sink_room {
    SINK_MORE, // go on
    SINK_FULL, // taken, but hold the rest until session_writable
};

// One frame per variant for the event being delivered: the first dialect that needs it encodes, all
// others share. The cache owns the references and drops them when the event changes.
#define SINK_VARIANTS_MAX 16
struct sink_frames {
    struct rcbuf
        *frames[SINK_VARIANTS_MAX]; // by the dialect's variant number; NULL: not encoded yet
};

struct sink_snapshot {
    struct str topic;
    uint64_t cursor;       // C of the bracket
    const struct job *job; // NULL: nobody has reported on it
    const struct store_lines
        *tail; // the end of its log, up to the job's last line; NULL with no job
};

struct sink_ops {
    // An event in id order. `in_bracket`: it does not move the client's cursor.
    enum sink_room (*event)(void *sink, struct event *e, struct sink_frames *frames,
                            bool in_bracket);
    // A bracket: subscribed for each topic, gaps and snapshots in the order asked, events,
    // caught_up for each. `ref` is the subscription's own (session_subscribe), borrowed.
    void (*subscribed)(void *sink, struct str topic, uint64_t cursor, bool recovered,
                       const void *ref);
    void (*snapshot)(void *sink, const struct sink_snapshot *snapshot);
    void (*gap)(void *sink, const struct gap *gap);
    void (*caught_up)(void *sink, struct str topic, uint64_t cursor, const void *ref);
    void (*refused)(void *sink, struct str topic, int err, const char *text, const void *ref);
    // The bracket is over; `ref` may be freed.
    void (*bracket_done)(void *sink, void *ref);
};

#endif
