// SPDX-License-Identifier: MIT
// The life of sessions, and the topics they are on.
#include "hub/session.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/fanout_int.h"
#include "hub/pages.h"
#include "hub/presence.h"

// --- live and behind ---

void session_go_live(struct session *s)
{
    ASSERT(s->state == SESSION_BEHIND && !s->blocked && s->position == s->fanout->position);
    s->state = SESSION_LIVE;
    ASSERT(s->fanout->live[s->slot].mask == 0);
    s->fanout->live[s->slot].port &= ~LIVE_NOT;
    s->fanout->stats.behind--;
}

void session_stop(struct session *s)
{
    if (s->state == SESSION_LIVE) {
        struct live *live = &s->fanout->live[s->slot];
        s->state = SESSION_BEHIND;
        s->position = fanout_position_of(s->fanout, s->slot);
        live->mask = 0;
        live->port |= LIVE_NOT;
        if (s->fanout->places) { // what it reads by itself is of no stream
            s->fanout->places[s->slot].at = (struct sink_place){0};
        }
        s->fanout->stats.behind++;
    }
}

void session_wake(struct session *s)
{
    struct fanout *f = s->fanout;
    if (!list_empty(&s->run)) {
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

// --- topics ---

struct sub *session_sub(struct session *s, struct str topic)
{
    struct sub *subs = session_subs(s);
    for (unsigned i = 0; i < s->subs_count; i++) {
        if (str_eq(topic_name(subs[i].topic), topic)) {
            return &subs[i];
        }
    }
    return NULL;
}

static bool is_on_topic(const struct event *e, const struct topic *t)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        if (t->hash == e->topics[i].hash && str_eq(topic_name(t), e->topics[i].name)) {
            return true;
        }
    }
    return false;
}

unsigned session_looks(struct session *s, const struct event *e)
{
    const struct sub *subs = session_subs(s);
    unsigned looks = 0;
    for (unsigned i = 0; i < s->subs_count; i++) {
        if (subs[i].looks & ~looks && is_on_topic(e, subs[i].topic)) {
            looks |= subs[i].looks;
        }
    }
    return looks;
}

bool session_on_event_topic(struct session *s, const struct event *e)
{
    const struct sub *subs = session_subs(s);
    for (unsigned i = 0; i < e->topics_count; i++) {
        for (unsigned k = 0; k < s->subs_count; k++) {
            const struct topic *t = subs[k].topic;
            if (t->hash == e->topics[i].hash && str_eq(topic_name(t), e->topics[i].name)) {
                return true;
            }
        }
    }
    return false;
}

// The stream of the topic that most are on is the one to share.
static void set_home(struct session *s)
{
    const struct sub *subs = session_subs(s);
    const struct topic *home = NULL;
    for (unsigned i = 0; i < s->subs_count; i++) {
        home = !home || subs[i].topic->count >= home->count ? subs[i].topic : home;
    }
    struct stream_slot *slot = &s->fanout->places[s->slot];
    uint64_t hash = home ? home->hash : 0;
    if (slot->home != hash) {
        *slot = (struct stream_slot){.home = hash};
    }
}

// The variant follows from the topics: it is mixed when their looks differ.
static void set_looks(struct session *s)
{
    const struct sub *subs = session_subs(s);
    const struct sink_variant *variant = session_variant(s);
    unsigned looks = 0;
    for (unsigned i = 0; variant->family && i < s->subs_count; i++) {
        looks |= subs[i].looks;
    }
    s->fanout->variant_of[s->slot] = (uint8_t)sink_variant_of(variant, looks)->number;
    if (variant->linked && s->fanout->places) {
        set_home(s);
    }
}

static int set_room(struct session *s, unsigned cap)
{
    struct sub *many = s->subs_cap == SUBS_FEW ? NULL : s->subs.many;
    struct sub *grown = mem_try_realloc(many, cap * sizeof(struct sub));
    if (!grown) {
        return -E_NO_MEMORY;
    }
    if (s->subs_cap == SUBS_FEW) {
        memcpy(grown, s->subs.few, sizeof(s->subs.few));
    } else {
        s->fanout->subs_bytes -= s->subs_cap * sizeof(struct sub);
    }
    s->fanout->subs_bytes += cap * sizeof(struct sub);
    s->subs.many = grown;
    s->subs_cap = (uint16_t)cap;
    return 0;
}

