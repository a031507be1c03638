// SPDX-License-Identifier: MIT
// The memory log. Each segment holds one reference on the next, the log one on the oldest it keeps
// and one on the newest; a reader holds one on its own. So a segment lives as long as someone may
// still walk over it.
#include "hub/memlog.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"

struct memlog_segment {
    atomic_uint refs;
    atomic_uint count;                     // entries readers may look at
    _Atomic(struct memlog_segment *) next; // set once
    uint64_t before;                       // every entry has a higher id than this
    size_t bytes;
    struct event *entries[LIMIT_SEGMENT_ENTRIES];
};

// Enough for a batch of LIMIT_BATCH_ENTRIES and one submit of LIMIT_EVENTS_PER_SUBMIT reports with
// all their events.
#define SPARES_MAX 16

struct memlog {
    atomic_uint_fast64_t visible;
    atomic_uint_fast64_t evicted_to;
    atomic_size_t bytes;
    struct memlog_limits limits;
    pthread_mutex_t
        oldest_lock; // guards `oldest` between the writer that moves it and readers that seek
    struct memlog_segment *oldest;
    struct memlog_segment *newest;            // writer only
    struct memlog_segment *spare[SPARES_MAX]; // writer only: what memlog_reserve put by
};

static struct memlog_segment *segment_try_new(void)
{
    struct memlog_segment *s = mem_try_alloc(sizeof(*s));
    if (s) {
        atomic_init(&s->refs, 1);
        atomic_init(&s->count, 0);
        atomic_init(&s->next, NULL);
    }
    return s;
}

