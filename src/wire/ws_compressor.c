// SPDX-License-Identifier: MIT
// Frames to compressed frames.
#include "wire/ws_compressor.h"

#include "base/assert.h"

// Of zlib, by class: 2^(window_bits + 2) + 2^(mem_level + 9) bytes. zlib does not do raw windows of
// 8 bits, but with 9 it reaches back 250 bytes at most, so that every window will do.
static const struct ws_deflate_shape shapes[WS_CLASSES] = {
    [WS_CLASS_NARROW] = {.level = 1, .window_bits = 9, .mem_level = 3},
    [WS_CLASS_WIDE] = {.level = 1, .window_bits = WS_WIDE_BITS, .mem_level = 5},
};

enum ws_class ws_class_of(const struct ws_deflate *agreed)
{
    if (agreed->server_takeover && agreed->server_bits >= WS_STREAM_BITS) {
        return WS_CLASS_LINKED;
    }
    return agreed->server_bits >= WS_WIDE_BITS ? WS_CLASS_WIDE : WS_CLASS_NARROW;
}

void ws_compressor_init(struct ws_compressor *c, size_t threshold_bytes)
{
    *c = (struct ws_compressor){.threshold_bytes = threshold_bytes};
    buf_init(&c->scratch, SIZE_MAX);
}

void ws_compressor_fini(struct ws_compressor *c)
{
    for (size_t i = 0; i < WS_CLASSES; i++) {
        ws_deflater_free(c->deflaters[i]);
        c->deflaters[i] = NULL;
    }
    buf_fini(&c->scratch);
}

// Into scratch. False: it is to go as it is.
static bool compress(struct ws_compressor *c, enum ws_class class, struct str payload)
{
    if (class == WS_CLASS_PLAIN || payload.len == 0 || payload.len < c->threshold_bytes) {
        return false;
    }
    class = class == WS_CLASS_LINKED ? WS_CLASS_WIDE : class;
    if (!c->deflaters[class]) {
        c->deflaters[class] = ws_deflater_try_new(&shapes[class]);
    }
    if (c->scratch.failed) {
        buf_fini(&c->scratch);
    }
    buf_clear(&c->scratch);
    return c->deflaters[class] &&
           ws_deflater_put(c->deflaters[class], payload, true, &c->scratch) == 0 &&
           c->scratch.len < payload.len;
}

void ws_put_compressed(struct buf *out, enum ws_opcode op, struct str message)
{
    uint8_t head[WS_HEAD_MAX];
    size_t len = ws_put_head(head, op, message.len, NULL);
    head[0] |= WS_RSV1;
    buf_put(out, str_make((const char *)head, len));
    buf_put(out, message);
}

static void put_compressed(struct ws_compressor *c, enum ws_opcode op, size_t plain_bytes,
                           struct buf *out)
{
    ws_put_compressed(out, op, buf_str(&c->scratch));
    c->messages++;
    c->saved_bytes += plain_bytes - c->scratch.len;
}

void ws_compressor_put(struct ws_compressor *c, enum ws_class class, enum ws_opcode op,
                       struct str payload, struct buf *out)
{
    if (compress(c, class, payload)) {
        put_compressed(c, op, payload.len, out);
    } else {
        ws_put_frame(out, op, payload, NULL);
    }
}

void ws_compressor_put_frames(struct ws_compressor *c, enum ws_class class, struct str frames,
                              struct buf *out)
{
    while (frames.len > 0) {
        size_t head, len;
        enum ws_opcode op = ws_read_head(frames, &head, &len);
        struct str frame = str_make(frames.p, head + len);
        if (op < WS_OP_CLOSE && compress(c, class, str_from(frame, head))) {
            put_compressed(c, op, len, out);
        } else {
            buf_put(out, frame);
        }
        frames = str_from(frames, frame.len);
    }
}
