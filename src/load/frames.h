// SPDX-License-Identifier: MIT
// WebSocket frames as a client of a load test reads them: heads are parsed, payloads are neither
// copied nor checked, and of a payload only the front has to be in memory. What such a test must
// not do is to spend more on reading than the server spends on sending; wire/ws_frame.h is the
// decoder that trusts nobody.
#ifndef CLAIRON_LOAD_FRAMES_H
#define CLAIRON_LOAD_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

#define FRAME_LOOK_BYTES 32768 // of a payload that must be there in one piece
#define FRAME_REST_MAX   (FRAME_LOOK_BYTES + 10)

struct frame {
    uint8_t op;       // enum ws_opcode
    struct str front; // of the payload: all of it, or FRAME_LOOK_BYTES
};

// 0: the next frame; *p and *len are behind it as far as there are bytes, and *skip holds how many
// of its are still to come: the caller leaves it alone, zero at first. -E_AGAIN: more is needed;
// what remains, fewer than FRAME_REST_MAX bytes, must be offered again in front of it.
// -E_PROTOCOL: no frame a server may send to a client that asked for no extension.
int frame_next(const char **p, size_t *len, uint64_t *skip, struct frame *ret) MUST_CHECK;

#endif
