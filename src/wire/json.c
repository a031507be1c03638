// SPDX-License-Identifier: MIT
// JSON as spans. Validation is one loop over the bytes with a stack of one bit per level;
// everything else trusts it.
#include "wire/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/utf8.h"

enum { DEPTH_CAP = 256, NUMBER_TEXT_MAX = 512 };

// What a byte is inside a string and between the tokens.
enum { PLAIN = 0, SPECIAL = 1, HIGH = 2, BLANK = 4 };
// clang-format off
static const uint8_t byte_class[256] = {
    [0x00 ... 0x08] = SPECIAL,
    ['\t'] = SPECIAL | BLANK,
    ['\n'] = SPECIAL | BLANK,
    [0x0b ... 0x0c] = SPECIAL,
    ['\r'] = SPECIAL | BLANK,
    [0x0e ... 0x1f] = SPECIAL,
    [' '] = BLANK,
    ['"'] = SPECIAL,
    ['\\'] = SPECIAL,
    [0x80 ... 0xff] = HIGH,
};
// clang-format on

static inline uint8_t class_of(char c)
{
    return byte_class[(unsigned char)c];
}

static inline const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (class_of(*p) & BLANK)) {
        p++;
    }
    return p;
}

// Over bytes that mean nothing in a string: stops at a quote, a backslash, a control character or a
// byte over 0x7f.
static inline const char *skip_plain(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t w;
    while ((size_t)(end - p) >= sizeof(w)) {
        memcpy(&w, p, sizeof(w));
        // The top bit of a byte gets set when the byte is under 0x20, is a quote or backslash, or
        // had it set.
        uint64_t stop =
            (w - ones * 0x20) | ((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones) | w;
        if (stop & ones * 0x80) {
            break;
        }
        p += sizeof(w);
    }
    while (p < end && !(class_of(*p) & (SPECIAL | HIGH))) {
        p++;
    }
    return p;
}

// ---- Validation. Scanners move *at; on false it points to the byte where it stops being JSON.

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool scan_escape(const char **at, const char *end)
{
    const char *p = *at + 1;
    bool good = p < end && *p && strchr("\"\\/bfnrtu", *p);
    if (good && *p == 'u') {
        for (int i = 0; good && i < 4; i++) {
            p++;
            good = p < end && hex_digit(*p) >= 0;
        }
    }
    *at = good ? p + 1 : p;
    return good;
}

static bool scan_high(const char **at, const char *end)
{
    const char *p = *at, *last = p;
    while (last < end && (class_of(*last) & HIGH)) {
        last++;
    }
    bool good = utf8_valid(str_make(p, (size_t)(last - p)));
    if (!good) {
        struct utf8_state st = {0};
        while (p < last && utf8_feed(&st, str_make(p, 1))) {
            p++;
        }
    }
    *at = good ? last : p;
    return good;
}

static bool scan_string(const char **at, const char *end)
{
    const char *p = *at + 1;
    for (;;) {
        p = skip_plain(p, end);
        bool good = p < end;
        if (good && *p == '"') {
            *at = p + 1;
            return true;
        }
        if (good) {
            good = *p == '\\' ? scan_escape(&p, end) : (class_of(*p) & HIGH) && scan_high(&p, end);
        }
        if (!good) {
            *at = p;
            return false;
        }
    }
}

static bool scan_digits(const char **at, const char *end)
{
    bool any = is_digit(*at, end);
    while (is_digit(*at, end)) {
        ++*at;
    }
    return any;
}

static bool scan_number(const char **at, const char *end)
{
    if (**at == '-') {
        ++*at;
    }
    if (*at < end && **at == '0') {
        ++*at; // no further digit: whatever follows is judged by the caller
    } else if (!scan_digits(at, end)) {
        return false;
    }
    if (*at < end && **at == '.') {
        ++*at;
        if (!scan_digits(at, end)) {
            return false;
        }
    }
    if (*at < end && (**at | 0x20) == 'e') {
        ++*at;
        if (*at < end && (**at == '+' || **at == '-')) {
            ++*at;
        }
        return scan_digits(at, end);
    }
    return true;
}

static bool scan_word(const char **at, const char *end, const char *word)
{
    while (*word && *at < end && **at == *word) {
        ++*at;
        word++;
    }
    return !*word;
}

static bool scan_scalar(const char **at, const char *end)
{
    switch (**at) {
    case '"':
        return scan_string(at, end);
    case 't':
        return scan_word(at, end, "true");
    case 'f':
        return scan_word(at, end, "false");
    case 'n':
        return scan_word(at, end, "null");
    default:
        return (**at == '-' || is_digit(*at, end)) && scan_number(at, end);
    }
}

static enum json_type type_of(char first)
{
    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

struct levels {
    unsigned depth, max;
    uint64_t object[DEPTH_CAP / 64]; // bit n: level n + 1 is an object
};

static bool in_object(const struct levels *l)
{
    return l->object[(l->depth - 1) / 64] >> ((l->depth - 1) % 64) & 1;
}

static bool enter(struct levels *l, bool object)
{
    if (l->depth >= l->max) {
        return false;
    }
    uint64_t bit = UINT64_C(1) << (l->depth % 64);
    uint64_t *word = &l->object[l->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    l->depth++;
    return true;
}

static bool scan_key(const char **at, const char *end)
{
    if (**at != '"' || !scan_string(at, end)) {
        return false;
    }
    *at = skip_blanks(*at, end);
    if (*at == end || **at != ':') {
        return false;
    }
    ++*at;
    return true;
}

// One whole value. The loop stands before a value (FIRST: or at the end of a container just
// opened), or behind one.
static bool scan_value(const char **at, const char *end, struct levels *l)
{
    enum { FIRST, NEXT, BEHIND } where = NEXT;
    const char *p = *at;
    bool good;
    do {
        p = skip_blanks(p, end);
        good = p < end;
        if (!good) {
            break;
        }
        if (where != NEXT && l->depth > 0 && *p == (in_object(l) ? '}' : ']')) {
            p++;
            l->depth--;
            where = BEHIND;
            continue;
        }
        if (where == BEHIND) {
            good = *p == ',';
            p += good;
            where = NEXT;
            continue;
        }
        if (l->depth > 0 && in_object(l)) {
            good = scan_key(&p, end);
            if (!good) {
                break;
            }
            p = skip_blanks(p, end);
            good = p < end;
            if (!good) {
                break;
            }
        }
        if (*p == '{' || *p == '[') {
            good = enter(l, *p == '{');
            p += good;
            where = FIRST;
        } else {
            good = scan_scalar(&p, end);
            where = BEHIND;
        }
    } while (good && !(where == BEHIND && l->depth == 0));
    *at = p;
    return good;
}

int json_parse(struct str text, unsigned depth_max, struct json_val *ret, size_t *ret_offset)
{
    ASSERT(depth_max <= DEPTH_CAP);
    struct str all = text.p ? text : STR("");
    const char *end = all.p + all.len;
    const char *first = skip_blanks(all.p, end);
    const char *p = first;
    struct levels levels = {.max = depth_max};
    // A scalar at the top needs a level, too: it has depth 1.
    bool good = p < end && depth_max > 0 && scan_value(&p, end, &levels);
    const char *last = p;
    if (good) {
        p = skip_blanks(p, end);
        good = p == end;
    }
    if (!good) {
        *ret_offset = (size_t)(p - all.p);
        return -E_BAD_JSON;
    }
    *ret = (struct json_val){type_of(*first), str_make(first, (size_t)(last - first))};
    return 0;
}

// ---- Walking over valid text.

// Behind the closing quote of the string that begins at p.
static const char *skip_string(const char *p, const char *end)
{
    for (p++;;) {
        p = skip_plain(p, end);
        ASSERT(p < end);
        if (*p == '"') {
            return p + 1;
        }
        p += *p == '\\' ? 2 : 1;
    }
}

static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    ASSERT(p < end);
    do {
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            break;
        case '{':
        case '[':
            depth++;
            p++;
            break;
        case '}':
        case ']':
            depth--;
            p++;
            break;
        default:
            p++;
            while (depth == 0 && p < end && *p != ',' && *p != '}' && *p != ']' &&
                   !(class_of(*p) & BLANK)) {
                p++; // the rest of a scalar
            }
        }
    } while (depth > 0 && p < end);
    ASSERT(depth == 0);
    return p;
}

struct json_iter json_iter(struct json_val container)
{
    if (container.type != JSON_OBJECT && container.type != JSON_ARRAY) {
        return (struct json_iter){0};
    }
    return (struct json_iter){.p = container.raw.p + 1,
                              .end = container.raw.p + container.raw.len - 1,
                              .object = container.type == JSON_OBJECT};
}

static struct json_val take_value(struct json_iter *it)
{
    const char *from = it->p;
    it->p = skip_value(from, it->end);
    return (struct json_val){type_of(*from), str_make(from, (size_t)(it->p - from))};
}

bool json_next(struct json_iter *it, struct json_val *key, struct json_val *val)
{
    struct json_val name = {0};
    it->p = skip_blanks(it->p, it->end);
    if (it->p < it->end && *it->p == ',') {
        it->p = skip_blanks(it->p + 1, it->end);
    }
    if (it->p == it->end) {
        return false;
    }
    if (it->object) {
        name = take_value(it);
        it->p = skip_blanks(it->p, it->end);
        it->p = skip_blanks(it->p + 1, it->end); // the colon
    }
    struct json_val value = take_value(it);
    if (key) {
        *key = name;
    }
    if (val) {
        *val = value;
    }
    return true;
}

struct json_val json_get(struct json_val object, const char *name)
{
    struct json_val found = {0}, key, val;
    if (object.type == JSON_OBJECT) {
        struct str want = str_of(name);
        for (struct json_iter it = json_iter(object); json_next(&it, &key, &val);) {
            if (json_string_is(key, want)) {
                found = val;
            }
        }
    }
    return found;
}

// ---- Strings and numbers.

static struct str inside(struct json_val string)
{
    return str_make(string.raw.p + 1, string.raw.len - 2);
}

static uint32_t hex4(const char *p)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++) {
        n = n << 4 | (uint32_t)hex_digit(p[i]);
    }
    return n;
}

