// SPDX-License-Identifier: MIT
// Why a token is refused.
#include "auth/why.h"

#include "base/assert.h"

const char *why_text(enum why why)
{
    static const char *const texts[] = {
        [WHY_NONE] = "is good",
#define WHY(name, text) [WHY_##name] = text,
#include "auth/why.def"
#undef WHY
    };
    ASSERT(why < WHY_NR);
    return texts[why];
}
