// SPDX-License-Identifier: MIT
// Events to runs of bytes, each of them once.
#include "hub/window.h"

#include <string.h>

#include "base/assert.h"

// Of one window's frames. The largest event alone may be more than the data limit says, since its
// frames are escaped and cut by line.
#define SEGMENT_BYTES_MAX ((size_t)32 * LIMIT_BODY_BYTES)
// What an empty segment may keep.
#define SEGMENT_BYTES_KEPT ((size_t)4 * LIMIT_RUN_BYTES)

void window_init(struct window *w, uint64_t epoch)
{
    *w = (struct window){.epoch = epoch};
    for (unsigned i = 0; i < SINK_VARIANTS_MAX; i++) {
        buf_init(&w->segments[i].bytes, SEGMENT_BYTES_MAX);
    }
}

void window_fini(struct window *w)
{
    window_clear(w);
    for (unsigned i = 0; i < SINK_VARIANTS_MAX; i++) {
        buf_fini(&w->segments[i].bytes);
    }
}

uint64_t window_add(struct window *w, struct event *e)
{
    ASSERT(w->count < WINDOW_EVENTS);
    ASSERT(w->count == 0 || e->id > w->events[w->count - 1]->id);
    w->bytes += e->data.len;
    w->events[w->count] = event_ref(e);
    return (uint64_t)1 << w->count++;
}

bool window_is_full(const struct window *w)
{
    return w->count == WINDOW_EVENTS || w->bytes >= LIMIT_RUN_BYTES;
}

static bool encode(struct window *w, const struct sink_variant *variant, uint64_t mask)
{
    struct window_segment *s = &w->segments[variant->number];
    w->used |= (uint32_t)1 << variant->number;
    for (uint64_t left = mask & ~s->encoded; left && !s->bytes.failed; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        size_t from = s->bytes.len;
        variant->put(&s->bytes, w->events[i], &(struct sink_encoding){.epoch = w->epoch});
        s->from[i] = (uint32_t)from;
        s->len[i] = (uint32_t)(s->bytes.len - from);
    }
    s->encoded |= mask;
    return !s->bytes.failed;
}

static struct rcbuf *gather(const struct window_segment *s, uint64_t mask)
{
    size_t len = 0;
    for (uint64_t left = mask; left; left &= left - 1) {
        len += s->len[__builtin_ctzll(left)];
    }
    char *p;
    struct rcbuf *run = rcbuf_try_alloc(len, &p);
    for (uint64_t left = mask; run && left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (s->len[i] > 0) {
            memcpy(p, s->bytes.p + s->from[i], s->len[i]);
            p += s->len[i];
        }
    }
    return run;
}

// Where (variant, mask) is remembered, or will be. Two places to look at are enough: what is pushed
// out is put together again.
static struct window_run *place_of(struct window *w, const struct sink_variant *variant,
                                   uint64_t mask)
{
    uint64_t mixed = (mask ^ variant->number) * 0x9e3779b97f4a7c15u;
    struct window_run *r = &w->runs[mixed >> 56];
    struct window_run *other = &w->runs[(mixed >> 48) & (WINDOW_RUNS - 1)];
    bool taken = r->mask && (r->mask != mask || r->variant != variant);
    return taken && (!other->mask || (other->mask == mask && other->variant == variant)) ? other
                                                                                         : r;
}

struct rcbuf *window_run(struct window *w, const struct sink_variant *variant, uint64_t mask)
{
    ASSERT(mask && variant->number < SINK_VARIANTS_MAX);
    struct window_run *r = place_of(w, variant, mask);
    if (r->mask == mask && r->variant == variant) {
        return r->bytes;
    }
    if (!encode(w, variant, mask)) {
        return NULL;
    }
    struct rcbuf *bytes = gather(&w->segments[variant->number], mask);
    if (!bytes) {
        return NULL;
    }
    rcbuf_unref(r->bytes);
    w->runs_used += r->mask == 0;
    *r = (struct window_run){.mask = mask, .variant = variant, .bytes = bytes};
    return bytes;
}

static void forget_runs(struct window *w)
{
    for (unsigned i = 0; i < WINDOW_RUNS && w->runs_used > 0; i++) {
        if (w->runs[i].mask) {
            rcbuf_unref(w->runs[i].bytes);
            w->runs[i] = (struct window_run){0};
            w->runs_used--;
        }
    }
}

void window_clear(struct window *w)
{
    forget_runs(w);
    for (unsigned i = 0; i < w->count; i++) {
        event_unref(w->events[i]);
    }
    for (uint32_t left = w->used; left; left &= left - 1) {
        struct window_segment *s = &w->segments[__builtin_ctz(left)];
        if (s->bytes.cap > SEGMENT_BYTES_KEPT) {
            buf_fini(&s->bytes);
        }
        buf_clear(&s->bytes);
        s->encoded = 0;
    }
    w->used = 0;
    w->count = 0;
    w->bytes = 0;
}
