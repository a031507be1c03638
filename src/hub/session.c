// SPDX-License-Identifier: MIT
// A session that reads on by itself: from the memory log while its position is there, page by page
// from the store when it is not.
#include "hub/session.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/fanout_int.h"

// Entries looked at for one session before others have their turn.
#define TURN_ENTRIES 512
#define PAGE_EVENTS  512

void session_stop(struct session *s)
{
    if (s->state == SESSION_LIVE) {
        s->state = SESSION_BEHIND;
        s->position = s->fanout->position;
    }
}

void session_wake(struct session *s)
{
    struct fanout *f = s->fanout;
    if (s->run.next != &s->run) {
        return;
    }
    if (list_empty(&f->runnable)) {
        f->ask->again(f->ask);
    }
    list_push_back(&f->runnable, &s->run);
}

void session_hold(struct session *s)
{
    session_stop(s);
    s->blocked = true;
}

void session_writable(struct session *s)
{
    s->blocked = false;
    if (s->state == SESSION_BEHIND) {
        session_wake(s);
    }
}

int session_subscribe(struct session *s, const struct session_subscribe *sub)
{
    struct bracket *b = bracket_try_new(sub);
    if (!b) {
        return -E_NO_MEMORY;
    }
    session_stop(s);
    list_push_back(&s->brackets, bracket_node(b));
    session_wake(s);
    return 0;
}

bool session_on_event_topic(const struct session *s, const struct event *e)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        for (unsigned k = 0; k < s->subs_count; k++) {
            const struct topic *t = s->subs[k]->topic;
            if (t->hash == e->topics[i].hash && str_eq(t->name, e->topics[i].name)) {
                return true;
            }
        }
    }
    return false;
}

// Gives one event out if it is selected; moves the position past it either way.
static void give(struct session *s, const struct selection *sel, struct event *e,
                 uint64_t *position)
{
    ASSERT(e->id > *position);
    if (e->origin != s->id && sel->wants(s, e)) {
        fanout_deliver(s, e, sel->in_bracket);
        frames_clear(&s->fanout->frames);
    }
    *position = e->id;
}

static enum reading read_memory(struct session *s, const struct selection *sel, uint64_t *position,
                                uint64_t end)
{
    struct memlog_reader r = {0};
    if (!memlog_seek(s->fanout->realm->log, &r, *position)) {
        return READING_WAITS; // evicted meanwhile: the store has it
    }
    enum reading ret = READING_AGAIN;
    for (unsigned i = 0; i < TURN_ENTRIES; i++) {
        struct event *e = memlog_next(&r);
        if (!e || e->id > end) {
            *position = end;
            ret = READING_DONE;
            break;
        }
        give(s, sel, e, position);
        if (s->blocked) {
            ret = READING_BLOCKED;
            break;
        }
    }
    memlog_release(&r);
    return ret;
}

// --- pages from the store ---

void session_ask(struct session *s, struct read_req *r, void (*done)(struct read_req *r))
{
    r->done = done;
    r->ctx = s;
    r->owner = s->fanout;
    s->reading = r;
    s->fanout->in_flight++;
    s->fanout->ask->read(s->fanout->ask, r);
}

struct session *session_answered(struct read_req *r)
{
    struct fanout *f = r->owner;
    struct session *s = r->ctx;
    f->in_flight--;
    if (!s) {
        read_req_free(r);
        return NULL;
    }
    s->reading = NULL;
    session_wake(s);
    return s;
}

static void on_page(struct read_req *r)
{
    struct session *s = session_answered(r);
    if (s && r->err) {
        read_req_free(r); // asked again: a carrier lets time pass before it answers with an error
    } else if (s) {
        s->page = r;
        s->page_next = 0;
    }
}

static bool page_topics(struct session *s, const struct selection *sel, struct read_req *r)
{
    unsigned count = sel->topics ? sel->topics_count : s->subs_count;
    struct str *topics = arena_try_alloc(&r->arena, (count + 1) * sizeof(*topics));
    for (unsigned i = 0; topics && i < count; i++) {
        struct str name = sel->topics ? sel->topics[i] : s->subs[i]->topic->name;
        topics[i] = arena_try_copy(&r->arena, name);
        if (!topics[i].p) {
            return false;
        }
    }
    r->query.topics = topics;
    r->query.topics_count = count;
    return topics != NULL;
}

static enum reading ask_page(struct session *s, const struct selection *sel, uint64_t position,
                             uint64_t end)
{
    struct read_req *r = read_req_new(READ_PAGE);
    if (!r || !page_topics(s, sel, r)) {
        read_req_free(r);
        return READING_AGAIN; // out of memory for now
    }
    r->query.after = position;
    r->query.upto = end;
    r->query.count_max = PAGE_EVENTS;
    r->query.bytes_max = LIMIT_PAGE_BYTES;
    session_ask(s, r, on_page);
    return READING_WAITS;
}

// Gives out the page that came; READING_DONE: all of it.
static enum reading give_page(struct session *s, const struct selection *sel, uint64_t *position)
{
    struct read_req *r = s->page;
    while (s->page_next < r->page.gaps_count) {
        s->ops->gap(s->sink, &r->page.gaps[s->page_next++]);
        s->fanout->stats.gaps++;
    }
    while (s->page_next < r->page.gaps_count + r->page.count) {
        if (s->blocked) {
            return READING_BLOCKED;
        }
        struct event *e = r->page.events[s->page_next++ - r->page.gaps_count];
        if (e->id > *position) {
            give(s, sel, e, position);
        }
    }
    if (r->page.examined > *position) {
        *position = r->page.examined;
    }
    s->page = NULL;
    read_req_free(r);
    return READING_DONE;
}

enum reading session_read(struct session *s, const struct selection *sel, uint64_t *position,
                          uint64_t end)
{
    if (s->reading) {
        return READING_WAITS;
    }
    if (s->page) {
        enum reading r = give_page(s, sel, position);
        if (r != READING_DONE) {
            return r;
        }
    }
    if (s->blocked) {
        return READING_BLOCKED;
    }
    if (*position >= end) {
        return READING_DONE;
    }
    if ((sel->topics ? sel->topics_count : s->subs_count) == 0) {
        *position = end;
        return READING_DONE;
    }
    if (*position >= memlog_evicted_to(s->fanout->realm->log)) {
        enum reading r = read_memory(s, sel, position, end);
        if (r != READING_WAITS) {
            return r;
        }
    }
    return ask_page(s, sel, *position, end);
}
