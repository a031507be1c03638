// SPDX-License-Identifier: MIT
// A store in memory that behaves as the one on disk does, for tests and simulation: it knows what
// is committed and what is synced, it can crash, and its next call can be made to fail. The same
// calls with the same seeds do the same. One thread.
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
// what was synced and a beginning of the rest, drawn from `rng`, and rolls the epoch unless the end
// was clean. `info` is what opening it again finds; that uses a clean mark up.
void store_model_crash(struct store *s, bool power_loss, struct rng *rng, struct store_info *info);

enum model_call { MODEL_LOAD, MODEL_COMMIT, MODEL_RESERVE, MODEL_SYNC, MODEL_READ, MODEL_CALL_NR };

// The next call of this kind fails with `err`, and nothing of it is seen. A commit that fails with
// -E_IO has an unknown outcome, as one on disk has: if the next thing is a crash, it may be there
// afterwards. A failed sync makes every sync fail until ops->checkpoint has brought everything to
// disk by other means. MODEL_READ is any call of a reader but plan and checkpoint.
void store_model_fail(struct store *s, enum model_call call, int err);

#endif
