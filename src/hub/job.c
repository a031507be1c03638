// SPDX-License-Identifier: MIT
// Jobs: their life, what state they are in, and the JOB object of the API.
#include "hub/job.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/job_fields.h"
#include "hub/state.h"
#include "wire/cursor.h"

const struct job_text_field job_text_fields[JOB_TEXTS] = {
    {"phase", offsetof(struct job, phase)},
    {"step", offsetof(struct job, step)},
    {"message", offsetof(struct job, message)},
    {"error", offsetof(struct job, error)},
    {"owner", offsetof(struct job, owner)},
    {"project", offsetof(struct job, project)},
    {"name", offsetof(struct job, name)},
    {"stack_id", offsetof(struct job, stack_id)},
    {"target_id", offsetof(struct job, target_id)},
    {"result", offsetof(struct job, result)},
    {"signal", offsetof(struct job, signal)},
    {"progress_event_data", offsetof(struct job, progress_event_data)},
    {"id", offsetof(struct job, id)},
};

struct job *job_new(enum job_kind kind, struct str id)
{
    ASSERT(kind < KIND_NR);
    struct job *j = mem_try_alloc(sizeof(*j));
    if (!j) {
        return NULL;
    }
    j->id = mem_try_strdup(id);
    if (!j->id) {
        mem_free(j);
        return NULL;
    }
    atomic_init(&j->refs, 1);
    j->kind = kind;
    j->status = STATUS_NONE;
    j->step_index = j->steps_total = j->iteration = -1;
    return j;
}

static void job_free(struct job *j)
{
    for (unsigned i = 0; i < JOB_TEXTS; i++) {
        mem_free(*job_text_at(j, i));
    }
    for (unsigned i = 0; i < j->producers_count; i++) {
        mem_free(j->producers[i].name);
    }
    mem_free(j);
}

static bool copy_text(char **field)
{
    if (*field) {
        *field = mem_try_strdup(str_of(*field));
        return *field != NULL;
    }
    return true;
}

struct job *job_copy(const struct job *j)
{
    struct job *copy = mem_try_alloc(sizeof(*copy));
    if (!copy) {
        return NULL;
    }
    memcpy((void *)copy, (const void *)j, sizeof(*copy)); // the count is set anew below
    atomic_init(&copy->refs, 1);
    bool ok = true;
    // After a failure the rest is cleared, so that nothing is freed that belongs to the original.
    for (unsigned i = 0; i < JOB_TEXTS; i++) {
        char **field = job_text_at(copy, i);
        ok = ok && copy_text(field);
        *field = ok ? *field : NULL;
    }
    for (unsigned i = 0; i < copy->producers_count; i++) {
        char **field = &copy->producers[i].name;
        ok = ok && copy_text(field);
        *field = ok ? *field : NULL;
    }
    if (!ok) {
        job_free(copy);
        return NULL;
    }
    return copy;
}

struct job *job_ref(struct job *j)
{
    unsigned before = atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return j;
}

void job_unref(struct job *j)
{
    if (!j) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        job_free(j);
    }
}

const char *job_status_text(const struct job *j)
{
    return j->status == STATUS_NONE ? "" : state_text(j->status);
}

bool job_is_ended(const struct job *j)
{
    return state_ends(j->status);
}

bool job_is_open(const struct job *j)
{
    return j->attempt > 0 && !job_is_ended(j) && !j->settled && j->status != STATUS_TICKET_IDLE;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t job_next_deadline(const struct job *j)
{
    int64_t next = INT64_MAX;
    if (j->progress_pending) { // the wide topics wait for it, if they must
        next = j->progress_next_mono_ms;
    } else if (j->wide_pending) {
        next = j->wide_next_mono_ms;
    }
    if (j->lease_s > 0) {
        bool grace = j->stalled && !j->cancel_requested;
        next = earlier(next, j->lease_until_mono_ms + (grace ? LIMIT_LEASE_GRACE_MS : 0));
    } else if (j->cancel_requested && j->cancel_until_mono_ms != 0 && job_is_open(j)) {
        next = earlier(next, j->cancel_until_mono_ms);
    }
    return next;
}

void job_put_progress(struct buf *b, double progress)
{
    if (progress == floor(progress) && fabs(progress) < 1e15) {
        buf_put_i64(b, (int64_t)progress);
    } else {
        buf_putf(b, "%.10g", progress);
    }
}

// --- strings ---

#define REPLACEMENT "\xef\xbf\xbd"

int job_set_text(char **field, struct str s)
{
    char *text = NULL;
    if (s.p) {
        size_t nuls = 0, at = 0;
        for (size_t i = 0; i < s.len; i++) {
            nuls += s.p[i] == '\0';
        }
        text = mem_try_alloc(s.len + nuls * (sizeof(REPLACEMENT) - 2) + 1);
        if (!text) {
            return -E_NO_MEMORY;
        }
        for (size_t i = 0; i < s.len; i++) {
            if (s.p[i] == '\0') {
                memcpy(text + at, REPLACEMENT, sizeof(REPLACEMENT) - 1);
                at += sizeof(REPLACEMENT) - 1;
            } else {
                text[at++] = s.p[i];
            }
        }
    }
    mem_free(*field);
    *field = text;
    return 0;
}

bool job_text_differs(const char *field, struct str s)
{
    if (!field || !s.p) {
        return field || s.p;
    }
    const size_t wide = sizeof(REPLACEMENT) - 1;
    size_t len = strlen(field), at = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '\0') {
            if (len - at < wide || memcmp(field + at, REPLACEMENT, wide) != 0) {
                return true;
            }
            at += wide;
        } else if (at >= len || field[at++] != s.p[i]) {
            return true;
        }
    }
    return at != len;
}

