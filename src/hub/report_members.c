// SPDX-License-Identifier: MIT
// The plain members of a report: types, ranges and words are checked here, so that the reducer need
// not.
#include "base/err.h"
#include "hub/report_int.h"
#include "hub/state.h"
#include "hub/topic.h"

enum { LEASE_S_MAX = 86400 };

// A string, or a number as its text.
static int read_text(struct report_body *body, const char *name, struct json_val v, struct str *ret)
{
    if (v.type == JSON_NONE) {
        return 0;
    }
    if (v.type == JSON_NUMBER) {
        *ret = v.raw;
        return 0;
    }
    if (v.type != JSON_STRING) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`%s` must be a string.", name);
    }
    struct str text = json_string(v, body->arena);
    if (!text.p) {
        return -E_NO_MEMORY;
    }
    *ret = text;
    return 0;
}

int report_read_id(struct report_body *body, const char *name, struct json_val v, struct str *ret)
{
    struct str id = STR_NONE;
    int err = read_text(body, name, v, &id);
    if (err) {
        return err;
    }
    if (!topic_id_valid(id)) {
        return report_fault_set(
            body->fault, E_BAD_REQUEST,
            "`%s` must have 1 to %d bytes and no `/`, space, control character or `*`.", name,
            LIMIT_ID_BYTES);
    }
    *ret = id;
    return 0;
}

// An id that may be absent, for which some send an empty string.
static int read_other_id(struct report_body *body, enum report_field f, const char *name,
                         struct str *ret)
{
    struct json_val v = body->vals[f];
    if (v.type == JSON_NONE || (v.type == JSON_STRING && v.raw.len == 2)) {
        return 0;
    }
    return report_read_id(body, name, v, ret);
}

static const struct int_field {
    const char *name;
    int64_t min, max;
} int_fields[FIELD_NR] = {
    [FIELD_ATTEMPT] = {"attempt", 1, UINT32_MAX},
    [FIELD_LEASE] = {"lease", 0, LEASE_S_MAX},
    [FIELD_SEQ] = {"seq", 0, INT64_MAX},
    [FIELD_STEP] = {"step", 0, INT64_MAX},
    [FIELD_CURRENT_STEP] = {"current_step", 0, INT64_MAX},
    [FIELD_STEP_INDEX] = {"step_index", 0, INT64_MAX},
    [FIELD_STEPS_TOTAL] = {"total_steps", 0, INT64_MAX},
    [FIELD_ITERATION] = {"iteration", 0, INT64_MAX},
    [FIELD_EXIT_CODE] = {"exit_code", INT64_MIN, INT64_MAX},
};

// A whole number in its range. *named tells whether it is there.
static int read_int(struct report_body *body, enum report_field f, bool *named, int64_t *ret)
{
    const struct int_field *field = &int_fields[f];
    int64_t n;
    *named = report_has(body, f);
    if (!*named) {
        return 0;
    }
    if (json_int(body->vals[f], &n) != 0 || n < field->min || n > field->max) {
        return report_fault_set(body->fault, E_BAD_REQUEST,
                                "`%s` must be a whole number from %lld to %lld.", field->name,
                                (long long)field->min, (long long)field->max);
    }
    *ret = n;
    return 0;
}

static int read_control(struct report_body *body, struct report *r)
{
    int64_t attempt = 0, lease_s = 0, seq = 0;
    bool attempt_named, seq_named;
    int err = read_int(body, FIELD_ATTEMPT, &attempt_named, &attempt);
    if (!err) {
        err = read_int(body, FIELD_LEASE, &r->lease_named, &lease_s);
    }
    if (!err) {
        err = read_int(body, FIELD_SEQ, &seq_named, &seq);
    }
    if (err) {
        return err;
    }
    r->attempt = (uint32_t)attempt;
    r->lease_s = (uint32_t)lease_s;
    r->seq = (uint64_t)seq;
    r->reset_iterations = json_is_true(body->vals[FIELD_RESET_ITERATIONS]);
    if (seq_named != report_has(body, FIELD_PRODUCER)) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`producer` and `seq` go together.");
    }
    return seq_named ? report_read_id(body, "producer", body->vals[FIELD_PRODUCER], &r->producer)
                     : 0;
}

// An error may be any JSON: what is no string is kept as its text.
static int read_error(struct report_body *body, struct report *r)
{
    struct json_val v = body->vals[FIELD_ERROR];
    if (v.type == JSON_NONE) {
        v = body->vals[FIELD_ERROR_ELSE];
    }
    if (v.type == JSON_STRING) {
        return read_text(body, "error", v, &r->error);
    }
    if (v.type != JSON_NONE) {
        r->error = v.raw;
    }
    return 0;
}

