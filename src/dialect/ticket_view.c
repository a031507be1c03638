// SPDX-License-Identifier: MIT
// Flat ticket messages: status_update and log. Members that are absent are left out.
#include "dialect/ticket_view.h"

#include "wire/json.h"

static const struct flat_log log_lines = {.id_field = "ticket_id", .upper = true};

static struct buf *begin(struct frames *f, const char *type, struct str id)
{
    struct buf *b = frames_begin(f);
    buf_put(b, STR("{\"type\":\""));
    buf_put(b, str_of(type));
    buf_putc(b, '"');
    if (id.p) {
        flat_put_text(b, "ticket_id", id);
    }
    return b;
}

void ticket_put_connected(struct frames *f, struct str id)
{
    struct buf *b = begin(f, "connected", id);
    buf_putc(b, '}');
    frames_end(f);
}

static void put_status(struct frames *f, const struct event *e, uint64_t epoch)
{
    static const char *const members[] = {"status", "message", "step", "progress", "error"};
    static const char *const further[] = {"iteration", "stalled", "attempt"};
    struct json_val data = flat_data(e->data);
    struct buf *b = begin(f, "status_update", e->job_id);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        flat_put_if_set(b, members[i], json_get(data, members[i]));
    }
    struct json_val timestamp = json_get(data, "timestamp");
    if (timestamp.type == JSON_STRING) {
        flat_put_member(b, "timestamp", timestamp);
    } else {
        flat_put_time(b, "timestamp", e->wall_ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(further); i++) {
        flat_put_if_set(b, further[i], json_get(data, further[i]));
    }
    flat_put_cursor(b, "id", epoch, e->id);
    buf_putc(b, '}');
    frames_end(f);
}

void ticket_put_event(struct frames *f, const struct event *e, uint64_t epoch)
{
    enum event_type type = event_type_parse(e->type);
    if (e->kind == KIND_TICKET && type == EVENT_TYPE_TICKET_STATUS_CHANGED) {
        put_status(f, e, epoch);
    } else if (e->kind == KIND_TICKET && type == EVENT_TYPE_TICKET_LOG) {
        flat_put_log(f, &log_lines, e, epoch);
    } else {
        flat_put_other(f, e, epoch);
    }
}

static void put_text_if_set(struct buf *b, const char *name, const char *text)
{
    if (text) {
        flat_put_text(b, name, str_of(text));
    }
}

void ticket_put_update(struct frames *f, const struct job *j, uint64_t epoch, uint64_t cursor)
{
    struct buf *b = begin(f, "status_update", str_of(j->id));
    flat_put_text(b, "status", str_of(job_status_text(j)));
    put_text_if_set(b, "message", j->message);
    put_text_if_set(b, "step", j->step);
    if (j->progress_known) {
        flat_put_progress(b, "progress", j->progress);
    }
    put_text_if_set(b, "error", j->error);
    flat_put_time(b, "timestamp", j->ended_ms ? j->ended_ms : j->updated_ms);
    if (j->iteration >= 0) {
        flat_put_int(b, "iteration", j->iteration);
    }
    if (j->stalled) {
        flat_put_raw(b, "stalled", STR("true"));
    }
    flat_put_int(b, "attempt", j->attempt);
    buf_put(b, STR(",\"snapshot\":true"));
    if (cursor) {
        flat_put_cursor(b, "id", epoch, cursor);
    }
    buf_putc(b, '}');
    frames_end(f);
}

void ticket_put_snapshot(struct frames *f, const struct sink_snapshot *s, uint64_t epoch)
{
    if (!s->job) {
        return;
    }
    flat_put_tail(f, &log_lines, str_of(s->job->id), s->tail);
    ticket_put_update(f, s->job, epoch, s->cursor);
}

void ticket_put_gap(struct frames *f, const struct flat_gap *g)
{
    flat_put_gap(f, &log_lines, g);
}
