// SPDX-License-Identifier: MIT
// Finds progress in a line of output: `[n/m]` or `N%`. Pure.
#ifndef CLAIRON_CLI_DETECT_H
#define CLAIRON_CLI_DETECT_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"

// The first one in the line, in whole percent, rounded down; false when there is none. Colours are
// looked through. Only the first 4 KiB are read.
bool detect_progress(struct str line, unsigned *ret_percent) MUST_CHECK;

#endif
