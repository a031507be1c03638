// SPDX-License-Identifier: MIT
// A worker's end of the log.
#include "hub/fanout.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/fanout_int.h"

// Entries handled before the worker looks at its sockets again.
#define RUN_ENTRIES 64

struct fanout *fanout_new(struct realm *realm, struct ask *ask)
{
    struct fanout *f = mem_alloc(sizeof(*f));
    f->realm = realm;
    f->ask = ask;
    map_init(&f->topics, &realm->key);
    list_init(&f->sessions);
    list_init(&f->runnable);
    // Another thread may be evicting: what is visible now is not gone, so the next try finds a
    // place.
    do {
        f->position = memlog_visible(realm->log);
    } while (!memlog_seek(realm->log, &f->reader, f->position));
    return f;
}

void fanout_free(struct fanout *f)
{
    if (!f) {
        return;
    }
    ASSERT(fanout_idle(f) && list_empty(&f->sessions));
    memlog_release(&f->reader);
    map_fini(&f->topics);
    mem_free(f);
}

void frames_clear(struct sink_frames *frames)
{
    for (unsigned i = 0; i < SINK_VARIANTS_MAX; i++) {
        rcbuf_unref(frames->frames[i]);
        frames->frames[i] = NULL;
    }
}

void fanout_deliver(struct session *s, struct event *e, bool in_bracket)
{
    struct fanout *f = s->fanout;
    f->stats.deliveries++;
    if (s->ops->event(s->sink, e, &f->frames, in_bracket) == SINK_FULL) {
        s->blocked = true;
    }
}

// Everyone here who is on one of its topics and keeps up, once.
static void deliver_live(struct fanout *f, struct event *e)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        struct topic *t = map_get_hashed(&f->topics, e->topics[i].name, e->topics[i].hash);
        if (!t) {
            continue;
        }
        LIST_FOREACH(node, &t->subs)
        {
            struct session *s = LIST_ENTRY(node, struct sub, node)->session;
            if (s->state != SESSION_LIVE || s->mark == e->id || s->id == e->origin) {
                continue;
            }
            s->mark = e->id;
            fanout_deliver(s, e, false);
            if (s->blocked) {
                s->state = SESSION_BEHIND;
                s->position = e->id;
            }
        }
    }
    frames_clear(&f->frames);
}

// True when there are more entries.
static bool read_live(struct fanout *f)
{
    uint64_t visible = memlog_visible(f->realm->log);
    for (unsigned i = 0; i < RUN_ENTRIES; i++) {
        struct event *e = memlog_next(&f->reader);
        if (!e) {
            if (visible > f->position) {
                f->position = visible;
            }
            return false;
        }
        deliver_live(f, e);
        f->position = e->id;
    }
    return true;
}

static enum reading session_run(struct session *s)
{
    while (!s->blocked) {
        bool bracket = !list_empty(&s->brackets);
        enum reading r;
        if (bracket) {
            r = bracket_run(s, bracket_of(s->brackets.next));
        } else {
            struct selection own = {.wants = session_on_event_topic};
            r = session_read(s, &own, &s->position, s->fanout->position);
            if (r == READING_DONE) {
                // A bracket may have led it ahead of the worker: then the worker comes.
                if (s->position > s->fanout->position) {
                    return READING_AGAIN;
                }
                s->state = SESSION_LIVE;
                return r;
            }
        }
        if (r != READING_DONE) {
            return r;
        }
    }
    return READING_BLOCKED;
}

bool fanout_run(struct fanout *f)
{
    bool more = read_live(f);
    // Those put back during this round wait for the next one.
    struct list round;
    list_init(&round);
    struct list *node;
    while ((node = list_pop_front(&f->runnable))) {
        list_push_back(&round, node);
    }
    while ((node = list_pop_front(&round))) {
        struct session *s = LIST_ENTRY(node, struct session, run);
        if (s->state == SESSION_BEHIND && session_run(s) == READING_AGAIN) {
            session_wake(s);
        }
    }
    return more || !list_empty(&f->runnable);
}

bool fanout_idle(const struct fanout *f)
{
    return f->in_flight == 0;
}

uint64_t fanout_position(const struct fanout *f)
{
    return f->position;
}

struct realm *fanout_realm(const struct fanout *f)
{
    return f->realm;
}

struct fanout_stats fanout_stats(const struct fanout *f)
{
    return f->stats;
}

unsigned fanout_behind(const struct fanout *f)
{
    unsigned behind = 0;
    LIST_FOREACH(node, &f->sessions)
    {
        behind += LIST_ENTRY(node, struct session, node)->state == SESSION_BEHIND;
    }
    return behind;
}

