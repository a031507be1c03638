// SPDX-License-Identifier: MIT
// Cuts the output of a program into lines.
#include "cli/lines.h"

#include "base/assert.h"
#include "base/utf8.h"

void lines_init(struct lines *l)
{
    buf_init(&l->text, LINES_PIECE_BYTES_MAX);
    l->returned = l->cont = false;
}

void lines_fini(struct lines *l)
{
    buf_fini(&l->text);
}

static void finish(struct lines *l)
{
    l->on_line(l->arg, buf_str(&l->text), l->cont);
    buf_clear(&l->text);
    l->returned = l->cont = false;
}

static void partial(struct lines *l)
{
    if (l->on_partial && l->text.len > 0) {
        l->on_partial(l->arg, buf_str(&l->text));
    }
}

static void rewrite(struct lines *l)
{
    partial(l);
    buf_clear(&l->text);
    l->returned = l->cont = false;
}

// Gives out what a full buffer holds, without the code point that may be under way.
static void give_piece(struct lines *l)
{
    struct str all = buf_str(&l->text);
    size_t len = all.len;
    for (size_t back = 1; back <= 3 && back < all.len; back++) {
        unsigned char c = (unsigned char)all.p[all.len - back];
        if (c >= 0xc0) {
            len = all.len - back;
        }
        if (c < 0x80 || c >= 0xc0) {
            break;
        }
    }
    l->on_line(l->arg, str_make(all.p, len), l->cont);
    l->cont = true;
    buf_consume(&l->text, len);
}

static void add(struct lines *l, struct str s)
{
    while (s.len > 0) {
        size_t room = LINES_PIECE_BYTES_MAX - l->text.len;
        size_t len = s.len < room ? s.len : room;
        buf_put(&l->text, str_make(s.p, len));
        ASSERT(!l->text.failed);
        s = str_from(s, len);
        if (l->text.len == LINES_PIECE_BYTES_MAX) {
            give_piece(l);
        }
    }
}

void lines_feed(struct lines *l, struct str bytes)
{
    while (bytes.len > 0) {
        size_t len = 0;
        while (len < bytes.len && bytes.p[len] != '\n' && bytes.p[len] != '\r') {
            len++;
        }
        if (len > 0) {
            if (l->returned) {
                rewrite(l);
            }
            add(l, str_make(bytes.p, len));
        }
        if (len < bytes.len && bytes.p[len] == '\n') {
            finish(l);
        } else if (len < bytes.len) {
            l->returned = true;
        }
        bytes = str_from(bytes, len + 1);
    }
    partial(l);
}

void lines_end(struct lines *l)
{
    if (l->text.len > 0) {
        finish(l);
    }
}
