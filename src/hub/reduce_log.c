// SPDX-License-Identifier: MIT
// Lines of a report: one event per report, its lines numbered on from the attempt's last.
#include "base/err.h"
#include "hub/reduce_int.h"

static const enum event_type types[KIND_NR] = {
    [KIND_DEPLOYMENT] = EVENT_TYPE_DEPLOYMENT_LOGS_UPDATE,
    [KIND_TICKET] = EVENT_TYPE_TICKET_LOG,
    [KIND_BUILD] = EVENT_TYPE_JOB_LOG,
};

// All lines as one text. A deployment's ends with a newline, if there is a line at all.
static int put_text(struct reduce *x, const char *name)
{
    const struct report *r = x->r;
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    for (unsigned i = 0; i < r->lines_count; i++) {
        if (i > 0) {
            buf_putc(&text, '\n');
        }
        buf_put(&text, r->lines[i].message);
    }
    if (r->kind == KIND_DEPLOYMENT && r->lines_count > 0) {
        buf_putc(&text, '\n');
    }
    int err = text.failed ? -E_NO_MEMORY : 0;
    draft_text(x, name, buf_str(&text));
    buf_fini(&text);
    return err;
}

// As the kind writes it: a ticket's in upper case.
static void put_level(struct reduce *x, struct str level)
{
    char upper[16];
    size_t len = 0;
    if (x->j->kind == KIND_TICKET) {
        for (; len < level.len && len < sizeof(upper); len++) {
            upper[len] = (char)(level.p[len] - 'a' + 'A'); // levels are lower-case letters
        }
        level = str_make(upper, len);
    }
    buf_put_json(&x->b, level);
}

static void put_levels(struct reduce *x)
{
    const struct report *r = x->r;
    bool differ = false;
    for (unsigned i = 1; i < r->lines_count; i++) {
        differ = differ || !str_eq(r->lines[i].level, r->lines[0].level);
    }
    buf_put(&x->b, STR(",\"level\":"));
    put_level(x, r->lines_count > 0 ? r->lines[0].level : STR("info"));
    for (unsigned i = 0; differ && i < r->lines_count; i++) {
        buf_put(&x->b, i > 0 ? STR(",") : STR(",\"levels\":["));
        put_level(x, r->lines[i].level);
    }
    if (differ) {
        buf_putc(&x->b, ']');
    }
}

static void put_conts(struct reduce *x, uint32_t first)
{
    const struct report *r = x->r;
    bool any = false;
    for (unsigned i = 0; i < r->lines_count; i++) {
        if (r->lines[i].cont) {
            buf_put(&x->b, any ? STR(",") : STR(",\"cont\":["));
            buf_put_u64(&x->b, (uint64_t)first + i);
            any = true;
        }
    }
    if (any) {
        buf_putc(&x->b, ']');
    }
}

static int put_data(struct reduce *x, uint32_t first)
{
    const struct report *r = x->r;
    bool deployment = r->kind == KIND_DEPLOYMENT;
    draft_begin(x);
    int err = put_text(x, deployment ? "logs" : "message");
    put_levels(x);
    draft_time(x);
    if (deployment || r->append_false) {
        draft_raw(x, "append", r->append_false ? STR("false") : STR("true"));
    }
    draft_int(x, "line", first);
    draft_int(x, "lines", r->lines_count);
    put_conts(x, first);
    if (r->verb == REPORT_LOG && r->extra.len > 0) {
        buf_putc(&x->b, ',');
        buf_put(&x->b, r->extra);
    }
    return err;
}

int reduce_logs(struct reduce *x)
{
    const struct report *r = x->r;
    struct job *j = x->j;
    if (r->lines_count == 0 && !r->append_false) {
        return 0;
    }
    if (r->lines_count >= UINT32_MAX - j->last_line) {
        return reduce_conflict(x, "The log has %lu lines: no more can be numbered.",
                               (unsigned long)j->last_line);
    }
    uint32_t first = j->last_line + 1;
    int err = put_data(x, first);
    if (err) {
        return err;
    }
    // A log that starts anew without a line yet is an event, but nothing of the log.
    err = draft_end(x, (struct draft_as){.type = types[j->kind],
                                         .flags = r->lines_count > 0 ? EVENT_LOG : 0,
                                         .line = first,
                                         .lines = r->lines_count});
    if (err) {
        return err;
    }
    j->last_line += r->lines_count;
    if (r->append_false) {
        j->log_first = first;
    }
    reduce_touch(x, DURABILITY_PROCESS);
    return 0;
}
