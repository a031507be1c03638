// SPDX-License-Identifier: MIT
// Memory. mem_* aborts when there is none: for start-up and small objects whose number we bound
// ourselves. mem_try_* returns NULL: for anything whose size or number a peer controls; its failure
// closes that peer only. The only files that call malloc are mem.c and those that hand memory to a
// library.
#ifndef CLAIRON_BASE_MEM_H
#define CLAIRON_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

void *mem_alloc(size_t bytes);                // zeroed
void *mem_calloc(size_t count, size_t bytes); // zeroed, overflow-checked
void *mem_realloc(void *p, size_t bytes);     // new bytes are not zeroed
void mem_free(void *p);                       // accepts NULL
void *mem_try_alloc(size_t bytes) MUST_CHECK; // zeroed
void *mem_try_realloc(void *p, size_t bytes) MUST_CHECK;
char *mem_strdup(struct str s); // NUL-terminated copy
char *mem_try_strdup(struct str s) MUST_CHECK;

// Fresh pages, zeroed, at an address that is a multiple of `bytes` (a power of two, a page at
// least); NULL without memory. mem_free_aligned gives them back to the kernel at once.
void *mem_try_aligned(size_t bytes) MUST_CHECK;
void mem_free_aligned(void *p, size_t bytes);

// Test hook: the Nth mem_try_* call from now on this thread fails (1 = the next), once. 0 switches
// off.
void mem_fail_nth(unsigned long n);
// For allocators built on these: counts as a mem_try_* call. True: it is the one that fails.
bool mem_try_fails(void) MUST_CHECK;

#endif
