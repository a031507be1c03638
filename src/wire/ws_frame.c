// SPDX-License-Identifier: MIT
// WebSocket frames. The decoder's states:
//
//   head  (in_payload false): collects the frame's head, judges it when whole
//   payload (in_payload true): a whole frame in the input goes out in place, else its bytes gather
//   in `partial` closed: after a close frame or a refusal; everything is swallowed
#include "wire/ws_frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "def/limits.h"

void ws_decoder_init(struct ws_decoder *d, enum ws_role role, size_t message_bytes_max)
{
    *d = (struct ws_decoder){
        .role = role, .fragments_max = LIMIT_FRAGMENTS, .message_bytes_max = message_bytes_max};
    ASSERT(message_bytes_max <= SIZE_MAX - WS_CONTROL_MAX);
    buf_init(&d->partial, message_bytes_max + WS_CONTROL_MAX);
}

void ws_decoder_fini(struct ws_decoder *d)
{
    buf_fini(&d->partial);
    d->closed = true;
}

bool ws_decoder_at_rest(const struct ws_decoder *d)
{
    return !d->closed && d->head_len == 0 && d->message_op == 0 && !d->partial.p;
}

static int refuse(struct ws_decoder *d, int err, const char *why)
{
    d->closed = true;
    d->why = why;
    d->given = false;
    buf_fini(&d->partial);
    return -err;
}

// ---- The head of a frame.

static bool is_fin(const struct ws_decoder *d)
{
    return d->head[0] & 0x80;
}

static uint8_t op_of(const struct ws_decoder *d)
{
    return d->head[0] & 0x0f;
}

static bool is_control(const struct ws_decoder *d)
{
    return op_of(d) >= WS_OP_CLOSE;
}

// Bytes the head has, as far as can be told.
static size_t head_bytes(const struct ws_decoder *d)
{
    if (d->head_len < 2) {
        return 2;
    }
    uint8_t len = d->head[1] & 0x7f;
    return 2u + (len == 126 ? 2u : len == 127 ? 8u : 0u) + (d->head[1] & 0x80 ? 4u : 0u);
}

// The first two bytes (RFC 6455 5.2 to 5.5).
static int judge_start(struct ws_decoder *d)
{
    uint8_t op = op_of(d);
    bool begins = op == WS_OP_TEXT || op == WS_OP_BINARY;
    if (d->head[0] & (d->deflate && begins ? 0x70 & ~WS_RSV1 : 0x70)) {
        return refuse(d, E_PROTOCOL, "reserved bit set");
    }
    if ((op > WS_OP_BINARY && op < WS_OP_CLOSE) || op > WS_OP_PONG) {
        return refuse(d, E_PROTOCOL, "unknown opcode");
    }
    if (is_control(d) && (!is_fin(d) || (d->head[1] & 0x7f) > WS_CONTROL_MAX)) {
        return refuse(d, E_PROTOCOL, "control frame fragmented or too long");
    }
    if (!is_control(d) && (op == WS_OP_CONTINUATION) != (d->message_op != 0)) {
        return refuse(d, E_PROTOCOL,
                      d->message_op ? "new message inside another" : "continuation of nothing");
    }
    if ((d->head[1] & 0x80 ? WS_SERVER : WS_CLIENT) != d->role) {
        return refuse(d, E_PROTOCOL, d->role == WS_SERVER ? "frame not masked" : "frame masked");
    }
    return 0;
}

// The whole head: its length is judged before a byte of payload is kept.
static int judge_length(struct ws_decoder *d)
{
    uint64_t len = d->head[1] & 0x7f;
    size_t at = 2;
    if (len >= 126) {
        size_t more = len == 126 ? 2 : 8;
        for (len = 0; at < 2 + more; at++) {
            len = len << 8 | d->head[at];
        }
        if (len < (more == 2 ? 126u : 65536u) || len > INT64_MAX) {
            return refuse(d, E_PROTOCOL, "bad frame length");
        }
    }
    memset(d->mask, 0, sizeof(d->mask));
    if (d->role == WS_SERVER) {
        memcpy(d->mask, d->head + at, sizeof(d->mask));
    }
    if (!is_control(d)) {
        if (len > d->message_bytes_max - d->message_len) {
            return refuse(d, E_TOO_LARGE, "message too large");
        }
        if (++d->fragments > d->fragments_max) {
            return refuse(d, E_POLICY, "too many fragments");
        }
        if (op_of(d) != WS_OP_CONTINUATION) {
            d->message_op = op_of(d);
            d->compressed = d->head[0] & WS_RSV1;
            d->utf8 = (struct utf8_state){0};
        }
    }
    d->frame_len = len;
    d->frame_at = 0;
    d->in_payload = true;
    return 0;
}