// --- topics ---

static struct topic *topic_get_or_add(struct fanout *f, struct str name)
{
    struct topic *t = map_get(&f->topics, name);
    if (t) {
        return t;
    }
    t = mem_try_alloc(sizeof(*t));
    char *text = mem_try_strdup(name);
    if (!t || !text) {
        goto fail;
    }
    t->name = str_make(text, name.len);
    t->hash = siphash(&f->realm->key, name);
    list_init(&t->subs);
    if (map_add(&f->topics, t->name, t) == 0) {
        return t;
    }
fail:
    mem_free(text);
    mem_free(t);
    return NULL;
}

static void topic_drop_if_empty(struct fanout *f, struct topic *t)
{
    if (list_empty(&t->subs)) {
        (void)map_del(&f->topics, t->name);
        mem_free((void *)(uintptr_t)t->name.p);
        mem_free(t);
    }
}

struct sub *session_sub(const struct session *s, struct str topic)
{
    for (unsigned i = 0; i < s->subs_count; i++) {
        if (str_eq(s->subs[i]->topic->name, topic)) {
            return s->subs[i];
        }
    }
    return NULL;
}

int session_join(struct session *s, struct str topic, uint64_t from)
{
    ASSERT(!session_sub(s, topic));
    if (s->subs_count == s->subs_cap) {
        unsigned cap = s->subs_cap ? s->subs_cap * 2 : 2;
        struct sub **grown = mem_try_realloc(s->subs, cap * sizeof(struct sub *));
        if (!grown) {
            return -E_NO_MEMORY;
        }
        s->subs = grown;
        s->subs_cap = cap;
    }
    struct topic *t = topic_get_or_add(s->fanout, topic);
    struct sub *sub = t ? mem_try_alloc(sizeof(*sub)) : NULL;
    if (!sub) {
        if (t) {
            topic_drop_if_empty(s->fanout, t);
        }
        return -E_NO_MEMORY;
    }
    sub->topic = t;
    sub->session = s;
    sub->from = from;
    list_push_back(&t->subs, &sub->node);
    s->subs[s->subs_count++] = sub;
    return 0;
}

static void session_part(struct session *s, unsigned index)
{
    struct sub *sub = s->subs[index];
    list_del(&sub->node);
    topic_drop_if_empty(s->fanout, sub->topic);
    mem_free(sub);
    s->subs[index] = s->subs[--s->subs_count];
}

// --- sessions' life ---

struct session *session_new(struct fanout *f, struct principal *p, const struct sink_ops *ops,
                            void *sink)
{
    struct session *s = mem_try_alloc(sizeof(*s));
    if (!s) {
        return NULL;
    }
    s->fanout = f;
    s->principal = principal_ref(p);
    s->ops = ops;
    s->sink = sink;
    s->id = 1 + atomic_fetch_add_explicit(&f->realm->sessions, 1, memory_order_relaxed);
    list_init(&s->node);
    list_init(&s->run);
    list_init(&s->brackets);
    list_push_back(&f->sessions, &s->node);
    f->stats.sessions++;
    return s;
}

void session_free(struct session *s)
{
    if (!s) {
        return;
    }
    while (!list_empty(&s->brackets)) {
        bracket_end(s, bracket_of(s->brackets.next));
    }
    while (s->subs_count) {
        session_part(s, s->subs_count - 1);
    }
    // Answers under way find nobody and are dropped.
    if (s->reading) {
        s->reading->ctx = NULL;
    }
    if (s->asking) {
        s->asking->ctx = NULL;
    }
    read_req_free(s->page);
    list_del(&s->run);
    list_del(&s->node);
    s->fanout->stats.sessions--;
    principal_unref(s->principal);
    mem_free(s->subs);
    mem_free(s);
}

uint64_t session_id(const struct session *s)
{
    return s->id;
}

uint64_t session_position(const struct session *s)
{
    return s->state == SESSION_LIVE ? s->fanout->position : s->position;
}

struct principal *session_principal(const struct session *s)
{
    return s->principal;
}

bool session_is_on(const struct session *s, struct str topic)
{
    return session_sub(s, topic) != NULL;
}

unsigned session_topics_count(const struct session *s)
{
    return s->subs_count;
}

bool session_unsubscribe(struct session *s, struct str topic)
{
    LIST_FOREACH(node, &s->brackets)
    {
        if (bracket_leave(bracket_of(node), topic)) {
            return true;
        }
    }
    for (unsigned i = 0; i < s->subs_count; i++) {
        if (str_eq(s->subs[i]->topic->name, topic)) {
            session_part(s, i);
            return true;
        }
    }
    return false;
}
