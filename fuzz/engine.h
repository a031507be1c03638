// SPDX-License-Identifier: MIT
// The engine of the stateful targets: the same calls as server/engine.h, on one thread, around the
// store in memory. Its questions are carried out when the target says so, in the order it likes.
#ifndef CLAIRON_FUZZ_ENGINE_H
#define CLAIRON_FUZZ_ENGINE_H

#include <stdbool.h>

#include "server/engine.h"

// `moved` and `ctx` of the configuration count, the rest does not. Ends with engine_free.
struct engine *fuzz_engine_new(const struct engine_config *cfg);
// Carries out one question, or answers one that was; `pick` chooses among them. False: there is
// none.
bool fuzz_engine_step(struct engine *e, unsigned pick);
void fuzz_engine_tick(struct engine *e); // after time has passed
void fuzz_engine_drain(struct engine *e);
bool fuzz_engine_idle(const struct engine *e);
// The next commit, sync or read fails.
void fuzz_engine_fail_next(struct engine *e, unsigned what);

#endif
