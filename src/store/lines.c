// SPDX-License-Identifier: MIT
// Lines of a log by number, under bounds of count and bytes.
#include "store/lines.h"

#include <string.h>

#include "base/err.h"

// Of the text and spans that one event's data is taken apart into.
#define SCRATCH_BYTES ((size_t)8 << 20)

static uint32_t wanted_first(const struct store_lines_query *q, uint32_t kept, uint32_t last)
{
    int64_t first = q->from < 0 ? (int64_t)last + 1 + q->from : q->from;
    if (first < kept) {
        first = kept;
    }
    if (q->tail && (int64_t)last - first >= q->count_max) {
        first = (int64_t)last - q->count_max + 1;
    }
    return first > last ? last + 1 : (uint32_t)first;
}

int lines_start(struct lines_fill *f, const struct store_lines_query *q, struct store_lines *ret)
{
    *f = (struct lines_fill){.query = q, .ret = ret};
    f->last = q->last && q->last < ret->last ? q->last : ret->last;
    f->first = wanted_first(q, ret->first_kept, f->last);
    if (ret->last == 0 || f->first > f->last || q->count_max == 0) {
        f->first = 1;
        f->last = 0;
        f->full = true;
        return 0;
    }
    uint32_t most = f->last - f->first + 1;
    f->cap = most < q->count_max ? most : q->count_max;
    ret->lines = arena_try_alloc(&ret->arena, f->cap * sizeof(*ret->lines));
    return ret->lines ? 0 : -E_NO_MEMORY;
}

// Drops from the front until one more of these bytes fits.
static void drop_front(struct lines_fill *f, size_t bytes)
{
    struct store_lines *l = f->ret;
    unsigned drop = 0;
    while (drop < l->count && f->bytes + bytes > f->query->bytes_max) {
        f->bytes -= l->lines[drop++].message.len;
    }
    l->count -= drop;
    memmove(l->lines, l->lines + drop, l->count * sizeof(*l->lines));
}

static bool put_line(void *ctx, const struct joblog_line *line)
{
    struct lines_fill *f = ctx;
    struct store_lines *l = f->ret;
    if (line->line < f->first) {
        return true;
    }
    bool over = l->count > 0 && f->bytes + line->message.len > f->query->bytes_max;
    if (line->line > f->last || (over && !f->query->tail)) {
        f->full = true;
        return false;
    }
    if (over) {
        drop_front(f, line->message.len);
    }
    struct joblog_line copy = *line;
    copy.level = arena_try_copy(&l->arena, line->level);
    copy.message = arena_try_copy(&l->arena, line->message);
    if (!copy.level.p || !copy.message.p) {
        f->err = -E_NO_MEMORY;
        return false;
    }
    l->lines[l->count++] = copy;
    f->bytes += copy.message.len;
    f->full = line->line == f->last || l->count == f->cap;
    return !f->full;
}

int lines_put(struct lines_fill *f, struct str type, struct str data, int64_t wall_ms)
{
    struct arena scratch;
    arena_init(&scratch, SCRATCH_BYTES);
    int err = joblog_each(type, data, wall_ms, &scratch, put_line, f);
    arena_fini(&scratch);
    return f->err ? f->err : err;
}
