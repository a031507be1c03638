// SPDX-License-Identifier: MIT
// Joining late. A bracket goes through these stages, one bracket of a session at a time:
//
//   NEW -> [OWNERS: whose the jobs are that only their owner may follow] -> [GAPS: what retention
//   took since the cursor] -> [JOBS: jobs as of S] -> [TAILS: ends of their logs]
//       -> OLD: the topics the session is on are read up to max(P, since, S); where that ends is C
//       -> [LASTS: the last messages up to C of channels that keep theirs]
//       -> OPEN: subscribed, gaps and snapshots are told -> EVENTS: missed events <= C ->
//       caught_up, topics join
//
// The session stands still between P and OLD, so that nothing of the old topics is told after C
// that belongs before.
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/bracket_int.h"
#include "hub/owner.h"
#include "hub/topic.h"
#include "wire/cursor.h"

// Names, the cursor, and what the answers carry: at most LIMIT_TOPICS_PER_SESSION topics and their
// gaps.
#define BRACKET_ARENA_BYTES ((size_t)256 << 10)

struct bracket *bracket_try_new(const struct session_subscribe *sub, unsigned tail_lines_max)
{
    struct bracket *b = mem_try_alloc(sizeof(*b));
    if (!b) {
        return NULL;
    }
    arena_init(&b->arena, BRACKET_ARENA_BYTES);
    b->topics = arena_try_alloc(&b->arena, (sub->count + 1) * sizeof(*b->topics));
    b->replay_topics = arena_try_alloc(&b->arena, (sub->count + 1) * sizeof(struct str));
    bool ok = b->topics && b->replay_topics;
    for (unsigned i = 0; ok && i < sub->count; i++) {
        b->topics[i].name = arena_try_copy(&b->arena, sub->topics[i]);
        ok = b->topics[i].name.p != NULL;
        b->topics[i].floor = sub->after ? sub->after[i] : 0;
    }
    if (ok && sub->since.p) {
        b->since_text = arena_try_copy(&b->arena, sub->since);
        ok = b->since_text.p != NULL;
    }
    if (!ok) {
        arena_fini(&b->arena);
        mem_free(b);
        return NULL;
    }
    b->count = sub->count;
    b->ref = sub->ref;
    b->tail_lines = tail_lines_max;
    b->leads = sub->leads;
    b->spoke = sub->spoke;
    if (sub->tail_named && sub->tail_lines < b->tail_lines) {
        b->tail_lines = sub->tail_lines;
    }
    return b;
}

void bracket_append(struct session *s, struct bracket *b)
{
    struct bracket **last = &s->bracket;
    while (*last) {
        last = &(*last)->next;
    }
    *last = b;
}

void bracket_end_first(struct session *s)
{
    struct bracket *b = s->bracket;
    s->bracket = b->next;
    // Answers under way find nobody and are dropped.
    if (b->reading) {
        b->reading->ctx = NULL;
    }
    if (b->asking) {
        b->asking->ctx = NULL;
    }
    for (unsigned i = 0; i < b->count; i++) {
        job_unref(b->topics[i].job);
        read_req_free(b->topics[i].tail);
        event_unref(b->topics[i].repeat);
    }
    session_ops(s)->bracket_done(s->sink, b->ref);
    arena_fini(&b->arena);
    mem_free(b);
}

bool bracket_leave(struct session *s, struct str topic)
{
    for (struct bracket *b = s->bracket; b; b = b->next) {
        for (unsigned i = 0; i < b->count; i++) {
            struct bracket_topic *t = &b->topics[i];
            if (str_eq(t->name, topic) && !t->left && !t->refused && !t->already) {
                t->left = true;
                return true;
            }
        }
    }
    return false;
}

void bracket_leave_lost(struct session *s, const struct principal_change *c)
{
    for (struct bracket *b = s->bracket; b; b = b->next) {
        for (unsigned i = 0; i < b->count; i++) {
            struct bracket_topic *t = &b->topics[i];
            if (joins(t) && !t->left && !session_keeps(c, t->name)) {
                c->lost(c->ctx, t->name);
                t->left = true;
            }
        }
    }
}

// --- what is asked for ---

void bracket_refuse(struct session *s, struct bracket *b, struct bracket_topic *t, int err,
                    const char *text)
{
    t->refused = true;
    session_ops(s)->refused(s->sink, t->name, err, text, b->ref);
}

static bool named_before(const struct bracket *b, unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (joins(&b->topics[i]) && str_eq(b->topics[i].name, b->topics[index].name)) {
            return true;
        }
    }
    return false;
}

// Granted by name, or perhaps because the user owns the job.
static bool may_join(struct session *s, struct bracket_topic *t)
{
    if (principal_may(s->principal, RIGHT_SUBSCRIBE, t->name)) {
        return true;
    }
    t->if_owned = owner_may_matter(s->principal, t->name, &t->job_kind, &t->job_id);
    return t->if_owned;
}

