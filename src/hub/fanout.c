// SPDX-License-Identifier: MIT
// A worker's end of the log: a window of events, who is to have which of them, and a queue of those
// who are. A session stands in the queue once, however many events it is to have; what comes while
// it stands there goes along. So an event that comes in the middle of a lap still reaches the rest
// of the queue in it, and the others in the next: nobody waits for longer than a lap.
#include "hub/fanout.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/fanout_int.h"
#include "hub/pages.h"

// Entries looked at before the worker turns to its sockets again, with or without subscribers.
#define RUN_ENTRIES 1024
#define SLOTS_MIN   64

struct fanout *fanout_new(struct realm *realm, struct ask *ask)
{
    struct fanout *f = mem_alloc(sizeof(*f));
    f->realm = realm;
    f->ask = ask;
    pool_init(&f->sessions, sizeof(struct session), NULL);
    topics_init(&f->topics, &realm->key);
    window_init(&f->window, realm->epoch);
    streams_init(&f->streams);
    encoded_init(&f->encoded);
    buf_init(&f->gathered, SIZE_MAX);
    list_init(&f->runnable);
    list_init(&f->pages);
    f->free_slot = SLOT_NONE;
    // Another thread may be evicting: what is visible now is not gone, so the next try finds a
    // place.
    do {
        f->position = memlog_visible(realm->log);
    } while (!memlog_seek(realm->log, &f->reader, f->position));
    return f;
}

void fanout_each(struct fanout *f, void (*fn)(void *ctx, struct session *s), void *ctx)
{
    for (uint32_t i = 0; i < f->slots_top; i++) {
        if (f->by_slot[i]) {
            fn(ctx, f->by_slot[i]);
        }
    }
}

// Events that nobody is to have any more leave the window.
static void drop_done(struct fanout *f)
{
    struct window *w = &f->window;
    while (!window_is_empty(w) && f->served >= f->done_at[w->first % WINDOW_EVENTS]) {
        streams_drop_oldest(&f->streams, w);
        window_drop(w);
    }
}

static void free_slots(struct fanout *f)
{
    ASSERT(f->stats.sessions == 0);
    mem_free(f->live);
    mem_free(f->by_slot);
    mem_free(f->variant_of);
    mem_free(f->queue);
    mem_free(f->places);
    streams_fini(&f->streams);
    f->places = NULL;
    f->live = NULL;
    f->by_slot = NULL;
    f->variant_of = NULL;
    f->queue = NULL;
    f->slots_cap = f->slots_top = 0;
    f->served += f->queued;
    f->queue_at = f->queued = f->lap_left = 0;
    drop_done(f);
    f->free_slot = SLOT_NONE;
}

void fanout_free(struct fanout *f)
{
    if (!f) {
        return;
    }
    ASSERT(fanout_idle(f));
    free_slots(f);
    memlog_release(&f->reader);
    pages_forget(f);
    pool_fini(&f->sessions);
    topics_fini(&f->topics);
    streams_fini(&f->streams);
    window_fini(&f->window);
    encoded_fini(&f->encoded);
    buf_fini(&f->gathered);
    mem_free(f);
}

// --- slots ---

static int grow_queue(struct fanout *f, size_t cap)
{
    uint32_t *queue = mem_try_alloc(cap * sizeof(*queue));
    if (!queue) {
        return -E_NO_MEMORY;
    }
    for (uint32_t i = 0; i < f->queued; i++) {
        queue[i] = f->queue[(f->queue_at + i) % f->slots_cap];
    }
    mem_free(f->queue);
    f->queue = queue;
    f->queue_at = 0;
    return 0;
}

static int grow_slots(struct fanout *f)
{
    size_t cap = f->slots_cap + f->slots_cap / 4;
    cap = cap < SLOTS_MIN ? SLOTS_MIN : cap;
    struct live *live = mem_try_realloc(f->live, cap * sizeof(*live));
    f->live = live ? live : f->live;
    struct session **by_slot = mem_try_realloc(f->by_slot, cap * sizeof(struct session *));
    f->by_slot = by_slot ? by_slot : f->by_slot;
    uint8_t *variant_of = mem_try_realloc(f->variant_of, cap * sizeof(*variant_of));
    f->variant_of = variant_of ? variant_of : f->variant_of;
    struct stream_slot *places =
        f->places ? mem_try_realloc(f->places, cap * sizeof(*places)) : NULL;
    bool placed = places || !f->places;
    f->places = places ? places : f->places;
    if (!live || !by_slot || !variant_of || !placed || cap >= SLOT_NONE ||
        grow_queue(f, cap) != 0) {
        return -E_NO_MEMORY; // those that grew are used next time
    }
    f->slots_cap = (uint32_t)cap;
    return 0;
}

