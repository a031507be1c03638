// SPDX-License-Identifier: MIT
// May somebody read a topic? Either it is granted by name, which is known at once, or it is of one
// job that they own, which the sequencer knows. Asked and answered on one worker's thread.
#ifndef CLAIRON_HUB_OWNER_H
#define CLAIRON_HUB_OWNER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"
#include "hub/ask.h"
#include "hub/principal.h"

// `done` is told 0, -E_FORBIDDEN, or why it could not be found out.
struct owner_asker {
    void (*done)(void *ctx, int err);
    void *ctx;
};

// 0: allowed. -E_AGAIN: `done` will be called, once, perhaps before this returns. -E_FORBIDDEN,
// -E_NO_MEMORY: it will not. `p` must live until then.
int owner_ask_may_read(struct ask *ask, struct principal *p, struct str topic,
                       const struct owner_asker *asker) MUST_CHECK;

// Could it be allowed to whom owns the job? Then this is the job.
bool owner_may_matter(const struct principal *p, struct str topic, enum job_kind *ret_kind,
                      struct str *ret_id);

#endif
