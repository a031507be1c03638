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
        if (w->runs[i].want.mask) {
            rcbuf_unref(w->runs[i].bytes);
            w->runs[i] = (struct window_run){0};
            w->runs_used--;
        }
    }
}

static void forget_frames(struct window *w, unsigned at)
{
    for (uint64_t left = w->used; left; left &= left - 1) {
        struct window_frames *f = &w->frames[__builtin_ctzll(left)];
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

const struct event *window_event(const struct window *w, unsigned bit)
{
    return w->events[bit];
}

// --- runs ---

struct rcbuf *window_frames(struct window *w, const struct sink_variant *variant, unsigned at)
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
        w->used |= (uint64_t)1 << variant->number;
        w->frames_bytes += rcbuf_str(frames).len;
    }
    return frames;
}

static const struct sink_variant *variant_at(const struct window_want *want, unsigned bit)
{
    if (!sink_variant_is_mixed(want->variant)) {
        return want->variant;
    }
    unsigned set = 0;
    for (unsigned i = 0; i < SINK_LOOKS; i++) {
        set |= (unsigned)(want->looks[i] >> bit & 1) << i;
    }
    return sink_variant_of(want->variant, set);
}

// Of the events from number `first` on that `want` says.
static struct rcbuf *gather(struct window *w, uint64_t first, const struct window_want *want)
{
    size_t len = 0;
    struct rcbuf *frames = NULL;
    for (uint64_t left = want->mask; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(left);
        frames = window_frames(w, variant_at(want, bit), place(first + bit));
        if (!frames) {
            return NULL;
        }
        len += rcbuf_str(frames).len;
    }
    if (want->mask == 1) {
        return rcbuf_ref(frames);
    }
    char *p;
    struct rcbuf *run = rcbuf_try_alloc(len, &p);
    for (uint64_t left = want->mask; run && left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(left);
        struct str one = rcbuf_str(window_frames(w, variant_at(want, bit), place(first + bit)));
        memcpy(p, one.p, one.len);
        p += one.len;
    }
    return run;
}

static bool is_run(const struct window_run *r, uint64_t first, const struct window_want *want)
{
    return r->first == first && r->want.mask == want->mask && r->want.variant == want->variant &&
           memcmp(r->want.looks, want->looks, sizeof(want->looks)) == 0;
}

// Where a run is remembered, or will be. Two places to look at are enough: what is pushed out is
// put together again.
static struct window_run *place_of(struct window *w, uint64_t first, const struct window_want *want)
{
    uint64_t mixed = (want->mask ^ first << 32 ^ want->variant->number ^ want->looks[0] << 16) *
                     0x9e3779b97f4a7c15u;
    struct window_run *r = &w->runs[mixed >> 56];
    struct window_run *other = &w->runs[(mixed >> 48) & (WINDOW_RUNS - 1)];
    bool taken = r->want.mask && !is_run(r, first, want);
    return taken && (!other->want.mask || is_run(other, first, want)) ? other : r;
}

struct rcbuf *window_run(struct window *w, const struct window_want *want)
{
    ASSERT(want->mask && want->variant->number < SINK_VARIANTS_MAX);
    struct window_want from = *want;
    from.mask = from_oldest(w, want->mask);
    unsigned skipped = (unsigned)__builtin_ctzll(from.mask);
    uint64_t first = w->first + skipped;
    from.mask >>= skipped;
    for (unsigned i = 0; i < SINK_LOOKS; i++) {
        from.looks[i] = from_oldest(w, want->looks[i]) >> skipped;
    }
    struct window_run *r = place_of(w, first, &from);
    if (is_run(r, first, &from)) {
        return r->bytes;
    }
    struct rcbuf *bytes = gather(w, first, &from);
    if (!bytes) {
        return NULL;
    }
    rcbuf_unref(r->bytes);
    w->runs_used += r->want.mask == 0;
    *r = (struct window_run){.first = first, .want = from, .bytes = bytes};
    return bytes;
}
