// SPDX-License-Identifier: MIT
// How often a worker hands events out. The first event after a quiet while goes at once; under load
// the next hand-out waits until a multiple of the time that the last one took has passed, so that
// what comes meanwhile goes along in the same sends. A send costs the same for one event and for
// ten: waiting a little is what keeps up with twice the rate. Pure; time is passed in.
#ifndef CLAIRON_SERVER_PACE_H
#define CLAIRON_SERVER_PACE_H

#include <stdbool.h>
#include <stdint.h>

// Between the begins of two hand-outs: so many times what the first of them took, at most so long.
#define PACE_FACTOR 2
#define PACE_US_MAX 10000

struct pace {
    int64_t next_us; // monotonic: when the next one may begin
};

static inline bool pace_is_due(const struct pace *p, int64_t now_us)
{
    return now_us >= p->next_us;
}

// A hand-out took from `begin_us` to `end_us`.
static inline void pace_note(struct pace *p, int64_t begin_us, int64_t end_us)
{
    int64_t wait_us = (end_us - begin_us) * PACE_FACTOR;
    p->next_us = begin_us + (wait_us < PACE_US_MAX ? wait_us : PACE_US_MAX);
}

// Rounded up, so that a timer does not fire too soon.
static inline int64_t pace_wait_ms(const struct pace *p, int64_t now_us)
{
    return now_us >= p->next_us ? 0 : (p->next_us - now_us + 999) / 1000;
}

#endif
