// SPDX-License-Identifier: MIT
// The two clocks. hub/ and wire/ never call these: time is passed in, so that it can be simulated.
#ifndef CLAIRON_BASE_CLOCK_H
#define CLAIRON_BASE_CLOCK_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct now {
    int64_t wall_ms; // Unix time: for timestamps only
    int64_t mono_ms; // never goes back: for every timer
};

struct now clock_now(void);
int64_t clock_mono_us(void);
// Parses RFC 3339 as buf_put_time writes it; -E_BAD_REQUEST.
int clock_parse(struct str s, int64_t *ret_wall_ms) MUST_CHECK;

#endif
