// SPDX-License-Identifier: MIT
// HTTP/1.1 bodies. The chunked coding (RFC 9112 7.1) byte by byte:
//
//   SIZE -> [EXT... ->] SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...
//                       SIZE_LF -> TRAILER (size 0) -> END_LF
//   EXT: the first byte of an extension's name. EXT_NAME -> [EXT_VALUE -> EXT_TOKEN, or
//   EXT_QUOTED <-> EXT_ESCAPED -> EXT_END] -> EXT or SIZE_LF
//   TRAILER: the first byte of a line; NAME, VALUE, LINE_LF: the rest of it.
#include "wire/http1.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"

enum state {
    SIZE,
    EXT,
    EXT_NAME,
    EXT_VALUE,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    NAME,
    VALUE,
    LINE_LF,
    END_LF,
};

enum {
    EXT_BYTES_MAX = 256,        // of one chunk
    OVERHEAD_BYTES_MAX = 16384, // extensions and trailers of one body
    SIZE_DIGITS_MAX = 8,
};
static const uint64_t chunk_bytes_max = UINT64_C(1) << 31;

int http1_body_init(struct http1_body *b, const struct http1_head *h, uint64_t bytes_max)
{
    *b = (struct http1_body){.framing = h->framing, .max = bytes_max, .state = SIZE};
    if (h->framing == HTTP1_LENGTH) {
        b->left = h->content_length;
        if (b->left > bytes_max) {
            b->why = "body too large";
            return -E_TOO_LARGE;
        }
    }
    b->done = h->framing == HTTP1_NO_BODY;
    return 0;
}

static int refuse(struct http1_body *b, int err, const char *why)
{
    b->why = why;
    return -err;
}

