// SPDX-License-Identifier: MIT
// Lines of a job's log out of the data of its log events.
#include "hub/joblog.h"

#include "base/err.h"
#include "def/limits.h"
#include "wire/json.h"

struct str joblog_level(struct str text)
{
    static const char *const levels[] = {"debug", "info", "success", "warning", "error"};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_eq_nocase(text, str_of(levels[i]))) {
            return str_of(levels[i]);
        }
    }
    return str_eq_nocase(text, STR("warn")) ? STR("warning") : STR_NONE;
}

// One record: its text, and what goes with each line of it.
struct record {
    struct str text;
    int64_t line; // number of the next line
    struct str level;
    struct json_iter levels, conts; // arrays; empty when all lines have `level`, when none goes on
    int64_t next_cont;              // the next number out of `conts`; -1: none left
};

static int read_text(struct json_val v, struct arena *a, struct str *ret)
{
    if (v.type != JSON_STRING) {
        return -E_BAD_JSON;
    }
    *ret = json_string(v, a);
    return ret->p ? 0 : -E_NO_MEMORY;
}

static int read_level(struct json_val v, struct arena *a, struct str *ret)
{
    struct str text;
    int err = read_text(v, a, &text);
    if (err) {
        return err;
    }
    *ret = joblog_level(text);
    return ret->p ? 0 : -E_BAD_JSON;
}

static int next_cont(struct record *rec)
{
    struct json_val v;
    rec->next_cont = -1;
    return json_next(&rec->conts, NULL, &v) && json_int(v, &rec->next_cont) != 0 ? -E_BAD_JSON : 0;
}

static int read_record(struct str type, struct json_val data, struct arena *a, struct record *rec)
{
    bool deployment = str_is(type, "DEPLOYMENT_LOGS_UPDATE");
    int err = read_text(json_get(data, deployment ? "logs" : "message"), a, &rec->text);
    if (err) {
        return err;
    }
    err = read_level(json_get(data, "level"), a, &rec->level);
    if (err) {
        return err;
    }
    if (json_int(json_get(data, "line"), &rec->line) != 0 || rec->line < 0 ||
        rec->line > UINT32_MAX) {
        return -E_BAD_JSON;
    }
    if (deployment && rec->text.len > 0 && rec->text.p[rec->text.len - 1] == '\n') {
        rec->text.len--;
    }
    rec->levels = json_iter(json_get(data, "levels"));
    rec->conts = json_iter(json_get(data, "cont"));
    return next_cont(rec);
}

// The line at the front of the text.
static int cut_line(struct record *rec, struct arena *a, int64_t wall_ms, struct joblog_line *ret)
{
    struct json_val level;
    *ret = (struct joblog_line){
        .line = (uint32_t)rec->line,
        .level = rec->level,
        .message = str_cut(&rec->text, '\n'),
        .wall_ms = wall_ms,
        .cont = rec->line == rec->next_cont,
    };
    rec->line++;
    if (json_next(&rec->levels, NULL, &level)) {
        int err = read_level(level, a, &ret->level);
        if (err) {
            return err;
        }
    }
    return ret->cont ? next_cont(rec) : 0;
}

int joblog_each(struct str type, struct str data, int64_t wall_ms, struct arena *a,
                bool (*fn)(void *ctx, const struct joblog_line *line), void *ctx)
{
    struct json_val object;
    size_t offset;
    struct record rec;
    int64_t count = -1;
    int err = json_parse(data, LIMIT_JSON_DEPTH, &object, &offset);
    if (err) {
        return err;
    }
    err = read_record(type, object, a, &rec);
    if (err) {
        return err;
    }
    if (json_int(json_get(object, "lines"), &count) != 0 || count < 0) {
        return -E_BAD_JSON;
    }
    // The number of lines tells an empty line from none.
    for (; count > 0 && rec.text.p; count--) {
        struct joblog_line line;
        err = cut_line(&rec, a, wall_ms, &line);
        if (err) {
            return err;
        }
        if (!fn(ctx, &line)) {
            return 0;
        }
    }
    return count == 0 ? 0 : -E_BAD_JSON;
}

void joblog_put_json(struct buf *b, const struct joblog_line *line)
{
    buf_put(b, STR("{\"line\":"));
    buf_put_u64(b, line->line);
    buf_put(b, STR(",\"level\":"));
    buf_put_json(b, line->level);
    buf_put(b, STR(",\"message\":"));
    buf_put_json(b, line->message);
    buf_put(b, STR(",\"timestamp\":\""));
    buf_put_time(b, line->wall_ms);
    buf_put(b, line->cont ? STR("\",\"cont\":true}") : STR("\"}"));
}
