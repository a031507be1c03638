// SPDX-License-Identifier: MIT
// base64 with padding.
#include "wire/base64.h"

#include <stdint.h>

#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *b, struct str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.p;
    size_t chars = base64_chars(bytes.len), left = bytes.len;
    char *out = buf_reserve(b, chars);
    if (!out) {
        return;
    }
    for (; left > 0; out += 4) {
        size_t n = left < 3 ? left : 3;
        uint32_t bits = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0) |
                        (n > 2 ? (uint32_t)in[2] : 0);
        out[0] = alphabet[bits >> 18];
        out[1] = alphabet[bits >> 12 & 63];
        out[2] = n > 1 ? alphabet[bits >> 6 & 63] : '=';
        out[3] = n > 2 ? alphabet[bits & 63] : '=';
        in += n;
        left -= n;
    }
    buf_commit(b, chars);
}

static uint32_t value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a' + 26);
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0' + 52);
    }
    return c == '+' ? 62 : c == '/' ? 63 : UINT32_MAX;
}

int base64_decode(struct str text, struct buf *b)
{
    if (text.len % 4 != 0) {
        return -E_BAD_REQUEST;
    }
    if (text.len == 0) {
        return 0;
    }
    size_t pad = (text.p[text.len - 1] == '=') + (str_ends(text, STR("==")) ? 1u : 0u);
    size_t digits = text.len - pad;
    char *out = buf_reserve(b, text.len / 4 * 3);
    if (!out) {
        return 0;
    }
    uint32_t bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < digits; i++) {
        uint32_t value = value_of(text.p[i]);
        if (value == UINT32_MAX) {
            return -E_BAD_REQUEST;
        }
        bits = bits << 6 | value;
        if (i % 4 > 0) { // 6 bits left over, then 4, then 2
            unsigned spare = 6 - 2 * (unsigned)(i % 4);
            out[len++] = (char)(bits >> spare);
            bits &= (1u << spare) - 1;
        }
    }
    if (bits != 0) {
        return -E_BAD_REQUEST; // bits that mean nothing must be 0
    }
    buf_commit(b, len);
    return 0;
}
