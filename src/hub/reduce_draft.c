// SPDX-License-Identifier: MIT
// Data of the events that a reduction makes.
#include "base/assert.h"
#include "base/err.h"
#include "hub/reduce_int.h"

#include <stdio.h>

static void put_name(struct reduce *x, const char *name)
{
    buf_putf(&x->b, ",\"%s\":", name);
}

void draft_begin(struct reduce *x)
{
    const struct job *j = x->j;
    buf_clear(&x->b);
    buf_putf(&x->b, "{\"%s\":", kind_id_field(j->kind));
    buf_put_json(&x->b, str_of(j->id));
    if (j->kind == KIND_DEPLOYMENT) {
        draft_text(x, "deploymentId", str_of(j->id));
    } else if (j->kind == KIND_BUILD) {
        draft_text(x, "projectId", str_of(j->project));
    }
}

void draft_text(struct reduce *x, const char *name, struct str s)
{
    put_name(x, name);
    if (s.p) {
        buf_put_json(&x->b, s);
    } else {
        buf_put(&x->b, STR("null"));
    }
}

void draft_text_known(struct reduce *x, const char *name, struct str s)
{
    if (s.p) {
        draft_text(x, name, s);
    }
}

void draft_int(struct reduce *x, const char *name, int64_t n)
{
    put_name(x, name);
    buf_put_i64(&x->b, n);
}

void draft_raw(struct reduce *x, const char *name, struct str json)
{
    put_name(x, name);
    buf_put(&x->b, json.p ? json : STR("null"));
}

void draft_progress(struct reduce *x)
{
    put_name(x, "progress");
    job_put_progress(&x->b, x->j->progress);
}

void draft_time(struct reduce *x)
{
    put_name(x, "timestamp");
    buf_putc(&x->b, '"');
    buf_put_time(&x->b, x->now.wall_ms);
    buf_putc(&x->b, '"');
}

static void put_steps(struct reduce *x)
{
    const struct report *r = x->r;
    draft_text_known(x, "step", r->step);
    if (r->step.p && x->j->kind == KIND_DEPLOYMENT) {
        draft_text(x, "current_step", r->step);
    } else if (r->step_index_named) {
        draft_int(x, "current_step", r->step_index);
    }
    if (r->step_index_named) {
        draft_int(x, "step_index", r->step_index);
    }
    if (r->steps_total_named) {
        draft_int(x, "total_steps", r->steps_total);
    }
}

void draft_rest(struct reduce *x, unsigned had)
{
    const struct report *r = x->r;
    const char *error = x->j->kind == KIND_DEPLOYMENT ? "error_message" : "error";
    draft_text_known(x, "message", had & HAD_MESSAGE ? STR_NONE : r->message);
    draft_text_known(x, error, had & HAD_ERROR ? STR_NONE : r->error);
    draft_text_known(x, "user_id", had & HAD_OWNER ? STR_NONE : r->owner);
    draft_text_known(x, "name", had & HAD_NAME ? STR_NONE : r->name);
    if (!(had & HAD_PROJECT) && x->j->kind != KIND_BUILD) {
        draft_text_known(x, "project", r->project);
    }
    if (!(had & HAD_PROGRESS) && r->progress_named) {
        draft_progress(x);
    }
    if (!(had & HAD_STEP)) {
        put_steps(x);
    }
    if (r->iteration_named) {
        draft_int(x, "iteration", r->iteration);
    }
    if (r->exit_code_named) {
        draft_int(x, "exit_code", r->exit_code);
    }
    draft_text_known(x, "signal", r->signal);
    if (!(had & HAD_RESULT) && r->result.type != JSON_NONE) {
        put_name(x, "result");
        json_put_minified(&x->b, r->result);
    }
    if (r->extra.len > 0) {
        buf_putc(&x->b, ',');
        buf_put(&x->b, r->extra);
    }
}

int draft_end(struct reduce *x, struct draft_as as)
{
    struct reduction *ret = x->ret;
    draft_int(x, "attempt", x->j->attempt);
    buf_putc(&x->b, '}');
    if (x->b.failed) {
        return -E_NO_MEMORY;
    }
    if (x->b.len > LIMIT_DATA_BYTES) {
        (void)snprintf(ret->fault, sizeof(ret->fault),
                       "The data of the event is larger than %d bytes.", LIMIT_DATA_BYTES);
        return -E_TOO_LARGE;
    }
    struct str data = arena_try_copy(x->arena, buf_str(&x->b));
    if (!data.p) {
        return -E_NO_MEMORY;
    }
    ASSERT(ret->count < REDUCTION_DRAFTS_MAX);
    ret->drafts[ret->count++] = (struct event_draft){
        .type = str_of(event_type_name(as.type)),
        .data = data,
        .flags = as.flags,
        .scope = as.scope ? as.scope : SCOPE_ALL,
        .attempt = x->j->attempt,
        .line = as.line,
        .lines = as.lines,
    };
    return 0;
}
