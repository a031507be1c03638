// SPDX-License-Identifier: MIT
// Finds progress in a line of output.
#include "cli/detect.h"

#include <stddef.h>
#include <stdint.h>

enum { READ_MAX = 4096, DIGITS_MAX = 12 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Copies without control sequences (ECMA-48 5.4: ESC [, parameters, one final byte).
static size_t strip(struct str line, char out[READ_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < line.len && n < READ_MAX; i++) {
        if (line.p[i] != '\x1b') {
            out[n++] = line.p[i];
        } else if (i + 1 < line.len && line.p[i + 1] == '[') {
            i += 2;
            while (i < line.len && (line.p[i] < 0x40 || line.p[i] > 0x7e)) {
                i++;
            }
        }
    }
    return n;
}

// Digits at *at; moves behind them. False without any, or with too many to mean something.
static bool number(struct str s, size_t *at, uint64_t *ret)
{
    size_t from = *at;
    uint64_t n = 0;
    while (*at < s.len && is_digit(s.p[*at]) && *at - from < DIGITS_MAX) {
        n = n * 10 + (uint64_t)(s.p[(*at)++] - '0');
    }
    *ret = n;
    return *at > from && *at - from < DIGITS_MAX;
}

static void skip_blanks(struct str s, size_t *at)
{
    while (*at < s.len && s.p[*at] == ' ') {
        ++*at;
    }
}

// "[3/10]", also "[ 3/10]".
static bool fraction_at(struct str s, size_t at, unsigned *ret)
{
    uint64_t n, m;
    at++;
    skip_blanks(s, &at);
    if (!number(s, &at, &n) || at >= s.len || s.p[at++] != '/') {
        return false;
    }
    skip_blanks(s, &at);
    if (!number(s, &at, &m) || at >= s.len || s.p[at] != ']' || m == 0 || n > m) {
        return false;
    }
    *ret = (unsigned)(n * 100 / m);
    return true;
}

// "50%", "12.5 %"; not "-50%", "x50%", "150%" or the "50%" of "50%20".
static bool percent_at(struct str s, size_t at, unsigned *ret)
{
    uint64_t n, fraction = 0;
    if (at > 0 && (is_word(s.p[at - 1]) || s.p[at - 1] == '.' || s.p[at - 1] == '-')) {
        return false;
    }
    if (!number(s, &at, &n)) {
        return false;
    }
    if (at < s.len && s.p[at] == '.') {
        at++;
        if (!number(s, &at, &fraction)) {
            return false;
        }
    }
    if (at < s.len && s.p[at] == ' ') {
        at++;
    }
    if (at >= s.len || s.p[at] != '%' || n > 100 || (n == 100 && fraction > 0) ||
        (at + 1 < s.len && is_word(s.p[at + 1]))) {
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

bool detect_progress(struct str line, unsigned *ret_percent)
{
    char text[READ_MAX];
    struct str s = str_make(text, strip(line, text));
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '[' ? fraction_at(s, i, ret_percent)
                          : is_digit(s.p[i]) && percent_at(s, i, ret_percent)) {
            return true;
        }
    }
    return false;
}
