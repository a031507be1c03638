// SPDX-License-Identifier: MIT
// From data to report: sorts the members of a body by a table into those that mean something and
// those that only go into the event, and checks that what a verb needs is there.
#include "hub/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "hub/report_int.h"
#include "hub/state.h"
#include "hub/topic.h"

#define V(verb) (1u << REPORT_##verb)
#define K(kind) (1u << KIND_##kind)

enum {
    V_BEGIN = V(CREATE) | V(START),
    V_MOVE = V(STATUS) | V(PROGRESS) | V(COMPLETE) | V(ERROR),
    V_STATE = V_BEGIN | V_MOVE,
    V_ALL = V_STATE | V(LOG) | V(CANCEL) | V(DELETE),
    K_D = K(DEPLOYMENT),
    K_T = K(TICKET),
    K_B = K(BUILD),
    K_ALL = K_D | K_T | K_B,
};

// The first row that fits decides. `keep`: the member also goes into the event as it came, for the
// event has no member of its own for it. What no row names goes into the event.
static const struct member {
    const char *name;
    unsigned kinds, verbs;
    enum report_field field;
    bool keep;
} members[] = {
    {"producer", K_ALL, V_ALL, FIELD_PRODUCER, false},
    {"seq", K_ALL, V_ALL, FIELD_SEQ, false},
    {"lease", K_ALL, V_ALL, FIELD_LEASE, false},
    {"attempt", K_ALL, V_ALL, FIELD_ATTEMPT, false},
    {"durability", K_ALL, V_ALL, FIELD_DROPPED, false},
    {"timestamp", K_ALL, V_ALL, FIELD_DROPPED, false},
    {"deployment_id", K_D, V_ALL, FIELD_ID, false},
    {"deploymentId", K_D, V_ALL, FIELD_ID, false},
    {"ticket_id", K_T, V_ALL, FIELD_ID, false},
    {"ticketId", K_T, V_ALL, FIELD_ID, false},
    {"jobId", K_B, V_ALL, FIELD_ID, false},
    {"job_id", K_B, V_ALL, FIELD_ID, false},
    {"id", K_ALL, V(CREATE), FIELD_ID, false},
    {"workflow", K_ALL, V_BEGIN, FIELD_DROPPED, false},
    {"variables", K_D, V(CREATE), FIELD_DROPPED, false}, // may hold secrets
    {"reset_iterations", K_T, V_BEGIN, FIELD_RESET_ITERATIONS, false},
    {"projectId", K_B, V_ALL, FIELD_PROJECT, false},
    {"project_id", K_B, V_ALL, FIELD_PROJECT, false},
    {"project", K_B, V_ALL, FIELD_PROJECT, false},
    {"project", K_ALL, V_STATE | V(DELETE), FIELD_PROJECT, false},
    {"project", K_ALL, V_ALL, FIELD_PROJECT, true},
    {"user_id", K_ALL, V_STATE | V(DELETE), FIELD_OWNER, false},
    {"user_id", K_ALL, V_ALL, FIELD_OWNER, true},
    {"name", K_ALL, V_STATE | V(DELETE), FIELD_NAME, false},
    {"stack_id", K_D, V(CREATE), FIELD_STACK_ID, false},
    {"target_id", K_D, V(CREATE), FIELD_TARGET_ID, false},
    {"status", K_ALL, V_STATE, FIELD_STATUS, false},
    {"status", K_D, V(DELETE), FIELD_DROPPED, false},
    {"old_status", K_D, V_STATE, FIELD_DROPPED, false},
    {"settled", K_ALL, V_STATE, FIELD_DROPPED, false},
    {"stalled", K_ALL, V_STATE, FIELD_DROPPED, false},
    {"cancel_requested", K_ALL, V_STATE, FIELD_DROPPED, false},
    {"phase", K_B, V_STATE, FIELD_PHASE, false},
    {"message", K_ALL, V_STATE | V(LOG), FIELD_MESSAGE, false},
    {"error_message", K_D, V_STATE, FIELD_ERROR, false},
    {"error", K_D, V_STATE, FIELD_ERROR_ELSE, true},
    {"error", K_T | K_B, V_STATE, FIELD_ERROR, false},
    {"error_message", K_T | K_B, V_STATE, FIELD_ERROR_ELSE, true},
    {"progress", K_ALL, V_STATE, FIELD_PROGRESS, false},
    {"step", K_ALL, V_STATE, FIELD_STEP, false},
    {"current_step", K_D, V_STATE, FIELD_CURRENT_STEP, false},
    {"step_index", K_D, V_STATE, FIELD_STEP_INDEX, false},
    {"total_steps", K_D, V_STATE, FIELD_STEPS_TOTAL, false},
    {"iteration", K_T, V_STATE, FIELD_ITERATION, false},
    {"exit_code", K_ALL, V_STATE, FIELD_EXIT_CODE, false},
    {"signal", K_ALL, V_STATE, FIELD_SIGNAL, false},
    {"result", K_ALL, V_STATE, FIELD_RESULT, false},
    {"logs", K_ALL, V_MOVE | V(LOG), FIELD_LOGS, false},
    {"lines", K_ALL, V_MOVE | V(LOG), FIELD_LINES, false},
    {"append", K_ALL, V_MOVE | V(LOG), FIELD_APPEND, false},
    {"level", K_ALL, V(LOG), FIELD_LEVEL, false},
    {"level", K_ALL, V_MOVE, FIELD_LEVEL, true},
    {"line", K_ALL, V(LOG), FIELD_DROPPED, false},
    {"levels", K_ALL, V(LOG), FIELD_DROPPED, false},
    {"cont", K_ALL, V(LOG), FIELD_DROPPED, false},
};

