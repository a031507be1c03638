// SPDX-License-Identifier: MIT
// The log of a report: `logs` (a text of lines), `lines` (an array) or `message` (one text), cut
// into lines of at most LIMIT_LINE_BYTES. Two passes over the same text: the first counts, the
// second fills.
#include "base/assert.h"
#include "base/err.h"
#include "base/utf8.h"
#include "hub/joblog.h"
#include "hub/report_int.h"

struct sink {
    struct report_line *lines; // NULL in the counting pass
    unsigned count;
};

static void put_line(struct sink *to, struct str message, struct str level, bool cont)
{
    do {
        size_t len = utf8_prefix(message, LIMIT_LINE_BYTES);
        if (to->lines) {
            to->lines[to->count] = (struct report_line){
                .message = str_make(message.p, len), .level = level, .cont = cont};
        }
        to->count++;
        message = str_from(message, len);
        cont = true;
    } while (message.len > 0);
}

struct source {
    struct str text, level;
    bool cont; // the first line of the text goes on with the line before it
};

// At least one line; a newline at the end makes no further one.
static void put_text(struct sink *to, const struct source *from)
{
    struct str text = from->text;
    bool cont = from->cont;
    if (text.len > 0 && text.p[text.len - 1] == '\n') {
        text.len--;
    }
    do {
        put_line(to, str_cut(&text, '\n'), from->level, cont);
        cont = false;
    } while (text.p);
}

static int read_level(struct report_body *body, struct json_val v, struct str fallback,
                      struct str *ret)
{
    if (v.type == JSON_NONE || v.type == JSON_NULL) {
        *ret = fallback;
        return 0;
    }
    struct str text = v.type == JSON_STRING ? json_string(v, body->arena) : STR("");
    if (!text.p) {
        return -E_NO_MEMORY;
    }
    *ret = joblog_level(text);
    if (!ret->p) {
        return report_fault_set(body->fault, E_BAD_REQUEST,
                                "`level` must be one of debug, info, success, warning or error.");
    }
    return 0;
}

static int put_sources(struct report_body *body, const struct source *from, unsigned count,
                       struct report *r)
{
    struct sink to = {0};
    for (unsigned i = 0; i < count; i++) {
        put_text(&to, &from[i]);
    }
    unsigned total = to.count;
    to = (struct sink){.lines = arena_try_alloc(body->arena, total * sizeof(*to.lines))};
    if (!to.lines) {
        return -E_NO_MEMORY;
    }
    for (unsigned i = 0; i < count; i++) {
        put_text(&to, &from[i]);
    }
    ASSERT(to.count == total);
    r->lines = to.lines;
    r->lines_count = total;
    return 0;
}

// One element of `lines`: a string, or {message, level?, cont?}.
static int read_element(struct report_body *body, struct json_val v, struct str level,
                        struct source *ret)
{
    struct json_val message = v;
    *ret = (struct source){.level = level};
    if (v.type == JSON_OBJECT) {
        message = json_get(v, "message");
        ret->cont = json_is_true(json_get(v, "cont"));
        int err = read_level(body, json_get(v, "level"), level, &ret->level);
        if (err) {
            return err;
        }
    }
    if (message.type != JSON_STRING) {
        return report_fault_set(body->fault, E_BAD_REQUEST,
                                "Each of `lines` must be {\"message\":string,\"level\"?:string}.");
    }
    ret->text = json_string(message, body->arena);
    return ret->text.p ? 0 : -E_NO_MEMORY;
}

static int read_array(struct report_body *body, struct str level, struct report *r)
{
    struct json_iter it = json_iter(body->vals[FIELD_LINES]), again = it;
    struct json_val v;
    unsigned count = 0;
    while (json_next(&it, NULL, &v)) {
        if (++count > LIMIT_LOG_LINES_PER_REPORT) {
            return report_fault_set(body->fault, E_TOO_LARGE, "`lines` has more than %d elements.",
                                    LIMIT_LOG_LINES_PER_REPORT);
        }
    }
    if (count == 0) {
        return 0;
    }
    struct source *from = arena_try_alloc(body->arena, count * sizeof(*from));
    if (!from) {
        return -E_NO_MEMORY;
    }
    for (unsigned i = 0; json_next(&again, NULL, &v); i++) {
        int err = read_element(body, v, level, &from[i]);
        if (err) {
            return err;
        }
    }
    return put_sources(body, from, count, r);
}

static int read_string(struct report_body *body, enum report_field f, struct str level,
                       struct report *r)
{
    const char *name = f == FIELD_LOGS ? "logs" : "message";
    struct json_val v = body->vals[f];
    if (v.type != JSON_STRING) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`%s` must be a string.", name);
    }
    struct str text = json_string(v, body->arena);
    if (!text.p) {
        return -E_NO_MEMORY;
    }
    if (f == FIELD_LOGS && text.len == 0) {
        return 0; // no text is no line, an empty message is an empty line
    }
    return put_sources(body, &(struct source){.text = text, .level = level}, 1, r);
}

int report_read_lines(struct report_body *body, struct report *r)
{
    bool message = r->verb == REPORT_LOG && report_has(body, FIELD_MESSAGE);
    bool logs = report_has(body, FIELD_LOGS);
    // Of our own events `lines` is a number, how many there are.
    bool array = report_has(body, FIELD_LINES) && body->vals[FIELD_LINES].type != JSON_NUMBER;
    struct json_val append = body->vals[FIELD_APPEND];
    if (message + logs + array > 1) {
        return report_fault_set(body->fault, E_BAD_REQUEST,
                                "Give one of `logs`, `lines` and `message`.");
    }
    if (append.type != JSON_NONE && append.type != JSON_BOOL) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`append` must be true or false.");
    }
    if (r->verb == REPORT_LOG || logs || array) {
        r->append_false = append.type == JSON_BOOL && !json_is_true(append);
    }
    struct str level;
    bool any = message || logs || array;
    int err = any ? read_level(body, body->vals[FIELD_LEVEL], STR("info"), &level) : 0;
    if (err || !any) {
        return err;
    }
    if (array && body->vals[FIELD_LINES].type != JSON_ARRAY) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`lines` must be an array.");
    }
    return array ? read_array(body, level, r)
                 : read_string(body, logs ? FIELD_LOGS : FIELD_MESSAGE, level, r);
}
