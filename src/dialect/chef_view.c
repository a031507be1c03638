// SPDX-License-Identifier: MIT
// Events of Socket.IO as text.
#include "dialect/chef_view.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/err.h"
#include "dialect/frames.h"
#include "hub/history.h"
#include "hub/topic.h"
#include "wire/cursor.h"
#include "wire/engineio.h"
#include "wire/socketio.h"
#include "wire/ws_frame.h"

#define TEXT_BYTES_MAX ((size_t)16 * LIMIT_BODY_BYTES)
#define PACKET         "42" // a message, which is an event of the namespace `/`
// For types that clients use for events of their own.
#define NAME_INSTEAD "event"

unsigned chef_looks_of(struct str topic)
{
    if (str_starts(topic, STR("job:"))) {
        return CHEF_JOB;
    }
    if (str_starts(topic, STR("project:"))) {
        return CHEF_PROJECT;
    }
    // No build's event comes by any other.
    return str_is(topic, "jobs") || str_starts(topic, STR("event:")) ? CHEF_NATIVE : 0;
}

// --- writing ---

void chef_out_init(struct chef_out *o, void (*take)(struct chef_out *o))
{
    buf_init(&o->text, TEXT_BYTES_MAX);
    o->take = take;
}

void chef_out_fini(struct chef_out *o)
{
    buf_fini(&o->text);
}

struct str chef_payload(const struct chef_out *o)
{
    return str_from(buf_str(&o->text), sizeof(PACKET) - 1);
}

// The argument is to follow.
static struct buf *begin(struct chef_out *o, struct str name)
{
    if (!o->text.failed) {
        buf_clear(&o->text);
    }
    buf_put(&o->text, STR(PACKET "["));
    buf_put_json(&o->text, name);
    buf_putc(&o->text, ',');
    return &o->text;
}

// Where a client stands.
struct place {
    bool told;
    uint64_t epoch, id;
};

static const struct place nowhere = {0};

static void end(struct chef_out *o, struct place at)
{
    if (at.told) {
        buf_put(&o->text, STR(",\""));
        cursor_put(&o->text, (struct cursor){.epoch = at.epoch, .id = at.id});
        buf_putc(&o->text, '"');
    }
    buf_putc(&o->text, ']');
    o->take(o);
}

static void take_frame(struct chef_out *o)
{
    struct chef_run *r = CONTAINER_OF(o, struct chef_run, base);
    ws_put_frame(r->out, WS_OP_TEXT, buf_str(&o->text), NULL);
    r->out->failed = r->out->failed || o->text.failed;
}

static void take_packet(struct chef_out *o)
{
    struct chef_run *r = CONTAINER_OF(o, struct chef_run, base);
    buf_putc(r->out, ENGINEIO_SEPARATOR);
    buf_put(r->out, buf_str(&o->text));
    r->out->failed = r->out->failed || o->text.failed;
}

void chef_run_init(struct chef_run *r, struct buf *out, bool websocket)
{
    chef_out_init(&r->base, websocket ? take_frame : take_packet);
    r->out = out;
}

void chef_run_fini(struct chef_run *r)
{
    r->out->failed = r->out->failed || r->base.text.failed;
    chef_out_fini(&r->base);
}

// --- builds ---

// The names of one kind of event: on its job, and on its project.
enum shown { SHOWN_PROGRESS, SHOWN_COMPLETED, SHOWN_ERROR, SHOWN_LOG, SHOWN_NR };

static const char *const names[SHOWN_NR][2] = {
    [SHOWN_PROGRESS] = {"job:progress", "project:progress"},
    [SHOWN_COMPLETED] = {"job:completed", "project:completed"},
    [SHOWN_ERROR] = {"job:error", "project:error"},
    [SHOWN_LOG] = {"job:log", NULL},
};

static enum shown shown_as(const struct event *e)
{
    if (e->kind != KIND_BUILD) {
        return SHOWN_NR;
    }
    switch (event_type_parse(e->type)) {
    case EVENT_TYPE_JOB_PROGRESS:
        return SHOWN_PROGRESS;
    case EVENT_TYPE_JOB_COMPLETED:
        return SHOWN_COMPLETED;
    case EVENT_TYPE_JOB_ERROR:
        return SHOWN_ERROR;
    case EVENT_TYPE_JOB_LOG:
        return SHOWN_LOG;
    default:
        return SHOWN_NR;
    }
}

static void put_ids(struct buf *b, struct str job, struct str project)
{
    buf_put(b, STR("{\"jobId\":"));
    buf_put_json(b, job);
    flat_put_text(b, "projectId", project);
}

static void put_time(struct buf *b, const struct event *e, struct json_val data)
{
    struct json_val timestamp = json_get(data, "timestamp");
    if (timestamp.type == JSON_STRING) {
        flat_put_member(b, "timestamp", timestamp);
    } else {
        flat_put_time(b, "timestamp", e->wall_ms);
    }
}