static size_t put_utf8(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)((0xf00u >> len & 0xf0) | c);
    return len;
}

// The bytes one escape stands for; *at moves behind it.
static size_t unescape(const char **at, const char *end, char out[4])
{
    static const char pairs[] = "b\bf\fn\nr\rt\t";
    const char *p = *at + 1;
    char c = *p++;
    if (c != 'u') {
        const char *pair = strchr(pairs, c);
        out[0] = pair ? pair[1] : c;
        *at = p;
        return 1;
    }
    uint32_t point = hex4(p);
    p += 4;
    if (point >= 0xd800 && point <= 0xdfff) {
        uint32_t low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : 0;
        if (point <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) {
            point = 0x10000 + ((point & 0x3ff) << 10 | (low & 0x3ff));
            p += 6;
        } else {
            point = 0xfffd;
        }
    }
    *at = p;
    return put_utf8(point, out);
}

bool json_string_is(struct json_val string, struct str text)
{
    if (string.type != JSON_STRING) {
        return false;
    }
    struct str s = inside(string);
    if (str_chr(s, '\\', 0) < 0) {
        return str_eq(s, text);
    }
    const char *p = s.p, *end = s.p + s.len;
    while (p < end) {
        char out[4] = {*p};
        size_t len = 1;
        if (*p == '\\') {
            len = unescape(&p, end, out);
        } else {
            p++;
        }
        if (!str_starts(text, str_make(out, len))) {
            return false;
        }
        text = str_from(text, len);
    }
    return text.len == 0;
}

