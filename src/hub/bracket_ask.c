// SPDX-License-Identifier: MIT
// What a bracket asks of other threads: gaps from the store, jobs as of one moment from the
// sequencer, the ends of their logs. An answer that failed is asked for again; one that finds its
// session gone is dropped.
#include "base/assert.h"
#include "base/err.h"
#include "hub/bracket_int.h"
#include "hub/realm.h"
#include "hub/topic.h"

static void ask_read(struct session *s, struct read_req *r, void (*done)(struct read_req *r))
{
    struct fanout *f = s->fanout;
    r->done = done;
    r->ctx = s;
    r->owner = f;
    s->bracket->reading = r;
    f->in_flight++;
    f->ask->read(f->ask, r);
}

// The session that asked, to be run again; NULL when it is gone, and the question with it.
static struct session *answered(struct read_req *r)
{
    struct fanout *f = r->owner;
    struct session *s = r->ctx;
    f->in_flight--;
    if (!s) {
        read_req_free(r);
        return NULL;
    }
    s->bracket->reading = NULL;
    session_wake(s);
    return s;
}

static void on_gaps(struct read_req *r)
{
    struct session *s = answered(r);
    if (!s) {
        return;
    }
    if (r->err) {
        read_req_free(r); // still STAGE_GAPS: asked again
        return;
    }
    struct bracket *b = s->bracket;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        for (unsigned k = 0; k < r->page.gaps_count && joins(t); k++) {
            const struct gap *g = &r->page.gaps[k];
            if (str_eq(g->topic, t->name) && g->to > t->floor) {
                t->gapped = true;
                t->gap = *g;
                t->gap.topic = t->name;
                t->gap.from = g->from > t->floor ? g->from : t->floor;
            }
        }
    }
    read_req_free(r);
    bracket_plan(b);
    b->stage = STAGE_JOBS;
}

enum reading bracket_ask_gaps(struct session *s, struct bracket *b)
{
    struct read_req *r = read_req_new(READ_GAPS);
    struct str *topics = r ? arena_try_alloc(&r->arena, (b->count + 1) * sizeof(*topics)) : NULL;
    if (!topics) {
        read_req_free(r);
        return READING_AGAIN;
    }
    for (unsigned i = 0; i < b->count; i++) {
        if (joins(&b->topics[i])) {
            struct str name = arena_try_copy(&r->arena, b->topics[i].name);
            if (!name.p) {
                read_req_free(r);
                return READING_AGAIN;
            }
            topics[r->query.topics_count++] = name;
        }
    }
    r->query.topics = topics;
    r->query.after = b->since;
    r->query.upto = memlog_visible(s->fanout->realm->log);
    ask_read(s, r, on_gaps);
    return READING_WAITS;
}

// What one asks of the sequencer: the jobs of the topics that `needs` says so of.
static enum reading ask_snapshot(struct session *s, struct bracket *b,
                                 bool (*needs)(const struct bracket_topic *t),
                                 void (*done)(struct snapshot_req *r))
{
    unsigned count = 0;
    for (unsigned i = 0; i < b->count; i++) {
        count += needs(&b->topics[i]);
    }
    if (count == 0) {
        return READING_DONE;
    }
    struct snapshot_req *r = snapshot_req_new(count);
    if (!r) {
        return READING_AGAIN;
    }
    unsigned k = 0;
    for (unsigned i = 0; i < b->count; i++) {
        const struct bracket_topic *t = &b->topics[i];
        if (needs(t) && snapshot_req_set(r, k++, t->job_kind, t->job_id) != 0) {
            snapshot_req_free(r);
            return READING_AGAIN;
        }
    }
    r->done = done;
    r->ctx = s;
    r->owner = s->fanout;
    b->asking = r;
    s->fanout->in_flight++;
    s->fanout->ask->snapshot(s->fanout->ask, r);
    return READING_WAITS;
}

// The session that asked, to be run again; NULL: it is gone, or the answer failed and is asked for
// again. The question is freed then.
static struct session *snapshot_answered(struct snapshot_req *r)
{
    struct fanout *f = r->owner;
    struct session *s = r->ctx;
    f->in_flight--;
    if (s) {
        s->bracket->asking = NULL;
        session_wake(s);
    }
    if (!s || r->err) {
        snapshot_req_free(r);
        return NULL;
    }
    return s;
}

static bool needs_owner(const struct bracket_topic *t)
{
    return joins(t) && t->if_owned;
}

static void on_owners(struct snapshot_req *r)
{
    struct session *s = snapshot_answered(r);
    if (!s) {
        return;
    }
    struct bracket *b = s->bracket;
    unsigned k = 0;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (needs_owner(t)) {
            const struct job *j = r->jobs[k++];
            t->if_owned = false;
            if (!j || !principal_is_user(s->principal, j->owner)) {
                bracket_refuse(s, b, t, -E_FORBIDDEN, err_text(E_FORBIDDEN));
            }
        }
    }
    snapshot_req_free(r);
}

enum reading bracket_ask_owners(struct session *s, struct bracket *b)
{
    return ask_snapshot(s, b, needs_owner, on_owners);
}

static bool needs_job(const struct bracket_topic *t)
{
    return joins(t) && t->job_kind != KIND_NONE && (t->snapshot || t->replay);
}

static const char *progress_type(enum job_kind kind)
{
    switch (kind) {
    case KIND_DEPLOYMENT:
        return event_type_name(EVENT_TYPE_DEPLOYMENT_PROGRESS);
    case KIND_TICKET:
        return event_type_name(EVENT_TYPE_TICKET_STATUS_CHANGED);
    case KIND_BUILD:
        return event_type_name(EVENT_TYPE_JOB_PROGRESS);
    case KIND_NR:
        break;
    }
    UNREACHABLE();
}

