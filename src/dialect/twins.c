// SPDX-License-Identifier: MIT
// Compressed twins of variants.
#include "dialect/twins.h"

#include <assert.h>

#include "base/assert.h"
#include "base/mem.h"
#include "dialect/variants.h"

#define FAMILIES_MAX 4

static_assert(VARIANTS_MAX * WS_CLASSES <= SINK_VARIANTS_MAX, "each has a number");

struct twin {
    struct sink_variant variant;      // first
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
    struct twin of[WS_CLASSES][VARIANTS_MAX];
    struct family families[WS_CLASSES][FAMILIES_MAX];
};

struct twins *twins_new(struct ws_compressor *compressor)
{
    struct twins *t = mem_alloc(sizeof(*t));
    t->compressor = compressor;
    sink_scratch_init(&t->scratch);
    return t;
}

void twins_free(struct twins *t)
{
    if (t) {
        buf_fini(&t->scratch);
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

static struct twin *make(struct twins *all, const struct sink_variant *plain, enum ws_class class)
{
    ASSERT(plain->number < VARIANTS_MAX);
    struct twin *t = &all->of[class][plain->number];
    ASSERT(!t->plain || t->plain == plain);
    if (!t->plain) {
        *t = (struct twin){.variant = *plain, .plain = plain, .all = all, .class = class};
        t->variant.number = plain->number + VARIANTS_MAX * (unsigned)class;
        t->variant.put = put;
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
