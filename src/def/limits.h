// SPDX-License-Identifier: MIT
// The limits of def/limits.def as constants: LIMIT_MESSAGE_BYTES and so on, and their numbers in
// the table.
#ifndef CLAIRON_DEF_LIMITS_H
#define CLAIRON_DEF_LIMITS_H

enum limit {
#define LIMIT(name, value, least, most, unit, answer, why) LIMIT_##name = (value),
#include "def/limits.def"
#undef LIMIT
};

enum limit_row {
#define LIMIT(name, value, least, most, unit, answer, why) LIMIT_ROW_##name,
#include "def/limits.def"
#undef LIMIT
    LIMIT_ROWS
};

#endif
