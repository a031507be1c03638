// SPDX-License-Identifier: MIT
// Memory: malloc behind two contracts, one that aborts and one that may fail.
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

#ifdef SANITIZED_ADDRESS
#include <sanitizer/lsan_interface.h>
#else // else the leak checker would not look into mapped pages for what they point to
#define __lsan_register_root_region(p, bytes)   ((void)(p), (void)(bytes))
#define __lsan_unregister_root_region(p, bytes) ((void)(p), (void)(bytes))
#endif

static _Thread_local unsigned long fail_in; // mem_try_* calls until one fails; 0: none will

void mem_fail_nth(unsigned long n)
{
    fail_in = n;
}

bool mem_try_fails(void)
{
    if (LIKELY(fail_in == 0)) {
        return false;
    }
    fail_in--;
    return fail_in == 0;
}

static NORETURN void out_of_memory(size_t bytes)
{
    fprintf(stderr, "out of memory: %zu bytes wanted\n", bytes);
    abort();
}

void *mem_alloc(size_t bytes)
{
    return mem_calloc(1, bytes);
}

void *mem_calloc(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes ? bytes : 1); // calloc checks the product
    if (!p) {
        out_of_memory(bytes);
    }
    return p;
}

void *mem_realloc(void *p, size_t bytes)
{
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) {
        out_of_memory(bytes);
    }
    return q;
}

void mem_free(void *p)
{
    free(p);
}

void *mem_try_alloc(size_t bytes)
{
    return mem_try_fails() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *mem_try_realloc(void *p, size_t bytes)
{
    return mem_try_fails() ? NULL : realloc(p, bytes ? bytes : 1);
}

static char *fill(char *p, struct str s)
{
    if (p && s.len > 0) {
        memcpy(p, s.p, s.len); // calloc left the NUL behind it
    }
    return p;
}

char *mem_strdup(struct str s)
{
    ASSERT(s.len < SIZE_MAX);
    return fill(mem_alloc(s.len + 1), s);
}

char *mem_try_strdup(struct str s)
{
    ASSERT(s.len < SIZE_MAX);
    return fill(mem_try_alloc(s.len + 1), s);
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t bytes)
{
    int rc = bytes > 0 ? munmap(p, bytes) : 0;
    ASSERT(rc == 0);
}

// Maps twice as much and gives back what stands over on either side.
static void *map_aligned(size_t bytes)
{
    char *p = map(2 * bytes);
    if (!p) {
        return NULL;
    }
    size_t past = (uintptr_t)p & (bytes - 1);
    size_t before = past ? bytes - past : 0;
    unmap(p, before);
    unmap(p + before + bytes, bytes - before);
    return p + before;
}

void *mem_try_aligned(size_t bytes)
{
    ASSERT(bytes > 0 && (bytes & (bytes - 1)) == 0 && bytes <= SIZE_MAX / 2);
    if (mem_try_fails()) {
        return NULL;
    }
    char *p = map(bytes); // often next to the last one, and then aligned as it is
    if (p && ((uintptr_t)p & (bytes - 1)) != 0) {
        unmap(p, bytes);
        p = map_aligned(bytes);
    }
    if (p) {
        __lsan_register_root_region(p, bytes);
    }
    return p;
}

void mem_free_aligned(void *p, size_t bytes)
{
    if (p) {
        __lsan_unregister_root_region(p, bytes);
        unmap(p, bytes);
    }
}