static int take_head(struct ws_decoder *d, char **p, size_t *len)
{
    while (*len > 0) {
        d->head[d->head_len++] = (uint8_t) * *p;
        ++*p;
        --*len;
        int rc = d->head_len == 2 ? judge_start(d) : 0;
        if (rc) {
            return rc;
        }
        if (d->head_len == head_bytes(d)) {
            return judge_length(d);
        }
    }
    return -E_AGAIN;
}

// ---- Payloads.

bool ws_close_code_valid(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int give_close(struct ws_decoder *d, struct str data, struct ws_event *ret)
{
    int code = 0;
    if (data.len == 1) {
        return refuse(d, E_PROTOCOL, "close payload of one byte");
    }
    if (data.len > 0) {
        code = (unsigned char)data.p[0] << 8 | (unsigned char)data.p[1];
        data = str_from(data, 2);
        if (!ws_close_code_valid(code)) {
            return refuse(d, E_PROTOCOL, "bad close code");
        }
        if (!utf8_valid(data)) {
            return refuse(d, E_UTF8, "close reason is not UTF-8");
        }
    }
    d->closed = true;
    *ret = (struct ws_event){.type = WS_CLOSE, .data = data, .code = code};
    return 0;
}

static int give_control(struct ws_decoder *d, struct str data, struct ws_event *ret)
{
    if (op_of(d) == WS_OP_CLOSE) {
        return give_close(d, data, ret);
    }
    enum ws_event_type type = op_of(d) == WS_OP_PING ? WS_PING : WS_PONG;
    *ret = (struct ws_event){.type = type, .data = data};
    return 0;
}

static int give_message(struct ws_decoder *d, struct str data, struct ws_event *ret)
{
    enum ws_event_type type = d->message_op == WS_OP_TEXT ? WS_TEXT : WS_BINARY;
    *ret = (struct ws_event){.type = type, .data = data, .compressed = d->compressed};
    d->message_op = 0;
    d->message_len = 0;
    d->fragments = 0;
    return 0;
}

static int check_text(struct ws_decoder *d, struct str data, bool last)
{
    if (is_control(d) || d->message_op != WS_OP_TEXT || d->compressed) {
        return 0;
    }
    if (!utf8_feed(&d->utf8, data) || (last && !utf8_done(&d->utf8))) {
        return refuse(d, E_UTF8, "text is not UTF-8");
    }
    return 0;
}

// Drops what was given out at the last call.
static void drop_given(struct ws_decoder *d)
{
    if (!d->given) {
        return;
    }
    d->given = false;
    d->partial.len = (size_t)d->message_len;
    if (d->partial.len == 0) {
        buf_fini(&d->partial);
    }
}

// The frame under way ends with `data`, which is all of it or already in `partial`.
static int end_frame(struct ws_decoder *d, struct str data, struct ws_event *ret)
{
    d->in_payload = false;
    d->head_len = 0;
    if (is_control(d)) {
        return give_control(d, data, ret);
    }
    if (is_fin(d)) {
        return give_message(d, data, ret);
    }
    d->message_len = d->partial.len;
    return -E_AGAIN;
}

// 0: an event; -E_AGAIN: none yet, or the frame was a part of a message.
static int take_payload(struct ws_decoder *d, char **p, size_t *len, struct ws_event *ret)
{
    uint64_t left = d->frame_len - d->frame_at;
    size_t n = *len < left ? *len : (size_t)left;
    struct str data = str_make(*p, n);
    ws_mask(*p, n, d->mask, d->frame_at);
    *p += n;
    *len -= n;
    d->frame_at += n;
    bool whole = n == d->frame_len; // the frame lies in the input from end to end
    bool ends = d->frame_at == d->frame_len;
    int rc = check_text(d, data, ends && is_fin(d));
    if (rc) {
        return rc;
    }
    if (whole && (is_control(d) || (is_fin(d) && d->partial.len == 0))) {
        return end_frame(d, data, ret);
    }
    buf_put(&d->partial, data);
    if (d->partial.failed) {
        return refuse(d, E_NO_MEMORY, "out of memory");
    }
    if (!ends) {
        return -E_AGAIN;
    }
    d->given = is_control(d) || is_fin(d);
    struct str gathered = buf_str(&d->partial);
    return end_frame(d, is_control(d) ? str_from(gathered, (size_t)d->message_len) : gathered, ret);
}

int ws_decoder_next(struct ws_decoder *d, char **p, size_t *len, struct ws_event *ret)
{
    int rc = -E_AGAIN;
    if (d->closed) {
        buf_fini(&d->partial); // a message cut short by the close
    } else {
        drop_given(d);
    }
    while (rc == -E_AGAIN && !d->closed && (*len > 0 || d->in_payload)) {
        bool empty = d->in_payload && d->frame_len == 0;
        if (!d->in_payload) {
            rc = take_head(d, p, len);
            rc = rc == 0 ? -E_AGAIN : rc; // the payload is next
            continue;
        }
        if (*len == 0 && !empty) {
            break;
        }
        rc = take_payload(d, p, len, ret);
    }
    if (d->closed) {
        *p += *len;
        *len = 0;
    }
    return rc;
}

// ---- Encoder.

size_t ws_put_head(uint8_t out[WS_HEAD_MAX], enum ws_opcode op, uint64_t payload_bytes,
                   const uint8_t mask[4])
{
    size_t len = 2, more = payload_bytes < 126 ? 0 : payload_bytes < 65536 ? 2 : 8;
    out[0] = (uint8_t)(0x80 | op);
    out[1] = (uint8_t)(more == 0 ? payload_bytes : more == 2 ? 126 : 127);
    while (more > 0) {
        out[len++] = (uint8_t)(payload_bytes >> (8 * --more));
    }
    if (mask) {
        out[1] |= 0x80;
        memcpy(out + len, mask, 4);
        len += 4;
    }
    return len;
}

enum ws_opcode ws_read_head(struct str frames, size_t *ret_head, size_t *ret_payload)
{
    const unsigned char *p = (const unsigned char *)frames.p;
    ASSERT(frames.len >= 2 && p[1] <= 127);
    size_t head = p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10;
    size_t payload = head == 2 ? p[1] : 0;
    ASSERT(frames.len >= head);
    for (size_t i = 2; i < head; i++) {
        payload = payload << 8 | p[i];
    }
    ASSERT(payload <= frames.len - head);
    *ret_head = head;
    *ret_payload = payload;
    return p[0] & 0x0f;
}

void ws_mask(char *p, size_t len, const uint8_t mask[4], uint64_t offset)
{
    uint8_t key[8];
    uint64_t word, wide;
    size_t i = 0;
    for (size_t k = 0; k < sizeof(key); k++) {
        key[k] = mask[(offset + k) % 4];
    }
    memcpy(&wide, key, sizeof(wide));
    if (wide == 0) {
        return;
    }
    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        word ^= wide;
        memcpy(p + i, &word, sizeof(word));
    }
    for (; i < len; i++) {
        p[i] = (char)(p[i] ^ key[i % 4]);
    }
}

