// SPDX-License-Identifier: MIT
// Server-Sent Events (WHATWG HTML, "Server-sent events") without I/O: blocks for servers, an
// incremental parser for clients. The stream is UTF-8; a block ends with an empty line. Not
// thread-safe.
#ifndef CLAIRON_WIRE_SSE_H
#define CLAIRON_WIRE_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#define SSE_MEDIA_TYPE "text/event-stream"

// One block. Spans are valid UTF-8; p = NULL leaves the line out.
struct sse_block {
    struct str id;     // sets the client's last id when the block ends; empty takes it away
    struct str event;  // NULL or empty: `message`
    struct str data;   // NULL: the client's page sees no event, the id counts all the same
    uint32_t retry_ms; // 0: not told
};

// Appends a block, the data split at each CR, LF and CRLF (the client gets LF for all of them).
// -E_BAD_REQUEST, with nothing appended, when the id or the event holds a CR, LF or NUL.
int sse_put_block(struct buf *b, const struct sse_block *block) MUST_CHECK;
// Appends a comment as a block of its own; empty text is the shortest heartbeat.
void sse_put_comment(struct buf *b, struct str text);

// What a client gets. The spans hold until the next call of the parser.
struct sse_event {
    struct str id;   // the last id told so far; empty when there is none
    struct str type; // `message` unless told
    struct str data;
};

struct sse_parser {
    int64_t retry_ms;   // what the server asked for last; -1: nothing yet
    struct buf last_id; // for Last-Event-ID: moves when a block ends, also one without data

    // Block under way.
    struct buf line; // the part of a line that has come
    struct buf data; // each line of it with an LF behind
    struct buf type;
    struct buf id;
    bool begun;    // the first line is over: no byte order mark any more
    bool after_cr; // an LF now would belong to the CR before it
    bool given;    // `data` and `type` were given out, drop them next time
    int refused;
};

// Allocates nothing. `bytes_max` bounds a line and the data of an event.
void sse_parser_init(struct sse_parser *p, size_t bytes_max);
void sse_parser_fini(struct sse_parser *p); // idempotent
// For the next stream, after the end of one: a block that was not ended is dropped whole, its id
// too; the last id and the time to retry stay.
void sse_parser_restart(struct sse_parser *p);
// Takes bytes from the front of *in. 0: *ret is the next event; call again. -E_AGAIN: the input is
// used up. -E_TOO_LARGE, -E_NO_MEMORY: the stream can't be read on, until a restart every call
// answers the same. What the standard ignores is ignored, bytes that are not UTF-8 become U+FFFD.
int sse_parser_next(struct sse_parser *p, struct str *in, struct sse_event *ret) MUST_CHECK;

#endif