struct str json_string(struct json_val string, struct arena *a)
{
    ASSERT(string.type == JSON_STRING);
    struct str s = inside(string);
    if (str_chr(s, '\\', 0) < 0) {
        return s;
    }
    char *to = arena_try_alloc(a, s.len + 1); // an escape is never shorter than what it stands for
    if (!to) {
        return STR_NONE;
    }
    size_t len = 0;
    for (const char *p = s.p, *end = s.p + s.len; p < end;) {
        if (*p == '\\') {
            char out[4];
            size_t n = unescape(&p, end, out);
            memcpy(to + len, out, n);
            len += n;
        } else {
            to[len++] = *p++;
        }
    }
    return str_make(to, len);
}

int json_int(struct json_val number, int64_t *ret)
{
    if (number.type != JSON_NUMBER) {
        return -E_BAD_REQUEST;
    }
    bool negative = number.raw.p[0] == '-';
    struct str fraction = str_from(number.raw, negative);
    struct str whole = str_cut(&fraction, '.');
    for (size_t i = 0; i < fraction.len; i++) {
        if (fraction.p[i] != '0') {
            return -E_BAD_REQUEST;
        }
    }
    uint64_t n;
    int rc = str_to_u64(whole, &n);
    if (rc) {
        return rc;
    }
    if (n > (uint64_t)INT64_MAX + negative) {
        return -E_BAD_REQUEST;
    }
    *ret = negative ? (int64_t)(0 - n) : (int64_t)n;
    return 0;
}

int json_double(struct json_val number, double *ret)
{
    char text[NUMBER_TEXT_MAX];
    if (number.type != JSON_NUMBER || number.raw.len >= sizeof(text)) {
        return -E_BAD_REQUEST;
    }
    memcpy(text, number.raw.p, number.raw.len);
    text[number.raw.len] = 0;
    double d = strtod(text, NULL);
    if (!isfinite(d)) {
        return -E_BAD_REQUEST;
    }
    *ret = d;
    return 0;
}

void json_put_minified(struct buf *b, struct json_val v)
{
    const char *p = v.raw.p, *end = v.raw.p + v.raw.len, *from = p;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
        } else if (class_of(*p) & BLANK) {
            buf_put_mem(b, from, (size_t)(p - from));
            p = skip_blanks(p, end);
            from = p;
        } else {
            p++;
        }
    }
    buf_put_mem(b, from, (size_t)(p - from));
}
