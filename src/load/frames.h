// SPDX-License-Identifier: MIT
// WebSocket frames as a client of a load test reads them: heads are parsed, payloads are neither
// copied nor checked. What such a test must not do is to spend more on reading than the server
// spends on sending; wire/ws_frame.h is the decoder that trusts nobody.
#ifndef CLAIRON_LOAD_FRAMES_H
#define CLAIRON_LOAD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

#define FRAME_PAYLOAD_MAX (1024 * 1024)
#define FRAME_MAX         (FRAME_PAYLOAD_MAX + 10)

struct frame {
    uint8_t op;      // enum ws_opcode
    bool compressed; // a whole message, by permessage-deflate
    struct str payload;
};

// 0: the next frame, and *p and *len are behind it. -E_AGAIN: more is needed; what remains, fewer
// than FRAME_MAX bytes, must be offered again in front of it. -E_PROTOCOL: no frame a server may
// send to a client that asked for no extension. -E_TOO_LARGE.
int frame_next(const char **p, size_t *len, struct frame *ret) MUST_CHECK;

#endif