int session_join(struct session *s, struct str topic, uint64_t from)
{
    ASSERT(!session_sub(s, topic));
    struct topics *topics = &s->fanout->topics;
    if (s->subs_count == s->subs_cap && set_room(s, s->subs_cap * 2u) != 0) {
        return -E_NO_MEMORY;
    }
    struct topic *t = topics_try_get(topics, topic);
    struct sub sub = {.topic = t, .from = from};
    if (!t || topic_join(topics, t, s->slot, &sub.place) != 0) {
        if (t) {
            topics_drop_unused(topics, t);
        }
        return -E_NO_MEMORY;
    }
    struct presence *presence = s->fanout->presence;
    if (presence && t->count == 1) {
        presence_topic_made(presence, t);
    }
    if (t->counted && presence_joined(presence, t, s) != 0) {
        (void)topic_leave(topics, t, sub.place);
        return -E_NO_MEMORY;
    }
    const struct sink_family *family = session_variant(s)->family;
    sub.looks = family ? family->looks_of(topic) : 0;
    session_subs(s)[s->subs_count++] = sub;
    set_looks(s);
    return 0;
}

// Whoever took the place of one that left is told where it stands now.
static void tell_moved(struct fanout *f, uint32_t slot, const struct topic *topic, uint32_t place)
{
    struct session *s = f->by_slot[slot];
    struct sub *subs = session_subs(s);
    for (unsigned i = 0; i < s->subs_count; i++) {
        if (subs[i].topic == topic) {
            subs[i].place = place;
            return;
        }
    }
    UNREACHABLE();
}

static void session_part(struct session *s, unsigned index)
{
    struct sub *subs = session_subs(s);
    struct sub left = subs[index];
    if (left.topic->counted || s->watches) {
        presence_parted(s->fanout->presence, left.topic, s);
    }
    subs[index] = subs[--s->subs_count];
    uint32_t moved = topic_leave(&s->fanout->topics, left.topic, left.place);
    if (moved != TOPIC_NOBODY) {
        tell_moved(s->fanout, moved, left.topic, left.place);
    }
    if (s->subs_count <= SUBS_FEW && s->subs_cap > SUBS_FEW) {
        s->fanout->subs_bytes -= s->subs_cap * sizeof(struct sub);
        memcpy(s->subs.few, subs, s->subs_count * sizeof(struct sub));
        s->subs_cap = SUBS_FEW;
        mem_free(subs);
    }
    set_looks(s);
}

int session_subscribe(struct session *s, const struct session_subscribe *sub)
{
    const struct limits *limits = s->fanout->realm->limits;
    struct bracket *b = bracket_try_new(sub, (unsigned)LIMIT_OF(limits, SNAPSHOT_LINES));
    if (!b) {
        return -E_NO_MEMORY;
    }
    session_stop(s);
    bracket_append(s, b);
    session_wake(s);
    return 0;
}

static void leave(struct session *s, unsigned index)
{
    if (s->state == SESSION_LIVE && s->fanout->live[s->slot].mask != 0) {
        session_stop(s); // what it is still to have may be of this topic
        session_wake(s);
    }
    session_part(s, index);
}

bool session_unsubscribe(struct session *s, struct str topic)
{
    if (bracket_leave(s, topic)) {
        return true;
    }
    struct sub *sub = session_sub(s, topic);
    if (!sub) {
        return false;
    }
    leave(s, (unsigned)(sub - session_subs(s)));
    return true;
}

// What was allowed because the user owns the job stays so.
bool session_keeps(const struct principal_change *c, struct str topic)
{
    return principal_may(c->new, RIGHT_SUBSCRIBE, topic) ||
           !principal_may(c->old, RIGHT_SUBSCRIBE, topic);
}

void session_set_principal(struct session *s, struct principal *p,
                           void (*lost)(void *ctx, struct str topic), void *ctx)
{
    struct principal_change change = {.old = s->principal, .new = p, .lost = lost, .ctx = ctx};
    bracket_leave_lost(s, &change);
    for (unsigned i = s->subs_count; i > 0; i--) {
        struct str topic = topic_name(session_subs(s)[i - 1].topic);
        if (!session_keeps(&change, topic)) {
            lost(ctx, topic);
            leave(s, i - 1);
        }
    }
    principal_ref(p);
    principal_unref(s->principal);
    s->principal = p;
}

