// SPDX-License-Identifier: MIT
// What time does to a job.
//
//   lease missed           -> stalled, told by a status event; any report ends that
//   lease missed + grace   -> failed
//   cancelled, and the lease missed, or no lease and nothing heard for the grace -> cancelled
//   pending progress       -> published
#include <stdio.h>

#include "base/err.h"
#include "hub/reduce_int.h"
#include "hub/state.h"

// The hub ends the attempt as its worker would have.
static int end_attempt(struct reduce *x, enum job_status to, const char *message)
{
    static const enum report_verb verbs[KIND_NR] = {
        [KIND_DEPLOYMENT] = REPORT_COMPLETE,
        [KIND_TICKET] = REPORT_STATUS,
        [KIND_BUILD] = REPORT_ERROR,
    };
    struct job *j = x->j;
    bool failed = to == state_failed(j->kind);
    const struct report r = {
        .kind = j->kind,
        .verb = verbs[j->kind],
        .id = str_of(j->id),
        .status = str_of(state_text(to)),
        .message = str_of(message),
        .error = failed ? str_of(message) : STR_NONE,
    };
    x->r = &r;
    int err = reduce_by_kind(x);
    x->r = NULL;
    return err;
}

static int cancel(struct reduce *x)
{
    return end_attempt(x, state_cancelled(x->j->kind),
                       "Cancelled on request: the worker did not report its own end.");
}

static int fail(struct reduce *x)
{
    char why[120];
    (void)snprintf(why, sizeof(why),
                   "The worker stopped reporting: its lease of %lu s ran out %d s ago.",
                   (unsigned long)x->j->lease_s, LIMIT_LEASE_GRACE_MS / 1000);
    return end_attempt(x, state_failed(x->j->kind), why);
}

static int stall(struct reduce *x)
{
    struct job *j = x->j;
    j->stalled = true;
    j->lease_until_mono_ms = x->now.mono_ms; // the grace counts from when it was told
    return reduce_publish_stalled(x);
}

static int check_lease(struct reduce *x)
{
    const struct job *j = x->j;
    int64_t now = x->now.mono_ms;
    if (!job_is_open(j)) {
        return 0;
    }
    if (j->lease_s == 0) {
        bool over =
            j->cancel_requested && j->cancel_until_mono_ms != 0 && now >= j->cancel_until_mono_ms;
        return over ? cancel(x) : 0;
    }
    if (now < j->lease_until_mono_ms) {
        return 0;
    }
    if (j->cancel_requested) {
        return cancel(x);
    }
    if (!j->stalled) {
        return stall(x);
    }
    return now >= j->lease_until_mono_ms + LIMIT_LEASE_GRACE_MS ? fail(x) : 0;
}

int reduce_timer(struct job *copy, struct now now, struct arena *a, struct reduction *ret)
{
    *ret = (struct reduction){.effect = DURABILITY_MEMORY};
    struct reduce x = {.j = copy, .now = now, .arena = a, .ret = ret};
    buf_init(&x.b, SIZE_MAX / 2);
    int err = check_lease(&x);
    if (!err) {
        err = reduce_flush_due(&x);
    }
    if (!err) {
        reduce_set_marks(&x);
    }
    buf_fini(&x.b);
    return err;
}