void ws_put_frame(struct buf *b, enum ws_opcode op, struct str payload, const uint8_t mask[4])
{
    uint8_t head[WS_HEAD_MAX];
    ASSERT(op < WS_OP_CLOSE || payload.len <= WS_CONTROL_MAX);
    size_t head_len = ws_put_head(head, op, payload.len, mask);
    char *to = buf_reserve(b, head_len + payload.len);
    if (!to) {
        return;
    }
    memcpy(to, head, head_len);
    if (payload.len > 0) {
        memcpy(to + head_len, payload.p, payload.len);
    }
    if (mask) {
        ws_mask(to + head_len, payload.len, mask, 0);
    }
    buf_commit(b, head_len + payload.len);
}

void ws_put_close(struct buf *b, int code, struct str reason, const uint8_t mask[4])
{
    char payload[WS_CONTROL_MAX];
    size_t len = 0;
    if (code != 0) {
        ASSERT(ws_close_code_valid(code));
        payload[0] = (char)(code >> 8);
        payload[1] = (char)(code & 0xff);
        len = utf8_prefix(reason, WS_REASON_MAX);
        if (len > 0) {
            memcpy(payload + 2, reason.p, len);
        }
        len += 2;
    }
    ws_put_frame(b, WS_OP_CLOSE, str_make(payload, len), mask);
}