// The argument, the same under either name.
static void put_build(struct buf *b, const struct event *e, enum shown as)
{
    struct json_val data = flat_data(e->data);
    put_ids(b, e->job_id, e->project);
    flat_put_member(b, "status", json_get(data, "status"));
    if (as == SHOWN_ERROR) {
        flat_put_member(b, "error", json_get(data, "error"));
    } else {
        flat_put_member(b, "progress", json_get(data, "progress"));
    }
    flat_put_member(b, "message", json_get(data, "message"));
    if (as == SHOWN_PROGRESS) {
        flat_put_member(b, "phase", json_get(data, "phase"));
        flat_put_if_set(b, "step", json_get(data, "step"));
        flat_put_if_set(b, "stalled", json_get(data, "stalled"));
    } else {
        if (as == SHOWN_COMPLETED) {
            flat_put_member(b, "result", json_get(data, "result"));
        }
        put_time(b, e, data);
    }
    buf_putc(b, '}');
}

// --- log lines ---

// The argument lacks its last brace.
static struct buf *begin_line(struct chef_out *o, struct str id, const struct joblog_line *line)
{
    struct buf *b = begin(o, STR("job:log"));
    buf_put(b, STR("{\"jobId\":"));
    buf_put_json(b, id);
    flat_put_text(b, "message", line->message);
    flat_put_text(b, "level", line->level);
    flat_put_time(b, "timestamp", line->wall_ms);
    flat_put_int(b, "line", line->line);
    if (line->cont) {
        buf_put(b, STR(",\"cont\":true"));
    }
    return b;
}

struct lines {
    struct chef_out *out;
    struct str id;
    bool open; // the line before still waits for its end
};

static bool write_line(void *ctx, const struct joblog_line *line)
{
    struct lines *l = ctx;
    if (l->open) {
        end(l->out, nowhere);
    }
    buf_putc(begin_line(l->out, l->id, line), '}');
    l->open = true;
    return !l->out->text.failed;
}

static void put_log(struct chef_out *o, const struct event *e, struct place at)
{
    struct lines l = {.out = o, .id = e->job_id};
    struct arena arena;
    arena_init(&arena, TEXT_BYTES_MAX);
    int err = joblog_each(e->type, e->data, e->wall_ms, &arena, write_line, &l);
    arena_fini(&arena);
    o->text.failed = o->text.failed || err == -E_NO_MEMORY;
    if (l.open) {
        end(o, at);
    }
}

// --- events ---

static void put_native(struct chef_out *o, const struct event *e, struct place at, uint64_t epoch)
{
    struct str name = socketio_name_reserved(e->type) ? STR(NAME_INSTEAD) : e->type;
    event_put_json(begin(o, name), e, epoch);
    end(o, at);
}

static void put_event(struct chef_out *o, const struct event *e, const struct sink_encoding *how)
{
    struct place at = {.told = !how->in_bracket, .epoch = how->epoch, .id = e->id};
    enum shown as = shown_as(e);
    unsigned looks = how->variant->looks;
    if (as == SHOWN_NR || looks == 0) {
        put_native(o, e, at, how->epoch);
        return;
    }
    looks &= names[as][1] ? ~0u : ~(unsigned)CHEF_PROJECT;
    for (unsigned look = CHEF_JOB; look <= CHEF_NATIVE; look <<= 1) {
        if (!(looks & look)) {
            continue;
        }
        looks &= ~look;
        struct place here = looks ? nowhere : at; // another one follows
        if (look == CHEF_NATIVE) {
            put_native(o, e, here, how->epoch);
        } else if (as == SHOWN_LOG) {
            put_log(o, e, here);
        } else {
            put_build(begin(o, str_of(names[as][look == CHEF_PROJECT])), e, as);
            end(o, here);
        }
    }
}

static void put_run(struct buf *out, const struct event *e, const struct sink_encoding *how,
                    bool websocket)
{
    struct chef_run r;
    chef_run_init(&r, out, websocket);
    put_event(&r.base, e, how);
    chef_run_fini(&r);
}

void chef_put_frames(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    put_run(out, e, how, true);
}

void chef_put_packets(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    put_run(out, e, how, false);
}

// --- late comers ---

static void put_last_progress(struct chef_out *o, const struct job *j)
{
    struct buf *b = begin(o, STR("job:progress"));
    put_ids(b, str_of(j->id), str_of(j->project));
    flat_put_text(b, "status", str_of(job_status_text(j)));
    flat_put_progress(b, "progress", j->progress);
    flat_put_text(b, "message", str_of(j->message));
    flat_put_text(b, "phase", str_of(j->phase));
    if (j->step) {
        flat_put_text(b, "step", str_of(j->step));
    }
    if (j->stalled) {
        buf_put(b, STR(",\"stalled\":true"));
    }
    buf_put(b, STR(",\"snapshot\":true}"));
    end(o, nowhere);
}

