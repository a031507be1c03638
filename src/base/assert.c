// SPDX-License-Identifier: MIT
// What happens when an invariant is broken.
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    fprintf(stderr, "invariant broken: %s (%s:%d, %s)\n", expr, file, line, func);
    abort();
}
