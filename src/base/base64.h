// SPDX-License-Identifier: MIT
// base64 (RFC 4648 4), with padding, and base64url (RFC 4648 5, RFC 7515 2), without. Both strict:
// one text for each sequence of bytes, so no line ends, no white space, and no bits set that decode
// to nothing. Pure.
#ifndef CLAIRON_BASE_BASE64_H
#define CLAIRON_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

// Characters that `bytes` take.
static inline size_t base64_chars(size_t bytes)
{
    return bytes / 3 * 4 + (bytes % 3 > 0 ? 4 : 0);
}

bool base64_is_digit(char c); // padding is none
void base64_put(struct buf *b, struct str bytes);
// Appends the bytes; b->failed when there is no room. -E_BAD_REQUEST: the text is no base64, and
// nothing was appended.
int base64_decode(struct str text, struct buf *b) MUST_CHECK;

// Bytes that a text of this many characters decodes to.
static inline size_t base64url_bytes(size_t chars)
{
    return chars / 4 * 3 + (chars % 4 * 3) / 4;
}

// `to` has room for base64url_bytes(text.len). -E_BAD_REQUEST; then `to` holds nothing of use.
int base64url_decode(struct str text, void *to) MUST_CHECK;
void base64url_put(struct buf *b, const void *p, size_t len);

#endif