int report_fault_set(struct report_fault *fault, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(fault->text, sizeof(fault->text), fmt, args);
    va_end(args);
    return -err;
}

static const struct member *find_member(struct json_val key, enum job_kind kind,
                                        enum report_verb verb)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct member *m = &members[i];
        if (m->kinds >> kind & m->verbs >> verb & 1 && json_string_is(key, str_of(m->name))) {
            return m;
        }
    }
    return NULL;
}

static void put_extra(struct buf *b, struct json_val key, struct json_val val)
{
    if (b->len > 0) {
        buf_putc(b, ',');
    }
    buf_put(b, key.raw);
    buf_putc(b, ':');
    json_put_minified(b, val);
}

static int keep_extra(struct report_body *body, const struct buf *b, struct report *ret)
{
    if (b->failed) {
        return -E_NO_MEMORY;
    }
    if (b->len > LIMIT_DATA_BYTES) {
        return report_fault_set(body->fault, E_TOO_LARGE, "The data is larger than %d bytes.",
                                LIMIT_DATA_BYTES);
    }
    ret->extra = arena_try_copy(body->arena, buf_str(b));
    return ret->extra.p ? 0 : -E_NO_MEMORY;
}

// A body may name its job twice, but not two jobs.
static int take_id(struct report_body *body, struct json_val key, struct json_val val,
                   struct str *id)
{
    char name[32]; // the key without its quotes
    (void)snprintf(name, sizeof(name), "%.*s", (int)key.raw.len - 2, key.raw.p + 1);
    struct str named;
    int err = report_read_id(body, name, val, &named);
    if (err) {
        return err;
    }
    if (id->p && !str_eq(*id, named)) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "The report names two different ids.");
    }
    *id = named;
    return 0;
}

// Puts each member where it belongs.
static int sort_members(struct report_body *body, struct json_val object, struct report *r)
{
    struct buf extra;
    struct json_iter it = json_iter(object);
    struct json_val key, val;
    int err = 0;
    buf_init(&extra, object.raw.len + 1);
    while (!err && json_next(&it, &key, &val)) {
        const struct member *m = find_member(key, r->kind, r->verb);
        if (!m || m->keep) {
            put_extra(&extra, key, val);
        }
        if (!m || m->field == FIELD_DROPPED) {
            continue;
        }
        if (m->field == FIELD_ID && val.type != JSON_NULL) {
            err = take_id(body, key, val, &r->id);
        }
        body->vals[m->field] = val.type == JSON_NULL ? (struct json_val){0} : val;
    }
    if (!err) {
        err = keep_extra(body, &extra, r);
    }
    buf_fini(&extra);
    return err;
}

