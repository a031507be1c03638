// SPDX-License-Identifier: MIT
// A virtual client: subscribes, reads or not, goes away and comes back with its cursor; and knows
// what it is owed.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "sim.h"
#include "wire/cursor.h"

void client_init(struct client *c, struct world *w, unsigned number)
{
    *c = (struct client){.w = w, .number = number};
}

static struct owed *find_owed(struct client *c, struct str topic)
{
    for (unsigned i = 0; i < c->owed_count; i++) {
        if (str_is(topic, c->owed[i].topic)) {
            return &c->owed[i];
        }
    }
    return NULL;
}

static bool got(const struct client *c, uint64_t id)
{
    for (size_t i = c->got_count; i-- > 0;) {
        if (c->got[i] == id) {
            return true;
        }
    }
    return false;
}

static bool frame_has_topic(const struct frame *e, const char *topic)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        if (strcmp(e->topics[i], topic) == 0) {
            return true;
        }
    }
    return false;
}

static void check_content(struct client *c, const struct frame *e)
{
    struct ledger *l = &c->w->ledger;
    const struct truth *t = ledger_find(l, e->id);
    // A crash can come between the commit of a job's row and the moment its progress is shown; a
    // bracket repeats it then.
    bool unseen = c->w->crashes && (e->flags & EVENT_MEMORY) && c->in_bracket;
    if (!t && !unseen) {
        ledger_fail(l, "client %u got %llu, which was never visible", c->number,
                    (unsigned long long)e->id);
    } else if (t && t->hash != e->hash) {
        ledger_fail(l, "client %u got %llu with another content", c->number,
                    (unsigned long long)e->id);
    }
    for (unsigned i = 0; i < c->owed_count; i++) {
        if (frame_has_topic(e, c->owed[i].topic)) {
            return;
        }
    }
    ledger_fail(l, "client %u got %llu on %s (%s), which is none of its topics", c->number,
                (unsigned long long)e->id, e->topics[0], c->in_bracket ? "bracket" : "live");
}

static void check_order(struct client *c, const struct frame *e)
{
    bool in_bracket = e->in_bracket;
    struct ledger *l = &c->w->ledger;
    unsigned long long id = e->id;
    if (in_bracket != c->in_bracket) {
        ledger_fail(l, "client %u got %s event %llu %s a bracket", c->number,
                    in_bracket ? "bracket" : "live", id, c->in_bracket ? "inside" : "outside");
    }
    if (got(c, e->id)) {
        ledger_fail(l, "client %u got %llu twice", c->number, id);
    }
    uint64_t *last = in_bracket ? &c->bracket_last : &c->last_live;
    if (e->id <= *last) {
        ledger_fail(l, "client %u got %llu after %llu", c->number, id, (unsigned long long)*last);
    }
    *last = e->id;
    if (in_bracket && e->id > c->bracket_c) {
        ledger_fail(l, "client %u got %llu in a bracket up to %llu", c->number, id,
                    (unsigned long long)c->bracket_c);
    }
}

static void note(struct client *c, const struct frame *e)
{
    check_order(c, e);
    check_content(c, e);
    if (c->got_count == c->got_cap) {
        c->got_cap = c->got_cap ? c->got_cap * 2 : 64;
        c->got = mem_realloc(c->got, c->got_cap * sizeof(*c->got));
    }
    c->got[c->got_count++] = e->id;
    c->w->ledger.deliveries++;
    if (!e->in_bracket) {
        c->cursor = e->id;
    }
}

static bool plant_now(struct client *c, enum plant plant)
{
    struct world *w = c->w;
    if (w->plant != plant || w->planted || !chance(w, 20)) {
        return false;
    }
    w->planted = true;
    return true;
}

// What a bug in the hub would have done at this place.
static bool planted(struct client *c, const struct frame *e)
{
    if (plant_now(c, PLANT_DOUBLE)) {
        note(c, e);
    }
    if (!(e->flags & EVENT_MEMORY) && plant_now(c, PLANT_SKIP)) {
        return true;
    }
    if (!e->in_bracket && !c->holds && plant_now(c, PLANT_REORDER)) {
        c->held = *e;
        c->holds = true;
        return true;
    }
    if (c->holds) {
        note(c, e);
        note(c, &c->held);
        c->holds = false;
        return true;
    }
    return false;
}

