// SPDX-License-Identifier: MIT
// base64url without padding.
#include "auth/base64url.h"

#include <stdint.h>

#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int base64url_decode(struct str text, void *to)
{
    unsigned char *out = to;
    uint32_t bits = 0;
    unsigned count = 0; // of bits not yet written
    if (text.len % 4 == 1) {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.p[i]);
        if (value < 0) {
            return -E_BAD_REQUEST;
        }
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (unsigned char)(bits >> count);
            bits &= (1u << count) - 1;
        }
    }
    return bits == 0 ? 0 : -E_BAD_REQUEST;
}

void base64url_put(struct buf *b, const void *p, size_t len)
{
    const unsigned char *in = p;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | in[i]) & 0xffff;
        count += 8;
        while (count >= 6) {
            count -= 6;
            buf_putc(b, alphabet[bits >> count & 63]);
        }
    }
    if (count > 0) {
        buf_putc(b, alphabet[bits << (6 - count) & 63]);
    }
}
