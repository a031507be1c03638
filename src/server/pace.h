// SPDX-License-Identifier: MIT
// How often a worker hands events out. The first event after a quiet while goes at once; under load
// the next hand-out waits until a multiple of the time that the last one took has passed, so that
// what comes meanwhile goes along in the same sends. A send costs the same for one event and for
// ten: waiting a little is what keeps up with twice the rate. Waits that brought nothing are left
// out for a while, twice as long each time: whoever sends the next event when the last has arrived
// is not slowed down. Pure; time is passed in.
#ifndef CLAIRON_SERVER_PACE_H
#define CLAIRON_SERVER_PACE_H

#include <stdbool.h>
#include <stdint.h>

// Between the begins of two hand-outs: so many times what the first of them took, at most so long.
#define PACE_FACTOR   2
#define PACE_US_MAX   10000
#define PACE_SKIP_MAX 64 // hand-outs in a row that do not wait

struct pace {
    int64_t next_us;   // monotonic: when the next one may begin
    bool waiting;      // for next_us
    uint64_t seen;     // what had come when the wait began
    unsigned skip;     // hand-outs that do not wait now
    unsigned skip_now; // how many that was when the last wait brought nothing
};

// May what came go out? `seen` rises with all that comes.
static inline bool pace_is_due(struct pace *p, int64_t now_us, uint64_t seen)
{
    if (now_us >= p->next_us || p->skip > 0) {
        return true;
    }
    if (!p->waiting) {
        p->waiting = true;
        p->seen = seen;
    }
    return false;
}

// A hand-out of what had come by `seen` took from `begin_us` to `end_us`.
static inline void pace_note(struct pace *p, int64_t begin_us, int64_t end_us, uint64_t seen)
{
    int64_t wait_us = (end_us - begin_us) * PACE_FACTOR;
    p->next_us = begin_us + (wait_us < PACE_US_MAX ? wait_us : PACE_US_MAX);
    if (p->waiting && seen > p->seen) {
        p->skip = p->skip_now = 0;
    } else if (p->waiting) {
        p->skip_now = p->skip_now == 0 ? 1 : p->skip_now * 2;
        p->skip = p->skip_now < PACE_SKIP_MAX ? p->skip_now : PACE_SKIP_MAX;
        p->skip_now = p->skip;
    } else if (p->skip > 0) {
        p->skip--;
    }
    p->waiting = false;
}

// Rounded up, so that a timer does not fire too soon.
static inline int64_t pace_wait_ms(const struct pace *p, int64_t now_us)
{
    return now_us >= p->next_us ? 0 : (p->next_us - now_us + 999) / 1000;
}

#endif
