// SPDX-License-Identifier: MIT
// Frames of a server, compressed (RFC 7692): each message with a fresh context, so that one frame
// serves every client of its class. What is short, or does not get shorter, goes as it is, as does
// everything when there is no memory. zlib's state is made at the first use. One user at a time.
#ifndef CLAIRON_WIRE_WS_COMPRESSOR_H
#define CLAIRON_WIRE_WS_COMPRESSOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "wire/ws_deflate.h"
#include "wire/ws_frame.h"

// What a client takes, by the window that it keeps for us.
enum ws_class {
    WS_CLASS_PLAIN,  // nothing compressed
    WS_CLASS_NARROW, // any window
    WS_CLASS_WIDE,   // one of WS_WIDE_BITS or more
    WS_CLASS_LINKED, // one of WS_STREAM_BITS or more, which may hold earlier messages
};
#define WS_CLASSES 4

#define WS_WIDE_BITS 12 // 4 KiB: what Python's websockets asks for, and most messages are shorter

#define WS_STREAM_BITS 13

enum ws_class ws_class_of(const struct ws_deflate *agreed);

struct ws_compressor {
    size_t threshold_bytes; // shorter messages go as they are
    struct ws_deflater *deflaters[WS_CLASSES];
    struct buf scratch;
    uint64_t messages, saved_bytes; // compressed, ever
};

void ws_compressor_init(struct ws_compressor *c, size_t threshold_bytes); // allocates nothing
void ws_compressor_fini(struct ws_compressor *c);
// Appends one message as a whole frame.
void ws_compressor_put(struct ws_compressor *c, enum ws_class class, enum ws_opcode op,
                       struct str payload, struct buf *out);
// Appends the frame of a message that was compressed already.
void ws_put_compressed(struct buf *out, enum ws_opcode op, struct str message);
// Appends whole frames, unmasked and uncompressed, as the class has them.
void ws_compressor_put_frames(struct ws_compressor *c, enum ws_class class, struct str frames,
                              struct buf *out);

#endif
