// SPDX-License-Identifier: MIT
// Messages as frames, and the members of flat messages.
#include "dialect/frames.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/err.h"
#include "hub/history.h"
#include "hub/job.h"
#include "wire/cursor.h"
#include "wire/ws_frame.h"

// The largest event is a report of a whole request body; its lines, each in a message of its own
// with every byte escaped, stay below this.
#define FRAMES_BYTES_MAX ((size_t)16 * LIMIT_BODY_BYTES)
// Data was checked against LIMIT_JSON_DEPTH when it came; the hub may have wrapped it since.
#define DATA_DEPTH_MAX (2 * LIMIT_JSON_DEPTH)

void frames_init(struct frames *f)
{
    buf_init(&f->out, FRAMES_BYTES_MAX);
    buf_init(&f->message, FRAMES_BYTES_MAX);
}

void frames_fini(struct frames *f)
{
    buf_fini(&f->out);
    buf_fini(&f->message);
}

struct buf *frames_begin(struct frames *f)
{
    if (!f->message.failed) {
        buf_clear(&f->message);
    }
    return &f->message;
}

void frames_end(struct frames *f)
{
    if (!f->message.failed) {
        ws_put_frame(&f->out, WS_OP_TEXT, buf_str(&f->message), NULL);
    }
}

bool frames_failed(const struct frames *f)
{
    return f->out.failed || f->message.failed;
}

void frames_put_event(struct buf *out,
                      void (*put)(struct frames *f, const struct event *e, uint64_t epoch),
                      const struct event *e, uint64_t epoch)
{
    struct frames f;
    frames_init(&f);
    put(&f, e, epoch);
    buf_put(out, buf_str(&f.out));
    out->failed = out->failed || frames_failed(&f);
    frames_fini(&f);
}

static void put_name(struct buf *b, const char *name)
{
    buf_put(b, STR(",\""));
    buf_put(b, str_of(name));
    buf_put(b, STR("\":"));
}

void flat_put_text(struct buf *b, const char *name, struct str text)
{
    put_name(b, name);
    if (text.p) {
        buf_put_json(b, text);
    } else {
        buf_put(b, STR("null"));
    }
}

void flat_put_raw(struct buf *b, const char *name, struct str json)
{
    put_name(b, name);
    buf_put(b, json.p ? json : STR("null"));
}

void flat_put_int(struct buf *b, const char *name, int64_t number)
{
    put_name(b, name);
    buf_put_i64(b, number);
}

void flat_put_progress(struct buf *b, const char *name, double progress)
{
    put_name(b, name);
    job_put_progress(b, progress);
}

void flat_put_time(struct buf *b, const char *name, int64_t wall_ms)
{
    put_name(b, name);
    buf_putc(b, '"');
    buf_put_time(b, wall_ms);
    buf_putc(b, '"');
}

void flat_put_cursor(struct buf *b, const char *name, uint64_t epoch, uint64_t id)
{
    put_name(b, name);
    buf_putc(b, '"');
    cursor_put(b, (struct cursor){.epoch = epoch, .id = id});
    buf_putc(b, '"');
}

void flat_put_member(struct buf *b, const char *name, struct json_val value)
{
    flat_put_raw(b, name, value.type == JSON_NONE ? STR_NONE : value.raw);
}

void flat_put_if_set(struct buf *b, const char *name, struct json_val value)
{
    if (value.type != JSON_NONE && value.type != JSON_NULL) {
        flat_put_raw(b, name, value.raw);
    }
}

void flat_put_members(struct buf *b, struct json_val data)
{
    if (data.type != JSON_OBJECT) {
        flat_put_member(b, "data", data);
        return;
    }
    struct json_iter it = json_iter(data);
    struct json_val key, value;
    while (json_next(&it, &key, &value)) {
        if (!json_string_is(key, STR("type")) && !json_string_is(key, STR("id"))) {
            buf_putc(b, ',');
            buf_put(b, key.raw);
            buf_putc(b, ':');
            buf_put(b, value.raw);
        }
    }
}

struct json_val flat_data(struct str data)
{
    struct json_val v;
    size_t offset;
    if (json_parse(data, DATA_DEPTH_MAX, &v, &offset) != 0) {
        return (struct json_val){.type = JSON_NONE};
    }
    return v;
}

