// SPDX-License-Identifier: MIT
// One job as a watcher knows it.
#include "cli/track.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "wire/json.h"

enum {
    DEPTH_MAX = 64,
    ARENA_BYTES_MAX = 8 * 1024 * 1024,
    PAGE_LINES = 1000,
    PATH_SIZE = 600,
};

void track_init(struct track *t)
{
    t->known = t->stalled = t->deleted = false;
    t->attempt = 0;
    t->status[0] = t->step[0] = t->message[0] = t->error[0] = '\0';
    t->progress = 0;
    t->end = TRACK_OPEN;
    t->started_wall_ms = t->ended_wall_ms = 0;
    t->next_line = 1;
    t->last_line = 0;
}

// Copies a text member when it is there; null empties it. True when it changed.
static bool take_text(struct json_val object, const char *name, struct arena *a, char *to,
                      size_t size)
{
    struct json_val v = json_get(object, name);
    struct str s = v.type == JSON_STRING ? json_string(v, a) : STR_NONE;
    if (v.type == JSON_NONE || (v.type == JSON_STRING && !s.p) ||
        (v.type != JSON_NULL && v.type != JSON_STRING)) {
        return false;
    }
    size_t len = utf8_prefix(s, size - 1);
    bool same = strlen(to) == len && memcmp(to, s.p ? s.p : "", len) == 0;
    if (!same) {
        memcpy(to, s.p ? s.p : "", len);
        to[len] = '\0';
    }
    return !same;
}

static int64_t take_time(struct json_val object, const char *name, struct arena *a)
{
    struct json_val v = json_get(object, name);
    int64_t ms = 0;
    return v.type == JSON_STRING && clock_parse(json_string(v, a), &ms) == 0 ? ms : 0;
}

static enum track_end end_of(const struct track *t, struct json_val v)
{
    static const struct {
        const char *status;
        enum track_end end;
    } ends[] = {
        {"success", TRACK_WELL},        {"completed", TRACK_WELL}, {"COMPLETED", TRACK_WELL},
        {"failed", TRACK_FAILED},       {"FAILED", TRACK_FAILED},  {"cancelled", TRACK_CANCELLED},
        {"CANCELLED", TRACK_CANCELLED},
    };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (strcmp(t->status, ends[i].status) == 0) {
            return ends[i].end;
        }
    }
    return json_is_true(json_get(v, "settled")) ? TRACK_WELL : TRACK_OPEN;
}

// False: it is about an attempt that is over.
static bool take_attempt(struct track *t, struct json_val v, bool *changed)
{
    int64_t attempt;
    if (json_int(json_get(v, "attempt"), &attempt) || attempt < 1) {
        return true;
    }
    if (attempt < t->attempt) {
        return false;
    }
    if (attempt > t->attempt) {
        bool first = t->attempt == 0;
        track_init(t);
        t->attempt = attempt;
        *changed = *changed || !first;
    }
    return true;
}

// The members that snapshots and events share.
static void take_state(struct track *t, struct json_val v, struct arena *a, bool *changed)
{
    *changed = take_text(v, "status", a, t->status, sizeof(t->status)) || *changed;
    bool stepped = take_text(v, "step", a, t->step, sizeof(t->step));
    *changed = stepped || *changed;
    if (json_get(v, "step").type == JSON_NONE) {
        *changed = take_text(v, "current_step", a, t->step, sizeof(t->step)) || *changed;
    }
    (void)take_text(v, "message", a, t->message, sizeof(t->message));
    (void)take_text(v, "error", a, t->error, sizeof(t->error));
    (void)take_text(v, "error_message", a, t->error, sizeof(t->error));
    double percent;
    if (json_double(json_get(v, "progress"), &percent) == 0) {
        t->progress = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    }
    if (json_get(v, "stalled").type == JSON_BOOL) {
        bool stalled = json_is_true(json_get(v, "stalled"));
        *changed = *changed || stalled != t->stalled;
        t->stalled = stalled;
    }
    t->end = end_of(t, v);
}

static void tell_change(struct track *t)
{
    t->known = true;
    t->on_change(t->arg);
}

// ---- Lines

static void give_line(struct track *t, int64_t number, struct str level, struct str text)
{
    if (number == t->next_line) {
        t->on_line(t->arg, level, text, 0);
        t->next_line++;
    }
    if (number > t->last_line) {
        t->last_line = number;
    }
}

// The elements of a JSON array of {line, level, message}. False when one is out of place.
static bool give_array(struct track *t, struct json_val lines, struct arena *a)
{
    struct json_iter it = json_iter(lines);
    struct json_val v;
    while (json_next(&it, NULL, &v)) {
        int64_t number;
        struct json_val message = json_get(v, "message"), level = json_get(v, "level");
        if (json_int(json_get(v, "line"), &number) || message.type != JSON_STRING) {
            return false;
        }
        give_line(t, number, level.type == JSON_STRING ? json_string(level, a) : STR("info"),
                  json_string(message, a));
    }
    return true;
}

static int64_t first_of(struct json_val lines)
{
    struct json_iter it = json_iter(lines);
    struct json_val v;
    int64_t number = 0;
    return json_next(&it, NULL, &v) && json_int(json_get(v, "line"), &number) == 0 ? number : 0;
}

