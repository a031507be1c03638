// SPDX-License-Identifier: MIT
// Flat deployment messages: log, status, progress, complete.
#include "dialect/deployment_view.h"

#include "wire/json.h"

static const struct flat_log log_lines = {.id_field = "deployment_id", .upper = false};

// Begins a message of that type about that deployment.
static struct buf *begin(struct frames *f, const char *type, struct str id)
{
    struct buf *b = frames_begin(f);
    buf_put(b, STR("{\"type\":\""));
    buf_put(b, str_of(type));
    buf_putc(b, '"');
    flat_put_text(b, "deployment_id", id);
    return b;
}

void deployment_put_connected(struct frames *f, struct str id)
{
    struct buf *b = begin(f, "connected", id);
    buf_putc(b, '}');
    frames_end(f);
}

// ---- Events.

static void put_status(struct buf *b, struct json_val data)
{
    flat_put_member(b, "status", json_get(data, "status"));
    flat_put_member(b, "message", json_get(data, "message"));
    flat_put_member(b, "old_status", json_get(data, "old_status"));
    flat_put_if_set(b, "error_message", json_get(data, "error_message"));
    flat_put_if_set(b, "settled", json_get(data, "settled"));
    flat_put_if_set(b, "stalled", json_get(data, "stalled"));
}

// `step` is the text and `current_step` the number; native data may have the text in
// `current_step`.
static void put_progress(struct buf *b, struct json_val data)
{
    struct json_val step = json_get(data, "step");
    struct json_val current = json_get(data, "current_step");
    struct json_val index = json_get(data, "step_index");
    if (step.type != JSON_STRING && current.type == JSON_STRING) {
        step = current;
    }
    if (index.type != JSON_NUMBER && current.type == JSON_NUMBER) {
        index = current;
    }
    flat_put_member(b, "progress", json_get(data, "progress"));
    flat_put_member(b, "step", step);
    flat_put_member(b, "current_step", index);
    flat_put_member(b, "total_steps", json_get(data, "total_steps"));
    flat_put_if_set(b, "message", json_get(data, "message"));
}

static void put_complete(struct buf *b, struct json_val data)
{
    flat_put_member(b, "status", json_get(data, "status"));
    flat_put_member(b, "message", json_get(data, "message"));
    flat_put_member(b, "result", json_get(data, "result"));
}

static void put_one(struct frames *f, const struct event *e, uint64_t epoch, const char *type,
                    void (*put)(struct buf *b, struct json_val data))
{
    struct buf *b = begin(f, type, e->job_id);
    struct json_val data = flat_data(e->data);
    put(b, data);
    struct json_val timestamp = json_get(data, "timestamp");
    if (timestamp.type == JSON_STRING) {
        flat_put_member(b, "timestamp", timestamp);
    } else {
        flat_put_time(b, "timestamp", e->wall_ms);
    }
    flat_put_if_set(b, "attempt", json_get(data, "attempt"));
    flat_put_cursor(b, "id", epoch, e->id);
    buf_putc(b, '}');
    frames_end(f);
}

void deployment_put_event(struct frames *f, const struct event *e, uint64_t epoch)
{
    if (e->kind != KIND_DEPLOYMENT) {
        flat_put_other(f, e, epoch);
        return;
    }
    switch (event_type_parse(e->type)) {
    case EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED:
        put_one(f, e, epoch, "status", put_status);
        return;
    case EVENT_TYPE_DEPLOYMENT_LOGS_UPDATE:
        flat_put_log(f, &log_lines, e, epoch);
        return;
    case EVENT_TYPE_DEPLOYMENT_PROGRESS:
        put_one(f, e, epoch, "progress", put_progress);
        return;
    case EVENT_TYPE_DEPLOYMENT_COMPLETE:
        put_one(f, e, epoch, "complete", put_complete);
        return;
    default:
        flat_put_other(f, e, epoch);
    }
}

// ---- Late comers.

static void put_last_progress(struct frames *f, const struct job *j)
{
    if (!j->progress_known) {
        return;
    }
    struct buf *b = begin(f, "progress", str_of(j->id));
    flat_put_progress(b, "progress", j->progress);
    flat_put_text(b, "step", str_of(j->step));
    if (j->step_index >= 0) {
        flat_put_int(b, "current_step", j->step_index);
    } else {
        flat_put_raw(b, "current_step", STR_NONE);
    }
    if (j->steps_total >= 0) {
        flat_put_int(b, "total_steps", j->steps_total);
    } else {
        flat_put_raw(b, "total_steps", STR_NONE);
    }
    flat_put_time(b, "timestamp",
                  j->progress_event_wall_ms ? j->progress_event_wall_ms : j->updated_ms);
    buf_put(b, STR(",\"snapshot\":true}"));
    frames_end(f);
}

// Carries the place from which the client goes on, since it is the last one.
static void put_last_status(struct frames *f, const struct sink_snapshot *s, uint64_t epoch)
{
    const struct job *j = s->job;
    struct buf *b = begin(f, "status", str_of(j->id));
    flat_put_text(b, "status", str_of(job_status_text(j)));
    flat_put_text(b, "message", str_of(j->message));
    flat_put_raw(b, "old_status", STR_NONE);
    if (j->error) {
        flat_put_text(b, "error_message", str_of(j->error));
    }
    if (j->result) {
        flat_put_raw(b, "result", str_of(j->result));
    }
    if (j->settled) {
        flat_put_raw(b, "settled", STR("true"));
    }
    if (j->stalled) {
        flat_put_raw(b, "stalled", STR("true"));
    }
    flat_put_time(b, "timestamp", j->ended_ms ? j->ended_ms : j->updated_ms);
    flat_put_int(b, "attempt", j->attempt);
    buf_put(b, STR(",\"snapshot\":true"));
    flat_put_cursor(b, "id", epoch, s->cursor);
    buf_putc(b, '}');
    frames_end(f);
}

void deployment_put_snapshot(struct frames *f, const struct sink_snapshot *s, uint64_t epoch)
{
    if (!s->job) {
        return;
    }
    flat_put_tail(f, &log_lines, str_of(s->job->id), s->tail);
    put_last_progress(f, s->job);
    put_last_status(f, s, epoch);
}

void deployment_put_gap(struct frames *f, const struct flat_gap *g)
{
    flat_put_gap(f, &log_lines, g);
}