int fanout_take_places(struct fanout *f)
{
    if (!f->places) {
        f->places = mem_try_alloc(f->slots_cap * sizeof(*f->places));
    }
    return f->places ? 0 : -E_NO_MEMORY;
}

int fanout_take_slot(struct fanout *f, struct session *s)
{
    if (f->free_slot == SLOT_NONE && f->slots_top == f->slots_cap && grow_slots(f) != 0) {
        return -E_NO_MEMORY;
    }
    if (f->free_slot != SLOT_NONE) {
        s->slot = f->free_slot;
        f->free_slot = (uint32_t)f->live[s->slot].mask;
    } else {
        s->slot = f->slots_top++;
    }
    f->live[s->slot] = (struct live){.port = LIVE_NOT};
    f->by_slot[s->slot] = s;
    f->variant_of[s->slot] = 0;
    if (f->places) {
        f->places[s->slot] = (struct stream_slot){0};
    }
    f->stats.sessions++;
    return 0;
}

static void free_slot(struct fanout *f, uint32_t slot)
{
    f->live[slot] = (struct live){.mask = f->free_slot, .port = LIVE_NOT};
    f->free_slot = slot;
}

void fanout_give_slot(struct fanout *f, struct session *s)
{
    f->by_slot[s->slot] = NULL;
    if (f->live[s->slot].port & LIVE_QUEUED) {
        f->live[s->slot].port = LIVE_NOT | LIVE_QUEUED; // free when the queue comes to it
    } else {
        free_slot(f, s->slot);
    }
    f->stats.sessions--;
    if (f->stats.sessions == 0) {
        free_slots(f);
    }
}

uint64_t fanout_position_of(const struct fanout *f, uint32_t slot)
{
    uint64_t mask = f->live[slot].mask;
    return mask ? window_oldest(&f->window, mask)->id - 1 : f->position;
}

// --- first who is to have what ---

static void put_mark(struct fanout *f, uint32_t slot, uint64_t bit)
{
    struct live *l = &f->live[slot];
    if (l->port & LIVE_NOT) {
        return; // it reads on by itself
    }
    l->mask |= bit;
    if (!(l->port & LIVE_QUEUED)) {
        l->port |= LIVE_QUEUED;
        uint32_t at = f->queue_at + f->queued++;
        f->queue[at < f->slots_cap ? at : at - f->slots_cap] = slot;
    }
}

static void mark_topic(struct fanout *f, const struct topic *t, uint64_t bit, uint64_t origin)
{
    const uint32_t *slots = topic_subscribers(t);
    for (uint32_t i = 0; i < t->count; i++) {
        if (origin == 0 || f->by_slot[slots[i]]->id != origin) { // not to whom it came from
            put_mark(f, slots[i], bit);
        }
    }
}

static void mark(struct fanout *f, struct event *e)
{
    uint64_t bit = 0;
    for (unsigned i = 0; i < e->topics_count; i++) {
        const struct topic *t = topics_find(&f->topics, e->topics[i].name, e->topics[i].hash);
        if (t && !bit) {
            bit = window_add(&f->window, e);
        }
        if (t) {
            mark_topic(f, t, bit, e->origin);
        }
    }
    if (bit) {
        f->done_at[__builtin_ctzll(bit)] = f->served + f->queued;
    }
}

// False: the window is full, and there may be more.
static bool mark_news(struct fanout *f)
{
    // First the mark, then the entries: all up to the mark are seen.
    uint64_t visible = memlog_visible(f->realm->log);
    for (unsigned i = 0; i < RUN_ENTRIES && !window_is_full(&f->window); i++) {
        struct event *e = memlog_next(&f->reader);
        if (!e) {
            f->position = visible > f->position ? visible : f->position;
            return true;
        }
        mark(f, e);
        f->position = e->id;
    }
    return false;
}

// --- and then to each its run ---

// What sessions of one variant with one mask are to have.
struct share {
    struct window_want want;
    unsigned events;
    struct rcbuf *run; // NULL: no memory
    bool shown;        // there is something to send
    bool mixed;        // mask and variant alone don't say it
};

// Which of the events have which look for one session.
static void find_looks(const struct fanout *f, struct session *s, struct window_want *want)
{
    for (uint64_t left = want->mask; left; left &= left - 1) {
        uint64_t bit = left & -left;
        unsigned looks =
            session_looks(s, window_event(&f->window, (unsigned)__builtin_ctzll(left)));
        for (unsigned i = 0; i < SINK_LOOKS; i++) {
            want->looks[i] |= looks >> i & 1 ? bit : 0;
        }
    }
}

static bool same(const struct window_want *a, const struct window_want *b)
{
    return a->mask == b->mask && a->variant == b->variant &&
           (!sink_variant_is_mixed(a->variant) ||
            memcmp(a->looks, b->looks, sizeof(a->looks)) == 0);
}

