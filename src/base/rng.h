// SPDX-License-Identifier: MIT
// Seeded pseudo-random numbers (xoshiro256**): for jitter, sampling and simulation, never for
// secrets.
#ifndef CLAIRON_BASE_RNG_H
#define CLAIRON_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); // uniform in [0, bound); bound > 0
// From the kernel (getrandom): for ids and keys. Aborts when the kernel has none. Any thread; not
// in a forked child, which would get what its parent gets.
void random_bytes(void *p, unsigned long len);

#endif
