// SPDX-License-Identifier: MIT
// JSON (RFC 8259) as spans: validate once, then look up members without copying. Numbers, escapes
// and member order stay the bytes that came, so `1.10`, 2^64 and `\u0000` survive. No allocation,
// no recursion.
//
// Strict: one value, nothing behind it, no BOM, valid UTF-8, no raw control characters in strings,
// escapes well formed (lone surrogate escapes are let through as bytes: they are the sender's
// data), depth bounded.
#ifndef CLAIRON_WIRE_JSON_H
#define CLAIRON_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

// A value inside validated text: its type and its bytes, a string with its quotes. JSON_NONE =
// absent.
struct json_val {
    enum json_type type;
    struct str raw;
};

// Validates the whole text; depth_max (1 to 256) bounds how many containers lie in one another. On
// -E_BAD_JSON *ret_offset is the byte where it stops being JSON. Leading and trailing white space
// is allowed.
int json_parse(struct str text, unsigned depth_max, struct json_val *ret,
               size_t *ret_offset) MUST_CHECK;

// All below take values that json_parse (or these functions) gave; other bytes are a programming
// error.

// Iteration over an object's members or an array's elements, in order.
struct json_iter {
    const char *p, *end;
    bool object;
};
struct json_iter json_iter(struct json_val container); // an empty iteration for other types
// False at the end. `key` is the raw string with quotes (JSON_NONE in arrays); either may be NULL.
bool json_next(struct json_iter *it, struct json_val *key, struct json_val *val);

// Member by name; of repeated names the last counts. JSON_NONE when absent or not an object.
struct json_val json_get(struct json_val object, const char *name);
// Is this raw string, unescaped, equal to these bytes?
bool json_string_is(struct json_val string, struct str text);

// The string without quotes and escapes. Without escapes it is a span into the text, else a copy in
// the arena (p = NULL when the arena is full). `\u0000` becomes a NUL byte, a lone surrogate
// U+FFFD.
struct str json_string(struct json_val string, struct arena *a) MUST_CHECK;
// Whole number in range, written without fraction or exponent (or with an all-zero fraction); else
// -E_BAD_REQUEST.
int json_int(struct json_val number, int64_t *ret) MUST_CHECK;
// Any number as double; -E_BAD_REQUEST when it is none, not finite, or longer than 511 characters.
int json_double(struct json_val number, double *ret) MUST_CHECK;
static inline bool json_is_true(struct json_val v)
{
    return v.type == JSON_BOOL && v.raw.len == 4;
}

// Appends the value without insignificant white space (so without any newline).
void json_put_minified(struct buf *b, struct json_val v);

#endif
