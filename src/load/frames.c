// SPDX-License-Identifier: MIT
// WebSocket frames as a client of a load test reads them.
#include "load/frames.h"

#include "base/err.h"
#include "wire/ws_frame.h"

#define FIN       0x80
#define RSV1      0x40
#define RSV2_RSV3 0x30

int frame_next(const char **p, size_t *len, struct frame *ret)
{
    if (*len < 2) {
        return -E_AGAIN;
    }
    const unsigned char *head = (const unsigned char *)*p;
    uint8_t op = head[0] & 0x0f;
    bool compressed = head[0] & RSV1;
    bool message = op == WS_OP_TEXT || op == WS_OP_BINARY;
    if ((head[0] & RSV2_RSV3) || (head[1] & 0x80) || (op > WS_OP_BINARY && op < WS_OP_CLOSE) ||
        op > WS_OP_PONG || (compressed && !(message && head[0] & FIN))) {
        return -E_PROTOCOL;
    }
    uint64_t payload = head[1];
    size_t more = payload == 127 ? 8 : payload == 126 ? 2 : 0;
    if (*len < 2 + more) {
        return -E_AGAIN;
    }
    if (more > 0) {
        payload = 0;
        for (size_t i = 0; i < more; i++) {
            payload = payload << 8 | head[2 + i];
        }
    }
    if (op >= WS_OP_CLOSE && payload > WS_CONTROL_MAX) {
        return -E_PROTOCOL;
    }
    if (payload > FRAME_PAYLOAD_MAX) {
        return -E_TOO_LARGE;
    }
    size_t all = 2 + more + (size_t)payload;
    if (*len < all) {
        return -E_AGAIN;
    }
    *ret = (struct frame){
        .op = op, .compressed = compressed, .payload = str_make(*p + 2 + more, (size_t)payload)};
    *p += all;
    *len -= all;
    return 0;
}
