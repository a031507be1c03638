// SPDX-License-Identifier: MIT
// The limits of def/limits.def as constants: LIMIT_MESSAGE_BYTES and so on.
#ifndef CLAIRON_DEF_LIMITS_H
#define CLAIRON_DEF_LIMITS_H

enum limit {
#define LIMIT(name, value, unit, why) LIMIT_##name = (value),
#include "def/limits.def"
#undef LIMIT
};

#endif