// --- the variant: frames are structs, one behind the other ---

static void put_event(struct buf *out, const struct event *e, const struct sink_encoding *how)
{
    struct frame f;
    memset(&f, 0, sizeof(f));
    f.id = e->id;
    f.hash = ledger_hash(e);
    f.flags = e->flags;
    f.in_bracket = how->in_bracket;
    f.topics_count = e->topics_count;
    for (unsigned i = 0; i < e->topics_count; i++) {
        (void)snprintf(f.topics[i], sizeof(f.topics[i]), "%.*s", STR_ARG(e->topics[i].name));
    }
    buf_put_mem(out, &f, sizeof(f));
}

static void send_run(void *port, struct rcbuf *run)
{
    struct client *c = port;
    struct str bytes = rcbuf_str(run);
    ASSERT(bytes.len > 0 && bytes.len % sizeof(struct frame) == 0);
    if (c->told) {
        ledger_fail(&c->w->ledger, "client %u was sent to while it was held", c->number);
    }
    for (size_t at = 0; at < bytes.len; at += sizeof(struct frame)) {
        struct frame f;
        memcpy(&f, bytes.p + at, sizeof(f));
        if (!planted(c, &f)) {
            note(c, &f);
        }
        if (c->room > 1) {
            c->room--;
        } else {
            c->full = true; // what is in this run is taken all the same
        }
    }
}

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    (void)ref;
    struct client *c = sink;
    struct owed *o = find_owed(c, topic);
    if (!c->in_bracket) {
        c->in_bracket = true;
        c->bracket_c = cursor;
        c->bracket_last = 0;
    }
    if (cursor != c->bracket_c || cursor < c->last_live) {
        ledger_fail(&c->w->ledger, "client %u: bracket at %llu after %llu", c->number,
                    (unsigned long long)cursor, (unsigned long long)c->last_live);
    }
    if (o && !o->joined && !recovered) {
        o->from = cursor; // unless a gap says from where on it is told after all
    }
    if (plant_now(c, PLANT_LEAK)) {
        c->in_bracket = false;
    }
}

static void on_gap(void *sink, const struct gap *gap)
{
    struct client *c = sink;
    struct owed *o = find_owed(c, gap->topic);
    ASSERT(o);
    bool snapshot = strchr(o->topic, ':') && strncmp(o->topic, "event:", 6) != 0 &&
                    strncmp(o->topic, "x:", 2) != 0;
    if (!snapshot || o->joined) {
        o->from = gap->to;
    }
}

// The job as the truth has it up to C.
static void on_snapshot(void *sink, const struct sink_snapshot *s)
{
    struct client *c = sink;
    struct ledger *l = &c->w->ledger;
    uint32_t attempt = 0, lines = 0;
    const char *status = NULL;
    for (size_t i = 0; s->job && i < l->count; i++) {
        const struct truth *t = &l->truths[i];
        if (t->lost || t->id > s->cursor || t->kind != s->job->kind ||
            strcmp(t->job_id, s->job->id) != 0) {
            continue;
        }
        if (t->attempt != attempt) {
            attempt = t->attempt;
            lines = 0;
        }
        if (t->flags & EVENT_LOG) {
            lines = t->line + t->lines - 1;
        }
        if (t->status[0]) {
            status = t->status;
        }
    }
    if (!s->job || attempt == 0) {
        return;
    }
    if (attempt != s->job->attempt || lines != s->job->last_line ||
        (status && strcmp(status, job_status_text(s->job)) != 0)) {
        ledger_fail(l,
                    "client %u: snapshot of %s at %llu: attempt %u/%u, lines %u/%u, status %s/%s",
                    c->number, s->job->id, (unsigned long long)s->cursor, s->job->attempt, attempt,
                    s->job->last_line, lines, job_status_text(s->job), status ? status : "-");
    }
    if (s->tail->count && s->tail->lines[s->tail->count - 1].line != s->job->last_line) {
        ledger_fail(l, "client %u: the log tail of %s ends at %u of %u", c->number, s->job->id,
                    s->tail->lines[s->tail->count - 1].line, s->job->last_line);
    }
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    (void)ref;
    struct client *c = sink;
    struct owed *o = find_owed(c, topic);
    if (o) {
        o->joined = true;
    }
    if (cursor != c->bracket_c) {
        ledger_fail(&c->w->ledger, "client %u: caught_up at %llu in a bracket at %llu", c->number,
                    (unsigned long long)cursor, (unsigned long long)c->bracket_c);
    }
    c->cursor = cursor;
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    (void)ref;
    (void)err;
    struct client *c = sink;
    ledger_fail(&c->w->ledger, "client %u was refused %.*s: %s", c->number, STR_ARG(topic), text);
}

