// SPDX-License-Identifier: MIT
// Server-Sent Events: writing blocks, reading streams.
#include "wire/sse.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/utf8.h"

// Bytes before the first line end; s.len when there is none.
static size_t line_bytes(struct str s)
{
    size_t len = 0;
    while (len < s.len && s.p[len] != '\n' && s.p[len] != '\r') {
        len++;
    }
    return len;
}

// ---- Writing.

static void put_field(struct buf *b, struct str name, struct str value)
{
    buf_put(b, name);
    buf_put(b, STR(": "));
    buf_put(b, value);
    buf_putc(b, '\n');
}

// One field for each line of the text: n line ends make n + 1 fields.
static void put_lines(struct buf *b, struct str name, struct str text)
{
    for (;;) {
        size_t len = line_bytes(text);
        put_field(b, name, str_make(text.p, len));
        if (len == text.len) {
            return;
        }
        bool crlf = text.p[len] == '\r' && len + 1 < text.len && text.p[len + 1] == '\n';
        text = str_from(text, len + (crlf ? 2 : 1));
    }
}

static bool one_line(struct str s)
{
    return line_bytes(s) == s.len && str_chr(s, 0, 0) < 0;
}

int sse_put_block(struct buf *b, const struct sse_block *block)
{
    if (!one_line(block->id) || !one_line(block->event)) {
        return -E_BAD_REQUEST;
    }
    if (block->retry_ms > 0) {
        buf_putf(b, "retry: %u\n", (unsigned)block->retry_ms);
    }
    if (block->id.p) {
        put_field(b, STR("id"), block->id);
    }
    if (block->event.len > 0) {
        put_field(b, STR("event"), block->event);
    }
    if (block->data.p) {
        put_lines(b, STR("data"), block->data);
    }
    buf_putc(b, '\n');
    return 0;
}

void sse_put_comment(struct buf *b, struct str text)
{
    if (text.len == 0) {
        buf_put(b, STR(":\n\n"));
        return;
    }
    put_lines(b, STR(""), text);
    buf_putc(b, '\n');
}

// ---- Reading.

void sse_parser_init(struct sse_parser *p, size_t bytes_max)
{
    ASSERT(bytes_max < SIZE_MAX / 4);
    *p = (struct sse_parser){.retry_ms = -1};
    buf_init(&p->line, bytes_max);
    buf_init(&p->data, bytes_max + 1); // the LF behind the last line
    buf_init(&p->type, bytes_max);
    buf_init(&p->id, bytes_max);
    buf_init(&p->last_id, bytes_max);
}

void sse_parser_fini(struct sse_parser *p)
{
    buf_fini(&p->line);
    buf_fini(&p->data);
    buf_fini(&p->type);
    buf_fini(&p->id);
    buf_fini(&p->last_id);
}

static int check(const struct buf *b, size_t wanted)
{
    return !b->failed ? 0 : wanted > b->max - b->len ? -E_TOO_LARGE : -E_NO_MEMORY;
}

static int set(struct buf *b, struct str s)
{
    buf_clear(b);
    buf_put(b, s);
    return check(b, s.len);
}

void sse_parser_restart(struct sse_parser *p)
{
    buf_clear(&p->line);
    buf_clear(&p->data);
    buf_clear(&p->type);
    p->begun = false;
    p->after_cr = false;
    p->given = false;
    p->refused = set(&p->id, buf_str(&p->last_id));
}

// The value of a field, as UTF-8.
static int add(struct buf *b, struct str value)
{
    if (utf8_valid(value)) {
        buf_put(b, value);
        return check(b, value.len);
    }
    utf8_put_lossy(b, value);
    return check(b, 3 * value.len);
}

static int take_field(struct sse_parser *p, struct str name, struct str value)
{
    uint64_t n;
    if (str_is(name, "data")) {
        int rc = add(&p->data, value);
        if (rc == 0) {
            buf_putc(&p->data, '\n');
            rc = check(&p->data, 1);
        }
        return rc;
    }
    if (str_is(name, "event")) {
        buf_clear(&p->type);
        return add(&p->type, value);
    }
    if (str_is(name, "id") && str_chr(value, 0, 0) < 0) {
        buf_clear(&p->id);
        return add(&p->id, value);
    }
    if (str_is(name, "retry") && str_to_u64(value, &n) == 0 && n <= INT64_MAX) {
        p->retry_ms = (int64_t)n;
    }
    return 0;
}

// The block ends. 0: an event; -E_AGAIN: it had no data.
static int end_block(struct sse_parser *p, struct sse_event *ret)
{
    int rc = set(&p->last_id, buf_str(&p->id));
    if (rc) {
        return rc;
    }
    if (p->data.len == 0) {
        buf_clear(&p->type);
        return -E_AGAIN;
    }
    p->given = true;
    ret->id = buf_str(&p->last_id);
    ret->type = p->type.len > 0 ? buf_str(&p->type) : STR("message");
    ret->data = str_make(p->data.p, p->data.len - 1);
    return 0;
}

static int take_line(struct sse_parser *p, struct str line, struct sse_event *ret)
{
    if (!p->begun && str_starts(line, STR("\xef\xbb\xbf"))) {
        line = str_from(line, 3);
    }
    p->begun = true;
    if (line.len == 0) {
        return end_block(p, ret);
    }
    struct str value = line;
    struct str name = str_cut(&value, ':');
    if (name.len == 0) {
        return -E_AGAIN; // a comment
    }
    if (!value.p) {
        value = STR("");
    }
    int rc = take_field(p, name, str_from(value, str_starts(value, STR(" "))));
    return rc ? rc : -E_AGAIN;
}

// The next line, or what has come of it. 0: *ret is whole, in the input or in `line`.
static int next_line(struct sse_parser *p, struct str *in, struct str *ret)
{
    size_t len = line_bytes(*in);
    bool whole = len < in->len;
    struct str piece = str_make(in->p, len);
    if (whole) {
        p->after_cr = in->p[len] == '\r';
    }
    *in = str_from(*in, len + whole);
    if (piece.len > p->line.max - p->line.len) {
        return -E_TOO_LARGE;
    }
    if (whole && p->line.len == 0) {
        *ret = piece;
        return 0;
    }
    buf_put(&p->line, piece);
    int rc = check(&p->line, piece.len);
    *ret = buf_str(&p->line);
    return rc ? rc : whole ? 0 : -E_AGAIN;
}

int sse_parser_next(struct sse_parser *p, struct str *in, struct sse_event *ret)
{
    int rc = p->refused ? p->refused : -E_AGAIN;
    if (p->given) {
        p->given = false;
        buf_clear(&p->data);
        buf_clear(&p->type);
    }
    while (rc == -E_AGAIN && in->len > 0) {
        struct str line;
        if (p->after_cr) {
            p->after_cr = false;
            if (in->p[0] == '\n') {
                *in = str_from(*in, 1);
                continue;
            }
        }
        rc = next_line(p, in, &line);
        if (rc == 0) {
            rc = take_line(p, line, ret);
            buf_clear(&p->line);
        }
    }
    if (rc != 0 && rc != -E_AGAIN) {
        p->refused = rc;
    }
    return rc;
}
