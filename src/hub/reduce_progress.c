// SPDX-License-Identifier: MIT
// Progress: mere progress is merged before it becomes an event, per job and in two speeds.
//
//   a report of nothing but progress and message, on a job whose status stays
//     narrow time is up  -> an event on the job's own topics, and on the wide ones if their time is
//     up too else               -> pending, answered as merged
//   pending, time is up  -> the same, by the timer
//   wide topics lag      -> once more on the wide ones alone, when their time is up
//   next status or end   -> whatever is pending goes out just before, in the same reduction
#include "base/assert.h"
#include "base/err.h"
#include "hub/reduce_int.h"

static int publish(struct reduce *x, bool whole, struct draft_as as)
{
    switch (x->j->kind) {
    case KIND_DEPLOYMENT:
        return deployment_progress(x, whole, as);
    case KIND_TICKET:
        return ticket_progress(x, whole, as);
    case KIND_BUILD:
        return build_progress(x, whole, as);
    case KIND_NR:
        break;
    }
    UNREACHABLE();
}

// The job's progress as an event. One for the job's own topics is what a late subscriber is given
// again.
static int publish_mere(struct reduce *x, enum topic_scope scope)
{
    struct job *j = x->j;
    int err = publish(x, false, (struct draft_as){.flags = EVENT_MEMORY, .scope = scope});
    if (err) {
        return err;
    }
    if (scope & SCOPE_NARROW) {
        err = job_set_text(&j->progress_event_data, x->ret->drafts[x->ret->count - 1].data);
        j->progress_event_wide = scope & SCOPE_WIDE;
        j->progress_next_mono_ms = x->now.mono_ms + LIMIT_PROGRESS_MS;
    }
    if (scope & SCOPE_WIDE) {
        j->wide_next_mono_ms = x->now.mono_ms + LIMIT_PROGRESS_WIDE_MS;
    }
    j->progress_pending = false;
    j->wide_pending = !(scope & SCOPE_WIDE);
    return err;
}

static enum topic_scope scope_now(const struct reduce *x)
{
    return x->now.mono_ms >= x->j->wide_next_mono_ms ? SCOPE_ALL : SCOPE_NARROW;
}

static void mark_dirty(struct reduce *x)
{
    x->j->dirty = true;
    x->j->updated_ms = x->now.wall_ms;
}

static int offer(struct reduce *x)
{
    struct job *j = x->j;
    int err = reduce_apply(x);
    if (err) {
        return err;
    }
    mark_dirty(x);
    if (x->now.mono_ms < j->progress_next_mono_ms) {
        j->progress_pending = true;
        x->ret->merged = true;
        return 0;
    }
    return publish_mere(x, scope_now(x));
}

int reduce_same_status(struct reduce *x)
{
    unsigned changes = reduce_changes(x);
    if (changes == 0) {
        return 0;
    }
    if (!x->fresh && !(changes & ~(CHANGE_PROGRESS | CHANGE_MESSAGE))) {
        return offer(x);
    }
    int err = reduce_flush(x);
    if (err) {
        return err;
    }
    err = reduce_apply(x);
    if (err) {
        return err;
    }
    bool disk = changes & (CHANGE_STEP | CHANGE_ITERATION);
    reduce_touch(x, disk ? DURABILITY_DISK : DURABILITY_PROCESS);
    return publish(x, true, (struct draft_as){0});
}

int reduce_flush(struct reduce *x)
{
    struct job *j = x->j;
    if (!j->progress_pending && !j->wide_pending) {
        return 0;
    }
    return publish_mere(x, j->progress_pending ? SCOPE_ALL : SCOPE_WIDE);
}

int reduce_flush_due(struct reduce *x)
{
    struct job *j = x->j;
    if (j->progress_pending) {
        return x->now.mono_ms >= j->progress_next_mono_ms ? publish_mere(x, scope_now(x)) : 0;
    }
    if (j->wide_pending && x->now.mono_ms >= j->wide_next_mono_ms) {
        return publish_mere(x, SCOPE_WIDE);
    }
    return 0;
}