static void check_topics(struct session *s, struct bracket *b)
{
    unsigned most = (unsigned)LIMIT_OF(s->fanout->realm->limits, TOPICS_PER_SESSION);
    unsigned room = most > s->subs_count ? most - s->subs_count : 0;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        t->job_kind = KIND_NONE;
        if (!topic_valid(t->name)) {
            bracket_refuse(s, b, t, -E_BAD_REQUEST,
                           "A topic is 1 to 255 bytes of UTF-8 without control characters.");
        } else if (!may_join(s, t)) {
            bracket_refuse(s, b, t, -E_FORBIDDEN, err_text(E_FORBIDDEN));
        } else if (session_sub(s, t->name) || named_before(b, i)) {
            t->already = true;
        } else if (room == 0) {
            bracket_refuse(s, b, t, -E_LIMIT,
                           "This connection is on as many topics as one may be.");
        } else {
            room--;
            t->job_kind = topic_one_job(t->name, &t->job_id);
        }
    }
}

static bool has_snapshot(const struct bracket_topic *t)
{
    struct str id;
    return topic_job(t->name, &id) != KIND_NONE;
}

// A cursor that is not ours: what it missed is unknown.
static void mark_foreign(struct bracket_topic *t)
{
    t->gapped = true;
    t->gap = (struct gap){.topic = t->name, .reason = GAP_EPOCH};
}

// Without a gap the topic is recovered; with one, or without a cursor, a job's topic gets a
// snapshot and any other what is kept.
static void plan_topic(const struct bracket *b, struct bracket_topic *t)
{
    t->recovered = b->since_known && !t->gapped;
    t->snapshot = !t->recovered && has_snapshot(t);
    t->replay = b->since_text.p && !t->snapshot;
    t->after = t->recovered ? b->since : t->gap.to;
    t->after = t->floor > t->after ? t->floor : t->after;
}

void bracket_plan(struct bracket *b)
{
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (!joins(t)) {
            continue;
        }
        if (b->since_text.p && !b->since_known) {
            mark_foreign(t);
        }
        plan_topic(b, t);
        if (t->replay) {
            b->replay_topics[b->replay_count++] = t->name;
        }
    }
}

static void start(struct session *s, struct bracket *b)
{
    struct realm *realm = s->fanout->realm;
    check_topics(s, b);
    struct cursor since;
    // Not just what this worker has come to: what was acknowledged before the client asked comes
    // in its bracket.
    uint64_t visible = memlog_visible(realm->log);
    if (b->since_text.p && cursor_parse(b->since_text, &since) == 0 &&
        realm_cursor_known(realm, since)) {
        // Ids above what is visible were reserved but never used: nothing is missing up to there.
        b->since_known = true;
        b->since = since.id < visible ? since.id : visible;
    }
    b->target = visible;
}

// --- telling ---

static void open_bracket(struct session *s, struct bracket *b)
{
    static const struct store_lines no_lines;
    uint64_t c = s->position;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (!t->refused) {
            session_ops(s)->subscribed(s->sink, t->name, c, t->recovered || t->already, b->ref);
        }
    }
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (!joins(t) || t->left) {
            continue;
        }
        if (t->gapped) {
            session_ops(s)->gap(s->sink, &t->gap);
            s->fanout->stats.gaps++;
        }
        if (t->snapshot) {
            struct sink_snapshot snapshot = {.topic = t->name,
                                             .cursor = c,
                                             .job = t->job,
                                             .tail = t->tail ? &t->tail->lines : &no_lines};
            session_ops(s)->snapshot(s->sink, &snapshot);
        }
    }
}

static bool missed_on(const struct bracket_topic *t, const struct event *e)
{
    return joins(t) && t->replay && !t->left && e->id > t->after && event_has_topic(e, t->name);
}

// An event of the bracket: missed on one of its topics, and not sent already on a topic the session
// is on.
static bool bracket_wants(const struct session *s, const struct event *e)
{
    const struct bracket *b = s->bracket;
    if (e->flags & EVENT_MEMORY) {
        return false; // the last one is repeated by itself
    }
    bool missed = false;
    for (unsigned i = 0; i < b->count && !missed; i++) {
        missed = missed_on(&b->topics[i], e);
    }
    return missed;
}

static unsigned bracket_looks(struct session *s, const struct event *e)
{
    const struct bracket *b = s->bracket;
    const struct sink_family *family = session_variant(s)->family;
    unsigned looks = 0;
    for (unsigned i = 0; i < b->count; i++) {
        bool by = missed_on(&b->topics[i], e) || b->topics[i].repeat == e;
        looks |= by ? family->looks_of(b->topics[i].name) : 0;
    }
    return looks;
}

