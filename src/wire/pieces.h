// SPDX-License-Identifier: MIT
// A streamed answer taken apart, without I/O: bytes in, pieces out, each one JSON value.
// Server-sent events give a piece per event and NDJSON one per line; plain text gives a string for
// what has come so far, whole code points only; a JSON document is one piece. Not thread-safe.
#ifndef CLAIRON_WIRE_PIECES_H
#define CLAIRON_WIRE_PIECES_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "wire/sse.h"

enum pieces_kind { PIECES_TEXT, PIECES_SSE, PIECES_NDJSON, PIECES_JSON };

// By a Content-Type (RFC 9110 8.3): text/event-stream, application/x-ndjson (and /ndjson, /jsonl),
// application/json, or any other text/*. -E_MEDIA_TYPE: none of these, or not UTF-8.
int pieces_kind_of(struct str content_type, enum pieces_kind *ret) MUST_CHECK;

struct pieces {
    enum pieces_kind kind;
    size_t bytes_max;
    struct sse_parser sse;
    struct buf rest; // a line, a document or a code point that has not come whole
    struct buf json; // the piece being made
    int refused;
};

// Gets each piece: `event` is the name of a server-sent event (p = NULL: it has none), `json` its
// value, minified. Both are borrowed.
struct pieces_taker {
    void (*take)(void *ctx, struct str event, struct str json);
    void *ctx;
};

// Allocates nothing. `bytes_max` bounds one piece before it is taken apart.
void pieces_init(struct pieces *p, enum pieces_kind kind, size_t bytes_max);
void pieces_fini(struct pieces *p); // idempotent
// -E_BAD_JSON (a line or document that is none), -E_UTF8, -E_TOO_LARGE, -E_NO_MEMORY: from then on
// every call answers the same. Pieces before the fault were given.
int pieces_feed(struct pieces *p, struct str bytes, const struct pieces_taker *taker) MUST_CHECK;
// The stream is over: what is left is given, or found not to be whole.
int pieces_end(struct pieces *p, const struct pieces_taker *taker) MUST_CHECK;

#endif
