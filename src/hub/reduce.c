// SPDX-License-Identifier: MIT
// The reducer: what all reports have in common, whatever the kind of their job.
#include "hub/reduce.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/reduce_int.h"
#include "hub/state.h"

int reduce_conflict(struct reduce *x, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(x->ret->fault, sizeof(x->ret->fault), fmt, args);
    va_end(args);
    return -E_CONFLICT;
}

int reduce_conflict_move(struct reduce *x, enum job_status to)
{
    return reduce_conflict(x, "The status can't go from %s to %s.", job_status_text(x->j),
                           state_text(to));
}

int reduce_conflict_ended(struct reduce *x)
{
    return reduce_conflict(x, "The attempt has ended (%s): only log lines are taken now.",
                           job_status_text(x->j));
}

void reduce_touch(struct reduce *x, enum durability effect)
{
    if (effect > x->ret->effect) {
        x->ret->effect = effect;
    }
    x->ret->save = true;
    x->j->updated_ms = x->now.wall_ms;
}

// --- what a report says ---

static bool names(const char *field, struct str s)
{
    return s.p && job_text_differs(field, s);
}

static bool changes_step(const struct job *j, const struct report *r)
{
    return names(j->step, r->step) || (r->step_index_named && r->step_index != j->step_index) ||
           (r->steps_total_named && r->steps_total != j->steps_total);
}

bool reduce_changes_identity(const struct reduce *x)
{
    const struct job *j = x->j;
    const struct report *r = x->r;
    return names(j->owner, r->owner) || names(j->project, r->project) || names(j->name, r->name);
}

static bool changes_other(const struct reduce *x)
{
    const struct job *j = x->j;
    const struct report *r = x->r;
    bool exit_code = r->exit_code_named && (!j->exit_code_known || r->exit_code != j->exit_code);
    return reduce_changes_identity(x) || names(j->error, r->error) || names(j->signal, r->signal) ||
           exit_code || r->result.type != JSON_NONE || r->extra.len > 0;
}

unsigned reduce_changes(const struct reduce *x)
{
    const struct job *j = x->j;
    const struct report *r = x->r;
    unsigned changes = 0;
    if (r->progress_named &&
        (!j->progress_known || r->progress < j->progress || r->progress > j->progress)) {
        changes |= CHANGE_PROGRESS;
    }
    if (names(j->message, r->message)) {
        changes |= CHANGE_MESSAGE;
    }
    if (changes_step(j, r)) {
        changes |= CHANGE_STEP;
    }
    if (r->iteration_named && r->iteration != j->iteration) {
        changes |= CHANGE_ITERATION;
    }
    return changes_other(x) ? changes | CHANGE_OTHER : changes;
}

bool reduce_says_state(const struct report *r)
{
    return r->message.p || r->error.p || r->name.p || r->signal.p || r->step.p ||
           r->progress_named || r->exit_code_named || r->step_index_named || r->steps_total_named ||
           r->iteration_named || r->result.type != JSON_NONE || r->extra.len > 0;
}

// --- taking it over ---

static int set_known(char **field, struct str s)
{
    return s.p ? job_set_text(field, s) : 0;
}

int reduce_apply_identity(struct reduce *x)
{
    struct job *j = x->j;
    const struct report *r = x->r;
    int err = set_known(&j->owner, r->owner);
    if (!err) {
        err = set_known(&j->project, r->project);
    }
    return err ? err : set_known(&j->name, r->name);
}

// The step's text and number are one: a new one of either makes the other unknown, unless it comes
// along.
static int apply_step(struct job *j, const struct report *r)
{
    bool text_new = names(j->step, r->step);
    bool index_new = r->step_index_named && r->step_index != j->step_index;
    if (r->steps_total_named) {
        j->steps_total = r->steps_total;
    }
    if (!text_new && !index_new) {
        return 0;
    }
    j->step_index = r->step_index_named ? r->step_index : -1;
    return job_set_text(&j->step, r->step);
}

static int apply_result(struct job *j, struct json_val result)
{
    if (result.type == JSON_NONE) {
        return 0;
    }
    struct buf b;
    buf_init(&b, result.raw.len + 1);
    json_put_minified(&b, result);
    int err = b.failed ? -E_NO_MEMORY : job_set_text(&j->result, buf_str(&b));
    buf_fini(&b);
    return err;
}

static void apply_numbers(struct job *j, const struct report *r)
{
    if (r->progress_named) {
        j->progress = r->progress;
        j->progress_known = true;
    }
    if (r->iteration_named) {
        j->iteration = r->iteration;
    }
    if (r->exit_code_named) {
        j->exit_code = r->exit_code;
        j->exit_code_known = true;
    }
}