static void put_end(struct chef_out *o, const struct job *j)
{
    bool well = j->status == STATUS_BUILD_COMPLETED;
    struct buf *b = begin(o, well ? STR("job:completed") : STR("job:error"));
    put_ids(b, str_of(j->id), str_of(j->project));
    flat_put_text(b, "status", str_of(job_status_text(j)));
    if (well) {
        flat_put_progress(b, "progress", j->progress);
        flat_put_text(b, "message", str_of(j->message));
        flat_put_raw(b, "result", str_of(j->result));
    } else {
        flat_put_text(b, "error", str_of(j->error));
        flat_put_text(b, "message", str_of(j->message));
    }
    flat_put_time(b, "timestamp", j->ended_ms ? j->ended_ms : j->updated_ms);
    buf_put(b, STR(",\"snapshot\":true}"));
    end(o, nowhere);
}

static void put_build_snapshot(struct chef_out *o, const struct sink_snapshot *s)
{
    const struct job *j = s->job;
    for (unsigned i = 0; i < s->tail->count; i++) {
        struct buf *b = begin_line(o, str_of(j->id), &s->tail->lines[i]);
        buf_put(b, STR(",\"snapshot\":true}"));
        end(o, nowhere);
    }
    put_last_progress(o, j);
    if (job_is_ended(j)) {
        put_end(o, j);
    }
}

void chef_put_snapshot(struct chef_out *o, const struct sink_snapshot *s, uint64_t epoch)
{
    struct str id;
    if (topic_job(s->topic, &id) != KIND_BUILD) {
        sink_snapshot_put_json(begin(o, STR("snapshot")), s, epoch);
        end(o, nowhere);
    } else if (s->job) {
        put_build_snapshot(o, s);
    }
}

void chef_put_gap(struct chef_out *o, const struct gap *gap, uint64_t epoch, int64_t wall_ms)
{
    const struct str job = STR("job:"), project = STR("project:");
    char text[FLAT_GAP_TEXT];
    struct buf *b = begin(o, STR("job:log"));
    buf_put(b, STR("{\"message\":"));
    buf_put_json(b, flat_gap_text(gap, text));
    if (str_starts(gap->topic, job)) {
        flat_put_text(b, "jobId", str_from(gap->topic, job.len));
    } else if (str_starts(gap->topic, project)) {
        flat_put_text(b, "projectId", str_from(gap->topic, project.len));
    }
    buf_put(b, STR(",\"level\":\"warning\""));
    flat_put_time(b, "timestamp", wall_ms);
    buf_put(b, STR(",\"gap\":"));
    gap_put_json(b, gap, epoch);
    buf_putc(b, '}');
    end(o, nowhere);
}

// --- what the hub says of itself ---

void chef_put_connected(struct chef_out *o, uint64_t epoch, uint64_t position)
{
    struct buf *b = begin(o, STR("connected"));
    buf_put(b, STR("{\"cursor\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = position});
    buf_put(b, STR("\"}"));
    end(o, (struct place){.told = true, .epoch = epoch, .id = position});
}

void chef_put_message(struct chef_out *o, const char *type, struct str data)
{
    struct buf *b = begin(o, str_of(type));
    buf_put(b, STR("{\"type\":"));
    buf_put_json(b, str_of(type));
    flat_put_raw(b, "data", data);
    buf_putc(b, '}');
    end(o, nowhere);
}

// "code":…,"message":…
static void put_code(struct buf *b, const struct chef_refusal *r)
{
    const char *text = r->text && r->text[0] ? r->text : err_text(r->err);
    buf_put(b, STR("\"code\":"));
    buf_put_json(b, str_of(err_code(r->err)));
    flat_put_text(b, "message", str_of(text));
}

void chef_put_refusal(struct chef_out *o, const struct chef_refusal *r)
{
    struct buf *b = begin(o, STR("WEBSOCKET_ERROR"));
    buf_put(b, STR("{\"type\":\"WEBSOCKET_ERROR\",\"data\":{"));
    put_code(b, r);
    buf_put(b, STR("},"));
    put_code(b, r);
    if (r->topic.p) {
        flat_put_text(b, "topic", r->topic);
    }
    buf_putc(b, '}');
    end(o, nowhere);
}

void chef_put_done(struct buf *b, uint64_t epoch, uint64_t cursor)
{
    buf_put(b, STR("[{\"ok\":true,\"cursor\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = cursor});
    buf_put(b, STR("\"}]"));
}

void chef_put_refused(struct buf *b, const struct chef_refusal *r)
{
    buf_put(b, STR("[{\"ok\":false,\"error\":{"));
    put_code(b, r);
    if (r->topic.p) {
        flat_put_text(b, "topic", r->topic);
    }
    buf_put(b, STR("}}]"));
}
