// SPDX-License-Identifier: MIT
// base64 and base64url: the same but for the last two digits and the padding.
#include "base/base64.h"

#include <stdint.h>

#include "base/err.h"

#define COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char alphabet[] = COMMON "+/";
static const char url_alphabet[] = COMMON "-_";

// Writes the digits, and says where they end.
static char *put_digits(char *out, struct str bytes, const char *digits)
{
    uint32_t bits = 0;
    unsigned count = 0; // of bits not yet written
    for (size_t i = 0; i < bytes.len; i++) {
        bits = (bits << 8 | (unsigned char)bytes.p[i]) & 0xffff;
        count += 8;
        while (count >= 6) {
            count -= 6;
            *out++ = digits[bits >> count & 63];
        }
    }
    if (count > 0) {
        *out++ = digits[bits << (6 - count) & 63];
    }
    return out;
}

static int value_of(char c, const char *digits)
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
    return c == digits[62] ? 62 : c == digits[63] ? 63 : -1;
}

static int decode_digits(struct str text, const char *digits, unsigned char *out)
{
    uint32_t bits = 0;
    unsigned count = 0; // of bits not yet written
    if (text.len % 4 == 1) {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.p[i], digits);
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
    return bits == 0 ? 0 : -E_BAD_REQUEST; // bits that mean nothing must be 0
}

bool base64_is_digit(char c)
{
    return value_of(c, alphabet) >= 0;
}

void base64_put(struct buf *b, struct str bytes)
{
    size_t chars = base64_chars(bytes.len);
    char *out = buf_reserve(b, chars);
    if (out) {
        char *end = out + chars;
        for (out = put_digits(out, bytes, alphabet); out < end; out++) {
            *out = '=';
        }
        buf_commit(b, chars);
    }
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
    struct str digits = str_make(text.p, text.len - pad);
    size_t bytes = base64url_bytes(digits.len);
    char *out = buf_reserve(b, bytes);
    if (!out) {
        return 0;
    }
    int err = decode_digits(digits, alphabet, (unsigned char *)out);
    if (!err) {
        buf_commit(b, bytes);
    }
    return err;
}

int base64url_decode(struct str text, void *to)
{
    return decode_digits(text, url_alphabet, to);
}

void base64url_put(struct buf *b, const void *p, size_t len)
{
    size_t chars = len / 3 * 4 + (len % 3 > 0 ? len % 3 + 1 : 0);
    char *out = buf_reserve(b, chars);
    if (out) {
        put_digits(out, str_make(p, len), url_alphabet);
        buf_commit(b, chars);
    }
}
