// SPDX-License-Identifier: MIT
// Bump allocator: a chain of blocks, the newest first; each twice as large as the one before, up to
// a bound.
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { BLOCK_BYTES_MIN = 1024, BLOCK_BYTES_MAX = 65536 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t cap;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_fini(struct arena *a)
{
    while (a->head) {
        struct arena_block *next = a->head->next;
        mem_free(a->head);
        a->head = next;
    }
    a->used_bytes = 0;
}

static struct arena_block *add_block(struct arena *a, size_t bytes)
{
    size_t cap = a->head ? a->head->cap * 2 : BLOCK_BYTES_MIN;
    if (cap > BLOCK_BYTES_MAX) {
        cap = BLOCK_BYTES_MAX;
    }
    if (cap < bytes) {
        cap = bytes;
    }
    struct arena_block *b = mem_try_alloc(sizeof(*b) + cap);
    if (!b) {
        return NULL;
    }
    b->cap = cap;
    b->next = a->head;
    a->head = b;
    return b;
}

void *arena_try_alloc(struct arena *a, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    ASSERT(a->used_bytes <= a->max_bytes);
    if (bytes > a->max_bytes || bytes > SIZE_MAX / 2) {
        return NULL;
    }
    size_t rounded = ((bytes ? bytes : 1) + align - 1) / align * align;
    if (rounded > a->max_bytes - a->used_bytes) {
        return NULL;
    }
    struct arena_block *b = a->head;
    if (!b || b->cap - b->used < rounded) {
        b = add_block(a, rounded);
        if (!b) {
            return NULL;
        }
    }
    void *p = b->bytes + b->used;
    b->used += rounded;
    a->used_bytes += rounded;
    return p;
}

struct str arena_try_copy(struct arena *a, struct str s)
{
    char *p = s.len < SIZE_MAX ? arena_try_alloc(a, s.len + 1) : NULL;
    if (!p) {
        return STR_NONE;
    }
    if (s.len > 0) {
        memcpy(p, s.p, s.len); // the arena's memory is zeroed, so the NUL is there
    }
    return str_make(p, s.len);
}
