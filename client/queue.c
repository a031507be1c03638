// SPDX-License-Identifier: MIT
// The reports that wait. A record's text is ready for the request: an element of `lines`, or the
// members of the body.
#include "client/queue.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/utf8.h"

enum {
    MEMORY_BYTES_MAX = 1024 * 1024,
    // Of the spool, kept free of lines: for the line that tells of the dropped ones, and the end.
    RESERVE_BYTES = 256 * 1024,
    // Longer than the line of a log may be: the hub cuts it and marks what goes on.
    PIECE_BYTES_MAX = 2 * LIMIT_LINE_BYTES,
    PIECE_JSON_BYTES_MAX = LIMIT_DATA_BYTES * 3 / 4, // the rest is for the other members
    FLAG_MESSAGE = 1,                                // of REPORT_PROGRESS: it has one
};

void queue_init(struct queue *q, enum clairon_kind kind, uint64_t spool_bytes_max)
{
    *q = (struct queue){.kind = kind};
    if (spool_bytes_max < 2 * RESERVE_BYTES) {
        spool_bytes_max = 2 * RESERVE_BYTES;
    }
    spool_init(&q->spool, MEMORY_BYTES_MAX, spool_bytes_max);
    buf_init(&q->scratch, SPOOL_RECORD_BYTES_MAX);
}

void queue_fini(struct queue *q)
{
    spool_fini(&q->spool);
    buf_fini(&q->scratch);
}

bool queue_is_empty(const struct queue *q)
{
    return q->spool.records == 0;
}

static bool put(struct queue *q, enum report_type type, unsigned flags, uint64_t keep_free)
{
    struct spool_record r = {
        .type = (uint8_t)type, .flags = (uint8_t)flags, .text = buf_str(&q->scratch)};
    return !q->scratch.failed && spool_put(&q->spool, r, keep_free);
}

// Tells of the dropped lines where they are missing, once no more will be dropped for a while.
static void tell_dropped(struct queue *q)
{
    q->dropped += q->spool.lost;
    q->spool.lost = 0;
    if (q->dropped == 0) {
        return;
    }
    char text[128];
    int len = snprintf(text, sizeof(text),
                       "[%" PRIu64 " lines were dropped: the hub was away and the spool was full]",
                       q->dropped);
    buf_clear(&q->scratch);
    report_put_line(&q->scratch, CLAIRON_WARNING, str_make(text, (size_t)len), false);
    if (put(q, REPORT_LOG, 0, 0)) {
        q->dropped = 0;
    }
}

static bool room_again(struct queue *q)
{
    uint64_t half = (q->spool.file_bytes_max - RESERVE_BYTES) / 2; // of the lines' share
    if (q->dropping && spool_file_bytes(&q->spool) <= half &&
        (!q->spool.broken || q->spool.records == 0)) {
        q->dropping = false;
    }
    if (!q->dropping) {
        tell_dropped(q);
    }
    return !q->dropping;
}

// Puts the longest part of `line` that one piece may hold into the scratch buffer; its length.
static size_t put_piece(struct queue *q, enum clairon_level level, struct str line, bool cont)
{
    size_t max = PIECE_BYTES_MAX;
    for (;;) {
        size_t len = utf8_prefix(line, max);
        if (len == 0 && line.len > 0) {
            len = line.len < max ? line.len : max; // continuation bytes only: not UTF-8
        }
        buf_clear(&q->scratch);
        report_put_line(&q->scratch, level, str_make(line.p, len), cont);
        if (q->scratch.len <= PIECE_JSON_BYTES_MAX) {
            return len;
        }
        max /= 2; // many escapes, or many bytes that are not UTF-8
    }
}

void queue_log(struct queue *q, enum clairon_level level, struct str line, bool cont)
{
    if (q->ended) {
        return;
    }
    if (!room_again(q)) {
        q->dropped++;
        return;
    }
    do {
        size_t len = put_piece(q, level, line, cont);
        if (!put(q, REPORT_LOG, 0, RESERVE_BYTES)) {
            q->dropping = true;
            q->dropped++;
            return;
        }
        line = str_from(line, len);
        cont = true;
    } while (line.len > 0);
}

