// SPDX-License-Identifier: MIT
// A growable byte buffer with a maximum.
#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"

enum { CAP_MIN = 64 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

char *buf_reserve(struct buf *b, size_t len)
{
    if (b->failed || len > b->max || b->len > b->max - len) {
        b->failed = true;
        return NULL;
    }
    if (!b->p || len > b->cap - b->len) {
        size_t want = b->len + len;
        size_t cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
        if (cap < CAP_MIN) {
            cap = CAP_MIN < b->max ? CAP_MIN : b->max;
        }
        if (cap < want) {
            cap = want;
        }
        char *p = mem_try_realloc(b->p, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    ASSERT(len <= b->cap - b->len);
    b->len += len;
}

void buf_put_mem(struct buf *b, const void *p, size_t len)
{
    if (len == 0) {
        return;
    }
    char *to = buf_reserve(b, len);
    if (to) {
        memcpy(to, p, len);
        b->len += len;
    }
}

void buf_put(struct buf *b, struct str s)
{
    buf_put_mem(b, s.p, s.len);
}

void buf_putc(struct buf *b, char c)
{
    buf_put_mem(b, &c, 1);
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    size_t len = (size_t)n;
    if (len < sizeof(small)) {
        buf_put_mem(b, small, len);
    } else {
        char *to = buf_reserve(b, len + 1); // vsnprintf also writes a NUL, which is not counted
        if (to) {
            vsnprintf(to, len + 1, fmt, again);
            b->len += len;
        }
    }
    va_end(again);
}

void buf_put_u64(struct buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_put_mem(b, digits + at, sizeof(digits) - at);
}

void buf_put_i64(struct buf *b, int64_t n)
{
    if (n < 0) {
        buf_putc(b, '-');
        buf_put_u64(b, 0 - (uint64_t)n);
    } else {
        buf_put_u64(b, (uint64_t)n);
    }
}

void buf_consume(struct buf *b, size_t len)
{
    ASSERT(len <= b->len);
    b->len -= len;
    if (b->len > 0 && len > 0) {
        memmove(b->p, b->p + len, b->len);
    }
}

static void put_json_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char out[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    const char *short_of = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *s = short_of; *s; s += 2) {
        if ((unsigned char)*s == c) {
            out[1] = s[1];
            buf_put_mem(b, out, 2);
            return;
        }
    }
    buf_put_mem(b, out, sizeof(out));
}

void buf_put_json(struct buf *b, struct str s)
{
    size_t from = 0;
    buf_putc(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            buf_put_mem(b, s.p + from, i - from);
            put_json_escape(b, c);
            from = i + 1;
        }
    }
    buf_put_mem(b, s.p ? s.p + from : NULL, s.len - from);
    buf_putc(b, '"');
}

void buf_put_time(struct buf *b, int64_t wall_ms)
{
    int64_t sec = wall_ms / 1000, ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        sec--;
    }
    // Years 0000 to 9999: the only ones RFC 3339 can write.
    const int64_t sec_min = -62167219200, sec_max = 253402300799;
    if (sec < sec_min || sec > sec_max) {
        ms = sec < sec_min ? 0 : 999;
        sec = sec < sec_min ? sec_min : sec_max;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    gmtime_r(&t, &tm);
    buf_putf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
}
