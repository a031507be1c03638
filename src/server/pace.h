// SPDX-License-Identifier: MIT
// How often a worker hands events out. A send costs the same for one event and for ten, so near
// saturation waiting a little keeps up with a multiple of the rate: then the next hand-out begins
// no sooner than a multiple of the time that the last one took, and what comes meanwhile goes along
// in the same sends. Below that, latency comes first: everything goes out at once. So it does for
// publishers that send the next event when the last has arrived, since waiting brings no more then:
// now and then it is tried, and left out for a while if it was in vain. Pure; time is passed in.
#ifndef CLAIRON_SERVER_PACE_H
#define CLAIRON_SERVER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_PERCENT      140   // from begin to begin, of the time that the first of two took
#define PACE_US_MAX       10000 // but no longer
#define PACE_BUSY_PERCENT 75    // of the time, if each arrival were handed out by itself
#define PACE_IDLE_US      100000
#define PACE_TRIAL        16 // hand-outs after which it is seen whether waiting pays
#define PACE_HOLIDAY_MIN  64 // hand-outs without waiting when it does not, doubled each time
#define PACE_HOLIDAY_MAX  1024

struct pace {
    int64_t next_us; // monotonic: when the next one may begin
    uint64_t seen;
    unsigned arrivals;            // since the last hand-out began
    int64_t begin_us;             // of the last hand-out
    int64_t work_us, interval_us; // running means: of work to do, of the time from begin to begin
    unsigned trial_hand_outs, trial_arrivals;
    unsigned holiday, holiday_next;
};

// `visible` rises when something came.
static inline void pace_saw(struct pace *p, uint64_t visible)
{
    p->arrivals += visible > p->seen;
    p->seen = visible;
}

static inline bool pace_is_busy(const struct pace *p)
{
    return p->work_us * 100 >= p->interval_us * PACE_BUSY_PERCENT && p->interval_us > 0;
}

// May what came go out?
static inline bool pace_is_due(const struct pace *p, int64_t now_us)
{
    return now_us >= p->next_us || p->holiday > 0 || !pace_is_busy(p);
}

static inline void pace_try(struct pace *p, unsigned arrivals)
{
    if (p->holiday > 0) {
        p->holiday--;
        return;
    }
    if (!pace_is_busy(p)) {
        return;
    }
    p->trial_arrivals += arrivals;
    if (++p->trial_hand_outs < PACE_TRIAL) {
        return;
    }
    bool pays = p->trial_arrivals * 8 >= p->trial_hand_outs * 9;
    p->holiday_next = pays || p->holiday_next == 0 ? PACE_HOLIDAY_MIN : p->holiday_next * 2;
    p->holiday_next = p->holiday_next < PACE_HOLIDAY_MAX ? p->holiday_next : PACE_HOLIDAY_MAX;
    p->holiday = pays ? 0 : p->holiday_next;
    p->trial_hand_outs = p->trial_arrivals = 0;
}

// A hand-out of all that was seen took from `begin_us` to `end_us`.
static inline void pace_note(struct pace *p, int64_t begin_us, int64_t end_us)
{
    unsigned arrivals = p->arrivals > 0 ? p->arrivals : 1;
    int64_t took_us = end_us - begin_us, interval_us = begin_us - p->begin_us;
    if (interval_us > PACE_IDLE_US) { // there was a pause: what was before says nothing
        p->work_us = p->interval_us = 0;
    } else {
        p->work_us += (took_us * arrivals - p->work_us) / 8;
        p->interval_us += (interval_us - p->interval_us) / 8;
    }
    pace_try(p, arrivals);
    int64_t wait_us = took_us * PACE_PERCENT / 100;
    p->next_us = begin_us + (wait_us < PACE_US_MAX ? wait_us : PACE_US_MAX);
    p->begin_us = begin_us;
    p->arrivals = 0;
}

// Rounded up, so that a timer does not fire too soon.
static inline int64_t pace_wait_ms(const struct pace *p, int64_t now_us)
{
    return now_us >= p->next_us ? 0 : (p->next_us - now_us + 999) / 1000;
}

#endif
