// SPDX-License-Identifier: MIT
// Compressed twins of variants.
#include "dialect/twins.h"

#include "base/assert.h"
#include "base/mem.h"
#include "dialect/variants.h"
#include "wire/ws_deflate_stream.h"

#define FAMILIES_MAX 4

// Shorter messages are not put on a stream, which would gain little by them.
#define LINKED_BYTES_MIN 64

struct twin {
    struct sink_variant variant; // first
    struct sink_linked linked;
    const struct sink_variant *plain; // NULL: nobody asked for it yet
    struct twins *all;
    enum ws_class class;
};

struct family {
    struct sink_family twin;
    const struct sink_family *plain;
};

struct twins {
    struct ws_compressor *compressor;
    struct buf scratch; // frames that are to be compressed
    struct buf message; // that was
    uint64_t runs;      // of all streams
    unsigned next_number;
    struct twin of[WS_CLASSES][VARIANTS_MAX];
    struct family families[WS_CLASSES][FAMILIES_MAX];
};

struct twins *twins_new(struct ws_compressor *compressor)
{
    struct twins *t = mem_alloc(sizeof(*t));
    t->compressor = compressor;
    t->next_number = VARIANTS_MAX;
    sink_scratch_init(&t->scratch);
    sink_scratch_init(&t->message);
    return t;
}

void twins_free(struct twins *t)
{
    if (t) {
        buf_fini(&t->scratch);
        buf_fini(&t->message);
        mem_free(t);
    }
}

static void put(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    const struct twin *t = (const void *)how->variant;
    struct buf *scratch = &t->all->scratch;
    sink_scratch_put(scratch, t->plain, e, how);
    ws_compressor_put_frames(t->all->compressor, t->class, buf_str(scratch), out);
    out->failed = out->failed || scratch->failed;
    sink_scratch_done(scratch);
}

// --- streams ---

static void *stream_open(const struct sink_variant *variant)
{
    static const struct ws_deflate_shape shape = {
        .level = 1, .window_bits = WS_STREAM_BITS, .mem_level = 5};
    const struct twin *t = (const void *)variant;
    return ws_deflate_stream_try_new(&shape, &t->all->runs);
}

static void stream_close(void *stream)
{
    ws_deflate_stream_free(stream);
}

// One message. False: without memory it goes as it is.
static bool stream_message(struct twins *all, struct ws_deflate_stream *stream, struct str payload,
                           struct ws_stream_message *ret)
{
    if (all->message.failed) {
        buf_fini(&all->message);
    }
    buf_clear(&all->message);
    if (ws_deflate_stream_put(stream, payload, &all->message, ret) != 0) {
        return false;
    }
    all->compressor->messages++;
    if (all->message.len < payload.len) {
        all->compressor->saved_bytes += payload.len - all->message.len;
    }
    return true;
}

static void stream_put(void *stream, struct buf *out, const struct event *e,
                       const struct sink_encoding *how, struct sink_place *from,
                       struct sink_place *to)
{
    const struct twin *t = (const void *)how->variant;
    struct buf *scratch = &t->all->scratch;
    sink_scratch_put(scratch, t->plain, e, how);
    *from = *to = (struct sink_place){0};
    for (struct str rest = buf_str(scratch); rest.len > 0;) {
        size_t head, len;
        enum ws_opcode op = ws_read_head(rest, &head, &len);
        struct str frame = str_make(rest.p, head + len);
        struct ws_stream_message m;
        if (len >= LINKED_BYTES_MIN && stream_message(t->all, stream, str_from(frame, head), &m)) {
            ws_put_compressed(out, op, buf_str(&t->all->message));
            *from = from->run ? *from : (struct sink_place){m.run, m.seq};
            // Behind its last message a run is over.
            *to = (struct sink_place){m.seq + 1 < WS_STREAM_RUN ? m.run : 0, m.seq + 1};
        } else {
            buf_put(out, frame);
        }
        rest = str_from(rest, frame.len);
    }
    out->failed = out->failed || scratch->failed;
    sink_scratch_done(scratch);
}

// --- the table ---

static struct twin *make(struct twins *all, const struct sink_variant *plain, enum ws_class class)
{
    ASSERT(plain->number < VARIANTS_MAX);
    struct twin *t = &all->of[class][plain->number];
    ASSERT(!t->plain || t->plain == plain);
    ASSERT(t->plain || all->next_number < VARIANT_CHEF_POLLING);
    if (!t->plain) {
        *t = (struct twin){.variant = *plain, .plain = plain, .all = all, .class = class};
        t->variant.number = all->next_number++;
        t->variant.put = put;
        if (class == WS_CLASS_LINKED && !plain->family) {
            t->linked = (struct sink_linked){
                .open = stream_open, .close = stream_close, .put = stream_put, .plain = plain};
            t->variant.linked = &t->linked;
        }
    }
    return t;
}

static const struct sink_family *make_family(struct twins *all, const struct sink_family *plain,
                                             enum ws_class class)
{
    unsigned at = 0;
    while (all->families[class][at].plain) {
        if (all->families[class][at].plain == plain) {
            return &all->families[class][at].twin;
        }
        at++;
        ASSERT(at < FAMILIES_MAX);
    }
    struct family *f = &all->families[class][at];
    *f = (struct family){.twin = *plain, .plain = plain};
    for (size_t i = 0; i < ARRAY_LEN(plain->variants); i++) {
        struct twin *member = make(all, plain->variants[i], class);
        member->variant.family = &f->twin;
        f->twin.variants[i] = &member->variant;
    }
    return &f->twin;
}

const struct sink_variant *twin_of(struct twins *t, const struct sink_variant *plain,
                                   enum ws_class class)
{
    if (class == WS_CLASS_PLAIN) {
        return plain;
    }
    struct twin *twin = make(t, plain, class);
    if (plain->family) {
        make_family(t, plain->family, class);
    }
    return &twin->variant;
}
