// SPDX-License-Identifier: MIT
// Who joins, who leaves, and who wants to know.
#include "hub/presence.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "hub/fanout_int.h"

// A topic that is counted or watched; goes when it is neither.
struct spot {
    uint64_t generation;  // 0: not counted
    struct list watchers; // by spot
    unsigned pins;
    struct str topic; // behind it
};

// One session on one topic.
struct watcher {
    struct list by_spot, by_session;
    struct spot *spot;
    struct session *session;
    struct presence_mail *asking; // NULL: it was told who is there
};

// What one session watches.
struct viewer {
    uint64_t id; // the session's; the key
    struct list watchers;
};

struct presence {
    struct presence_config cfg;
    struct map spots;
    struct map viewers; // by the bytes of their id
    bool closed;
};

static void post(struct presence *p, struct presence_mail *m)
{
    m->worker = p->cfg.worker;
    p->cfg.send(p->cfg.ctx, m);
}

// --- spots ---

static struct spot *spot_get(struct presence *p, struct str topic)
{
    struct spot *at = map_get(&p->spots, topic);
    if (at) {
        return at;
    }
    at = mem_try_alloc(sizeof(*at) + topic.len);
    if (!at) {
        return NULL;
    }
    memcpy(at + 1, topic.p, topic.len);
    at->topic = str_make((const char *)(at + 1), topic.len);
    list_init(&at->watchers);
    if (map_add(&p->spots, at->topic, at) != 0) {
        mem_free(at);
        return NULL;
    }
    return at;
}

static void spot_drop_unused(struct presence *p, struct spot *at)
{
    if (!at->generation && !at->pins && list_empty(&at->watchers)) {
        (void)map_del(&p->spots, at->topic);
        mem_free(at);
    }
}

static struct topic *topic_of(const struct presence *p, struct str name)
{
    const struct topics *topics = &p->cfg.fanout->topics;
    return topics_find(topics, name, siphash(&topics->key, name));
}

// --- who joins and leaves ---

static void change(struct presence *p, struct presence_mail *m, int by)
{
    const struct spot *at = map_get(&p->spots, m->topic);
    ASSERT(at && at->generation);
    m->change = by;
    m->generation = at->generation;
    post(p, m);
}

void presence_topic_made(struct presence *p, struct topic *t)
{
    const struct spot *at = map_get(&p->spots, topic_name(t));
    t->counted = at && at->generation;
}

int presence_joined(struct presence *p, const struct topic *t, const struct session *s)
{
    struct presence_mail *m = presence_mail_try_new(PRESENCE_CHANGE, topic_name(t),
                                                    principal_user_id(s->principal), STR_NONE);
    if (!m) {
        return -E_NO_MEMORY;
    }
    change(p, m, 1);
    return 0;
}

static struct str key_of(const struct viewer *v)
{
    return str_make((const char *)&v->id, sizeof(v->id));
}

static struct watcher *find_watcher(const struct presence *p, const struct session *s,
                                    struct str topic)
{
    const struct viewer key = {.id = s->id},
                        *v = s->watches ? map_get(&p->viewers, key_of(&key)) : NULL;
    for (struct list *node = v ? v->watchers.next : NULL; node && node != &v->watchers;
         node = node->next) {
        struct watcher *w = LIST_ENTRY(node, struct watcher, by_session);
        if (str_eq(w->spot->topic, topic)) {
            return w;
        }
    }
    return NULL;
}

static void unwatch(struct presence *p, struct watcher *w)
{
    struct session *s = w->session;
    struct spot *at = w->spot;
    if (w->asking) {
        w->asking->ctx = NULL;
    }
    list_del(&w->by_spot);
    list_del(&w->by_session);
    mem_free(w);
    if (list_empty(&at->watchers)) {
        post(p, presence_mail_new(PRESENCE_UNWATCH, at->topic, STR_NONE));
        spot_drop_unused(p, at);
    }
    const struct viewer key = {.id = s->id};
    struct viewer *v = map_get(&p->viewers, key_of(&key));
    if (list_empty(&v->watchers)) {
        s->watches = false;
        (void)map_del(&p->viewers, key_of(v));
        mem_free(v);
    }
}

