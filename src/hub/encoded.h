// SPDX-License-Identifier: MIT
// Frames of single events, remembered for a while: sessions that read on by themselves come by the
// same events again and again, each at its own time. Bounded in entries and bytes; what is pushed
// out is encoded again. One thread.
#ifndef CLAIRON_HUB_ENCODED_H
#define CLAIRON_HUB_ENCODED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/rcbuf.h"
#include "hub/event.h"
#include "hub/sink.h"

#define ENCODED_ENTRIES 4096

struct encoded_entry {
    uint64_t id; // 0: none
    const struct sink_variant *variant;
    bool in_bracket;
    struct rcbuf *frames;
};

struct encoded {
    struct encoded_entry *entries; // made at the first use; NULL before
    size_t bytes;                  // of the frames
    struct buf scratch;
};

void encoded_init(struct encoded *c); // allocates nothing yet
void encoded_fini(struct encoded *c);
// Appends the frames of the event; out->failed without memory.
void encoded_put(struct encoded *c, struct buf *out, const struct event *e,
                 const struct sink_variant *variant, const struct sink_encoding *how);
// Forgets all of it, and gives the memory back.
void encoded_forget(struct encoded *c);

#endif
