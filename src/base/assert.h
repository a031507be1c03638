// SPDX-License-Identifier: MIT
// Invariants. ASSERT stays on in release builds; it states what this program guarantees and never
// judges what a peer sent. On failure one line goes to standard error and the process aborts.
#ifndef CLAIRON_BASE_ASSERT_H
#define CLAIRON_BASE_ASSERT_H

#include "base/compiler.h"

NORETURN void assert_fail(const char *expr, const char *file, int line, const char *func);

#define ASSERT(x)                                                                                  \
    do {                                                                                           \
        if (UNLIKELY(!(x))) {                                                                      \
            assert_fail(#x, __FILE__, __LINE__, __func__);                                         \
        }                                                                                          \
    } while (0)
#define UNREACHABLE() assert_fail("unreachable", __FILE__, __LINE__, __func__)

#endif
