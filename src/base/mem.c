// SPDX-License-Identifier: MIT
// Memory: malloc behind two contracts, one that aborts and one that may fail.
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static _Thread_local unsigned long fail_in; // mem_try_* calls until one fails; 0: none will

void mem_fail_nth(unsigned long n)
{
    fail_in = n;
}

static bool must_fail(void)
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
    return must_fail() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *mem_try_realloc(void *p, size_t bytes)
{
    return must_fail() ? NULL : realloc(p, bytes ? bytes : 1);
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
