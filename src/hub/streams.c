// SPDX-License-Identifier: MIT
// Runs of bytes for sinks that are on streams.
#include "hub/streams.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

// A stream that was not used so many times, while others were, may make room for another.
#define QUIET_USES 1024

// The frames of one event on a stream.
struct linked {
    struct rcbuf *bytes; // NULL: none were made
    struct sink_place from, to;
};

struct stream {
    const struct sink_variant *variant;
    uint64_t home;
    void *coder;
    uint64_t run;                    // that it is in; 0: the next event begins one
    uint64_t upto;                   // number of the next event to be looked at
    struct linked of[WINDOW_EVENTS]; // by bit
    uint64_t used;
};

void streams_init(struct streams *s)
{
    *s = (struct streams){0};
    sink_scratch_init(&s->scratch);
}

static void stream_free(struct stream *st)
{
    for (unsigned i = 0; i < WINDOW_EVENTS; i++) {
        rcbuf_unref(st->of[i].bytes);
    }
    st->variant->linked->close(st->coder);
    mem_free(st);
}

static void forget_runs(struct streams *s)
{
    for (unsigned i = 0; i < STREAMS_RUNS && s->runs_used > 0; i++) {
        s->runs_used -= s->runs[i].bytes != NULL;
        rcbuf_unref(s->runs[i].bytes);
        s->runs[i] = (struct stream_run){0};
    }
}

void streams_fini(struct streams *s)
{
    forget_runs(s);
    while (s->count > 0) {
        stream_free(s->all[--s->count]);
        s->all[s->count] = NULL;
    }
    buf_fini(&s->scratch);
}

void streams_drop_oldest(struct streams *s, const struct window *w)
{
    if (s->count == 0) {
        return;
    }
    for (unsigned i = 0; i < s->count; i++) {
        struct linked *l = &s->all[i]->of[w->first % WINDOW_EVENTS];
        rcbuf_unref(l->bytes);
        *l = (struct linked){0};
    }
    if (w->next - w->first == 1) {
        forget_runs(s);
    }
}

// --- streams ---

static struct stream *find(struct streams *s, const struct sink_variant *variant, uint64_t home)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->all[i]->variant == variant && s->all[i]->home == home) {
            return s->all[i];
        }
    }
    return NULL;
}

// A place in the table that is free, or that of the stream which was quiet for longest; NULL: all
// are in use.
static struct stream **find_room(struct streams *s)
{
    struct stream **quiet = &s->all[0];
    if (s->count < STREAMS_MAX) {
        return &s->all[s->count];
    }
    for (unsigned i = 1; i < s->count; i++) {
        quiet = s->all[i]->used < (*quiet)->used ? &s->all[i] : quiet;
    }
    return s->used - (*quiet)->used < QUIET_USES ? NULL : quiet;
}

static struct stream *open_at(struct stream **at, const struct sink_variant *variant)
{
    struct stream *st = mem_try_alloc(sizeof(*st));
    void *coder = st ? variant->linked->open(variant) : NULL;
    if (!coder) {
        mem_free(st);
        return NULL;
    }
    if (*at) {
        stream_free(*at);
    }
    st->variant = variant;
    st->coder = coder;
    *at = st;
    return st;
}

static struct stream *find_or_open(struct streams *s, const struct sink_variant *variant,
                                   uint64_t home, uint64_t number)
{
    struct stream *st = find(s, variant, home);
    if (!st) {
        struct stream **at = find_room(s);
        st = at ? open_at(at, variant) : NULL;
        if (!st) {
            return NULL;
        }
        s->count += at == &s->all[s->count];
        st->home = home;
        st->upto = number;
    }
    st->used = ++s->used;
    return st;
}

static bool is_of(const struct event *e, uint64_t home)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        if (e->topics[i].hash == home) {
            return true;
        }
    }
    return false;
}

static void link_event(struct streams *s, struct stream *st, const struct window *w, unsigned bit)
{
    struct linked *l = &st->of[bit];
    struct sink_encoding how = {.epoch = w->epoch, .variant = st->variant};
    buf_clear(&s->scratch);
    ASSERT(!l->bytes);
    st->variant->linked->put(st->coder, &s->scratch, w->events[bit], &how, &l->from, &l->to);
    l->bytes = s->scratch.failed ? NULL : rcbuf_try_new(buf_str(&s->scratch));
    st->run = l->from.run ? l->to.run : st->run;
    sink_scratch_done(&s->scratch);
}

