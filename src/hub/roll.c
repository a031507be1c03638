// SPDX-License-Identifier: MIT
// The table of who is where.
#include "hub/roll.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"

struct roll_user {
    struct list leaving; // in roll.leaving while it has no connection
    struct roll_topic *topic;
    unsigned connections;
    int64_t leaves_mono_ms;
    struct str name; // behind it
};

struct roll_topic {
    struct list idle; // in roll.idle while nobody watches
    int64_t idle_since_mono_ms;
    uint64_t generation;
    unsigned counted;  // workers that have counted
    bool crowded;      // too many users to be named
    uint64_t watching; // a bit for each worker where somebody does
    int64_t connections;
    struct map users;
    struct list asks; // that wait for the last count
    struct str name;  // behind it
};

struct roll {
    struct roll_config cfg;
    struct map topics;
    struct list leaving; // users, by when they are gone
    struct list idle;    // topics, by when they are
    uint64_t generation;
    size_t users;
    bool closed;
};

static int64_t grace_ms(const struct roll *r)
{
    return LIMIT_OF(r->cfg.limits, PRESENCE_GRACE_MS);
}

// --- telling ---

static void tell(struct roll *r, const struct roll_topic *t, struct str user, bool joined)
{
    if (t->counted < r->cfg.workers) {
        return; // those who wait are given the list
    }
    for (unsigned i = 0; i < r->cfg.workers; i++) {
        if (t->watching >> i & 1) {
            struct presence_mail *m = presence_mail_new(PRESENCE_TELL, t->name, user);
            m->joined = joined;
            r->cfg.send(r->cfg.ctx, i, m);
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct roll_user *x = *(struct roll_user *const *)a, *y = *(struct roll_user *const *)b;
    size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = memcmp(x->name.p, y->name.p, len);
    return order ? order : x->name.len < y->name.len ? -1 : x->name.len > y->name.len;
}

static int put_users(struct buf *b, const struct roll_topic *t)
{
    struct roll_user **all = mem_try_alloc((t->users.count + 1) * sizeof(*all)), *u;
    size_t count = 0;
    if (!all) {
        return -E_NO_MEMORY;
    }
    for (size_t i = 0; (u = map_next(&t->users, &i));) {
        all[count++] = u;
    }
    qsort(all, count, sizeof(*all), by_name);
    for (size_t i = 0; i < count; i++) {
        buf_put(b, i ? STR(",") : STR(""));
        buf_put_json(b, all[i]->name);
    }
    mem_free(all);
    return 0;
}

// Sends the question back.
static void answer(struct roll *r, const struct roll_topic *t, struct presence_mail *m, int err)
{
    m->err = err;
    if (!err) {
        struct buf *b = &m->answer;
        buf_put(b, STR("\"users\":["));
        m->err = put_users(b, t);
        buf_put(b, STR("],\"connections\":"));
        buf_put_u64(b, (uint64_t)(t->connections > 0 ? t->connections : 0));
        buf_put(b, t->crowded ? STR(",\"crowded\":true") : STR(""));
        m->err = b->failed ? -E_NO_MEMORY : m->err;
    }
    r->cfg.send(r->cfg.ctx, m->worker, m);
}

static void answer_all(struct roll *r, struct roll_topic *t, int err)
{
    struct list *node;
    while ((node = list_pop_front(&t->asks))) {
        answer(r, t, LIST_ENTRY(node, struct presence_mail, node), err);
    }
}

// --- topics ---

static void to_all(struct roll *r, const struct roll_topic *t, enum presence_what what)
{
    for (unsigned i = 0; i < r->cfg.workers; i++) {
        struct presence_mail *m = presence_mail_new(what, t->name, STR_NONE);
        m->generation = t->generation;
        m->worker = i;
        r->cfg.send(r->cfg.ctx, i, m);
    }
}

static void users_free(struct roll *r, struct roll_topic *t)
{
    struct roll_user *u;
    for (size_t i = 0; (u = map_next(&t->users, &i));) {
        list_del(&u->leaving);
        mem_free(u);
        r->users--;
    }
    map_fini(&t->users);
    map_init(&t->users, &r->cfg.key);
}

static void topic_drop(struct roll *r, struct roll_topic *t, int err)
{
    answer_all(r, t, err);
    to_all(r, t, PRESENCE_FORGET);
    users_free(r, t);
    map_fini(&t->users);
    list_del(&t->idle);
    (void)map_del(&r->topics, t->name);
    mem_free(t);
}

static void set_idle(struct roll *r, struct roll_topic *t, int64_t mono_ms)
{
    list_del(&t->idle);
    if (!t->watching) {
        t->idle_since_mono_ms = mono_ms;
        list_push_back(&r->idle, &t->idle);
    }
}

// The one that nobody watches and that was asked for the longest ago makes room.
static bool make_room(struct roll *r)
{
    if (r->topics.count < (size_t)LIMIT_OF(r->cfg.limits, PRESENCE_TOPICS)) {
        return true;
    }
    LIST_FOREACH(node, &r->idle)
    {
        struct roll_topic *t = LIST_ENTRY(node, struct roll_topic, idle);
        if (list_empty(&t->asks)) {
            topic_drop(r, t, 0);
            return true;
        }
    }
    r->cfg.hit(r->cfg.ctx, LIMIT_ROW_PRESENCE_TOPICS);
    return false;
}

static int topic_make(struct roll *r, struct str name, struct roll_topic **ret)
{
    if (!make_room(r)) {
        return -E_LIMIT;
    }
    struct roll_topic *t = mem_try_alloc(sizeof(*t) + name.len);
    if (!t) {
        return -E_NO_MEMORY;
    }
    memcpy(t + 1, name.p, name.len);
    t->name = str_make((const char *)(t + 1), name.len);
    if (map_add(&r->topics, t->name, t) != 0) {
        mem_free(t);
        return -E_NO_MEMORY;
    }
    list_init(&t->idle);
    list_init(&t->asks);
    map_init(&t->users, &r->cfg.key);
    t->generation = ++r->generation;
    to_all(r, t, PRESENCE_COUNT);
    *ret = t;
    return 0;
}

// --- users ---

static void crowd(struct roll *r, struct roll_topic *t)
{
    r->cfg.hit(r->cfg.ctx, LIMIT_ROW_PRESENCE_USERS);
    t->crowded = true;
    users_free(r, t);
}

static void came(struct roll *r, struct roll_topic *t, struct str name)
{
    struct roll_user *u = map_get(&t->users, name);
    if (u) {
        list_del(&u->leaving);
        u->connections++;
        return;
    }
    bool room = t->users.count < (size_t)LIMIT_OF(r->cfg.limits, PRESENCE_USERS);
    u = room ? mem_try_alloc(sizeof(*u) + name.len) : NULL;
    if (!u) {
        crowd(r, t);
        return;
    }
    memcpy(u + 1, name.p, name.len);
    u->name = str_make((const char *)(u + 1), name.len);
    if (map_add(&t->users, u->name, u) != 0) {
        mem_free(u);
        crowd(r, t);
        return;
    }
    list_init(&u->leaving);
    u->topic = t;
    u->connections = 1;
    r->users++;
    tell(r, t, u->name, true);
}

static void went(struct roll *r, struct roll_topic *t, struct str name, int64_t mono_ms)
{
    struct roll_user *u = map_get(&t->users, name);
    if (u && u->connections > 0 && --u->connections == 0) {
        u->leaves_mono_ms = mono_ms + grace_ms(r);
        list_push_back(&r->leaving, &u->leaving);
    }
}

// --- mails ---

static void take_ask(struct roll *r, struct presence_mail *m, int64_t mono_ms)
{
    struct roll_topic *t = map_get(&r->topics, m->topic);
    int err = r->closed ? -E_UNAVAILABLE : t ? 0 : topic_make(r, m->topic, &t);
    if (err) {
        answer(r, t, m, err);
        return;
    }
    t->watching |= (uint64_t)m->watch << m->worker;
    set_idle(r, t, mono_ms);
    if (t->counted == r->cfg.workers) {
        answer(r, t, m, 0);
    } else {
        list_push_back(&t->asks, &m->node);
    }
}

static void take_count(struct roll *r, struct roll_topic *t, int err)
{
    if (err) {
        topic_drop(r, t, err);
        return;
    }
    t->counted++;
    if (t->counted == r->cfg.workers) {
        answer_all(r, t, 0);
    }
}

static void take_change(struct roll *r, struct roll_topic *t, const struct presence_mail *m,
                        int64_t mono_ms)
{
    t->connections += m->change;
    if (!m->user.p || t->crowded) {
        return;
    }
    if (m->change > 0) {
        came(r, t, m->user);
    } else {
        went(r, t, m->user, mono_ms);
    }
}

void roll_take(struct roll *r, struct presence_mail *m, int64_t mono_ms)
{
    if (m->what == PRESENCE_ASK) {
        take_ask(r, m, mono_ms);
        return;
    }
    struct roll_topic *t = map_get(&r->topics, m->topic);
    if (t && m->what == PRESENCE_UNWATCH) {
        t->watching &= ~((uint64_t)1 << m->worker);
        set_idle(r, t, mono_ms);
    } else if (t && m->generation == t->generation && m->what == PRESENCE_COUNT) {
        take_count(r, t, m->err);
    } else if (t && m->generation == t->generation) {
        ASSERT(m->what == PRESENCE_CHANGE);
        take_change(r, t, m, mono_ms);
    }
    presence_mail_free(m);
}

// --- time ---

static void drop_idle(struct roll *r, int64_t mono_ms)
{
    while (!list_empty(&r->idle)) {
        struct roll_topic *t = LIST_ENTRY(r->idle.next, struct roll_topic, idle);
        if (t->idle_since_mono_ms + grace_ms(r) > mono_ms) {
            return;
        }
        if (list_empty(&t->asks)) {
            topic_drop(r, t, 0);
        } else {
            set_idle(r, t, mono_ms);
        }
    }
}

static void let_go(struct roll *r, int64_t mono_ms)
{
    while (!list_empty(&r->leaving)) {
        struct roll_user *u = LIST_ENTRY(r->leaving.next, struct roll_user, leaving);
        if (u->leaves_mono_ms > mono_ms) {
            return;
        }
        tell(r, u->topic, u->name, false);
        list_del(&u->leaving);
        (void)map_del(&u->topic->users, u->name);
        mem_free(u);
        r->users--;
    }
}

int64_t roll_tick(struct roll *r, int64_t mono_ms)
{
    int64_t next = INT64_MAX;
    let_go(r, mono_ms);
    drop_idle(r, mono_ms);
    if (!list_empty(&r->leaving)) {
        next = LIST_ENTRY(r->leaving.next, struct roll_user, leaving)->leaves_mono_ms;
    }
    if (!list_empty(&r->idle)) {
        const struct roll_topic *t = LIST_ENTRY(r->idle.next, struct roll_topic, idle);
        int64_t due = t->idle_since_mono_ms + grace_ms(r);
        next = due < next ? due : next;
    }
    return next;
}

// --- life ---

struct roll *roll_new(const struct roll_config *cfg)
{
    ASSERT(cfg->workers > 0 && cfg->workers <= ROLL_WORKERS_MAX);
    struct roll *r = mem_alloc(sizeof(*r));
    r->cfg = *cfg;
    map_init(&r->topics, &cfg->key);
    list_init(&r->leaving);
    list_init(&r->idle);
    return r;
}

void roll_close(struct roll *r)
{
    struct roll_topic *t;
    r->closed = true;
    for (size_t i = 0; (t = map_next(&r->topics, &i));) {
        answer_all(r, t, -E_UNAVAILABLE);
    }
}

void roll_free(struct roll *r)
{
    if (!r) {
        return;
    }
    struct roll_topic *t;
    for (size_t i = 0; (t = map_next(&r->topics, &i));) {
        ASSERT(list_empty(&t->asks));
        users_free(r, t);
        map_fini(&t->users);
        mem_free(t);
    }
    map_fini(&r->topics);
    mem_free(r);
}

struct roll_stats roll_stats(const struct roll *r)
{
    return (struct roll_stats){.topics = r->topics.count, .users = r->users};
}