// --- log lines ---

static void put_upper(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        buf_putc(b, c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
}

static void put_level(struct buf *b, const struct flat_log *how, struct str level)
{
    buf_put(b, STR(",\"level\":\""));
    if (how->upper) {
        put_upper(b, level);
    } else {
        buf_put(b, level);
    }
    buf_putc(b, '"');
}

// Everything but the closing brace.
static void put_line(struct buf *b, const struct flat_log *how, struct str id,
                     const struct joblog_line *line)
{
    buf_put(b, STR("{\"type\":\"log\""));
    flat_put_text(b, how->id_field, id);
    put_level(b, how, line->level);
    flat_put_text(b, "message", line->message);
    flat_put_time(b, "timestamp", line->wall_ms);
    buf_put(b, STR(",\"line\":"));
    buf_put_u64(b, line->line);
    if (line->cont) {
        buf_put(b, STR(",\"cont\":true"));
    }
}

struct log_writer {
    struct frames *frames;
    const struct flat_log *how;
    struct str id;
    bool open; // the line before still waits for its end
};

static bool write_line(void *ctx, const struct joblog_line *line)
{
    struct log_writer *w = ctx;
    if (w->open) {
        buf_putc(&w->frames->message, '}');
        frames_end(w->frames);
    }
    put_line(frames_begin(w->frames), w->how, w->id, line);
    w->open = true;
    return !frames_failed(w->frames);
}

void flat_put_log(struct frames *f, const struct flat_log *how, const struct event *e,
                  uint64_t epoch)
{
    struct log_writer w = {.frames = f, .how = how, .id = e->job_id};
    struct arena arena;
    arena_init(&arena, FRAMES_BYTES_MAX);
    int err = joblog_each(e->type, e->data, e->wall_ms, &arena, write_line, &w);
    arena_fini(&arena);
    if (w.open) {
        flat_put_cursor(&f->message, "id", epoch, e->id);
        buf_putc(&f->message, '}');
        frames_end(f);
    }
    if (err == -E_NO_MEMORY) {
        f->out.failed = true;
    }
}

void flat_put_tail(struct frames *f, const struct flat_log *how, struct str id,
                   const struct store_lines *tail)
{
    for (unsigned i = 0; i < tail->count; i++) {
        struct buf *b = frames_begin(f);
        put_line(b, how, id, &tail->lines[i]);
        buf_put(b, STR(",\"snapshot\":true}"));
        frames_end(f);
    }
}

struct str flat_gap_text(const struct gap *gap, char out[FLAT_GAP_TEXT])
{
    const size_t size = FLAT_GAP_TEXT;
    int len;
    if (gap->count) {
        len = snprintf(out, size, "%" PRIu64 " %s lost (%s).", gap->count,
                       gap->count == 1 ? "event was" : "events were", gap_reason_name(gap->reason));
    } else {
        len = snprintf(out, size, "Some events may be missing here (%s).",
                       gap_reason_name(gap->reason));
    }
    ASSERT(len > 0 && (size_t)len < size);
    return str_make(out, (size_t)len);
}

void flat_put_gap(struct frames *f, const struct flat_log *how, const struct flat_gap *g)
{
    char text[FLAT_GAP_TEXT];
    struct buf *b = frames_begin(f);
    buf_put(b, STR("{\"type\":\"log\""));
    if (g->id.p) {
        flat_put_text(b, how->id_field, g->id);
    }
    put_level(b, how, STR("warning"));
    flat_put_text(b, "message", flat_gap_text(g->gap, text));
    flat_put_time(b, "timestamp", g->wall_ms);
    put_name(b, "gap");
    gap_put_json(b, g->gap, g->epoch);
    buf_putc(b, '}');
    frames_end(f);
}

void flat_put_other(struct frames *f, const struct event *e, uint64_t epoch)
{
    struct buf *b = frames_begin(f);
    buf_put(b, STR("{\"type\":"));
    buf_put_json(b, e->type);
    flat_put_members(b, flat_data(e->data));
    flat_put_cursor(b, "id", epoch, e->id);
    buf_putc(b, '}');
    frames_end(f);
}
