// SPDX-License-Identifier: MIT
// The sequencer's jobs in memory: found by kind and id, dropped least recently used first, and a
// binary heap of those that time will do something to.
#include "hub/sequencer_int.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"

#define KEY_MAX     (LIMIT_ID_BYTES + 8)
#define NOT_IN_HEAP SIZE_MAX

static struct str make_key(char out[KEY_MAX], enum job_kind kind, struct str id)
{
    int len = snprintf(out, KEY_MAX, "%u:%.*s", (unsigned)kind, STR_ARG(id));
    ASSERT(len > 0 && len < KEY_MAX);
    return str_make(out, (size_t)len);
}

void job_cache_init(struct job_cache *c, const struct hash_key *key)
{
    *c = (struct job_cache){0};
    map_init(&c->map, key);
    list_init(&c->lru);
}

static void heap_swap(struct job_cache *c, size_t a, size_t b)
{
    struct cached_job *t = c->heap[a];
    c->heap[a] = c->heap[b];
    c->heap[b] = t;
    c->heap[a]->heap_index = a;
    c->heap[b]->heap_index = b;
}

static bool heap_before(const struct job_cache *c, size_t a, size_t b)
{
    return c->heap[a]->deadline_mono_ms < c->heap[b]->deadline_mono_ms;
}

static void heap_up(struct job_cache *c, size_t i)
{
    while (i > 0 && heap_before(c, i, (i - 1) / 2)) {
        heap_swap(c, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void heap_down(struct job_cache *c, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < c->heap_count && heap_before(c, left, least)) {
            least = left;
        }
        if (right < c->heap_count && heap_before(c, right, least)) {
            least = right;
        }
        if (least == i) {
            return;
        }
        heap_swap(c, i, least);
        i = least;
    }
}

static void heap_del(struct job_cache *c, struct cached_job *cj)
{
    size_t i = cj->heap_index;
    if (i == NOT_IN_HEAP) {
        return;
    }
    c->heap_count--;
    if (i < c->heap_count) {
        heap_swap(c, i, c->heap_count);
        heap_up(c, i);
        heap_down(c, i);
    }
    cj->heap_index = NOT_IN_HEAP;
}

static void heap_add(struct job_cache *c, struct cached_job *cj)
{
    if (c->heap_count == c->heap_cap) {
        c->heap_cap = c->heap_cap ? c->heap_cap * 2 : 64;
        c->heap = mem_realloc(c->heap, c->heap_cap * sizeof(struct cached_job *));
    }
    cj->heap_index = c->heap_count;
    c->heap[c->heap_count++] = cj;
    heap_up(c, cj->heap_index);
}

static void cached_job_free(struct job_cache *c, struct cached_job *cj)
{
    ASSERT(!cj->in_batch && !cj->copy);
    heap_del(c, cj);
    list_del(&cj->lru);
    c->count--;
    job_unref(cj->job);
    mem_free((void *)(uintptr_t)cj->key.p);
    mem_free(cj);
}

void job_cache_fini(struct job_cache *c)
{
    LIST_FOREACH(node, &c->lru)
    {
        cached_job_free(c, LIST_ENTRY(node, struct cached_job, lru));
    }
    map_fini(&c->map);
    mem_free(c->heap);
}

struct cached_job *job_cache_get(struct job_cache *c, enum job_kind kind, struct str id)
{
    char text[KEY_MAX];
    struct cached_job *cj = map_get(&c->map, make_key(text, kind, id));
    if (cj) {
        list_del(&cj->lru);
        list_push_back(&c->lru, &cj->lru);
    }
    return cj;
}

struct cached_job *job_cache_add_take(struct job_cache *c, enum job_kind kind, struct str id,
                                      struct job *job)
{
    char text[KEY_MAX];
    struct str key = make_key(text, kind, id);
    struct cached_job *cj = mem_try_alloc(sizeof(*cj));
    char *owned = mem_try_strdup(key);
    if (!cj || !owned) {
        goto fail;
    }
    cj->key = str_make(owned, key.len);
    if (map_add(&c->map, cj->key, cj) != 0) {
        goto fail;
    }
    cj->kind = kind;
    cj->job = job;
    cj->heap_index = NOT_IN_HEAP;
    cj->deadline_mono_ms = INT64_MAX;
    list_init(&cj->lru);
    list_push_back(&c->lru, &cj->lru);
    c->count++;
    job_cache_schedule(c, cj);
    return cj;
fail:
    mem_free(owned);
    mem_free(cj);
    job_unref(job);
    return NULL;
}

void job_cache_schedule_at(struct job_cache *c, struct cached_job *cj, int64_t mono_ms)
{
    heap_del(c, cj);
    cj->deadline_mono_ms = mono_ms;
    if (mono_ms != INT64_MAX) {
        heap_add(c, cj);
    }
}

void job_cache_schedule(struct job_cache *c, struct cached_job *cj)
{
    int64_t next = INT64_MAX;
    if (cj->job) {
        next = job_next_deadline(cj->job);
        int64_t save = cj->job->saved_mono_ms + LIMIT_PROGRESS_SAVE_MS;
        if (cj->job->dirty && save < next) {
            next = save;
        }
    }
    job_cache_schedule_at(c, cj, next);
}

struct cached_job *job_cache_first(const struct job_cache *c)
{
    return c->heap_count ? c->heap[0] : NULL;
}

bool job_cache_due(const struct job_cache *c, struct now now)
{
    const struct cached_job *first = job_cache_first(c);
    return first && first->deadline_mono_ms <= now.mono_ms;
}

void job_cache_trim(struct job_cache *c)
{
    size_t looked_at = 0, bound = c->count;
    LIST_FOREACH(node, &c->lru)
    {
        if (c->count <= LIMIT_JOB_CACHE || looked_at++ >= bound) {
            return;
        }
        struct cached_job *cj = LIST_ENTRY(node, struct cached_job, lru);
        if (cj->in_batch || cj->heap_index != NOT_IN_HEAP) {
            continue;
        }
        (void)map_del(&c->map, cj->key);
        cached_job_free(c, cj);
    }
}
