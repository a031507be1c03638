// SPDX-License-Identifier: MIT
// The cursor as text.
#include "wire/cursor.h"

#include "base/err.h"

enum { EPOCH_DIGITS = 16 };

int cursor_parse(struct str text, struct cursor *ret)
{
    uint64_t epoch = 0, id;
    if (text.len < EPOCH_DIGITS + 2 || text.p[EPOCH_DIGITS] != '-') {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < EPOCH_DIGITS; i++) {
        char c = text.p[i];
        if (c >= '0' && c <= '9') {
            epoch = epoch << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            epoch = epoch << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return -E_BAD_REQUEST;
        }
    }
    struct str digits = str_from(text, EPOCH_DIGITS + 1);
    if (digits.len > 1 && digits.p[0] == '0') {
        return -E_BAD_REQUEST;
    }
    int rc = str_to_u64(digits, &id);
    if (rc) {
        return rc;
    }
    if (id > INT64_MAX) {
        return -E_BAD_REQUEST;
    }
    *ret = (struct cursor){epoch, id};
    return 0;
}

size_t cursor_text(struct cursor c, char out[CURSOR_TEXT_MAX])
{
    char digits[20];
    size_t at = sizeof(digits), len = 0;
    for (int shift = 60; shift >= 0; shift -= 4) {
        out[len++] = "0123456789abcdef"[c.epoch >> shift & 15];
    }
    out[len++] = '-';
    do {
        digits[--at] = (char)('0' + c.id % 10);
        c.id /= 10;
    } while (c.id > 0);
    while (at < sizeof(digits)) {
        out[len++] = digits[at++];
    }
    out[len] = 0;
    return len;
}

void cursor_put(struct buf *b, struct cursor c)
{
    char text[CURSOR_TEXT_MAX];
    buf_put_mem(b, text, cursor_text(c, text));
}
