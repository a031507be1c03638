// SPDX-License-Identifier: MIT
// permessage-deflate (RFC 7692) without I/O: what is agreed in the handshake, and messages on their
// way in and out. Frames (the bit RSV1) are not seen here.
//
// A message that is compressed with a fresh context refers to nothing but itself, so that one
// serves every subscriber, whatever else each was sent. A client without context takeover needs no
// inflater of its own between messages. One user at a time.
#ifndef CLAIRON_WIRE_WS_DEFLATE_H
#define CLAIRON_WIRE_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "wire/http1.h"

#define WS_DEFLATE_BITS_MIN 8 // of a window: 256 bytes
#define WS_DEFLATE_BITS_MAX 15

// ---- The handshake. "Server" and "client" say who compresses.

struct ws_deflate_config {
    bool server_takeover; // we may refer to earlier messages, where the client lets us
    bool client_takeover; // it may: an inflater for each connection
    uint8_t server_bits;  // window to promise to those who ask for one; larger is never promised
    uint8_t client_bits;  // window to ask of clients that can be asked
};

// What was agreed.
struct ws_deflate {
    bool server_takeover, client_takeover;
    uint8_t server_bits, client_bits; // windows that suffice for what that side sends
    bool server_bits_told, client_bits_told;
};

// Takes the first offer of the client that can be met; false: none, the connection goes on without.
// An offer with a parameter that is unknown, comes twice or has a bad value is passed over.
bool ws_deflate_accept(const struct http1_head *h, const struct ws_deflate_config *config,
                       struct ws_deflate *ret);
// The value of Sec-WebSocket-Extensions in the answer.
void ws_deflate_put_answer(struct buf *b, const struct ws_deflate *d);
// The window that a fresh message of so much text needs at most: it goes to those with as many
// server_bits or more, the others get it uncompressed.
unsigned ws_deflate_bits(size_t plain_bytes);

// ---- Out.

struct ws_deflate_shape {
    int level;       // of zlib: 1 to 9
    int window_bits; // 9 to 15
    int mem_level;   // of zlib: 1 to 9
};

struct ws_deflater; // 2^(window_bits + 2) + 2^(mem_level + 9) bytes

struct ws_deflater *ws_deflater_try_new(const struct ws_deflate_shape *shape) MUST_CHECK;
void ws_deflater_free(struct ws_deflater *d); // accepts NULL
// Appends the payload of one compressed message. Continuing: it may refer to the messages before,
// which the reader must have got, all since the last fresh one and no other compressed ones
// between. -E_NO_MEMORY, with nothing appended (no room in `out` is that, too): the next must be
// fresh.
int ws_deflater_put(struct ws_deflater *d, struct str plain, bool fresh,
                    struct buf *out) MUST_CHECK;

// ---- In.

struct ws_inflater; // 2^window_bits and 7 KB

// Without takeover it is as new after each message and can be shared by any number of connections.
struct ws_inflater *ws_inflater_try_new(unsigned window_bits, bool takeover) MUST_CHECK;
void ws_inflater_free(struct ws_inflater *f); // accepts NULL
// The next piece of a compressed message, appended to `out`, which holds this message alone: its
// maximum is that of a message. -E_TOO_LARGE: as soon as one byte more would come out, however
// little came in; -E_PROTOCOL: not what deflate makes, or cut off; -E_NO_MEMORY. The connection is
// to be closed then, and an inflater that is shared is as new.
int ws_inflate(struct ws_inflater *f, struct str piece, bool last, struct buf *out) MUST_CHECK;

#endif
