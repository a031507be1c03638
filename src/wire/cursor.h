// SPDX-License-Identifier: MIT
// The cursor as text, "<epoch>-<id>": the epoch is 16 lower-case hexadecimal digits, the id
// decimal. Clients treat it as opaque, except that cursors of one epoch compare by the number
// behind the dash.
#ifndef CLAIRON_WIRE_CURSOR_H
#define CLAIRON_WIRE_CURSOR_H

#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#define CURSOR_TEXT_MAX 40 // bytes, with room for a NUL

struct cursor {
    uint64_t epoch;
    uint64_t id;
};

// -E_BAD_REQUEST for anything that cursor_put does not write (ids up to 2^63 - 1).
int cursor_parse(struct str text, struct cursor *ret) MUST_CHECK;
void cursor_put(struct buf *b, struct cursor c); // without quotes
// Writes at most CURSOR_TEXT_MAX bytes with a NUL; returns the length without it.
size_t cursor_text(struct cursor c, char out[CURSOR_TEXT_MAX]);

#endif