static bool sent_already(struct session *s, const struct event *e)
{
    const struct sub *subs = session_subs(s);
    for (unsigned i = 0; i < s->subs_count; i++) {
        if (e->id > subs[i].from && event_has_topic(e, topic_name(subs[i].topic))) {
            return true;
        }
    }
    return false;
}

static bool bracket_wants_unsent(struct session *s, const struct event *e)
{
    return bracket_wants(s, e) && !sent_already(s, e);
}

// The earliest repeated event that is still to come.
static struct bracket_topic *next_repeat(const struct bracket *b, uint64_t c)
{
    struct bracket_topic *first = NULL;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (t->repeat && !t->left && t->repeat->id > b->position && t->repeat->id <= c &&
            (!first || t->repeat->id < first->repeat->id)) {
            first = t;
        }
    }
    return first;
}

static enum reading tell_events(struct session *s, struct bracket *b)
{
    struct selection missed = {.topics = b->replay_topics,
                               .topics_count = b->replay_count,
                               .wants = bracket_wants_unsent,
                               .looks = bracket_looks,
                               .in_bracket = !b->leads};
    uint64_t c = s->position;
    for (;;) {
        struct bracket_topic *t = next_repeat(b, c);
        enum reading r = session_read(s, &missed, &b->position, t ? t->repeat->id - 1 : c);
        if (r != READING_DONE || !t) {
            return r;
        }
        if (!sent_already(s, t->repeat)) {
            struct selection how = missed;
            how.in_bracket = missed.in_bracket || (t->repeat->flags & EVENT_RETAINED);
            session_gather(s, &how, t->repeat);
            session_send_gathered(s);
        }
        b->position = t->repeat->id;
    }
}

static void close_bracket(struct session *s, struct bracket *b)
{
    uint64_t c = s->position;
    for (unsigned i = 0; i < b->count; i++) {
        struct bracket_topic *t = &b->topics[i];
        if (t->refused) {
            continue;
        }
        if (joins(t) && !t->left && session_join(s, t->name, t->replay ? t->after : c) != 0) {
            bracket_refuse(s, b, t, -E_NO_MEMORY, err_text(E_NO_MEMORY));
            continue;
        }
        session_ops(s)->caught_up(s->sink, t->name, c, b->ref);
    }
}

static uint64_t replay_start(const struct bracket *b, uint64_t c)
{
    uint64_t start = c;
    for (unsigned i = 0; i < b->count; i++) {
        const struct bracket_topic *t = &b->topics[i];
        if (joins(t) && t->replay && t->after < start) {
            start = t->after;
        }
        if (t->repeat && t->repeat->id - 1 < start) {
            start = t->repeat->id - 1;
        }
    }
    return start;
}

static enum reading run_stage(struct session *s, struct bracket *b)
{
    struct selection own = {.wants = session_on_event_topic, .looks = session_looks};
    enum reading r = READING_DONE;
    switch (b->stage) {
    case STAGE_NEW:
        start(s, b);
        b->stage = STAGE_OWNERS;
        return READING_DONE;
    case STAGE_OWNERS:
        r = bracket_ask_owners(s, b);
        if (r != READING_DONE) {
            return r;
        }
        if (b->since_known && b->since < atomic_load(&s->fanout->realm->trimmed_max)) {
            b->stage = STAGE_GAPS;
        } else {
            bracket_plan(b);
            b->stage = STAGE_JOBS;
        }
        return READING_DONE;
    case STAGE_GAPS:
        return bracket_ask_gaps(s, b);
    case STAGE_JOBS:
        r = bracket_ask_jobs(s, b);
        break;
    case STAGE_TAILS:
        r = bracket_ask_tails(s, b);
        break;
    case STAGE_OLD:
        r = session_read(s, &own, &s->position, b->target);
        break;
    case STAGE_LASTS:
        r = bracket_ask_lasts(s, b);
        break;
    case STAGE_OPEN:
        open_bracket(s, b);
        b->position = replay_start(b, s->position);
        break;
    case STAGE_EVENTS:
        r = tell_events(s, b);
        if (r == READING_DONE) {
            close_bracket(s, b);
        }
        return r;
    }
    if (r == READING_DONE) {
        b->stage++;
    }
    return r;
}

enum reading bracket_run(struct session *s)
{
    struct bracket *b = s->bracket;
    while (!s->blocked) {
        if (b->asking || b->reading) {
            return READING_WAITS;
        }
        bool last = b->stage == STAGE_EVENTS;
        enum reading r = run_stage(s, b);
        if (r != READING_DONE) {
            return r;
        }
        if (last) {
            bracket_end_first(s);
            return READING_DONE;
        }
    }
    return READING_BLOCKED;
}
