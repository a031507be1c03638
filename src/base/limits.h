// SPDX-License-Identifier: MIT
// The limits as they are set in one hub: the table of def/limits.def with the values of its
// configuration. Filled at start, then only read, by any thread.
#ifndef CLAIRON_BASE_LIMITS_H
#define CLAIRON_BASE_LIMITS_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "def/limits.h"

struct limits {
    int64_t values[LIMIT_ROWS];
};

#define LIMIT_OF(limits, name) ((limits)->values[LIMIT_ROW_##name])

struct limit_about {
    const char *name;    // in capital letters
    int64_t value;       // unless set
    int64_t least, most; // both 0: can't be set
    const char *answer;  // to whom it stops; empty: it stops nobody
};

extern const struct limits limits_default;
extern const struct limit_about limits_about[LIMIT_ROWS];

// The name of its key in section `limits` of the configuration, in small letters, NUL-terminated.
#define LIMIT_KEY_BYTES 40
void limit_put_key(enum limit_row row, char out[static LIMIT_KEY_BYTES]);

#endif
