// SPDX-License-Identifier: MIT
// The marker that a published payload begins with, `#S.<seq>.<due>.`: which event it is, and when
// it was due, in ns of CLOCK_MONOTONIC. Pure; nothing here allocates.
#ifndef CLAIRON_LOAD_MARKER_H
#define CLAIRON_LOAD_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define MARKER_MAX 44 // bytes of the longest one

struct marker {
    uint64_t seq;
    int64_t due_ns;
};

enum marker_fill {
    MARKER_FILL_X,     // one letter again and again
    MARKER_FILL_WORDS, // words as logs have them, others for each event: no easier to compress
};

// Appends a payload of `size` bytes, or of the marker's own length if that is more. Of letters,
// digits and what needs no escape in JSON.
void marker_put(struct buf *b, struct marker m, size_t size, enum marker_fill fill);

// Finds the next whole marker in *p..end. True: *p is behind it. False: *p is where a marker begins
// that is not whole yet, or `end`.
bool marker_next(const char **p, const char *end, struct marker *ret);

// The same over a stream that comes in pieces: keeps the beginning of a marker between them.
struct marker_stream {
    uint8_t kept;
    char bytes[MARKER_MAX];
};

// Takes markers from the front of *piece until it is used up: then false.
bool marker_stream_next(struct marker_stream *s, struct str *piece, struct marker *ret);

#endif