// Its mail is one that may not fail: without it the user would stay for ever.
void presence_parted(struct presence *p, const struct topic *t, struct session *s)
{
    if (t->counted) {
        change(p,
               presence_mail_new(PRESENCE_CHANGE, topic_name(t), principal_user_id(s->principal)),
               -1);
    }
    struct watcher *w = find_watcher(p, s, topic_name(t));
    if (w) {
        unwatch(p, w);
    }
}

// --- asking ---

static void on_told(struct presence_mail *m)
{
    struct presence_asker *asker = m->ctx;
    asker->done(asker->ctx, m->err, buf_str(&m->answer));
    mem_free(asker);
    presence_mail_free(m);
}

int presence_ask(struct presence *p, struct str topic, const struct presence_asker *asker)
{
    if (!p) {
        return -E_UNAVAILABLE;
    }
    struct presence_asker *kept = mem_try_alloc(sizeof(*kept));
    struct presence_mail *m = presence_mail_try_new(PRESENCE_ASK, topic, STR_NONE, STR_NONE);
    if (!kept || !m) {
        mem_free(kept);
        presence_mail_free(m);
        return -E_NO_MEMORY;
    }
    *kept = *asker;
    m->done = on_told;
    m->ctx = kept;
    p->cfg.fanout->in_flight++;
    post(p, m);
    return 0;
}

static void on_present(struct presence_mail *m)
{
    struct watcher *w = m->ctx;
    if (w) {
        struct session *s = w->session;
        w->asking = NULL;
        const struct sink_present present = {
            .topic = m->topic, .err = m->err, .members = buf_str(&m->answer), .ref = m->ref};
        session_ops(s)->present(s->sink, &present);
    }
    presence_mail_free(m);
}

static struct viewer *viewer_get(struct presence *p, struct session *s)
{
    const struct viewer key = {.id = s->id};
    struct viewer *v = map_get(&p->viewers, key_of(&key));
    if (v) {
        return v;
    }
    v = mem_try_alloc(sizeof(*v));
    if (!v) {
        return NULL;
    }
    v->id = s->id;
    list_init(&v->watchers);
    if (map_add(&p->viewers, key_of(v), v) != 0) {
        mem_free(v);
        return NULL;
    }
    return v;
}

static struct watcher *watcher_get(struct presence *p, struct session *s, struct str topic)
{
    struct watcher *w = find_watcher(p, s, topic);
    if (w) {
        return w;
    }
    w = mem_try_alloc(sizeof(*w));
    struct spot *at = w ? spot_get(p, topic) : NULL;
    struct viewer *v = at ? viewer_get(p, s) : NULL;
    if (!v) {
        if (at) {
            spot_drop_unused(p, at);
        }
        mem_free(w);
        return NULL;
    }
    w->session = s;
    w->spot = at;
    list_push_back(&at->watchers, &w->by_spot);
    list_push_back(&v->watchers, &w->by_session);
    s->watches = true;
    return w;
}

int presence_watch(struct presence *p, struct session *s, struct str topic, struct str ref)
{
    if (!p || !session_ops(s)->present) {
        return -E_UNAVAILABLE;
    }
    struct presence_mail *m = presence_mail_try_new(PRESENCE_ASK, topic, STR_NONE, ref);
    struct watcher *w = m ? watcher_get(p, s, topic) : NULL;
    if (!w) {
        presence_mail_free(m);
        return -E_NO_MEMORY;
    }
    if (w->asking) {
        w->asking->ctx = NULL; // this question stands for that one
    }
    w->asking = m;
    m->watch = true;
    m->done = on_present;
    m->ctx = w;
    p->cfg.fanout->in_flight++;
    post(p, m);
    return 0;
}