// --- what a verb needs ---

static bool names_state(const struct report_body *body)
{
    for (int f = FIELD_CONTROL_NR; f < FIELD_NR; f++) {
        if (report_has(body, (enum report_field)f)) {
            return true;
        }
    }
    return false;
}

static bool names_more_than_log(const struct report_body *body)
{
    for (int f = FIELD_CONTROL_NR; f < FIELD_LOGS; f++) {
        if (report_has(body, (enum report_field)f)) {
            return true;
        }
    }
    return false;
}

static int missing(struct report_body *body, const char *what)
{
    return report_fault_set(body->fault, E_BAD_REQUEST, "%s is missing.", what);
}

static int check_create(struct report_body *body, const struct report *r, bool call)
{
    if (!call) {
        return 0;
    }
    if (r->kind == KIND_DEPLOYMENT && !r->stack_id.p) {
        return missing(body, "`stack_id`");
    }
    if (r->kind == KIND_DEPLOYMENT && !r->target_id.p) {
        return missing(body, "`target_id`");
    }
    if (r->kind == KIND_BUILD && !r->project.p) {
        return missing(body, "`projectId`");
    }
    return 0;
}

static int check_deployment(struct report_body *body, const struct report *r)
{
    bool more = names_more_than_log(body) || r->extra.len > 0;
    if (r->verb == REPORT_STATUS && !r->status.p && more) {
        return missing(body, "`status`");
    }
    if (r->verb == REPORT_COMPLETE && !r->status.p) {
        return missing(body, "`status`");
    }
    if (r->verb == REPORT_PROGRESS && !r->status.p && !r->progress_named && !r->step.p &&
        !r->step_index_named && !r->steps_total_named && !r->message.p && more) {
        return missing(body, "`progress`");
    }
    return 0;
}

// Is the status one that the verb can report?
static int check_status(struct report_body *body, const struct report *r)
{
    if (!r->status.p) {
        return 0;
    }
    enum job_status s = state_parse(r->kind, r->status);
    bool good = true;
    if (r->verb == REPORT_CREATE || r->verb == REPORT_START) {
        good = r->kind == KIND_DEPLOYMENT ? !state_ends(s)
               : r->kind == KIND_TICKET   ? s == STATUS_TICKET_PENDING
                                          : s == state_first(r->kind);
    } else if (r->verb == REPORT_COMPLETE) {
        good = r->kind == KIND_DEPLOYMENT ? state_ends(s) : s == state_success(r->kind);
    } else if (r->verb == REPORT_ERROR) {
        good = s == state_failed(r->kind) || s == state_cancelled(r->kind);
    }
    if (!good) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`status` can't be %s here.",
                                state_text(s));
    }
    return 0;
}

static int check_log(struct report_body *body, const struct report *r)
{
    bool named = report_has(body, FIELD_LOGS) || report_has(body, FIELD_MESSAGE) ||
                 body->vals[FIELD_LINES].type == JSON_ARRAY || r->append_false;
    if (!named && (!r->lease_named || names_state(body) || r->extra.len > 0)) {
        return missing(body, "`logs`, `lines` or `message`");
    }
    return 0;
}

static int check(struct report_body *body, struct report *r, bool call)
{
    bool says = names_state(body) || r->extra.len > 0;
    r->empty =
        !names_more_than_log(body) && r->extra.len == 0 && r->lines_count == 0 && !r->append_false;
    int err = check_status(body, r);
    if (err) {
        return err;
    }
    switch (r->verb) {
    case REPORT_CREATE:
    case REPORT_START:
        r->empty = false;
        return check_create(body, r, call);
    case REPORT_LOG:
        r->empty = r->lines_count == 0 && !r->append_false;
        return check_log(body, r);
    case REPORT_STATUS:
    case REPORT_PROGRESS:
        if (!says && !r->lease_named) {
            return report_fault_set(body->fault, E_BAD_REQUEST, "The report says nothing.");
        }
        break;
    case REPORT_COMPLETE:
    case REPORT_ERROR:
    case REPORT_CANCEL:
    case REPORT_DELETE:
        r->empty = false;
        break;
    }
    return r->kind == KIND_DEPLOYMENT ? check_deployment(body, r) : 0;
}