// The job's last progress event once more, with the id and the content it had.
static struct event *repeat_progress(const struct session *s, const struct bracket_topic *t)
{
    const struct job *j = t->job;
    if (!j || !t->replay || !j->progress_event_data || j->progress_event_id <= t->after) {
        return NULL;
    }
    struct event_init init = {.id = j->progress_event_id,
                              .wall_ms = j->progress_event_wall_ms,
                              .flags = EVENT_MEMORY,
                              .type = str_of(progress_type(j->kind)),
                              .data = str_of(j->progress_event_data),
                              .kind = j->kind,
                              .attempt = j->attempt,
                              .job_id = str_of(j->id),
                              .owner = str_of(j->owner),
                              .project = str_of(j->project),
                              .scope = j->progress_event_wide ? SCOPE_ALL : SCOPE_NARROW};
    struct event *e = event_try_new(&init, &s->fanout->realm->key);
    if (e && !event_has_topic(e, t->name)) {
        event_unref(e); // progress is not on deployment_logs_D
        return NULL;
    }
    return e;
}

static void on_jobs(struct snapshot_req *r)
{
    struct session *s = snapshot_answered(r);
    if (!s) {
        return;
    }
    struct bracket *b = s->bracket;
    unsigned k = 0;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (needs_job(t)) {
            t->job = r->jobs[k];
            r->jobs[k++] = NULL;
            t->repeat = repeat_progress(s, t);
        }
    }
    if (r->visible > b->target) {
        b->target = r->visible;
    }
    snapshot_req_free(r);
    b->stage = STAGE_TAILS;
}

enum reading bracket_ask_jobs(struct session *s, struct bracket *b)
{
    return ask_snapshot(s, b, needs_job, on_jobs);
}

static void on_tail(struct read_req *r)
{
    struct session *s = answered(r);
    if (!s) {
        return;
    }
    if (r->err) {
        read_req_free(r);
        return;
    }
    struct bracket *b = s->bracket;
    b->topics[b->tails_next++].tail = r;
}

// Lines to show: none from before the log was last started anew.
static unsigned tail_of(const struct bracket *b, const struct job *j)
{
    uint32_t lines = j->last_line - (j->log_first ? j->log_first - 1 : 0);
    return lines < b->tail_lines ? lines : b->tail_lines;
}

enum reading bracket_ask_tails(struct session *s, struct bracket *b)
{
    while (b->tails_next < b->count) {
        struct bracket_topic *t = &b->topics[b->tails_next];
        if (t->snapshot && t->job && tail_of(b, t->job) > 0) {
            break;
        }
        b->tails_next++;
    }
    if (b->tails_next == b->count) {
        return READING_DONE;
    }
    const struct job *j = b->topics[b->tails_next].job;
    struct read_req *r = read_req_new(READ_LINES);
    struct str id = r ? arena_try_copy(&r->arena, str_of(j->id)) : STR_NONE;
    if (!id.p) {
        read_req_free(r);
        return READING_AGAIN;
    }
    r->lines_query = (struct store_lines_query){
        .kind = j->kind,
        .id = id,
        .attempt = j->attempt,
        .from = -(int64_t)tail_of(b, j),
        .count_max = tail_of(b, j),
        .bytes_max = (size_t)LIMIT_OF(s->fanout->realm->limits, SNAPSHOT_BYTES),
        .last = j->last_line,
        .tail = true};
    ask_read(s, r, on_tail);
    return READING_WAITS;
}

// Without a cursor nothing else is told of a channel; with one, its last message is among what was
// missed or known already.
static bool needs_last(const struct session *s, const struct bracket_topic *t)
{
    return joins(t) && !t->left && !s->bracket->since_text.p &&
           realm_retains(s->fanout->realm, t->name);
}

// Only memory knows whom an event came from, which is enough for what was said just now.
static bool is_own(const struct session *s, uint64_t id)
{
    struct memlog_reader r = {0};
    bool own = false;
    if (memlog_seek(s->fanout->realm->log, &r, id - 1)) {
        const struct event *e = memlog_next(&r);
        own = e && e->id == id && e->origin == s->id;
    }
    memlog_release(&r);
    return own;
}

static void on_last(struct read_req *r)
{
    struct session *s = answered(r);
    if (!s) {
        return;
    }
    struct bracket *b = s->bracket;
    const struct event *e = !r->err && r->page.count ? r->page.events[0] : NULL;
    struct event *repeat = NULL;
    if (e && !(b->spoke && is_own(s, e->id))) {
        repeat = event_try_retain(e, &s->fanout->realm->key);
        r->err = repeat ? 0 : -E_NO_MEMORY;
    }
    if (!r->err) { // else it is asked for again
        b->topics[b->lasts_next++].repeat = repeat;
    }
    read_req_free(r);
}

enum reading bracket_ask_lasts(struct session *s, struct bracket *b)
{
    while (b->lasts_next < b->count && !needs_last(s, &b->topics[b->lasts_next])) {
        b->lasts_next++;
    }
    if (b->lasts_next == b->count) {
        return READING_DONE;
    }
    struct read_req *r = read_req_new(READ_PAGE);
    struct str *topic = r ? arena_try_alloc(&r->arena, sizeof(*topic)) : NULL;
    struct str name = topic ? arena_try_copy(&r->arena, b->topics[b->lasts_next].name) : STR_NONE;
    if (!name.p) {
        read_req_free(r);
        return READING_AGAIN;
    }
    *topic = name;
    r->query = (struct store_query){.topics = topic,
                                    .topics_count = 1,
                                    .backward = true,
                                    .before = s->position + 1,
                                    .count_max = 1,
                                    .bytes_max = LIMIT_PAGE_BYTES};
    ask_read(s, r, on_last);
    return READING_WAITS;
}
