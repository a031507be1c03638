// SPDX-License-Identifier: MIT
// The streams of one worker (sink_linked): one for each variant and topic whose events are being
// handed out. Each event of the topic is put on the stream once, in the order of the log, and its
// frames serve all sinks that are in step: those that were given every frame of the run so far.
// Others are given frames that refer to nothing, until a run begins; what comes by other topics is
// given plainly to who is in step, so that it stays so.
//
// A sink is in step on one stream at most: that of its home. One thread.
#ifndef CLAIRON_HUB_STREAMS_H
#define CLAIRON_HUB_STREAMS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/rcbuf.h"
#include "hub/sink.h"
#include "hub/window.h"

#define STREAMS_MAX  32 // topics beyond them have none
#define STREAMS_RUNS 64 // remembered

// One sink.
struct stream_slot {
    uint64_t home; // hash of the topic whose stream it may be on; 0: none
    struct sink_place at;
};

struct stream;

// What all sinks at one place are given, and where they are then.
struct stream_run {
    const struct sink_variant *variant; // NULL: none
    uint64_t first, mask;
    struct stream_slot before, after;
    struct rcbuf *bytes;
};

struct streams {
    struct stream *all[STREAMS_MAX];
    unsigned count;
    uint64_t used; // times that any was
    struct stream_run runs[STREAMS_RUNS];
    unsigned runs_used;
    struct buf scratch;
};

void streams_init(struct streams *s); // allocates nothing yet
void streams_fini(struct streams *s); // as new
// Before window_drop.
void streams_drop_oldest(struct streams *s, const struct window *w);
// What the sink is to be given, as window_run says, after which it is where *slot says.
struct rcbuf *streams_run(struct streams *s, struct window *w, const struct window_want *want,
                          struct stream_slot *slot);

#endif
