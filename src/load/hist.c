// SPDX-License-Identifier: MIT
// A histogram of durations with log-linear buckets.
#include "load/hist.h"

#define PER_POWER (1u << HIST_BITS)

// Below 2 * PER_POWER every value has its own bucket; each power of two above shares PER_POWER.
static unsigned bucket_of(uint64_t value)
{
    if (value < PER_POWER) {
        return (unsigned)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HIST_BITS;
    return shift * PER_POWER + (unsigned)(value >> shift);
}

// The highest value of a bucket.
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < 2 * PER_POWER) {
        return bucket;
    }
    unsigned shift = bucket / PER_POWER - 1;
    uint64_t base = bucket % PER_POWER + PER_POWER;
    return (base << shift) + ((UINT64_C(1) << shift) - 1);
}

void hist_add(struct hist *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->count++;
    h->sum += value;
    if (value > h->max) {
        h->max = value;
    }
}

uint64_t hist_at(const struct hist *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count);
    uint64_t seen = 0;
    if ((double)wanted < share * (double)h->count) {
        wanted++;
    }
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && seen >= wanted) {
            uint64_t top = bucket_top(i);
            return top < h->max ? top : h->max;
        }
    }
    return 0;
}

double hist_mean(const struct hist *h)
{
    return h->count > 0 ? (double)h->sum / (double)h->count : 0;
}
