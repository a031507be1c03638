// SPDX-License-Identifier: MIT
// Objects of one size, packed in slabs of 64 KiB that come from the kernel and go back to it: no
// bytes of bookkeeping per object, and memory is given back when many go. The fullest slabs are
// used first, so that the others can empty. At most one empty slab is kept. Under AddressSanitizer
// a freed object is poisoned. One thread per pool.
#ifndef CLAIRON_BASE_POOL_H
#define CLAIRON_BASE_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/list.h"

#define POOL_SLAB_BYTES       65536
#define POOL_OBJECT_BYTES_MAX 4096

enum { POOL_FILLS = 4 };

struct pool_slab;

struct pool {
    size_t object_bytes; // rounded up
    size_t per_slab;
    size_t count; // objects in use
    size_t slabs;
    struct list partial[POOL_FILLS]; // slabs with room, by how full they are; full ones are in none
    struct pool_slab *spare;         // an empty one; NULL: none
    _Atomic(int64_t) *held_bytes;
};

// Allocates nothing yet. `held_bytes` (NULL: none) is kept up by what the pool holds, with that of
// others.
void pool_init(struct pool *p, size_t object_bytes, _Atomic(int64_t) *held_bytes);
void pool_fini(struct pool *p); // nothing may be in use
// Zeroed, aligned to 8 bytes; NULL without memory. Counts as a mem_try_* call.
void *pool_try_alloc(struct pool *p) MUST_CHECK;
void pool_free(struct pool *p, void *object); // accepts NULL
size_t pool_bytes(const struct pool *p);      // of all its slabs
size_t pool_count(const struct pool *p);      // objects in use

#endif
