// SPDX-License-Identifier: MIT
// A histogram of durations: log-linear buckets, 128 to each power of two, so that a value read back
// is at most 0.8 % above the one put in, over the whole range, in 59 KB and without allocating.
// Whoever holds it owns it; not thread-safe.
#ifndef CLAIRON_LOAD_HIST_H
#define CLAIRON_LOAD_HIST_H

#include <stdint.h>

#define HIST_BITS    7
#define HIST_BUCKETS ((64 - HIST_BITS + 1) << HIST_BITS)

struct hist {
    uint64_t count;
    uint64_t max;
    uint64_t sum;
    uint64_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t value);
// The least value that at least `share` (0 to 1) of all are not above; 0 when there are none.
uint64_t hist_at(const struct hist *h, double share);
double hist_mean(const struct hist *h);

#endif
