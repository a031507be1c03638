// SPDX-License-Identifier: MIT
// The table of limits.
#include "base/limits.h"

#include "base/assert.h"

const struct limits limits_default = {.values = {
#define LIMIT(name, value, least, most, unit, answer, why) [LIMIT_ROW_##name] = (value),
#include "def/limits.def"
#undef LIMIT
                                      }};

const struct limit_about limits_about[LIMIT_ROWS] = {
#define LIMIT(name_, value_, least_, most_, unit, answer_, why)                                    \
    [LIMIT_ROW_##name_] = {                                                                        \
        .name = #name_, .value = (value_), .least = (least_), .most = (most_), .answer = answer_},
#include "def/limits.def"
#undef LIMIT
};

void limit_put_key(enum limit_row row, char out[static LIMIT_KEY_BYTES])
{
    const char *name = limits_about[row].name;
    size_t len = 0;
    for (; name[len]; len++) {
        ASSERT(len + 1 < LIMIT_KEY_BYTES);
        out[len] = (char)(name[len] == '_' ? '_' : name[len] - 'A' + 'a');
    }
    out[len] = '\0';
}
