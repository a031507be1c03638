// SPDX-License-Identifier: MIT
// base64 (RFC 4648 4), strict: with padding, without line ends, and one text for each sequence of
// bytes. Pure.
#ifndef CLAIRON_WIRE_BASE64_H
#define CLAIRON_WIRE_BASE64_H

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

// Characters that `bytes` take.
static inline size_t base64_chars(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 > 0 ? 4 : 0);
}

void base64_put(struct buf *b, struct str bytes);
// Appends the bytes; b->failed when there is no room. -E_BAD_REQUEST: the text is no base64, and
// nothing was appended.
int base64_decode(struct str text, struct buf *b) MUST_CHECK;

#endif
