// SPDX-License-Identifier: MIT
// A borrowed span of bytes. Not NUL-terminated, never owned; whoever made it says how long it
// lives.
#ifndef CLAIRON_BASE_STR_H
#define CLAIRON_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

struct str {
    const char *p; // may be NULL: "absent", as opposed to empty
    size_t len;
};

#define STR(lit)   ((struct str){.p = "" lit, .len = sizeof(lit) - 1})
#define STR_NONE   ((struct str){.p = NULL, .len = 0})
#define STR_ARG(s) (int)(s).len, (s).p // for "%.*s"

static inline struct str str_of(const char *cstr)
{
    return (struct str){.p = cstr, .len = cstr ? strlen(cstr) : 0};
}

static inline struct str str_make(const char *p, size_t len)
{
    return (struct str){.p = p, .len = len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool str_is(struct str a, const char *lit)
{
    return str_eq(a, str_of(lit));
}

bool str_eq_nocase(struct str a, struct str b); // ASCII only
int str_cmp(struct str a, struct str b);        // byte order
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s);              // spaces and tabs (RFC 9110 OWS)
struct str str_from(struct str s, size_t from); // the rest from an offset; empty past the end
// Position of c at or after `from`, or -1.
ptrdiff_t str_chr(struct str s, char c, size_t from);
// Cuts `*rest` at the first `sep`: returns the part before, leaves the part after (p = NULL when
// none is left).
struct str str_cut(struct str *rest, char sep);
// Decimal digits only, no sign, no blanks, no overflow, not empty; else -E_BAD_REQUEST.
int str_to_u64(struct str s, uint64_t *ret) MUST_CHECK;

#endif
