// SPDX-License-Identifier: MIT
// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash, so that peers who choose names can't
// choose collisions.
#ifndef CLAIRON_BASE_SIPHASH_H
#define CLAIRON_BASE_SIPHASH_H

#include <stdint.h>

#include "base/str.h"

struct hash_key {
    uint64_t k0, k1;
};

uint64_t siphash(const struct hash_key *key, struct str s);

#endif