static void on_bracket_done(void *sink, void *ref)
{
    (void)ref;
    struct client *c = sink;
    if (c->in_bracket && c->bracket_c > c->last_live) {
        c->last_live = c->bracket_c;
    }
    c->in_bracket = false;
    if (c->session && chance(c->w, 10)) { // it may have more to tell before it goes on
        c->full = true;
        client_hold(c);
    }
}

static const struct sink_ops sink_ops = {
    .subscribed = on_subscribed,
    .snapshot = on_snapshot,
    .gap = on_gap,
    .caught_up = on_caught_up,
    .refused = on_refused,
    .bracket_done = on_bracket_done,
};

static const struct sink_variant sink_variant = {
    .number = 3, .put = put_event, .send = send_run, .ops = &sink_ops};

static void subscribe(struct client *c, struct str *topics, unsigned count, bool resume)
{
    char text[CURSOR_TEXT_MAX];
    struct session_subscribe sub = {.topics = topics, .count = count};
    if (resume) {
        size_t len = cursor_text((struct cursor){c->epoch, c->cursor}, text);
        sub.since = str_make(text, len);
    }
    int err = session_subscribe(c->session, &sub);
    ASSERT(err == 0);
}

void client_connect(struct client *c)
{
    struct world *w = c->w;
    c->fanout = w->workers[below(w, WORKERS)].fanout;
    c->session = session_new(c->fanout, w->principal, &sink_variant, c);
    ASSERT(c->session);
    session_set_port(c->session, c);
    c->last_live = session_position(c->session);
    c->in_bracket = c->full = c->told = false;
    c->got_count = 0;
    c->room = 1 + below(w, 12);
    bool resume = c->can_resume && c->owed_count && chance(w, 80);
    if (!resume) {
        c->owed_count = 0;
        c->cursor = c->last_live;
        c->epoch = w->realm.epoch;
        c->can_resume = true;
        return;
    }
    struct str topics[TOPICS_PER_CLIENT];
    for (unsigned i = 0; i < c->owed_count; i++) {
        topics[i] = str_of(c->owed[i].topic);
        c->owed[i].joined = false;
        c->owed[i].from = c->cursor;
    }
    // Its position now counts for the bracket, not for what is live.
    c->last_live = 0;
    subscribe(c, topics, c->owed_count, true);
    c->epoch = w->realm.epoch;
}

static void pick_topic(struct world *w, char out[40])
{
    static const char *const wide[] = {"deployment_events",
                                       "tickets",
                                       "jobs",
                                       "project:p",
                                       "x:a",
                                       "x:b",
                                       "event:DEPLOYMENT_STATUS_CHANGED",
                                       "event:JOB_LOG",
                                       "event:free"};
    unsigned job = below(w, JOBS);
    switch (below(w, 7)) {
    case 0:
        (void)snprintf(out, 40, "deployment:d%u", job);
        return;
    case 1:
        (void)snprintf(out, 40, "ticket:t%u", job);
        return;
    case 2:
        (void)snprintf(out, 40, "job:j%u", job);
        return;
    case 3:
        (void)snprintf(out, 40, chance(w, 50) ? "deployment_logs_d%u" : "deployment_progress_d%u",
                       job);
        return;
    default:
        (void)snprintf(out, 40, "%s", wide[below(w, ARRAY_LEN(wide))]);
    }
}

