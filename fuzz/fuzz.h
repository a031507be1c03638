// SPDX-License-Identifier: MIT
// What the fuzz targets share: cutting an input into pieces. A target states properties with
// ASSERT.
#ifndef CLAIRON_FUZZ_FUZZ_H
#define CLAIRON_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/siphash.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct str fuzz_input(const uint8_t *data, size_t size)
{
    return str_make((const char *)data, size);
}

// Ways to cut an input: whole, byte by byte, or by numbers that follow from its bytes (so every run
// is repeatable).
enum fuzz_cut { FUZZ_WHOLE, FUZZ_BYTES, FUZZ_RANDOM, FUZZ_CUTS };

static inline struct rng fuzz_rng(struct str input)
{
    const struct hash_key key = {0};
    struct rng rng;
    rng_init(&rng, siphash(&key, input));
    return rng;
}

// Bytes of the next piece of an input of which `left` are left.
static inline size_t fuzz_piece(enum fuzz_cut cut, struct rng *rng, size_t left)
{
    size_t n = cut == FUZZ_WHOLE ? left : cut == FUZZ_BYTES ? 1 : 1 + (size_t)rng_below(rng, 32);
    return n < left ? n : left;
}

// A copy that ends where its memory ends, so that the sanitizer sees a read past it.
static inline char *fuzz_copy(struct str s)
{
    char *p = malloc(s.len > 0 ? s.len : 1);
    ASSERT(p);
    if (s.len > 0) {
        memcpy(p, s.p, s.len);
    }
    return p;
}

#endif
