// SPDX-License-Identifier: MIT
// Bump allocator for things that die together (one request, one submit, one configuration). Not
// thread-safe.
#ifndef CLAIRON_BASE_ARENA_H
#define CLAIRON_BASE_ARENA_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t used_bytes; // handed out in all, for limits and metrics
    size_t max_bytes;
};

void arena_init(struct arena *a, size_t max_bytes); // allocates nothing yet
void arena_fini(struct arena *a);                   // idempotent
// Zeroed, aligned for any type; NULL when the maximum or the memory is used up.
void *arena_try_alloc(struct arena *a, size_t bytes) MUST_CHECK;
// Copy of a span, NUL-terminated; p = NULL on failure.
struct str arena_try_copy(struct arena *a, struct str s) MUST_CHECK;

#endif