static struct memlog_segment *segment_ref(struct memlog_segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

// Iterative: dropping the first of a long chain must not recurse.
static void segment_unref(struct memlog_segment *s)
{
    while (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        struct memlog_segment *next = atomic_load_explicit(&s->next, memory_order_acquire);
        unsigned count = atomic_load_explicit(&s->count, memory_order_relaxed);
        for (unsigned i = 0; i < count; i++) {
            event_unref(s->entries[i]);
        }
        mem_free(s);
        s = next;
    }
}

const struct memlog_limits memlog_limits_default = {
    .bytes_max = LIMIT_MEMLOG_BYTES,
    .segment_entries = LIMIT_SEGMENT_ENTRIES,
    .segment_bytes = LIMIT_SEGMENT_BYTES,
};

struct memlog *memlog_new(uint64_t visible, const struct memlog_limits *limits)
{
    ASSERT(limits->segment_entries > 0 && limits->segment_entries <= LIMIT_SEGMENT_ENTRIES);
    struct memlog *log = mem_alloc(sizeof(*log));
    atomic_init(&log->visible, visible);
    atomic_init(&log->evicted_to, visible);
    atomic_init(&log->bytes, 0);
    log->limits = *limits;
    pthread_mutex_init(&log->oldest_lock, NULL);
    log->oldest = segment_try_new();
    ASSERT(log->oldest);
    log->oldest->before = visible;
    log->newest = segment_ref(log->oldest);
    return log;
}

void memlog_free(struct memlog *log)
{
    if (!log) {
        return;
    }
    segment_unref(log->oldest);
    segment_unref(log->newest);
    for (unsigned i = 0; i < ARRAY_LEN(log->spare); i++) {
        segment_unref(log->spare[i]);
    }
    pthread_mutex_destroy(&log->oldest_lock);
    mem_free(log);
}

static bool segment_full(const struct memlog *log, const struct memlog_segment *s)
{
    return atomic_load_explicit(&s->count, memory_order_relaxed) >= log->limits.segment_entries ||
           s->bytes >= log->limits.segment_bytes;
}

int memlog_reserve(struct memlog *log, unsigned count)
{
    unsigned room =
        LIMIT_SEGMENT_ENTRIES - atomic_load_explicit(&log->newest->count, memory_order_relaxed);
    for (unsigned i = 0; i < ARRAY_LEN(log->spare) && room < count; i++) {
        if (!log->spare[i]) {
            log->spare[i] = segment_try_new();
        }
        if (!log->spare[i]) {
            return -E_NO_MEMORY;
        }
        room += LIMIT_SEGMENT_ENTRIES;
    }
    return room >= count ? 0 : -E_NO_MEMORY;
}

// A segment closed for its bytes is followed by a new one; what was put by is for those closed for
// their count, so that appends after memlog_reserve can't fail: for want of memory the newest is
// overfilled in bytes instead.
static struct memlog_segment *next_segment(struct memlog *log, bool full)
{
    struct memlog_segment *fresh = segment_try_new();
    if (fresh || !full) {
        return fresh;
    }
    for (unsigned i = 0; i < ARRAY_LEN(log->spare); i++) {
        if (log->spare[i]) {
            struct memlog_segment *s = log->spare[i];
            log->spare[i] = NULL;
            return s;
        }
    }
    return NULL;
}

// Opens a further segment; false when there is no memory for one.
static bool open_segment(struct memlog *log)
{
    struct memlog_segment *old = log->newest;
    unsigned count = atomic_load_explicit(&old->count, memory_order_relaxed);
    struct memlog_segment *fresh = next_segment(log, count == LIMIT_SEGMENT_ENTRIES);
    if (!fresh) {
        return false;
    }
    fresh->before = count ? old->entries[count - 1]->id : old->before;
    log->newest = segment_ref(fresh);
    atomic_store_explicit(&old->next, fresh,
                          memory_order_release); // `old` owns the first reference
    segment_unref(old);
    return true;
}

int memlog_append_take(struct memlog *log, struct event *e)
{
    if (segment_full(log, log->newest) && !open_segment(log)) {
        if (atomic_load_explicit(&log->newest->count, memory_order_relaxed) ==
            LIMIT_SEGMENT_ENTRIES) {
            return -E_NO_MEMORY;
        }
    }
    struct memlog_segment *s = log->newest;
    unsigned count = atomic_load_explicit(&s->count, memory_order_relaxed);
    ASSERT(e->id > (count ? s->entries[count - 1]->id : s->before));
    size_t bytes = event_bytes(e) + sizeof(struct event *);
    s->entries[count] = e;
    s->bytes += bytes;
    atomic_fetch_add_explicit(&log->bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&s->count, count + 1, memory_order_release);
    return 0;
}

static void evict_oldest(struct memlog *log)
{
    struct memlog_segment *old = log->oldest;
    struct memlog_segment *next = atomic_load_explicit(&old->next, memory_order_acquire);
    ASSERT(next);
    size_t bytes = old->bytes;
    pthread_mutex_lock(&log->oldest_lock);
    atomic_store_explicit(&log->evicted_to, next->before, memory_order_release);
    log->oldest = segment_ref(next);
    pthread_mutex_unlock(&log->oldest_lock);
    segment_unref(old);
    atomic_fetch_sub_explicit(&log->bytes, bytes, memory_order_relaxed);
}

void memlog_set_visible(struct memlog *log, uint64_t id)
{
    ASSERT(id >= atomic_load_explicit(&log->visible, memory_order_relaxed));
    atomic_store_explicit(&log->visible, id, memory_order_release);
    while (atomic_load_explicit(&log->bytes, memory_order_relaxed) > log->limits.bytes_max &&
           log->oldest != log->newest) {
        evict_oldest(log);
    }
}

uint64_t memlog_visible(const struct memlog *log)
{
    return atomic_load_explicit(&log->visible, memory_order_acquire);
}

uint64_t memlog_evicted_to(const struct memlog *log)
{
    return atomic_load_explicit(&log->evicted_to, memory_order_acquire);
}

size_t memlog_bytes(const struct memlog *log)
{
    return atomic_load_explicit(&log->bytes, memory_order_relaxed);
}

void memlog_release(struct memlog_reader *r)
{
    segment_unref(r->segment);
    *r = (struct memlog_reader){0};
}

// First entry of the segment with an id above `after`.
static uint32_t segment_find(struct memlog_segment *s, uint64_t after)
{
    uint32_t low = 0, high = atomic_load_explicit(&s->count, memory_order_acquire);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->entries[mid]->id > after) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

bool memlog_seek(struct memlog *log, struct memlog_reader *r, uint64_t after)
{
    memlog_release(r);
    pthread_mutex_lock(&log->oldest_lock);
    struct memlog_segment *s = log->oldest;
    bool here = after >= s->before;
    if (here) {
        segment_ref(s);
    }
    pthread_mutex_unlock(&log->oldest_lock);
    if (!here) {
        return false;
    }
    for (;;) {
        struct memlog_segment *next = atomic_load_explicit(&s->next, memory_order_acquire);
        if (!next || next->before > after) {
            break;
        }
        segment_ref(next);
        segment_unref(s);
        s = next;
    }
    *r = (struct memlog_reader){.segment = s, .index = segment_find(s, after)};
    return true;
}

struct event *memlog_next(struct memlog_reader *r)
{
    ASSERT(r->segment);
    for (;;) {
        struct memlog_segment *s = r->segment;
        // `next` before `count`: once there is a next, the count is final.
        struct memlog_segment *next = atomic_load_explicit(&s->next, memory_order_acquire);
        if (r->index < atomic_load_explicit(&s->count, memory_order_acquire)) {
            return s->entries[r->index++];
        }
        if (!next) {
            return NULL;
        }
        segment_ref(next);
        segment_unref(s);
        *r = (struct memlog_reader){.segment = next, .index = 0};
    }
}
