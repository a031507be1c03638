// SPDX-License-Identifier: MIT
// From an event to the bytes of a variant.
#include "hub/sink.h"

#include "def/limits.h"
#include "wire/cursor.h"

// Of one event: more than the data limit says, since they are escaped and cut by line.
#define FRAMES_BYTES_MAX ((size_t)32 * LIMIT_BODY_BYTES)
#define SCRATCH_KEPT     ((size_t)LIMIT_RUN_BYTES)

void sink_scratch_init(struct buf *scratch)
{
    buf_init(scratch, FRAMES_BYTES_MAX);
}

void sink_scratch_put(struct buf *scratch, const struct sink_variant *variant,
                      const struct event *e, const struct sink_encoding *how)
{
    struct sink_encoding own = *how;
    own.variant = variant;
    buf_clear(scratch);
    variant->put(scratch, e, &own);
}

void sink_scratch_done(struct buf *scratch)
{
    if (scratch->failed || scratch->cap > SCRATCH_KEPT) {
        buf_fini(scratch);
    }
}

void sink_snapshot_put_json(struct buf *b, const struct sink_snapshot *s, uint64_t epoch)
{
    buf_put(b, STR("{\"type\":\"snapshot\",\"topic\":"));
    buf_put_json(b, s->topic);
    buf_put(b, STR(",\"data\":"));
    if (s->job) {
        store_put_job_json(b, s->job, s->tail, epoch);
    } else {
        buf_put(b, STR("null"));
    }
    buf_put(b, STR(",\"cursor\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = s->cursor});
    buf_put(b, STR("\"}"));
}
