// SPDX-License-Identifier: MIT
// WebSocket frames (RFC 6455 section 5) without I/O. The decoder takes bytes as they come and gives
// whole messages; the encoder writes heads. Reserved bits are refused, but for the one that says
// that a message is compressed (RFC 7692 6), where that was agreed; such a message is not inflated
// here.
//
// A whole unfragmented message that lies in the input is unmasked in place and given out as a span
// of it. Only what is partial is copied, into the decoder's own buffer, which grows with the bytes
// that arrived (never with a length that was merely declared) and is given back when the message is
// done: a connection at rest owns no memory here. Not thread-safe.
#ifndef CLAIRON_WIRE_WS_FRAME_H
#define CLAIRON_WIRE_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "base/utf8.h"

#define WS_HEAD_MAX    14   // bytes of a frame head
#define WS_CONTROL_MAX 125  // payload bytes of a control frame
#define WS_REASON_MAX  123  // bytes of a close reason
#define WS_RSV1        0x40 // in the first byte of a message's first frame: compressed

enum ws_opcode {
    WS_OP_CONTINUATION = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
};

enum ws_role {
    WS_SERVER, // what comes must be masked
    WS_CLIENT, // what comes must not be masked
};

enum ws_event_type { WS_TEXT, WS_BINARY, WS_PING, WS_PONG, WS_CLOSE };

struct ws_event {
    enum ws_event_type type;
    struct str data; // the message (text is valid UTF-8), the ping's payload, or the close reason
    int code;        // WS_CLOSE: the peer's code, 0 when it gave none
    bool compressed; // a message: to be inflated, and text checked only then
};

struct ws_decoder {
    enum ws_role role;
    uint32_t fragments_max;
    uint64_t message_bytes_max;
    bool deflate;    // the caller's: messages may be compressed. May change between messages
    const char *why; // after a refusal: a short constant phrase for the log and the close reason

    // Frame under way.
    uint8_t head[WS_HEAD_MAX];
    uint8_t head_len; // bytes of it so far
    bool in_payload;  // the head is whole
    bool closed;      // a close or a refusal: the rest is swallowed
    bool given;       // what `partial` holds behind `message_len` was given out, drop it next time
    uint64_t frame_len;
    uint64_t frame_at; // payload bytes taken
    uint8_t mask[4];

    // Message under way.
    uint8_t message_op; // 0: none
    bool compressed;
    uint32_t fragments;
    uint64_t message_len; // bytes in `partial` that belong to the message; a control frame's lie
                          // behind them
    struct utf8_state utf8;
    struct buf partial;
};

// Allocates nothing.
void ws_decoder_init(struct ws_decoder *d, enum ws_role role, size_t message_bytes_max);
void ws_decoder_fini(struct ws_decoder *d); // idempotent
// It holds nothing of a frame or a message, and decodes as ws_decoder_init left it. Otherwise it
// may be moved by copying it, between two calls, and the original is then initialised again.
bool ws_decoder_at_rest(const struct ws_decoder *d);
// Takes bytes from the front of *p / *len (and unmasks them in place).
// 0: *ret is the next event; its data holds until the next call or until the input is reused. Call
// again. -E_AGAIN: the input is used up. Always call until then: only then is the memory of a
// finished message given back. Refusals; the close code to send is err_close_code(), d->why says
// what was wrong: -E_PROTOCOL 1002, -E_UTF8 1007, -E_TOO_LARGE 1009 (judged on the declared
// length), -E_POLICY 1008 (fragments), -E_NO_MEMORY 1013. After a refusal or a WS_CLOSE event
// whatever comes is swallowed: -E_AGAIN.
int ws_decoder_next(struct ws_decoder *d, char **p, size_t *len, struct ws_event *ret) MUST_CHECK;

// May this code stand in a close frame (RFC 6455 7.4 and the registry)?
bool ws_close_code_valid(int code);

// Head of an unfragmented frame; `mask` is NULL for a server. Returns its length: 2, 4 or 10, and 4
// more with a mask.
size_t ws_put_head(uint8_t out[WS_HEAD_MAX], enum ws_opcode op, uint64_t payload_bytes,
                   const uint8_t mask[4]);
// The head of a frame as ws_put_head and ws_put_frame make them without a mask, which stands whole
// at the front of `frames`, compressed or not.
enum ws_opcode ws_read_head(struct str frames, size_t *ret_head, size_t *ret_payload);
// XORs bytes whose first stands at `offset` of its frame's payload: masks and unmasks.
void ws_mask(char *p, size_t len, const uint8_t mask[4], uint64_t offset);
// Appends a whole frame. The payload of a control frame is at most WS_CONTROL_MAX.
void ws_put_frame(struct buf *b, enum ws_opcode op, struct str payload, const uint8_t mask[4]);
// Appends a close frame: code 0 for an empty one; the reason (valid UTF-8) is cut at WS_REASON_MAX,
// on a code point.
void ws_put_close(struct buf *b, int code, struct str reason, const uint8_t mask[4]);

#endif