// --- the JOB object ---

static void put_text(struct buf *b, const char *name, const char *text)
{
    buf_putf(b, ",\"%s\":", name);
    if (text) {
        buf_put_json(b, str_of(text));
    } else {
        buf_put(b, STR("null"));
    }
}

static void put_text_known(struct buf *b, const char *name, const char *text)
{
    if (text) {
        put_text(b, name, text);
    }
}

static void put_time(struct buf *b, const char *name, int64_t wall_ms)
{
    buf_putf(b, ",\"%s\":", name);
    if (wall_ms == 0) {
        buf_put(b, STR("null"));
        return;
    }
    buf_putc(b, '"');
    buf_put_time(b, wall_ms);
    buf_putc(b, '"');
}

static void put_number_known(struct buf *b, const char *name, int64_t n, bool known)
{
    if (known) {
        buf_putf(b, ",\"%s\":", name);
        buf_put_i64(b, n);
    }
}

static void put_flag(struct buf *b, const char *name, bool on)
{
    buf_putf(b, ",\"%s\":%s", name, on ? "true" : "false");
}

static void put_kind_fields(struct buf *b, const struct job *j)
{
    put_text(b, kind_id_field(j->kind), j->id);
    if (j->kind == KIND_BUILD) {
        put_text(b, "projectId", j->project);
        put_text(b, "phase", j->phase);
    }
    if (j->kind == KIND_DEPLOYMENT) {
        put_text(b, "stack_id", j->stack_id);
        put_text(b, "target_id", j->target_id);
    }
    if (j->kind == KIND_DEPLOYMENT || j->name) {
        put_text(b, "name", j->name);
    }
}

void job_put_json_open(struct buf *b, const struct job *j, uint64_t epoch)
{
    buf_putf(b, "{\"kind\":\"%s\"", kind_name(j->kind));
    put_text(b, "id", j->id);
    buf_put(b, STR(",\"attempt\":"));
    buf_put_u64(b, j->attempt);
    put_text(b, "status", j->status == STATUS_NONE ? NULL : state_text(j->status));
    buf_put(b, STR(",\"progress\":"));
    job_put_progress(b, j->progress);
    put_text(b, "step", j->step);
    put_text(b, "message", j->message);
    put_text(b, "error", j->error);
    buf_put(b, STR(",\"result\":"));
    buf_put(b, j->result ? str_of(j->result) : STR("null"));
    put_text(b, "owner", j->owner);
    put_text(b, "project", j->project);
    put_time(b, "created_at", j->created_ms);
    put_time(b, "started_at", j->started_ms);
    put_time(b, "updated_at", j->updated_ms);
    put_time(b, "ended_at", j->ended_ms);
    buf_put(b, STR(",\"cursor\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = j->cursor_id});
    buf_putc(b, '"');
    put_kind_fields(b, j);
    put_flag(b, "settled", j->settled);
    put_flag(b, "stalled", j->stalled);
    put_flag(b, "cancel_requested", j->cancel_requested);
    put_number_known(b, "lease", j->lease_s, j->lease_s > 0);
    put_number_known(b, "step_index", j->step_index, j->step_index >= 0);
    put_number_known(b, "total_steps", j->steps_total, j->steps_total >= 0);
    put_number_known(b, "iteration", j->iteration, j->iteration >= 0);
    put_number_known(b, "exit_code", j->exit_code, j->exit_code_known);
    put_text_known(b, "signal", j->signal);
}