static void find_share(struct fanout *f, const struct window_want *want, struct share *ret)
{
    struct rcbuf *run = window_run(&f->window, want);
    *ret = (struct share){.want = *want,
                          .events = (unsigned)__builtin_popcountll(want->mask),
                          .run = run,
                          .shown = !run || rcbuf_str(run).len > 0,
                          .mixed = sink_variant_is_mixed(want->variant)};
}

static uint32_t take_queued(struct fanout *f)
{
    uint32_t slot = f->queue[f->queue_at];
    f->queue_at = f->queue_at + 1 < f->slots_cap ? f->queue_at + 1 : 0;
    f->queued--;
    f->lap_left--;
    f->served++;
    return slot;
}

static void serve_linked(struct fanout *f, uint32_t slot, const struct window_want *want)
{
    struct rcbuf *run = streams_run(&f->streams, &f->window, want, &f->places[slot]);
    if (!run || rcbuf_str(run).len > 0) {
        want->variant->send((void *)f->live[slot].port, run);
        f->stats.runs++;
    }
    f->stats.deliveries += (unsigned)__builtin_popcountll(want->mask);
}

// A session's share is that of the session before it, or found. False: it was served already.
static bool find_its_share(struct fanout *f, uint32_t slot, uint64_t mask, struct share *share)
{
    struct window_want want = {.variant = f->variants[f->variant_of[slot]], .mask = mask};
    if (want.variant->linked && f->places) {
        serve_linked(f, slot, &want);
        return false;
    }
    if (sink_variant_is_mixed(want.variant)) {
        find_looks(f, f->by_slot[slot], &want);
    }
    if (!same(&want, &share->want)) {
        find_share(f, &want, share);
    }
    return true;
}

static void serve(struct fanout *f, unsigned sends_max)
{
    struct share share = {0};
    for (unsigned i = 0; i < sends_max && f->lap_left > 0; i++) {
        uint32_t slot = take_queued(f);
        struct live *l = &f->live[slot];
        uint64_t mask = l->mask;
        l->mask = 0;
        l->port &= ~LIVE_QUEUED;
        if (!f->by_slot[slot]) {
            free_slot(f, slot);
            continue;
        }
        if (mask == 0) {
            continue; // it fell behind meanwhile
        }
        const struct sink_variant *variant = f->variants[f->variant_of[slot]];
        if ((mask != share.want.mask || variant != share.want.variant || share.mixed) &&
            !find_its_share(f, slot, mask, &share)) {
            continue;
        }
        if (share.shown) {
            variant->send((void *)l->port, share.run);
            f->stats.runs++;
        }
        f->stats.deliveries += share.events;
    }
}

enum fanout_more fanout_run(struct fanout *f, unsigned sends_max)
{
    bool all = mark_news(f);
    if (f->lap_left == 0) {
        f->lap_left = f->queued;
    }
    serve(f, sends_max);
    drop_done(f);
    if (f->lap_left > 0) {
        return FANOUT_LAP;
    }
    return !all ? FANOUT_FULL : f->queued > 0 ? FANOUT_NEXT : FANOUT_REST;
}

bool fanout_read_on(struct fanout *f)
{
    // Those put back during this round wait for the next one.
    struct list round;
    list_init(&round);
    struct list *node;
    while ((node = list_pop_front(&f->runnable))) {
        list_push_back(&round, node);
    }
    while ((node = list_pop_front(&round))) {
        struct session *s = LIST_ENTRY(node, struct session, run);
        if (s->state == SESSION_BEHIND && session_run(s) == READING_AGAIN) {
            session_wake(s);
        }
    }
    return !list_empty(&f->runnable);
}

bool fanout_has_news(const struct fanout *f)
{
    return f->queued > 0 || memlog_visible(f->realm->log) > f->position;
}

bool fanout_idle(const struct fanout *f)
{
    return f->in_flight == 0;
}

uint64_t fanout_position(const struct fanout *f)
{
    return f->position;
}

void fanout_trim(struct fanout *f)
{
    if (f->stats.behind == 0) {
        encoded_forget(&f->encoded);
        pages_forget(f);
        buf_fini(&f->gathered);
    }
}

struct fanout_stats fanout_stats(const struct fanout *f)
{
    return f->stats;
}

struct fanout_memory fanout_memory(const struct fanout *f)
{
    size_t slot =
        sizeof(struct live) + sizeof(struct session *) + sizeof(uint8_t) + sizeof(uint32_t);
    size_t frames = f->window.frames_bytes + f->encoded.bytes + f->gathered.cap + pages_bytes(f);
    return (struct fanout_memory){.sessions = pool_bytes(&f->sessions) + f->subs_bytes +
                                              f->slots_cap * slot,
                                  .topics = topics_bytes(&f->topics),
                                  .frames = frames};
}
