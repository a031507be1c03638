// SPDX-License-Identifier: MIT
// A slab is aligned to its size, so an object finds it by its address. Objects never used yet are
// taken in order, so that a slab's pages are touched only as it fills.
#include "base/pool.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

#ifdef SANITIZED_ADDRESS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes)   ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#endif

struct free_object {
    struct free_object *next;
};

struct pool_slab {
    struct list node; // in pool.partial; alone when full or spare
    struct pool *pool;
    struct free_object *free; // used before, the last freed first
    size_t used;              // objects in use
    size_t touched;           // objects ever used: those behind them are as the kernel gave them
};

enum { ALIGN = 8, FIRST_AT = (sizeof(struct pool_slab) + ALIGN - 1) / ALIGN * ALIGN };

void pool_init(struct pool *p, size_t object_bytes, _Atomic(int64_t) *held_bytes)
{
    ASSERT(object_bytes > 0 && object_bytes <= POOL_OBJECT_BYTES_MAX);
    size_t rounded = (object_bytes + ALIGN - 1) / ALIGN * ALIGN;
    *p = (struct pool){.object_bytes = rounded,
                       .per_slab = (POOL_SLAB_BYTES - FIRST_AT) / rounded,
                       .held_bytes = held_bytes};
    for (size_t i = 0; i < POOL_FILLS; i++) {
        list_init(&p->partial[i]);
    }
}

static void count_slabs(struct pool *p, int n)
{
    p->slabs += (size_t)n;
    if (p->held_bytes) {
        atomic_fetch_add_explicit(p->held_bytes, (int64_t)n * POOL_SLAB_BYTES,
                                  memory_order_relaxed);
    }
}

static void give_back(struct pool *p, struct pool_slab *s)
{
    if (s) {
        ASAN_UNPOISON_MEMORY_REGION(s, POOL_SLAB_BYTES);
        mem_free_aligned(s, POOL_SLAB_BYTES);
        count_slabs(p, -1);
    }
}

void pool_fini(struct pool *p)
{
    ASSERT(p->count == 0);
    give_back(p, p->spare);
    p->spare = NULL;
    ASSERT(p->slabs == 0);
}

static size_t fill_of(const struct pool *p, const struct pool_slab *s)
{
    return s->used * POOL_FILLS / p->per_slab;
}

static void file_slab(struct pool *p, struct pool_slab *s)
{
    list_push_front(&p->partial[fill_of(p, s)], &s->node);
}

static struct pool_slab *new_slab(struct pool *p)
{
    struct pool_slab *s = p->spare;
    if (s) {
        p->spare = NULL;
        return s;
    }
    s = mem_try_aligned(POOL_SLAB_BYTES);
    if (!s) {
        return NULL;
    }
    list_init(&s->node);
    s->pool = p;
    count_slabs(p, 1);
    ASAN_POISON_MEMORY_REGION((char *)s + FIRST_AT, POOL_SLAB_BYTES - FIRST_AT);
    return s;
}

static struct pool_slab *slab_with_room(struct pool *p)
{
    for (size_t i = POOL_FILLS; i-- > 0;) {
        if (!list_empty(&p->partial[i])) {
            return LIST_ENTRY(p->partial[i].next, struct pool_slab, node);
        }
    }
    struct pool_slab *s = new_slab(p);
    if (s) {
        file_slab(p, s);
    }
    return s;
}

// Puts the slab where it belongs after its use went from `before` to what it is.
static void refile(struct pool *p, struct pool_slab *s, size_t before)
{
    if (s->used == p->per_slab) {
        list_del(&s->node);
    } else if (before == p->per_slab || before * POOL_FILLS / p->per_slab != fill_of(p, s)) {
        list_del(&s->node);
        file_slab(p, s);
    }
}

void *pool_try_alloc(struct pool *p)
{
    struct pool_slab *s = mem_try_fails() ? NULL : slab_with_room(p);
    if (!s) {
        return NULL;
    }
    void *object;
    if (s->free) {
        object = s->free;
        ASAN_UNPOISON_MEMORY_REGION(object, p->object_bytes);
        s->free = s->free->next;
        memset(object, 0, p->object_bytes);
    } else {
        object = (char *)s + FIRST_AT + s->touched * p->object_bytes;
        ASAN_UNPOISON_MEMORY_REGION(object, p->object_bytes);
        s->touched++;
    }
    s->used++;
    p->count++;
    refile(p, s, s->used - 1);
    return object;
}

void pool_free(struct pool *p, void *object)
{
    if (!object) {
        return;
    }
    struct pool_slab *s = (void *)((char *)object - ((uintptr_t)object & (POOL_SLAB_BYTES - 1)));
    ASSERT(s->pool == p && s->used > 0);
    struct free_object *f = object;
    f->next = s->free; // freed twice: poisoned
    s->free = f;
    ASAN_POISON_MEMORY_REGION(object, p->object_bytes);
    s->used--;
    p->count--;
    if (s->used > 0) {
        refile(p, s, s->used + 1);
        return;
    }
    list_del(&s->node);
    give_back(p, p->spare);
    p->spare = s;
}

size_t pool_bytes(const struct pool *p)
{
    return p->slabs * POOL_SLAB_BYTES;
}

size_t pool_count(const struct pool *p)
{
    return p->count;
}
