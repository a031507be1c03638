// SPDX-License-Identifier: MIT
// Events to runs of bytes, each of them once.
#include "hub/window.h"

#include <string.h>

#include "base/assert.h"

void window_init(struct window *w, uint64_t epoch)
{
    *w = (struct window){.epoch = epoch};
    sink_scratch_init(&w->scratch);
}

void window_fini(struct window *w)
{
    while (!window_is_empty(w)) {
        window_drop(w);
    }
    buf_fini(&w->scratch);
}

// --- events ---

static unsigned place(uint64_t number)
{
    return (unsigned)(number % WINDOW_EVENTS);
}

uint64_t window_add(struct window *w, struct event *e)
{
    ASSERT(w->next - w->first < WINDOW_EVENTS);
    ASSERT(window_is_empty(w) || e->id > w->events[place(w->next - 1)]->id);
    w->bytes += e->data.len;
    w->events[place(w->next)] = event_ref(e);
    return (uint64_t)1 << place(w->next++);
}

bool window_is_full(const struct window *w)
{
    return w->next - w->first == WINDOW_EVENTS || w->bytes >= LIMIT_RUN_BYTES;
}

bool window_is_empty(const struct window *w)
{
    return w->next == w->first;
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

static void forget_frames(struct window *w, unsigned at)
{
    for (uint32_t left = w->used; left; left &= left - 1) {
        struct window_frames *f = &w->frames[__builtin_ctz(left)];
        if (f->encoded >> at & 1) {
            w->frames_bytes -= rcbuf_str(f->of[at]).len;
            rcbuf_unref(f->of[at]);
            f->of[at] = NULL;
            f->encoded &= ~((uint64_t)1 << at);
        }
    }
}

void window_drop(struct window *w)
{
    ASSERT(!window_is_empty(w));
    unsigned at = place(w->first++);
    forget_frames(w, at);
    w->bytes -= w->events[at]->data.len;
    event_unref(w->events[at]);
    w->events[at] = NULL;
    if (window_is_empty(w)) {
        forget_runs(w);
        w->used = 0;
    }
}

// The same mask, with bit 0 for the oldest event.
static uint64_t from_oldest(const struct window *w, uint64_t mask)
{
    unsigned by = place(w->first);
    return by == 0 ? mask : mask >> by | mask << (WINDOW_EVENTS - by);
}

const struct event *window_oldest(const struct window *w, uint64_t mask)
{
    return w->events[place(w->first + (unsigned)__builtin_ctzll(from_oldest(w, mask)))];
}

// --- runs ---

static struct rcbuf *encode(struct window *w, const struct sink_variant *variant, unsigned at)
{
    struct window_frames *f = &w->frames[variant->number];
    if (f->encoded >> at & 1) {
        return f->of[at];
    }
    struct sink_encoding live = {.epoch = w->epoch};
    sink_scratch_put(&w->scratch, variant, w->events[at], &live);
    struct rcbuf *frames = w->scratch.failed ? NULL : rcbuf_try_new(buf_str(&w->scratch));
    sink_scratch_done(&w->scratch);
    if (frames) {
        f->of[at] = frames;
        f->encoded |= (uint64_t)1 << at;
        w->used |= (uint32_t)1 << variant->number;
        w->frames_bytes += rcbuf_str(frames).len;
    }
    return frames;
}

// Of the events from number `first` on that `mask` says.
static struct rcbuf *gather(struct window *w, const struct sink_variant *variant, uint64_t first,
                            uint64_t mask)
{
    size_t len = 0;
    for (uint64_t left = mask; left; left &= left - 1) {
        struct rcbuf *frames = encode(w, variant, place(first + (unsigned)__builtin_ctzll(left)));
        if (!frames) {
            return NULL;
        }
        len += rcbuf_str(frames).len;
    }
    const struct window_frames *f = &w->frames[variant->number];
    if (mask == 1) {
        return rcbuf_ref(f->of[place(first)]);
    }
    char *p;
    struct rcbuf *run = rcbuf_try_alloc(len, &p);
    for (uint64_t left = mask; run && left; left &= left - 1) {
        struct str one = rcbuf_str(f->of[place(first + (unsigned)__builtin_ctzll(left))]);
        memcpy(p, one.p, one.len);
        p += one.len;
    }
    return run;
}

static bool is_run(const struct window_run *r, uint64_t first, uint64_t mask,
                   const struct sink_variant *variant)
{
    return r->first == first && r->mask == mask && r->variant == variant;
}

// Where a run is remembered, or will be. Two places to look at are enough: what is pushed out is
// put together again.
static struct window_run *place_of(struct window *w, const struct sink_variant *variant,
                                   uint64_t first, uint64_t mask)
{
    uint64_t mixed = (mask ^ first << 32 ^ variant->number) * 0x9e3779b97f4a7c15u;
    struct window_run *r = &w->runs[mixed >> 56];
    struct window_run *other = &w->runs[(mixed >> 48) & (WINDOW_RUNS - 1)];
    bool taken = r->mask && !is_run(r, first, mask, variant);
    return taken && (!other->mask || is_run(other, first, mask, variant)) ? other : r;
}

struct rcbuf *window_run(struct window *w, const struct sink_variant *variant, uint64_t mask)
{
    ASSERT(mask && variant->number < SINK_VARIANTS_MAX);
    mask = from_oldest(w, mask);
    unsigned skipped = (unsigned)__builtin_ctzll(mask);
    uint64_t first = w->first + skipped;
    mask >>= skipped;
    struct window_run *r = place_of(w, variant, first, mask);
    if (is_run(r, first, mask, variant)) {
        return r->bytes;
    }
    struct rcbuf *bytes = gather(w, variant, first, mask);
    if (!bytes) {
        return NULL;
    }
    rcbuf_unref(r->bytes);
    w->runs_used += r->mask == 0;
    *r = (struct window_run){.first = first, .mask = mask, .variant = variant, .bytes = bytes};
    return bytes;
}
