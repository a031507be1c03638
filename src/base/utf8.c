// SPDX-License-Identifier: MIT
// UTF-8 after table 3-7 of the Unicode standard. Runs of ASCII go eight bytes at a time.
#include "base/utf8.h"

#include <string.h>

#include "base/buf.h"

// What may follow a lead byte: how many bytes, and the bounds of the first of them. need = 0: no
// lead byte.
static struct utf8_state after_lead(unsigned char c)
{
    if (c >= 0xc2 && c <= 0xdf) {
        return (struct utf8_state){1, 0x80, 0xbf};
    }
    if ((c & 0xf0) == 0xe0) { // E0: no overlong forms; ED: no surrogates
        return (struct utf8_state){2, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf};
    }
    if (c >= 0xf0 && c <= 0xf4) { // F0: no overlong forms; F4: nothing over U+10FFFF
        return (struct utf8_state){3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf};
    }
    return (struct utf8_state){0, 0, 0};
}

// Feeds until the end or the first byte that can't be: returns its position, or s.len.
static size_t feed(struct utf8_state *st, struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        unsigned char c = (unsigned char)s.p[i];
        if (st->need > 0) {
            if (c < st->low || c > st->high) {
                return i;
            }
            *st = (struct utf8_state){(uint8_t)(st->need - 1), 0x80, 0xbf};
            i++;
        } else if (c < 0x80) {
            uint64_t word;
            while (s.len - i >= sizeof(word) &&
                   (memcpy(&word, s.p + i, sizeof(word)), !(word & UINT64_C(0x8080808080808080)))) {
                i += sizeof(word);
            }
            while (i < s.len && (unsigned char)s.p[i] < 0x80) {
                i++;
            }
        } else {
            *st = after_lead(c);
            if (st->need == 0) {
                return i;
            }
            i++;
        }
    }
    return i;
}

bool utf8_feed(struct utf8_state *st, struct str s)
{
    return feed(st, s) == s.len;
}

bool utf8_done(const struct utf8_state *st)
{
    return st->need == 0;
}

bool utf8_valid(struct str s)
{
    struct utf8_state st = {0};
    return utf8_feed(&st, s) && utf8_done(&st);
}

bool utf8_is_plain_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        unsigned char next = i + 1 < s.len ? (unsigned char)s.p[i + 1] : 0;
        // C1 is U+0080 to U+009F: C2 80 to C2 9F.
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) {
            return false;
        }
    }
    return utf8_valid(s);
}

size_t utf8_prefix(struct str s, size_t max)
{
    if (s.len <= max) {
        return s.len;
    }
    size_t len = max;
    while (len > 0 && ((unsigned char)s.p[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

void utf8_put_lossy(struct buf *b, struct str s)
{
    while (s.len > 0) {
        struct utf8_state st = {0};
        size_t good = feed(&st, s);
        if (good == s.len && utf8_done(&st)) {
            buf_put(b, s);
            return;
        }
        // Step back over the code point that broke off; its first byte is the one replaced.
        while (good > 0 && st.need > 0 && ((unsigned char)s.p[good - 1] & 0xc0) == 0x80) {
            good--;
        }
        good -= st.need > 0;
        buf_put(b, str_make(s.p, good));
        buf_put(b, STR("\xef\xbf\xbd"));
        s = str_from(s, good + 1);
    }
}