// --- the two doors ---

static int read_body(struct report_body *body, struct json_val object, struct report *r, bool call)
{
    int err = sort_members(body, object, r);
    if (!err) {
        err = report_read_members(body, r);
    }
    if (!err) {
        err = report_read_lines(body, r);
    }
    return err ? err : check(body, r, call);
}

int report_from_call(enum job_kind kind, enum report_verb verb, struct str id,
                     struct json_val object, struct arena *a, struct report *ret,
                     struct report_fault *fault)
{
    ASSERT(kind < KIND_NR);
    fault->text[0] = '\0';
    struct report_body body = {.arena = a, .fault = fault};
    struct report r = {.kind = kind, .verb = verb, .id = verb == REPORT_CREATE ? STR_NONE : id};
    bool optional = verb == REPORT_CANCEL || verb == REPORT_DELETE;
    if (object.type != JSON_OBJECT && !(optional && object.type == JSON_NONE)) {
        return report_fault_set(fault, E_BAD_REQUEST, "The body must be a JSON object.");
    }
    if (id.p && !topic_id_valid(id)) {
        return report_fault_set(fault, E_BAD_REQUEST, "The id in the path is not one.");
    }
    int err = read_body(&body, object, &r, true);
    if (err) {
        return err;
    }
    if (!r.id.p && verb == REPORT_CREATE) {
        r.id = id;
    } else if (!r.id.p) {
        return report_fault_set(fault, E_BAD_REQUEST, "`%s` is missing.", kind_id_field(kind));
    }
    *ret = r;
    return 0;
}

static const struct {
    enum event_type type;
    enum report_verb verb;
} verbs_of_events[] = {
    {EVENT_TYPE_DEPLOYMENT_CREATED, REPORT_CREATE},
    {EVENT_TYPE_DEPLOYMENT_DELETED, REPORT_DELETE},
    {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, REPORT_STATUS},
    {EVENT_TYPE_DEPLOYMENT_LOGS_UPDATE, REPORT_LOG},
    {EVENT_TYPE_DEPLOYMENT_PROGRESS, REPORT_PROGRESS},
    {EVENT_TYPE_DEPLOYMENT_COMPLETE, REPORT_COMPLETE},
    {EVENT_TYPE_TICKET_STATUS_CHANGED, REPORT_STATUS},
    {EVENT_TYPE_TICKET_LOG, REPORT_LOG},
    {EVENT_TYPE_JOB_PROGRESS, REPORT_PROGRESS},
    {EVENT_TYPE_JOB_LOG, REPORT_LOG},
    {EVENT_TYPE_JOB_COMPLETED, REPORT_COMPLETE},
    {EVENT_TYPE_JOB_ERROR, REPORT_ERROR},
};

static enum report_verb verb_of_event(enum event_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs_of_events); i++) {
        if (verbs_of_events[i].type == type) {
            return verbs_of_events[i].verb;
        }
    }
    UNREACHABLE(); // every type of a job family is in the table
}

// Does the data name a job of this kind?
static bool names_job(enum job_kind kind, enum report_verb verb, struct json_val data)
{
    struct json_iter it = json_iter(data);
    struct json_val key, val;
    while (data.type == JSON_OBJECT && json_next(&it, &key, &val)) {
        const struct member *m = find_member(key, kind, verb);
        if (m && m->field == FIELD_ID && val.type != JSON_NULL && !json_string_is(key, STR("id"))) {
            return true;
        }
    }
    return false;
}

int report_from_event(enum event_type type, struct json_val data, struct arena *a,
                      struct report *ret, struct report_fault *fault)
{
    enum job_kind kind = event_type_family(type);
    ASSERT(kind != KIND_NONE);
    enum report_verb verb = verb_of_event(type);
    fault->text[0] = '\0';
    if (!names_job(kind, verb, data)) {
        return 1;
    }
    struct report_body body = {.arena = a, .fault = fault};
    struct report r = {.kind = kind, .verb = verb};
    int err = read_body(&body, data, &r, false);
    if (err) {
        return err;
    }
    ASSERT(r.id.p);
    *ret = r;
    return 0;
}
