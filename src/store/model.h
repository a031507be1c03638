// SPDX-License-Identifier: MIT
// A store in memory that behaves as the one on disk should, for tests and simulation: it knows what
// is committed and what is synced, and can crash. One thread.
#ifndef CLAIRON_STORE_MODEL_H
#define CLAIRON_STORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/rng.h"
#include "hub/store.h"

// Empty. `seed` makes its epochs. Freed by ops->free, readers first.
struct store *store_model_new(const struct hash_key *key, uint64_t seed, struct store_info *info);
// No reader may be open. A crash of the process keeps what was committed; a loss of power keeps
// what was synced and a beginning of the rest, drawn from `rng`, and rolls the epoch. `info` is
// what opening it again finds.
void store_model_crash(struct store *s, bool power_loss, struct rng *rng, struct store_info *info);

#endif