int reduce_apply(struct reduce *x)
{
    struct job *j = x->j;
    const struct report *r = x->r;
    const struct {
        char **field;
        struct str s;
    } texts[] = {
        {&j->message, r->message},   {&j->error, r->error},         {&j->signal, r->signal},
        {&j->stack_id, r->stack_id}, {&j->target_id, r->target_id},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int err = set_known(texts[i].field, texts[i].s);
        if (err) {
            return err;
        }
    }
    apply_numbers(j, r);
    int err = apply_step(j, r);
    if (!err) {
        err = apply_result(j, r->result);
    }
    return err ? err : reduce_apply_identity(x);
}

void reduce_set_status(struct reduce *x, enum job_status to)
{
    struct job *j = x->j;
    j->status = to;
    j->settled = false;
    if (state_started(to) && j->started_ms == 0) {
        j->started_ms = x->now.wall_ms;
    }
    if (state_ends(to)) {
        j->ended_ms = x->now.wall_ms;
    }
    if (to == state_success(j->kind) && !(x->r && x->r->progress_named)) {
        j->progress = 100;
        j->progress_known = true;
    }
}

int reduce_late_result(struct reduce *x)
{
    if (x->r->result.type == JSON_NONE || x->j->result) {
        return 0;
    }
    reduce_touch(x, DURABILITY_PROCESS);
    return apply_result(x->j, x->r->result);
}

int reduce_move_begin(struct reduce *x, enum job_status to)
{
    int err = state_ends(to) ? reduce_logs(x) : 0;
    if (!err) {
        err = reduce_flush(x);
    }
    if (!err) {
        err = reduce_apply(x);
    }
    if (err) {
        return err;
    }
    reduce_set_status(x, to);
    reduce_touch(x, DURABILITY_DISK);
    return 0;
}

int reduce_move_end(struct reduce *x, enum job_status to)
{
    return state_ends(to) ? 0 : reduce_logs(x);
}

// --- producers ---

static struct job_producer *find_producer(struct job *j, struct str name)
{
    for (unsigned i = 0; i < j->producers_count; i++) {
        if (str_eq(str_of(j->producers[i].name), name)) {
            return &j->producers[i];
        }
    }
    return NULL;
}

static bool is_duplicate(struct reduce *x)
{
    const struct report *r = x->r;
    const struct job_producer *p = r->producer.p ? find_producer(x->j, r->producer) : NULL;
    if (!p || r->seq > p->seq) {
        return false;
    }
    x->ret->duplicate = true;
    x->ret->duplicate_id = p->id;
    return true;
}

// Puts the producer last, in the place of the one not used for longest when there is no other.
static int remember_producer(struct reduce *x)
{
    const struct report *r = x->r;
    struct job *j = x->j;
    if (!r->producer.p) {
        return 0;
    }
    struct job_producer *p = find_producer(j, r->producer);
    struct job_producer last = {.seq = r->seq, .id = j->cursor_id};
    if (p) {
        last.name = p->name;
    } else {
        last.name = mem_try_strdup(r->producer);
        if (!last.name) {
            return -E_NO_MEMORY;
        }
        if (j->producers_count < LIMIT_PRODUCERS_PER_JOB) {
            j->producers[j->producers_count++] = last;
            j->dirty = true;
            return 0;
        }
        p = &j->producers[0];
        mem_free(p->name);
    }
    size_t behind = (size_t)(&j->producers[j->producers_count] - (p + 1));
    memmove(p, p + 1, behind * sizeof(*p));
    j->producers[j->producers_count - 1] = last;
    j->dirty = true;
    return 0;
}

// --- reports ---

int reduce_publish_stalled(struct reduce *x)
{
    int err = reduce_flush(x);
    if (err) {
        return err;
    }
    reduce_touch(x, DURABILITY_PROCESS);
    switch (x->j->kind) {
    case KIND_DEPLOYMENT:
        return deployment_stalled(x);
    case KIND_TICKET:
        return ticket_stalled(x);
    case KIND_BUILD:
        return build_stalled(x);
    case KIND_NR:
        break;
    }
    UNREACHABLE();
}

int reduce_by_kind(struct reduce *x)
{
    switch (x->j->kind) {
    case KIND_DEPLOYMENT:
        return deployment_reduce(x);
    case KIND_TICKET:
        return ticket_reduce(x);
    case KIND_BUILD:
        return build_reduce(x);
    case KIND_NR:
        break;
    }
    UNREACHABLE();
}

static int check_attempt(struct reduce *x, uint32_t current)
{
    if (x->r->attempt == 0 || x->r->attempt == current) {
        return 0;
    }
    if (x->r->attempt > current || x->fresh) {
        return reduce_conflict(x, "There is no attempt %lu yet.", (unsigned long)x->r->attempt);
    }
    return reduce_conflict(x, "Attempt %lu is over: the job is at attempt %lu.",
                           (unsigned long)x->r->attempt, (unsigned long)current);
}

static int not_found(struct reduce *x)
{
    (void)snprintf(x->ret->fault, sizeof(x->ret->fault), "Nobody has reported on that %s.",
                   kind_name(x->j->kind));
    return -E_NOT_FOUND;
}

