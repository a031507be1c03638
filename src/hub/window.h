// SPDX-License-Identifier: MIT
// A window: the events that a worker hands out together, and the bytes they are for each variant.
//
// Bit i of a mask stands for the i-th event of the window, so bits are in id order. For a (variant,
// mask) there is one *run*: the frames of those events one behind the other. An event is encoded
// when the first run that holds it is asked for; a run is put together once and shared. One thread.
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

// The frames of the window's events for one variant, in the order in which they were needed.
struct window_segment {
    struct buf bytes;
    uint64_t encoded; // which events are in it
    uint32_t from[WINDOW_EVENTS], len[WINDOW_EVENTS];
};

// Runs remembered. More distinct masks than that (clients on many topics each) take turns.
#define WINDOW_RUNS 256

struct window_run {
    uint64_t mask; // 0: none
    const struct sink_variant *variant;
    struct rcbuf *bytes;
};

struct window {
    struct event *events[WINDOW_EVENTS]; // one reference each
    unsigned count;
    size_t bytes; // of their data
    uint64_t epoch;
    struct window_segment segments[SINK_VARIANTS_MAX];
    uint32_t used; // variants whose segment holds something
    struct window_run runs[WINDOW_RUNS];
    unsigned runs_used;
};

void window_init(struct window *w, uint64_t epoch); // allocates nothing yet
void window_fini(struct window *w);
// Takes its own reference. Returns the event's bit.
uint64_t window_add(struct window *w, struct event *e);
// So much that it should be handed out before more is added?
bool window_is_full(const struct window *w);
// Borrowed until window_clear. Empty when the variant shows none of these events; NULL without
// memory.
struct rcbuf *window_run(struct window *w, const struct sink_variant *variant, uint64_t mask);
// Ready for the next events. Keeps the memory of its segments, within bounds.
void window_clear(struct window *w);

#endif