void client_subscribe(struct client *c)
{
    unsigned first = c->owed_count, count = 1 + below(c->w, 2);
    struct str topics[TOPICS_PER_CLIENT];
    unsigned n = 0;
    for (unsigned i = 0; i < count && c->owed_count < TOPICS_PER_CLIENT; i++) {
        struct owed *o = &c->owed[c->owed_count];
        pick_topic(c->w, o->topic);
        if (find_owed(c, str_of(o->topic))) {
            continue;
        }
        o->joined = false;
        o->from = c->cursor;
        c->owed_count++;
    }
    for (unsigned i = first; i < c->owed_count; i++) {
        topics[n++] = str_of(c->owed[i].topic);
    }
    if (n) {
        subscribe(c, topics, n, c->can_resume && chance(c->w, 40));
    }
}

// A topic left is forgotten: what came on it alone may come again on another that is joined with an
// old cursor.
static void forget_topic(struct client *c, const char *topic)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->got_count; i++) {
        const struct truth *t = ledger_find(&c->w->ledger, c->got[i]);
        bool other = false;
        for (unsigned k = 0; t && k < c->owed_count; k++) {
            other = other || (c->owed[k].joined && truth_has_topic(t, c->owed[k].topic));
        }
        if (other || (t && !truth_has_topic(t, topic))) {
            c->got[kept++] = c->got[i];
        }
    }
    c->got_count = kept;
}

void client_unsubscribe(struct client *c)
{
    if (c->owed_count == 0 || c->in_bracket) {
        return;
    }
    unsigned i = below(c->w, c->owed_count);
    if (!c->owed[i].joined) {
        return;
    }
    bool was = session_unsubscribe(c->session, str_of(c->owed[i].topic));
    if (!was) {
        ledger_fail(&c->w->ledger, "client %u was not on %s", c->number, c->owed[i].topic);
    }
    char left[40];
    (void)snprintf(left, sizeof(left), "%s", c->owed[i].topic);
    c->owed[i] = c->owed[--c->owed_count];
    forget_topic(c, left);
}

void client_hold(struct client *c)
{
    if (c->session && c->full && !c->told) {
        c->told = true;
        session_hold(c->session);
    }
}

void client_drain(struct client *c)
{
    if (c->told) {
        c->full = c->told = false;
        c->room = 1 + below(c->w, 12);
        session_writable(c->session);
    }
}

// Everything logged on a joined topic since it joined, up to where the session stands, was given.
static void check_complete(struct client *c)
{
    struct ledger *l = &c->w->ledger;
    uint64_t position = session_position(c->session);
    for (size_t i = 0; i < l->count && !l->failed; i++) {
        const struct truth *t = &l->truths[i];
        if (t->epoch != c->w->realm.epoch || t->lost || t->id > position ||
            (t->flags & EVENT_MEMORY)) {
            continue;
        }
        for (unsigned k = 0; k < c->owed_count; k++) {
            const struct owed *o = &c->owed[k];
            if (o->joined && t->id > o->from && t->origin != session_id(c->session) &&
                truth_has_topic(t, o->topic) && !got(c, t->id)) {
                ledger_fail(l, "client %u at %llu was owed %llu on %s since %llu", c->number,
                            (unsigned long long)position, (unsigned long long)t->id, o->topic,
                            (unsigned long long)o->from);
            }
        }
    }
}

static void forget_session(struct client *c)
{
    // A bracket under way is lost with the connection: its cursor stays where it was, its topics
    // are asked for again.
    session_free(c->session);
    c->session = NULL;
    c->holds = false;
}

void client_disconnect(struct client *c)
{
    check_complete(c);
    // A cursor covers caught-up topics only: with one still joining, the client remembers none of
    // it.
    for (unsigned i = 0; i < c->owed_count; i++) {
        if (!c->owed[i].joined) {
            c->owed[i--] = c->owed[--c->owed_count];
        }
    }
    forget_session(c);
}

void client_lose(struct client *c)
{
    for (unsigned i = 0; i < c->owed_count; i++) {
        if (!c->owed[i].joined) {
            c->owed[i--] = c->owed[--c->owed_count];
        }
    }
    forget_session(c);
}

void client_fini(struct client *c)
{
    mem_free(c->got);
}