// The next piece of `left` bytes that belong together.
static struct str take(struct http1_body *b, struct str *in)
{
    size_t len = in->len < b->left ? in->len : (size_t)b->left;
    struct str piece = str_make(in->p, len);
    *in = str_from(*in, len);
    b->left -= len;
    b->total += len;
    return piece;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int size_byte(struct http1_body *b, char c)
{
    int digit = digit_of(c);
    if (digit >= 0) {
        if (b->digits == SIZE_DIGITS_MAX) {
            return refuse(b, E_BAD_REQUEST, "chunk size too long");
        }
        b->digits++;
        b->left = b->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (b->digits == 0 || (c != '\r' && c != ';')) {
        return refuse(b, E_BAD_REQUEST, "bad chunk size");
    }
    if (b->left > chunk_bytes_max) {
        return refuse(b, E_BAD_REQUEST, "chunk too large");
    }
    if (b->left > b->max - b->total) {
        return refuse(b, E_TOO_LARGE, "body too large");
    }
    b->state = c == ';' ? EXT : SIZE_LF;
    return 0;
}

static bool text_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

static int count_overhead(struct http1_body *b)
{
    if (++b->overhead_bytes > OVERHEAD_BYTES_MAX) {
        return refuse(b, E_BAD_REQUEST, "chunk extensions or trailers too long");
    }
    return 0;
}

// RFC 9112 7.1.1, without the blanks that only lenient readers take.
static bool ext_state(struct http1_body *b, char c)
{
    bool token = http1_is_token(str_make(&c, 1));
    switch (b->state) {
    case EXT:
        b->state = EXT_NAME;
        return token;
    case EXT_VALUE:
        b->state = c == '"' ? EXT_QUOTED : EXT_TOKEN;
        return token || c == '"';
    case EXT_QUOTED:
        b->state = c == '"' ? EXT_END : c == '\\' ? EXT_ESCAPED : EXT_QUOTED;
        return text_char(c);
    case EXT_ESCAPED:
        b->state = EXT_QUOTED;
        return text_char(c);
    default: // EXT_NAME, EXT_TOKEN, EXT_END
        if (c == '\r' || c == ';') {
            b->state = c == ';' ? EXT : SIZE_LF;
            return true;
        }
        if (b->state == EXT_NAME && c == '=') {
            b->state = EXT_VALUE;
            return true;
        }
        return token && b->state != EXT_END;
    }
}

static int ext_byte(struct http1_body *b, char c)
{
    if (!ext_state(b, c) || ++b->ext_bytes > EXT_BYTES_MAX + 1) { // with the CR
        return refuse(b, E_BAD_REQUEST, "bad chunk extension");
    }
    return count_overhead(b);
}

// Names that may not come so late, since another reader may take them for the head's.
static const char *const framing_names[] = {"content-length", "transfer-encoding"};

static void name_byte(struct http1_body *b, char c)
{
    for (size_t i = 0; i < ARRAY_LEN(framing_names); i++) {
        size_t len = strlen(framing_names[i]);
        char want = b->name_bytes < len ? framing_names[i][b->name_bytes] : '\0';
        if ((c | 0x20) != want && c != want) {
            b->name_other |= (uint8_t)(1 << i);
        }
    }
    if (b->name_bytes < UINT8_MAX) {
        b->name_bytes++;
    }
}

static bool name_good(const struct http1_body *b)
{
    for (size_t i = 0; i < ARRAY_LEN(framing_names); i++) {
        if (!(b->name_other & 1 << i) && b->name_bytes == strlen(framing_names[i])) {
            return false;
        }
    }
    return true;
}

static int trailer_byte(struct http1_body *b, char c)
{
    bool good = true;
    switch (b->state) {
    case TRAILER:
        good = c == '\r' || http1_is_token(str_make(&c, 1));
        b->state = c == '\r' ? END_LF : NAME;
        b->name_bytes = b->name_other = 0;
        name_byte(b, c);
        break;
    case NAME:
        good = c == ':' ? name_good(b) : http1_is_token(str_make(&c, 1));
        b->state = c == ':' ? VALUE : NAME;
        name_byte(b, c);
        break;
    default:
        good = c == '\r' || text_char(c);
        b->state = c == '\r' ? LINE_LF : VALUE;
    }
    return good ? count_overhead(b) : refuse(b, E_BAD_REQUEST, "bad trailer");
}

// An LF that must come, or the CR behind a chunk's data.
static int fixed_byte(struct http1_body *b, char c)
{
    if (c != (b->state == DATA_CR ? '\r' : '\n')) {
        return refuse(b, E_BAD_REQUEST, "line end missing in the chunked coding");
    }
    switch (b->state) {
    case SIZE_LF:
        b->state = b->left > 0 ? DATA : TRAILER;
        break;
    case DATA_CR:
        b->state = DATA_LF;
        break;
    case DATA_LF:
        b->state = SIZE;
        b->digits = 0;
        b->ext_bytes = 0;
        break;
    case LINE_LF:
        b->state = TRAILER;
        break;
    default:
        ASSERT(b->state == END_LF);
        b->done = true;
    }
    return 0;
}

static int next_chunked(struct http1_body *b, struct str *in, struct str *ret)
{
    while (in->len > 0) {
        if (b->state == DATA) {
            *ret = take(b, in);
            if (b->left == 0) {
                b->state = DATA_CR;
            }
            return 0;
        }
        char c = in->p[0];
        int rc;
        switch (b->state) {
        case SIZE:
            rc = size_byte(b, c);
            break;
        case EXT:
        case EXT_NAME:
        case EXT_VALUE:
        case EXT_TOKEN:
        case EXT_QUOTED:
        case EXT_ESCAPED:
        case EXT_END:
            rc = ext_byte(b, c);
            break;
        case TRAILER:
        case NAME:
        case VALUE:
            rc = trailer_byte(b, c);
            break;
        default:
            rc = fixed_byte(b, c);
        }
        if (rc) {
            return rc;
        }
        *in = str_from(*in, 1);
        if (b->done) {
            *ret = str_make(in->p, 0);
            return 0;
        }
    }
    return -E_AGAIN;
}

int http1_body_next(struct http1_body *b, struct str *in, struct str *ret)
{
    if (b->done) {
        *ret = str_make(in->p, 0);
        return 0;
    }
    if (b->framing == HTTP1_CHUNKED) {
        return next_chunked(b, in, ret);
    }
    if (in->len == 0) {
        return -E_AGAIN;
    }
    if (b->framing == HTTP1_UNTIL_CLOSE) {
        if (in->len > b->max - b->total) {
            return refuse(b, E_TOO_LARGE, "body too large");
        }
        b->left = in->len;
    }
    *ret = take(b, in);
    b->done = b->framing == HTTP1_LENGTH && b->left == 0;
    return 0;
}

int http1_body_eof(struct http1_body *b)
{
    if (b->framing == HTTP1_UNTIL_CLOSE) {
        b->done = true;
    }
    return b->done ? 0 : refuse(b, E_BAD_REQUEST, "body cut off");
}
