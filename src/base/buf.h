// SPDX-License-Identifier: MIT
// A growable byte buffer with a maximum. Appending past the maximum, or without memory, sets
// `failed` and changes nothing more; callers append freely and test once at the end. Owned by
// whoever initialised it.
#ifndef CLAIRON_BASE_BUF_H
#define CLAIRON_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
};

void buf_init(struct buf *b, size_t max); // allocates nothing yet
void buf_fini(struct buf *b);             // idempotent
void buf_clear(struct buf *b);            // len = 0, failed = false; keeps the memory
void buf_put(struct buf *b, struct str s);
void buf_put_mem(struct buf *b, const void *p, size_t len);
void buf_putc(struct buf *b, char c);
void buf_putf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_put_u64(struct buf *b, uint64_t n);
void buf_put_i64(struct buf *b, int64_t n);
// Room for `len` more bytes to be written at the returned place and then counted by buf_commit;
// NULL on failure.
char *buf_reserve(struct buf *b, size_t len) MUST_CHECK;
void buf_commit(struct buf *b, size_t len);
void buf_consume(struct buf *b, size_t len); // drops bytes from the front
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){.p = b->p ? b->p : "", .len = b->len};
}
// Puts a string as a JSON string with quotes. The span must be valid UTF-8.
void buf_put_json(struct buf *b, struct str s);
// RFC 3339, milliseconds, UTC, without quotes: 2026-11-21T10:00:00.000Z
void buf_put_time(struct buf *b, int64_t wall_ms);

#endif