unsigned session_topics_count(const struct session *s)
{
    return s->subs_count;
}

bool session_is_on(struct session *s, struct str topic)
{
    return session_sub(s, topic) != NULL;
}

// --- life ---

static void know_variant(struct fanout *f, const struct sink_variant *variant)
{
    ASSERT(variant->number < SINK_VARIANTS_MAX);
    ASSERT(!f->variants[variant->number] || f->variants[variant->number] == variant);
    f->variants[variant->number] = variant;
}

static void take_variant(struct session *s, const struct sink_variant *variant)
{
    for (unsigned i = 0; variant->family && i < ARRAY_LEN(variant->family->variants); i++) {
        know_variant(s->fanout, variant->family->variants[i]);
    }
    know_variant(s->fanout, variant);
    s->fanout->variant_of[s->slot] = (uint8_t)variant->number;
}

void session_set_variant(struct session *s, const struct sink_variant *variant)
{
    session_stop(s);
    take_variant(s, variant);
    set_looks(s);
    if (!s->blocked) {
        session_wake(s);
    }
}

struct session *session_new(struct fanout *f, struct principal *p,
                            const struct sink_variant *variant, void *sink)
{
    struct session *s = pool_try_alloc(&f->sessions);
    if (!s) {
        return NULL;
    }
    s->fanout = f;
    s->sink = sink;
    s->subs_cap = SUBS_FEW;
    s->position = f->position;
    list_init(&s->run);
    if (fanout_take_slot(f, s) != 0) {
        pool_free(&f->sessions, s);
        return NULL;
    }
    if (variant->linked && fanout_take_places(f) != 0) {
        fanout_give_slot(f, s);
        pool_free(&f->sessions, s);
        return NULL;
    }
    take_variant(s, variant);
    s->principal = principal_ref(p);
    s->id = 1 + atomic_fetch_add_explicit(&f->realm->sessions, 1, memory_order_relaxed);
    s->state = SESSION_LIVE;
    return s;
}

void session_set_port(struct session *s, void *port)
{
    uintptr_t at = (uintptr_t)port;
    ASSERT(port && !(at & LIVE_FLAGS) && !session_port(s));
    s->fanout->live[s->slot].port = s->state == SESSION_LIVE ? at : at | LIVE_NOT;
}

void *session_port(const struct session *s)
{
    return (void *)(s->fanout->live[s->slot].port & ~LIVE_FLAGS);
}

const struct sink_variant *session_variant(const struct session *s)
{
    return s->fanout->variants[s->fanout->variant_of[s->slot]];
}

const struct sink_ops *session_ops(const struct session *s)
{
    return session_variant(s)->ops;
}

void session_free(struct session *s)
{
    if (!s) {
        return;
    }
    struct fanout *f = s->fanout;
    session_stop(s);
    while (s->bracket) {
        bracket_end_first(s);
    }
    while (s->subs_count) {
        session_part(s, s->subs_count - 1);
    }
    page_drop(s);
    list_del(&s->run);
    f->stats.behind--;
    fanout_give_slot(f, s);
    principal_unref(s->principal);
    pool_free(&f->sessions, s);
}

uint64_t session_id(const struct session *s)
{
    return s->id;
}

struct str session_id_text(const struct session *s, char out[SESSION_ID_TEXT])
{
    int len = snprintf(out, SESSION_ID_TEXT, "%016llx", (unsigned long long)s->id);
    return str_make(out, (size_t)len);
}

uint64_t session_position(const struct session *s)
{
    return s->state == SESSION_LIVE ? fanout_position_of(s->fanout, s->slot) : s->position;
}

struct principal *session_principal(const struct session *s)
{
    return s->principal;
}

void session_tell_end(struct session *s, enum session_end why)
{
    session_ops(s)->end(s->sink, why);
}

void session_each_topic(struct session *s, void (*fn)(void *ctx, struct str topic), void *ctx)
{
    const struct sub *subs = session_subs(s);
    for (unsigned i = 0; i < s->subs_count; i++) {
        fn(ctx, topic_name(subs[i].topic));
    }
}

void session_about(const struct session *s, struct sink_about *ret)
{
    session_ops(s)->about(s->sink, ret);
}
