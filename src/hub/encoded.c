// SPDX-License-Identifier: MIT
// A direct-mapped cache of frames.
#include "hub/encoded.h"

#include "base/mem.h"

#define BYTES_MAX ((size_t)8 << 20) // remembered

void encoded_init(struct encoded *c)
{
    *c = (struct encoded){0};
    sink_scratch_init(&c->scratch);
}

void encoded_fini(struct encoded *c)
{
    encoded_forget(c);
    buf_fini(&c->scratch);
}

void encoded_forget(struct encoded *c)
{
    for (unsigned i = 0; c->entries && i < ENCODED_ENTRIES; i++) {
        rcbuf_unref(c->entries[i].frames);
    }
    mem_free(c->entries);
    c->entries = NULL;
    c->bytes = 0;
}

static struct encoded_entry *place_of(struct encoded *c, uint64_t id,
                                      const struct sink_variant *variant, bool in_bracket)
{
    if (!c->entries) {
        c->entries = mem_try_alloc(ENCODED_ENTRIES * sizeof(*c->entries));
    }
    // Neighbours in the log stay neighbours here, so that a reader pushes out what is oldest.
    uint64_t at = id + (variant->number * 2 + in_bracket) * (uint64_t)(ENCODED_ENTRIES / 8 + 1);
    return c->entries ? &c->entries[at % ENCODED_ENTRIES] : NULL;
}

static void remember(struct encoded *c, struct encoded_entry entry)
{
    size_t len = rcbuf_str(entry.frames).len;
    if (c->bytes + len > BYTES_MAX) {
        encoded_forget(c);
    }
    struct encoded_entry *at = place_of(c, entry.id, entry.variant, entry.in_bracket);
    if (!at || len > BYTES_MAX) {
        rcbuf_unref(entry.frames);
        return;
    }
    if (at->frames) {
        c->bytes -= rcbuf_str(at->frames).len;
        rcbuf_unref(at->frames);
    }
    c->bytes += len;
    *at = entry;
}

void encoded_put(struct encoded *c, struct buf *out, const struct event *e,
                 const struct sink_variant *variant, const struct sink_encoding *how)
{
    // What is retained looks different, but for its id.
    bool once = e->flags & EVENT_RETAINED;
    struct encoded_entry *at = once ? NULL : place_of(c, e->id, variant, how->in_bracket);
    if (at && at->id == e->id && at->variant == variant && at->in_bracket == how->in_bracket) {
        buf_put(out, rcbuf_str(at->frames));
        return;
    }
    sink_scratch_put(&c->scratch, variant, e, how);
    buf_put(out, buf_str(&c->scratch));
    out->failed = out->failed || c->scratch.failed;
    struct rcbuf *frames = at && !out->failed ? rcbuf_try_new(buf_str(&c->scratch)) : NULL;
    if (frames) {
        remember(c, (struct encoded_entry){e->id, variant, how->in_bracket, frames});
    }
    sink_scratch_done(&c->scratch);
}