static int read_texts(struct report_body *body, struct report *r)
{
    const struct {
        enum report_field field;
        const char *name;
        struct str *ret;
    } texts[] = {
        {FIELD_STATUS, "status", &r->status},
        {FIELD_PHASE, "phase", &r->phase},
        {FIELD_STEP, "step", &r->step},
        {FIELD_NAME, "name", &r->name},
        {FIELD_SIGNAL, "signal", &r->signal},
        {FIELD_STACK_ID, "stack_id", &r->stack_id},
        {FIELD_TARGET_ID, "target_id", &r->target_id},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int err = read_text(body, texts[i].name, body->vals[texts[i].field], texts[i].ret);
        if (err) {
            return err;
        }
    }
    // In a log report the message is the line.
    int err = r->verb == REPORT_LOG
                  ? 0
                  : read_text(body, "message", body->vals[FIELD_MESSAGE], &r->message);
    if (!err) {
        err = read_other_id(body, FIELD_OWNER, "user_id", &r->owner);
    }
    if (!err) {
        err = read_other_id(body, FIELD_PROJECT, "projectId", &r->project);
    }
    return err ? err : read_error(body, r);
}

// `step` is the text and `current_step` the number, unless it is the other way round.
static int read_steps(struct report_body *body, struct report *r)
{
    struct json_val step = body->vals[FIELD_STEP], current = body->vals[FIELD_CURRENT_STEP];
    int err = read_int(body, FIELD_STEP_INDEX, &r->step_index_named, &r->step_index);
    if (err) {
        return err;
    }
    if (current.type == JSON_NUMBER) {
        return read_int(body, FIELD_CURRENT_STEP, &r->step_index_named, &r->step_index);
    }
    if (current.type == JSON_NONE || step.type == JSON_STRING) {
        return 0;
    }
    err = read_text(body, "current_step", current, &r->step);
    if (!err && step.type == JSON_NUMBER) {
        err = read_int(body, FIELD_STEP, &r->step_index_named, &r->step_index);
    }
    return err;
}

static int read_progress(struct report_body *body, struct report *r)
{
    double d;
    r->progress_named = report_has(body, FIELD_PROGRESS);
    if (!r->progress_named) {
        return 0;
    }
    if (json_double(body->vals[FIELD_PROGRESS], &d) != 0 || !(d >= 0 && d <= 100)) {
        return report_fault_set(body->fault, E_BAD_REQUEST,
                                "`progress` must be a number from 0 to 100.");
    }
    r->progress = d + 0.0; // -0 is 0
    return 0;
}

static int read_numbers(struct report_body *body, struct report *r)
{
    int err = read_steps(body, r);
    if (!err) {
        err = read_int(body, FIELD_STEPS_TOTAL, &r->steps_total_named, &r->steps_total);
    }
    if (!err) {
        err = read_int(body, FIELD_ITERATION, &r->iteration_named, &r->iteration);
    }
    if (!err) {
        err = read_int(body, FIELD_EXIT_CODE, &r->exit_code_named, &r->exit_code);
    }
    r->result = body->vals[FIELD_RESULT];
    return err ? err : read_progress(body, r);
}

// The words a kind knows, for the sentence that refuses another one.
static const char *words_of(enum job_kind kind)
{
    switch (kind) {
    case KIND_DEPLOYMENT:
        return "pending, deploying, running, success, failed or cancelled";
    case KIND_TICKET:
        return "IDLE, PENDING, IN_PROGRESS, COMPLETED, FAILED or CANCELLED";
    case KIND_BUILD:
    case KIND_NR:
        break;
    }
    return "queued, preparing, installing, building, completed, failed or cancelled";
}

static int check_words(struct report_body *body, const struct report *r)
{
    if (r->status.p && state_parse(r->kind, r->status) == STATUS_NONE) {
        return report_fault_set(body->fault, E_BAD_REQUEST, "`status` must be one of %s.",
                                words_of(r->kind));
    }
    if (!r->phase.p) {
        return 0;
    }
    enum job_status phase = state_parse(KIND_BUILD, r->phase);
    if (phase == STATUS_NONE || phase == STATUS_BUILD_FAILED || phase == STATUS_BUILD_CANCELLED) {
        return report_fault_set(body->fault, E_BAD_REQUEST,
                                "`phase` must be one of queued, preparing, installing, building or "
                                "completed.");
    }
    return 0;
}

int report_read_members(struct report_body *body, struct report *r)
{
    int err = read_control(body, r);
    if (!err) {
        err = read_texts(body, r);
    }
    if (!err) {
        err = read_numbers(body, r);
    }
    return err ? err : check_words(body, r);
}