// The event of that number, with all of the topic before it put on the stream. NULL: no memory, or
// the stream is behind it already without it.
static const struct linked *linked_of(struct streams *s, struct stream *st, const struct window *w,
                                      uint64_t number)
{
    st->upto = st->upto < w->first ? w->first : st->upto;
    for (; st->upto <= number; st->upto++) {
        unsigned bit = (unsigned)(st->upto % WINDOW_EVENTS);
        if (is_of(w->events[bit], st->home)) {
            link_event(s, st, w, bit);
        }
    }
    const struct linked *l = &st->of[number % WINDOW_EVENTS];
    return l->bytes ? l : NULL;
}

// --- runs ---

static bool is_served(const struct stream_slot *slot, const struct linked *l)
{
    return l->from.run == 0 || l->from.next == 0 ||
           (slot->at.run == l->from.run && slot->at.next == l->from.next);
}

// The frames of one event for a sink, which moves on by them.
static struct rcbuf *next_frames(struct streams *s, struct window *w,
                                 const struct sink_variant *variant, uint64_t number,
                                 struct stream_slot *slot)
{
    unsigned bit = (unsigned)(number % WINDOW_EVENTS);
    bool at_home = slot->home && is_of(w->events[bit], slot->home);
    struct stream *st =
        at_home ? find_or_open(s, variant, slot->home, number) : find(s, variant, slot->home);
    const struct linked *l = at_home && st ? linked_of(s, st, w, number) : NULL;
    if (l && is_served(slot, l)) {
        slot->at = l->from.run ? l->to : slot->at;
        return l->bytes;
    }
    if (!at_home && st && slot->at.run && slot->at.run == st->run) {
        return window_frames(w, variant->linked->plain, bit);
    }
    slot->at = (struct sink_place){0};
    return window_frames(w, variant, bit);
}

// All in the mask, as one.
static struct rcbuf *gather(struct streams *s, struct window *w, struct stream_run *r)
{
    struct rcbuf *parts[WINDOW_EVENTS];
    unsigned count = 0;
    size_t len = 0;
    r->after = r->before;
    for (uint64_t n = w->first; n < w->next; n++) {
        if (r->mask >> (n % WINDOW_EVENTS) & 1) {
            struct rcbuf *part = next_frames(s, w, r->variant, n, &r->after);
            if (!part) {
                return NULL;
            }
            len += rcbuf_str(part).len;
            parts[count++] = part;
        }
    }
    if (count == 1) {
        return rcbuf_ref(parts[0]);
    }
    char *p;
    struct rcbuf *run = rcbuf_try_alloc(len, &p);
    for (unsigned i = 0; run && i < count; i++) {
        p = (char *)mempcpy(p, rcbuf_str(parts[i]).p, rcbuf_str(parts[i]).len);
    }
    return run;
}

static bool same_slot(const struct stream_slot *a, const struct stream_slot *b)
{
    return a->home == b->home && a->at.run == b->at.run && a->at.next == b->at.next;
}

struct rcbuf *streams_run(struct streams *s, struct window *w, const struct window_want *want,
                          struct stream_slot *slot)
{
    uint64_t first = w->first;
    while (!(want->mask >> (first % WINDOW_EVENTS) & 1)) {
        first++;
    }
    uint64_t mixed = (want->mask ^ first << 32 ^ slot->home ^ slot->at.run << 8 ^ slot->at.next ^
                      want->variant->number) *
                     0x9e3779b97f4a7c15u;
    struct stream_run *r = &s->runs[mixed >> 58];
    if (r->variant != want->variant || r->first != first || r->mask != want->mask ||
        !same_slot(&r->before, slot)) {
        struct stream_run made = {
            .variant = want->variant, .first = first, .mask = want->mask, .before = *slot};
        made.bytes = gather(s, w, &made);
        if (!made.bytes) {
            return NULL;
        }
        s->runs_used += r->bytes == NULL;
        rcbuf_unref(r->bytes);
        *r = made;
    }
    *slot = r->after;
    return r->bytes;
}
