// SPDX-License-Identifier: MIT
// base64url without padding (RFC 4648 5, RFC 7515 2), strict: one text for each sequence of bytes,
// so no padding, no white space, and no bits set that decode to nothing.
#ifndef CLAIRON_AUTH_BASE64URL_H
#define CLAIRON_AUTH_BASE64URL_H

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

// Bytes that a text of this many characters decodes to.
static inline size_t base64url_bytes(size_t chars)
{
    return chars / 4 * 3 + (chars % 4 * 3) / 4;
}

// `to` has room for base64url_bytes(text.len). -E_BAD_REQUEST; then `to` holds nothing of use.
int base64url_decode(struct str text, void *to) MUST_CHECK;
void base64url_put(struct buf *b, const void *p, size_t len);

#endif
