// SPDX-License-Identifier: MIT
// Borrowed spans of bytes.
#include "base/str.h"

#include "base/err.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int c = len > 0 ? memcmp(a.p, b.p, len) : 0;
    if (c == 0) {
        c = (a.len > b.len) - (a.len < b.len);
    }
    return c;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_make(s.p, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_from(s, s.len - suffix.len), suffix);
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

struct str str_from(struct str s, size_t from)
{
    if (from == 0 || !s.p) {
        return s; // no arithmetic on an absent span
    }
    if (from > s.len) {
        from = s.len;
    }
    return str_make(s.p + from, s.len - from);
}

ptrdiff_t str_chr(struct str s, char c, size_t from)
{
    if (from >= s.len) {
        return -1;
    }
    const char *at = memchr(s.p + from, c, s.len - from);
    return at ? at - s.p : -1;
}

struct str str_cut(struct str *rest, char sep)
{
    struct str all = *rest;
    ptrdiff_t at = str_chr(all, sep, 0);
    if (at < 0) {
        *rest = STR_NONE;
        return all;
    }
    *rest = str_from(all, (size_t)at + 1);
    return str_make(all.p, (size_t)at);
}

int str_to_u64(struct str s, uint64_t *ret)
{
    uint64_t n = 0;
    if (s.len == 0) {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)digit, &n)) {
            return -E_BAD_REQUEST;
        }
    }
    *ret = n;
    return 0;
}