static int reduce_lines(struct reduce *x)
{
    if (reduce_changes_identity(x)) {
        int err = reduce_apply_identity(x);
        if (err) {
            return err;
        }
        reduce_touch(x, DURABILITY_PROCESS);
    }
    return reduce_logs(x);
}

void reduce_set_marks(struct reduce *x)
{
    struct job *j = x->j;
    if (!job_is_open(j)) {
        j->lease_s = 0;
        j->stalled = false;
        j->cancel_until_mono_ms = 0;
        return;
    }
    if (!x->r) {
        return;
    }
    if (x->r->lease_named && x->r->lease_s != j->lease_s) {
        j->lease_s = x->r->lease_s;
        j->dirty = true;
    }
    j->lease_until_mono_ms = x->now.mono_ms + (int64_t)j->lease_s * 1000;
    if (j->cancel_requested) {
        j->cancel_until_mono_ms = x->now.mono_ms + LIMIT_CANCEL_GRACE_MS;
    }
}

static int reduce_ordinary(struct reduce *x)
{
    const struct report *r = x->r;
    struct job *j = x->j;
    x->fresh = j->attempt == 0;
    int err = check_attempt(x, x->fresh ? 1 : j->attempt);
    if (err) {
        return err;
    }
    if (x->fresh) {
        if (r->empty) {
            return not_found(x);
        }
        err = reduce_open_attempt(x);
        if (err) {
            return err;
        }
        reduce_touch(x, DURABILITY_PROCESS);
    }
    if (j->stalled) {
        j->stalled = false;
        err = reduce_publish_stalled(x);
        if (err) {
            return err;
        }
    }
    err = r->verb == REPORT_LOG ? reduce_lines(x) : reduce_by_kind(x);
    if (!err) {
        reduce_set_marks(x);
    }
    return err;
}

static int reduce_cancel(struct reduce *x)
{
    struct job *j = x->j;
    if (j->attempt == 0) {
        return not_found(x);
    }
    int err = check_attempt(x, j->attempt);
    if (err) {
        return err;
    }
    if (!job_is_open(j)) {
        return reduce_conflict(x, "There is nothing to cancel: attempt %lu is %s.",
                               (unsigned long)j->attempt, job_status_text(j));
    }
    if (!j->cancel_requested) {
        j->cancel_requested = true;
        j->cancel_until_mono_ms = x->now.mono_ms + LIMIT_CANCEL_GRACE_MS;
        reduce_touch(x, DURABILITY_PROCESS);
    }
    return 0;
}

static int reduce_delete(struct reduce *x)
{
    struct job *j = x->j;
    if (j->attempt == 0) {
        return not_found(x);
    }
    int err = check_attempt(x, j->attempt);
    if (err) {
        return err;
    }
    if (job_is_open(j)) {
        return reduce_conflict(x, "Attempt %lu is still open (%s).", (unsigned long)j->attempt,
                               job_status_text(j));
    }
    reduce_touch(x, DURABILITY_DISK);
    x->ret->save = false;
    x->ret->remove = true;
    return j->kind == KIND_DEPLOYMENT ? deployment_deleted(x) : 0;
}

static int reduce_by_verb(struct reduce *x)
{
    switch (x->r->verb) {
    case REPORT_CREATE:
    case REPORT_START: {
        int err = reduce_begin(x);
        if (!err) {
            reduce_set_marks(x);
        }
        return err;
    }
    case REPORT_CANCEL:
        return reduce_cancel(x);
    case REPORT_DELETE:
        return reduce_delete(x);
    case REPORT_STATUS:
    case REPORT_PROGRESS:
    case REPORT_LOG:
    case REPORT_COMPLETE:
    case REPORT_ERROR:
        return reduce_ordinary(x);
    }
    UNREACHABLE();
}

int reduce_report(struct job *copy, const struct report *r, struct now now, struct arena *a,
                  struct reduction *ret)
{
    ASSERT(copy->kind == r->kind);
    *ret = (struct reduction){.effect = DURABILITY_MEMORY};
    struct reduce x = {.j = copy, .r = r, .now = now, .arena = a, .ret = ret};
    if (is_duplicate(&x)) {
        return 0;
    }
    buf_init(&x.b, SIZE_MAX / 2);
    int err = reduce_by_verb(&x);
    buf_fini(&x.b);
    return err ? err : remember_producer(&x);
}

void reduce_set_ids(struct job *copy, const struct report *r, const struct reduction *red,
                    const uint64_t *ids, int64_t wall_ms)
{
    if (red->duplicate) {
        return;
    }
    for (unsigned i = 0; i < red->count; i++) {
        const struct event_draft *d = &red->drafts[i];
        copy->cursor_id = ids[i];
        if (d->flags & EVENT_MEMORY && d->scope & SCOPE_NARROW && d->attempt == copy->attempt) {
            copy->progress_event_id = ids[i];
            copy->progress_event_wall_ms = wall_ms;
        }
    }
    if (r && r->producer.p) {
        ASSERT(copy->producers_count > 0);
        copy->producers[copy->producers_count - 1].id = copy->cursor_id;
    }
}
