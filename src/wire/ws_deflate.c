// SPDX-License-Identifier: MIT
// permessage-deflate: messages through zlib, as raw deflate (RFC 7692 7.2).
#include "wire/ws_deflate.h"

#include <limits.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum { STEP_MIN = 512, STEP_MAX = 65536 };
// Of data_type, after inflate: bits of a byte that are not yet used, and where it stands.
enum { BITS_LEFT = 63, BEHIND_BLOCK = 128, BEHIND_LAST = 64 | BEHIND_BLOCK };

// What a sender leaves off the end of each message: the rest of an empty block (RFC 7692 7.2.1).
static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff};

// Memory for zlib.
static void *z_alloc(void *none, unsigned items, unsigned size)
{
    (void)none;
    return mem_try_alloc((size_t)items * size);
}

static void z_free(void *none, void *p)
{
    (void)none;
    mem_free(p);
}

static void feed(z_stream *z, struct str s)
{
    ASSERT(s.len <= UINT_MAX);
    z->next_in = (const unsigned char *)s.p;
    z->avail_in = (unsigned)s.len;
}

// ---- Out.

struct ws_deflater {
    z_stream z;
};

struct ws_deflater *ws_deflater_try_new(const struct ws_deflate_shape *shape)
{
    struct ws_deflater *d = mem_try_alloc(sizeof(*d));
    if (!d) {
        return NULL;
    }
    d->z = (z_stream){.zalloc = z_alloc, .zfree = z_free};
    int rc = deflateInit2(&d->z, shape->level, Z_DEFLATED, -shape->window_bits, shape->mem_level,
                          Z_DEFAULT_STRATEGY);
    ASSERT(rc == Z_OK || rc == Z_MEM_ERROR);
    if (rc != Z_OK) {
        mem_free(d);
        return NULL;
    }
    return d;
}

void ws_deflater_free(struct ws_deflater *d)
{
    if (d) {
        deflateEnd(&d->z);
        mem_free(d);
    }
}

int ws_deflater_put(struct ws_deflater *d, struct str plain, bool fresh, struct buf *out)
{
    size_t before = out->len;
    if (fresh) {
        deflateReset(&d->z);
    }
    if (plain.len == 0) {
        buf_putc(out, 0); // an empty block (RFC 7692 7.2.3.6)
        return out->failed ? -E_NO_MEMORY : 0;
    }
    feed(&d->z, plain);
    do {
        size_t want = deflateBound(&d->z, d->z.avail_in) + sizeof(tail);
        size_t room = out->max - out->len;
        want = want < room ? want : room;
        char *to = want > 0 ? buf_reserve(out, want) : NULL;
        if (!to) {
            out->len = before;
            out->failed = true;
            return -E_NO_MEMORY;
        }
        d->z.next_out = (unsigned char *)to;
        d->z.avail_out = (unsigned)want;
        int rc = deflate(&d->z, Z_SYNC_FLUSH);
        ASSERT(rc == Z_OK || rc == Z_BUF_ERROR);
        buf_commit(out, want - d->z.avail_out);
    } while (d->z.avail_out == 0);
    ASSERT(d->z.avail_in == 0 && out->len - before > sizeof(tail));
    out->len -= sizeof(tail);
    ASSERT(memcmp(out->p + out->len, tail, sizeof(tail)) == 0);
    return 0;
}

// ---- In.

struct ws_inflater {
    z_stream z;
    bool takeover;
    bool begun; // something of this message came
    bool ended; // the last block said that it is the last, and nothing came behind it
};

struct ws_inflater *ws_inflater_try_new(unsigned window_bits, bool takeover)
{
    ASSERT(window_bits >= WS_DEFLATE_BITS_MIN && window_bits <= WS_DEFLATE_BITS_MAX);
    struct ws_inflater *f = mem_try_alloc(sizeof(*f));
    if (!f) {
        return NULL;
    }
    *f = (struct ws_inflater){.z = {.zalloc = z_alloc, .zfree = z_free}, .takeover = takeover};
    int rc = inflateInit2(&f->z, -(int)window_bits);
    ASSERT(rc == Z_OK || rc == Z_MEM_ERROR);
    if (rc != Z_OK) {
        mem_free(f);
        return NULL;
    }
    return f;
}

void ws_inflater_free(struct ws_inflater *f)
{
    if (f) {
        inflateEnd(&f->z);
        mem_free(f);
    }
}

// One call of inflate, which ends at the end of a block at the latest. 0: call again; -E_AGAIN: the
// input is used up and nothing more comes out.
static int step(struct ws_inflater *f, size_t want, struct buf *out)
{
    unsigned char over = 0; // where the byte goes that is one too many
    size_t room = out->max - out->len;
    want = want < room ? want : room;
    char *to = want > 0 ? buf_reserve(out, want) : NULL;
    if (want > 0 && !to) {
        return -E_NO_MEMORY;
    }
    f->z.next_out = to ? (unsigned char *)to : &over;
    f->z.avail_out = to ? (unsigned)want : 1;
    int rc = inflate(&f->z, Z_BLOCK);
    if (!to && f->z.avail_out == 0) {
        return -E_TOO_LARGE;
    }
    if (to) {
        buf_commit(out, want - f->z.avail_out);
    }
    f->ended = rc == Z_STREAM_END;
    if (f->ended) {
        inflateReset(&f->z);
        return f->z.avail_in > 0 ? 0 : -E_AGAIN;
    }
    if (rc == Z_MEM_ERROR) {
        return -E_NO_MEMORY;
    }
    // Behind the last block it takes one more call to say that it was the last.
    bool more =
        f->z.avail_in > 0 || f->z.avail_out == 0 || (f->z.data_type & BEHIND_LAST) == BEHIND_LAST;
    if (rc == Z_OK || (rc == Z_BUF_ERROR && !more)) {
        return more ? 0 : -E_AGAIN;
    }
    return -E_PROTOCOL;
}

static int inflate_all(struct ws_inflater *f, struct str s, struct buf *out)
{
    size_t want = s.len > STEP_MAX / 4 ? STEP_MAX : s.len * 4;
    want = want < STEP_MIN ? STEP_MIN : want;
    int rc = 0;
    feed(&f->z, s);
    f->begun = f->begun || s.len > 0;
    while (rc == 0) {
        rc = step(f, want, out);
    }
    return rc == -E_AGAIN ? 0 : rc;
}

// Puts the tail back. What was sent must end with its block.
static int inflate_tail(struct ws_inflater *f, struct buf *out)
{
    if (!f->begun || f->ended) {
        return 0;
    }
    int rc = inflate_all(f, str_make((const char *)tail, sizeof(tail)), out);
    if (rc) {
        return rc;
    }
    bool whole = (f->z.data_type & BEHIND_BLOCK) && !(f->z.data_type & BITS_LEFT);
    return whole ? 0 : -E_PROTOCOL;
}

int ws_inflate(struct ws_inflater *f, struct str piece, bool last, struct buf *out)
{
    int rc = piece.len > 0 ? inflate_all(f, piece, out) : 0;
    if (rc == 0 && last) {
        rc = inflate_tail(f, out);
    }
    if (rc || last) {
        f->begun = false;
        f->ended = false;
        if (rc || !f->takeover) {
            inflateReset(&f->z);
        }
    }
    return rc;
}