bool track_is_behind(const struct track *t)
{
    return t->next_line <= t->last_line;
}

// One page of the log from next_line on. False when the hub does not answer as it should.
static bool fetch_page(struct track *t, bool *ret_complete)
{
    char path[PATH_SIZE], query[100];
    snprintf(query, sizeof(query), "/log?format=json&from=%" PRId64 "&limit=%d&attempt=%" PRId64,
             t->next_line, PAGE_LINES, t->attempt > 0 ? t->attempt : 1);
    clairon_job_path(t->kind, t->id, query, path, sizeof(path));
    const struct clairon_request req = {.method = "GET", .path = path, .repeatable = true};
    struct clairon_response res;
    if (clairon_http_request(t->http, &req, &res, NULL) || res.status != 200) {
        return false;
    }
    struct json_val v;
    size_t offset;
    if (json_parse(str_make(res.body.p, res.body.len), DEPTH_MAX, &v, &offset)) {
        return false;
    }
    struct json_val lines = json_get(v, "lines");
    int64_t last = 0, first = first_of(lines);
    if (json_int(json_get(v, "last"), &last)) {
        return false;
    }
    if (first == 0 && last >= t->next_line) {
        first = last + 1; // none of them is kept
    }
    if (first > t->next_line) {
        t->on_line(t->arg, STR("warning"), STR(""), (uint64_t)(first - t->next_line));
        t->next_line = first;
    }
    struct arena a;
    arena_init(&a, ARENA_BYTES_MAX);
    bool good = give_array(t, lines, &a);
    arena_fini(&a);
    t->last_line = last > t->last_line ? last : t->last_line;
    *ret_complete = t->next_line > last;
    return good;
}

bool track_catch_up(struct track *t)
{
    bool complete = false;
    while (!complete) {
        int64_t before = t->next_line;
        if (!fetch_page(t, &complete) || (!complete && t->next_line == before)) {
            return false;
        }
    }
    return true;
}

// The lines of a log event: one text, cut at newlines, numbered from `line` on.
static void take_lines(struct track *t, struct json_val v, struct arena *a)
{
    int64_t first, count;
    struct json_val text = json_get(v, t->kind == CLAIRON_DEPLOYMENT ? "logs" : "message");
    struct json_val level = json_get(v, "level");
    if (json_int(json_get(v, "line"), &first) || json_int(json_get(v, "lines"), &count) ||
        count < 1 || text.type != JSON_STRING) {
        return;
    }
    if (first > t->next_line || track_is_behind(t)) {
        t->last_line = first + count - 1 > t->last_line ? first + count - 1 : t->last_line;
        (void)track_catch_up(t); // else at the next chance
        return;
    }
    struct str rest = json_string(text, a);
    struct str all = level.type == JSON_STRING ? json_string(level, a) : STR("info");
    struct json_iter levels = json_iter(json_get(v, "levels"));
    for (int64_t i = 0; i < count; i++) {
        struct json_val own;
        struct str line_level =
            json_next(&levels, NULL, &own) && own.type == JSON_STRING ? json_string(own, a) : all;
        give_line(t, first + i, line_level, str_cut(&rest, '\n'));
    }
}

// ---- What comes

void track_snapshot(struct track *t, struct str job)
{
    struct json_val v;
    size_t offset;
    bool changed = true;
    if (json_parse(job, DEPTH_MAX, &v, &offset) || v.type != JSON_OBJECT ||
        !take_attempt(t, v, &changed)) {
        return;
    }
    struct arena a;
    arena_init(&a, ARENA_BYTES_MAX);
    struct json_val log = json_get(v, "log");
    if (first_of(log) > t->next_line) {
        t->last_line = first_of(log);
        (void)track_catch_up(t);
    }
    (void)give_array(t, log, &a);
    take_state(t, v, &a, &changed);
    int64_t started = take_time(v, "started_at", &a);
    t->started_wall_ms = started ? started : take_time(v, "created_at", &a);
    t->ended_wall_ms = take_time(v, "ended_at", &a);
    arena_fini(&a);
    tell_change(t);
}

void track_event(struct track *t, struct str type, struct str data, struct str timestamp)
{
    struct json_val v;
    size_t offset;
    bool changed = !t->known;
    if (json_parse(data, DEPTH_MAX, &v, &offset) || v.type != JSON_OBJECT ||
        !take_attempt(t, v, &changed)) {
        return;
    }
    struct arena a;
    arena_init(&a, ARENA_BYTES_MAX);
    int64_t wall_ms = 0;
    (void)!clock_parse(timestamp, &wall_ms);
    if (t->started_wall_ms == 0) {
        t->started_wall_ms = wall_ms;
    }
    if (str_is(type, "DEPLOYMENT_LOGS_UPDATE") || str_is(type, "TICKET_LOG") ||
        str_is(type, "JOB_LOG")) {
        take_lines(t, v, &a);
    } else if (str_is(type, "DEPLOYMENT_DELETED")) {
        t->deleted = changed = true;
    } else {
        take_state(t, v, &a, &changed);
        if (t->end != TRACK_OPEN) {
            t->ended_wall_ms = wall_ms;
        }
    }
    arena_fini(&a);
    if (changed) {
        tell_change(t);
    }
}
