// SPDX-License-Identifier: MIT
// The marker of a published payload.
#include "load/marker.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

// What follows a marker, cut off where it must end.
static void fill_words(char *to, size_t len, uint64_t seq)
{
    static const char *const words[] = {
        "compiling", "module",  "linking",  "target", "container", "checking", "resolved",
        "package",   "fetched", "layer",    "copied", "installed", "version",  "started",
        "service",   "warning", "upstream", "cached", "artifact",  "verified", "migrating",
        "schema",    "replica", "endpoint", "tests",  "passed",    "index",    "removed",
        "volume",    "digest",  "queued",   "worker"};
    uint64_t state = seq * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t at = 0; at < len;) {
        char word[32];
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const char *text = words[state >> 59];
        int n = snprintf(word, sizeof(word), "%s %08x ", text, (unsigned)(state >> 24));
        size_t take = len - at < (size_t)n ? len - at : (size_t)n;
        memcpy(to + at, word, take);
        at += take;
    }
}

void marker_put(struct buf *b, struct marker m, size_t size, enum marker_fill fill)
{
    size_t from = b->len;
    buf_putf(b, "#S.%llu.%lld.", (unsigned long long)m.seq, (long long)m.due_ns);
    size_t len = b->len - from;
    if (b->failed || len >= size) {
        return;
    }
    char *pad = buf_reserve(b, size - len);
    if (!pad) {
        return;
    }
    if (fill == MARKER_FILL_WORDS) {
        fill_words(pad, size - len, m.seq);
    } else {
        memset(pad, 'x', size - len);
    }
    buf_commit(b, size - len);
}

// Digits up to a dot. 1: taken, *p is behind the dot; 0: cut off by the end; -1: something else.
static int take_number(const char **p, const char *end, uint64_t *ret)
{
    uint64_t n = 0;
    unsigned digits = 0;
    for (const char *at = *p; at < end; at++) {
        if (*at == '.' && digits > 0) {
            *p = at + 1;
            *ret = n;
            return 1;
        }
        if (*at < '0' || *at > '9' || ++digits > 19) {
            return -1;
        }
        n = n * 10 + (uint64_t)(*at - '0');
    }
    return 0;
}

// At a '#'. As take_number.
static int take_marker(const char **p, const char *end, struct marker *ret)
{
    const char *at = *p + 1;
    for (const char *word = "S."; *word; word++, at++) {
        if (at == end) {
            return 0;
        }
        if (*at != *word) {
            return -1;
        }
    }
    uint64_t seq, due;
    int rc = take_number(&at, end, &seq);
    if (rc == 1) {
        rc = take_number(&at, end, &due);
    }
    if (rc == 1) {
        *ret = (struct marker){.seq = seq, .due_ns = (int64_t)due};
        *p = at;
    }
    return rc;
}

bool marker_next(const char **p, const char *end, struct marker *ret)
{
    while (*p < end) {
        const char *hash = memchr(*p, '#', (size_t)(end - *p));
        if (!hash) {
            *p = end;
            return false;
        }
        *p = hash;
        int rc = take_marker(p, end, ret);
        if (rc >= 0) {
            return rc == 1;
        }
        *p = hash + 1;
    }
    return false;
}

// Looks at what was kept together with the front of the piece; what was used of the piece is cut
// off.
static bool next_kept(struct marker_stream *s, struct str *piece, struct marker *ret)
{
    char both[2 * MARKER_MAX];
    size_t front = piece->len < MARKER_MAX ? piece->len : MARKER_MAX;
    memcpy(both, s->bytes, s->kept);
    memcpy(both + s->kept, piece->p, front);
    const char *at = both;
    const char *end = both + s->kept + front;
    bool found = marker_next(&at, end, ret);
    size_t used = (size_t)(at - both);
    if (!found && used < s->kept) { // still not whole: all of the piece was looked at
        ASSERT(front == piece->len && s->kept + front - used <= MARKER_MAX);
        s->kept = (uint8_t)(s->kept + front - used);
        memcpy(s->bytes, at, s->kept);
        *piece = str_from(*piece, front);
        return false;
    }
    *piece = str_from(*piece, found ? used - s->kept : 0);
    s->kept = 0;
    return found;
}

bool marker_stream_next(struct marker_stream *s, struct str *piece, struct marker *ret)
{
    if (piece->len == 0) {
        return false;
    }
    if (s->kept > 0 && next_kept(s, piece, ret)) {
        return true;
    }
    if (piece->len == 0) {
        return false;
    }
    const char *at = piece->p;
    const char *end = piece->p + piece->len;
    bool found = marker_next(&at, end, ret);
    if (!found) {
        s->kept = (uint8_t)(end - at);
        ASSERT(s->kept <= MARKER_MAX);
        memcpy(s->bytes, at, s->kept);
        at = end;
    }
    *piece = str_from(*piece, (size_t)(at - piece->p));
    return found;
}