// --- the roll's mails ---

// Where few are on a topic they are told one by one; connections without a user all at once.
static int report(struct presence *p, const struct topic *t)
{
    const uint32_t *slots = topic_subscribers(t);
    int nobodys = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct session *s = p->cfg.fanout->by_slot[slots[i]];
        if (!principal_user_id(s->principal).p) {
            nobodys++;
        } else if (presence_joined(p, t, s) != 0) {
            return -E_NO_MEMORY;
        }
    }
    struct presence_mail *m =
        presence_mail_try_new(PRESENCE_CHANGE, topic_name(t), STR_NONE, STR_NONE);
    if (!m) {
        return -E_NO_MEMORY;
    }
    change(p, m, nobodys);
    return 0;
}

static void begin_count(struct presence *p, struct presence_mail *m)
{
    struct spot *at = spot_get(p, m->topic);
    m->err = at ? 0 : -E_NO_MEMORY;
    if (at) {
        struct topic *t = topic_of(p, m->topic);
        at->generation = m->generation;
        if (t) {
            t->counted = true;
            m->err = report(p, t);
        }
    }
    post(p, m);
}

static void end_count(struct presence *p, const struct presence_mail *m)
{
    struct spot *at = map_get(&p->spots, m->topic);
    if (!at || at->generation != m->generation) {
        return;
    }
    struct topic *t = topic_of(p, m->topic);
    at->generation = 0;
    if (t) {
        t->counted = false;
    }
    spot_drop_unused(p, at);
}

static void tell(struct presence *p, const struct presence_mail *m)
{
    struct spot *at = map_get(&p->spots, m->topic);
    if (!at) {
        return;
    }
    at->pins++; // a watcher may end while it is told
    LIST_FOREACH(node, &at->watchers)
    {
        const struct watcher *w = LIST_ENTRY(node, struct watcher, by_spot);
        struct session *s = w->session;
        if (!w->asking) {
            session_ops(s)->presence(s->sink, m->topic, m->user, m->joined);
        }
    }
    at->pins--;
    spot_drop_unused(p, at);
}

static void drop_mail(struct presence_mail *m)
{
    if (m->what == PRESENCE_ASK) {
        m->done(m);
    } else {
        presence_mail_free(m);
    }
}

void presence_take(struct presence *p, struct presence_mail *m)
{
    if (p->closed) {
        drop_mail(m);
        return;
    }
    switch (m->what) {
    case PRESENCE_ASK:
        p->cfg.fanout->in_flight--;
        m->done(m);
        return;
    case PRESENCE_COUNT:
        begin_count(p, m);
        return;
    case PRESENCE_FORGET:
        end_count(p, m);
        break;
    case PRESENCE_TELL:
        tell(p, m);
        break;
    case PRESENCE_CHANGE:
    case PRESENCE_UNWATCH:
        UNREACHABLE();
    }
    presence_mail_free(m);
}

// --- life ---

struct presence *presence_new(const struct presence_config *cfg)
{
    struct presence *p = mem_alloc(sizeof(*p));
    p->cfg = *cfg;
    map_init(&p->spots, &cfg->fanout->topics.key);
    map_init(&p->viewers, &cfg->fanout->topics.key);
    cfg->fanout->presence = p;
    return p;
}

void presence_close(struct presence *p)
{
    if (p) {
        p->closed = true;
        p->cfg.fanout->presence = NULL;
    }
}

void presence_free(struct presence *p)
{
    if (!p) {
        return;
    }
    struct spot *at;
    for (size_t i = 0; (at = map_next(&p->spots, &i));) {
        ASSERT(list_empty(&at->watchers));
        mem_free(at);
    }
    ASSERT(p->viewers.count == 0);
    map_fini(&p->spots);
    map_fini(&p->viewers);
    mem_free(p);
}
