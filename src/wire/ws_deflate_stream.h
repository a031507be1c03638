// SPDX-License-Identifier: MIT
// One compressed stream for all subscribers of a topic (experimental): each message is compressed
// once, refers to those before it in its run, and serves everyone who is in step. A run begins with
// a message that serves everyone.
//
// Who is in step has in the window of their inflater what the stream has in its own: they got every
// message of the run so far from this stream, and no other compressed message since the run began.
// Uncompressed messages stay out of the window (RFC 7692 7.2.3.2), so they may go to anyone at any
// time. A message may be sent to who is in step with it, and one that is fresh to everyone who has
// a window of the stream's window_bits; to who agreed to no context, those alone. Not thread-safe.
#ifndef CLAIRON_WIRE_WS_DEFLATE_STREAM_H
#define CLAIRON_WIRE_WS_DEFLATE_STREAM_H

#include "wire/ws_deflate.h"

#define WS_STREAM_RUN 32 // messages of one run: who joins late waits for that long at most

struct ws_deflate_stream;

// Which message this is. The number of a run belongs to one run of one stream.
struct ws_stream_message {
    uint64_t run;
    uint32_t seq; // in the run; 0 is fresh
};

// `runs` numbers the runs of all streams that a connection may be on; it begins at 0 and outlives
// them.
struct ws_deflate_stream *ws_deflate_stream_try_new(const struct ws_deflate_shape *shape,
                                                    uint64_t *runs) MUST_CHECK;
void ws_deflate_stream_free(struct ws_deflate_stream *s); // accepts NULL
// Appends the payload of the next message. -E_NO_MEMORY, with nothing appended: the message must go
// uncompressed to all; the run is over.
int ws_deflate_stream_put(struct ws_deflate_stream *s, struct str plain, struct buf *out,
                          struct ws_stream_message *ret) MUST_CHECK;
// The next message begins a run.
void ws_deflate_stream_end_run(struct ws_deflate_stream *s);

#endif
