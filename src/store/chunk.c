// SPDX-License-Identifier: MIT
// Chunks of events as bytes.
#include "store/chunk.h"

#include <string.h>

#include "base/err.h"

static const struct hash_key checksum_key = {0x636c6169726f6e31, 0x6368756e6b000000};

struct record {
    uint64_t id;
    int64_t wall_ms;
    uint32_t line, lines, flags, type_len, data_len, topics_count;
};

void chunk_begin(struct buf *b)
{
    buf_clear(b);
    buf_put_mem(b, &(uint64_t){0}, sizeof(uint64_t));
}

void chunk_put(struct buf *b, const struct event *e)
{
    struct record r = {.id = e->id,
                       .wall_ms = e->wall_ms,
                       .line = e->line,
                       .lines = e->lines,
                       .flags = e->flags,
                       .type_len = (uint32_t)e->type.len,
                       .data_len = (uint32_t)e->data.len,
                       .topics_count = e->kind == KIND_NONE ? e->topics_count : 0};
    buf_put_mem(b, &r, sizeof(r));
    buf_put(b, e->type);
    buf_put(b, e->data);
    for (unsigned i = 0; i < r.topics_count; i++) {
        uint32_t len = (uint32_t)e->topics[i].name.len;
        buf_put_mem(b, &len, sizeof(len));
        buf_put(b, e->topics[i].name);
    }
}

void chunk_end(struct buf *b)
{
    if (!b->failed) {
        uint64_t sum = siphash(&checksum_key, str_from(buf_str(b), sizeof(sum)));
        memcpy(b->p, &sum, sizeof(sum));
    }
}

bool chunk_open(struct chunk_iter *it, struct str bytes)
{
    uint64_t sum;
    if (bytes.len < sizeof(sum)) {
        return false;
    }
    memcpy(&sum, bytes.p, sizeof(sum));
    struct str rest = str_from(bytes, sizeof(sum));
    *it = (struct chunk_iter){.p = rest.p, .end = rest.p + rest.len};
    return sum == siphash(&checksum_key, rest);
}

// Takes `len` bytes, or fails past the end.
static bool take(struct chunk_iter *it, size_t len, struct str *ret)
{
    if (len > (size_t)(it->end - it->p)) {
        return false;
    }
    *ret = str_make(it->p, len);
    it->p += len;
    return true;
}

static bool take_topics(struct chunk_iter *it, uint32_t count, struct event_init *ret)
{
    if (count > LIMIT_TOPICS_PER_EVENT) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        struct str bytes;
        uint32_t len;
        if (!take(it, sizeof(len), &bytes)) {
            return false;
        }
        memcpy(&len, bytes.p, sizeof(len));
        if (!take(it, len, &ret->topics[i])) {
            return false;
        }
    }
    ret->topics_count = (uint8_t)count;
    return true;
}

int chunk_next(struct chunk_iter *it, struct event_init *ret)
{
    if (it->p == it->end) {
        return 0;
    }
    struct str head;
    struct record r;
    if (!take(it, sizeof(r), &head)) {
        return -E_IO;
    }
    memcpy(&r, head.p, sizeof(r));
    ret->id = r.id;
    ret->wall_ms = r.wall_ms;
    ret->line = r.line;
    ret->lines = r.lines;
    ret->flags = r.flags;
    bool ok = take(it, r.type_len, &ret->type) && take(it, r.data_len, &ret->data) &&
              take_topics(it, r.topics_count, ret);
    return ok ? 1 : -E_IO;
}