void queue_progress(struct queue *q, double percent, const char *message)
{
    if (q->ended) {
        return;
    }
    (void)room_again(q);
    buf_clear(&q->scratch);
    report_put_progress(&q->scratch, q->kind, percent, message);
    // Without room the next one will do.
    (void)put(q, REPORT_PROGRESS, message ? FLAG_MESSAGE : 0, RESERVE_BYTES);
}

void queue_step(struct queue *q, const char *name, const char *message)
{
    if (q->ended) {
        return;
    }
    (void)room_again(q);
    buf_clear(&q->scratch);
    report_put_step(&q->scratch, q->kind, name, message);
    (void)put(q, REPORT_STEP, 0, RESERVE_BYTES / 2);
}

void queue_end(struct queue *q, const struct clairon_outcome *o)
{
    if (q->ended) {
        return;
    }
    tell_dropped(q);
    buf_clear(&q->scratch);
    report_put_end(&q->scratch, q->kind, o);
    if (!put(q, REPORT_END, o->type, 0)) {
        // The file can't be had and memory is full: what waits gives way to the end.
        struct spool_record r;
        while (spool_peek(&q->spool, &r)) {
            q->dropped += r.type == REPORT_LOG;
            spool_drop(&q->spool);
        }
        tell_dropped(q);
        buf_clear(&q->scratch);
        report_put_end(&q->scratch, q->kind, o);
        bool fits = put(q, REPORT_END, o->type, 0);
        ASSERT(fits);
    }
    q->ended = true;
}

void batch_init(struct batch *b)
{
    b->lines = 0;
    buf_init(&b->text, BATCH_BYTES_MAX + SPOOL_RECORD_BYTES_MAX);
}

void batch_fini(struct batch *b)
{
    buf_fini(&b->text);
}

static void take_lines(struct batch *b, struct queue *q, size_t bytes_max)
{
    struct spool_record r;
    while (b->lines < BATCH_LINES_MAX && spool_peek(&q->spool, &r) && r.type == REPORT_LOG &&
           (b->lines == 0 || b->text.len + 1 + r.text.len <= bytes_max)) {
        if (b->lines > 0) {
            buf_putc(&b->text, ',');
        }
        buf_put(&b->text, r.text);
        b->line_ends[b->lines++] = b->text.len;
        spool_drop(&q->spool);
    }
}

bool batch_take(struct batch *b, struct queue *q, size_t bytes_max)
{
    struct spool_record r;
    if (!spool_peek(&q->spool, &r)) {
        return false;
    }
    b->type = (enum report_type)r.type;
    b->outcome = (enum clairon_outcome_type)r.flags;
    b->lines = 0;
    buf_clear(&b->text);
    if (b->type == REPORT_LOG) {
        take_lines(b, q, bytes_max);
        return true;
    }
    unsigned flags;
    do { // of several values of the progress in a row only the last is news
        flags = r.flags;
        buf_clear(&b->text);
        buf_put(&b->text, r.text);
        spool_drop(&q->spool);
    } while (b->type == REPORT_PROGRESS && spool_peek(&q->spool, &r) && r.type == REPORT_PROGRESS &&
             ((r.flags | ~flags) & FLAG_MESSAGE));
    return true;
}

void batch_put_body(const struct batch *b, unsigned from, unsigned count, struct buf *out)
{
    if (b->type != REPORT_LOG) {
        buf_put(out, buf_str(&b->text));
        return;
    }
    ASSERT(count > 0 && from + count <= b->lines);
    size_t at = from == 0 ? 0 : b->line_ends[from - 1] + 1;
    buf_put(out, STR(",\"lines\":["));
    buf_put_mem(out, b->text.p + at, b->line_ends[from + count - 1] - at);
    buf_putc(out, ']');
}
