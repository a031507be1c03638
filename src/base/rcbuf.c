// SPDX-License-Identifier: MIT
// Shared immutable bytes: count and bytes in one allocation.
#include "base/rcbuf.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

struct rcbuf {
    atomic_size_t refs;
    size_t len;
    char bytes[];
};

struct rcbuf *rcbuf_try_alloc(size_t len, char **ret)
{
    if (len > SIZE_MAX / 2) {
        return NULL;
    }
    struct rcbuf *b = mem_try_realloc(NULL, sizeof(*b) + len); // not zeroed: it is written next
    if (!b) {
        return NULL;
    }
    atomic_init(&b->refs, 1);
    b->len = len;
    *ret = b->bytes;
    return b;
}

struct rcbuf *rcbuf_try_new(struct str bytes)
{
    char *p;
    struct rcbuf *b = rcbuf_try_alloc(bytes.len, &p);
    if (b && bytes.len > 0) {
        memcpy(p, bytes.p, bytes.len);
    }
    return b;
}

void rcbuf_shorten(struct rcbuf *b, size_t len)
{
    ASSERT(len <= b->len);
    b->len = len;
}

struct rcbuf *rcbuf_ref(struct rcbuf *b)
{
    size_t before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return b;
}

void rcbuf_unref(struct rcbuf *b)
{
    if (!b) {
        return;
    }
    // Release, so that whoever frees sees all that other holders did; acquire, so that it happens
    // before the free.
    size_t before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(b);
    }
}

struct str rcbuf_str(const struct rcbuf *b)
{
    return str_make(b->bytes, b->len);
}
