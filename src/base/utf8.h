// SPDX-License-Identifier: MIT
// UTF-8 validation after table 3-7 of the Unicode standard: no overlong forms, no surrogates,
// nothing over U+10FFFF.
#ifndef CLAIRON_BASE_UTF8_H
#define CLAIRON_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

bool utf8_valid(struct str s);
// Valid, and without control characters (C0, DEL, C1).
bool utf8_is_plain_text(struct str s);

// Streaming check: starts at 0; a code point may be split between calls.
struct utf8_state {
    uint8_t need;      // continuation bytes still to come
    uint8_t low, high; // bounds of the next continuation byte
};

// False as soon as the bytes seen can't become valid.
bool utf8_feed(struct utf8_state *st, struct str s) MUST_CHECK;
// True when no code point is under way.
bool utf8_done(const struct utf8_state *st);
// The longest prefix of at most `max` bytes that ends at a code point.
size_t utf8_prefix(struct str s, size_t max);

struct buf;
// Appends `s` with every byte that is not valid UTF-8 replaced by U+FFFD.
void utf8_put_lossy(struct buf *b, struct str s);

#endif
