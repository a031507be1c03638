// SPDX-License-Identifier: MIT
// The window that slides over the log: the events that a worker is handing out, and the bytes they
// are for each variant.
//
// Each event has a bit; a mask says which of them. Bits are given in turn, so one is free again
// when its event has left. For a (variant, mask, looks) there is one *run*: the frames of those
// events in id order, one behind the other. An event is encoded when the first run that holds it is
// asked for; a run is put together once and shared. One thread.
#ifndef CLAIRON_HUB_WINDOW_H
#define CLAIRON_HUB_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/rcbuf.h"
#include "hub/event.h"
#include "hub/sink.h"

#define WINDOW_EVENTS 64

// The frames of each event for one variant.
struct window_frames {
    struct rcbuf *of[WINDOW_EVENTS];
    uint64_t encoded; // which events have them
};

// Runs remembered. More distinct masks than that (clients on many topics each) take turns.
#define WINDOW_RUNS 256

// What a session is to have.
struct window_want {
    const struct sink_variant *variant;
    uint64_t mask;
    uint64_t looks[SINK_LOOKS]; // mixed variants only: the events that have this look
};

struct window_run {
    uint64_t first;          // number of its first event
    struct window_want want; // masks of those from there on; mask 0: none
    struct rcbuf *bytes;
};

// Events are numbered as they come; the bit of one is its number modulo WINDOW_EVENTS.
struct window {
    struct event *events[WINDOW_EVENTS]; // one reference each
    uint64_t first, next;                // numbers of the oldest, and of the next to come
    size_t bytes;                        // of their data
    size_t frames_bytes;
    uint64_t epoch;
    struct window_frames frames[SINK_VARIANTS_MAX];
    uint64_t used; // variants with frames
    struct window_run runs[WINDOW_RUNS];
    unsigned runs_used;
    struct buf scratch;
};

void window_init(struct window *w, uint64_t epoch); // allocates nothing yet
void window_fini(struct window *w);
// Takes its own reference. Returns the event's bit. It must not be full.
uint64_t window_add(struct window *w, struct event *e);
// So much that some of it should leave before more is added?
bool window_is_full(const struct window *w);
bool window_is_empty(const struct window *w);
// The oldest event leaves; nobody may ask for a run with it any more.
void window_drop(struct window *w);
const struct event *window_oldest(const struct window *w, uint64_t mask);
// The event of that bit.
const struct event *window_event(const struct window *w, unsigned bit);
// The frames of the event of that bit, for one variant; borrowed until it leaves. NULL without
// memory.
struct rcbuf *window_frames(struct window *w, const struct sink_variant *variant, unsigned bit);
// Borrowed until the next one is asked for or an event leaves. Empty when the variant shows none of
// these events; NULL without memory.
struct rcbuf *window_run(struct window *w, const struct window_want *want);

#endif
