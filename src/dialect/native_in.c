// SPDX-License-Identifier: MIT
// What native clients say: commands, and messages to publish.
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "dialect/native.h"
#include "dialect/native_view.h"
#include "hub/history.h"
#include "hub/intake.h"
#include "hub/owner.h"
#include "hub/presence.h"
#include "hub/respond.h"
#include "hub/topic.h"

// Answers about history are large: so many at a time, and none for who does not read them.
#define QUESTIONS_MAX 16
// Subscriptions under way: each keeps its names until the socket has taken those before.
#define BRACKETS_MAX 200
#define UNSENT_MAX   ((size_t)LIMIT_BODY_BYTES)
// Names in one `topics`: more than a connection can be on, so that each of the rest gets its own
// refusal.
#define TOPICS_NAMED_MAX (10 * LIMIT_TOPICS_PER_SESSION)

static void refuse(struct native *n, const struct wmessage *m, int err, const char *text)
{
    wsession_refuse(&n->base, &(struct wrefusal){.err = err, .text = text, .ref = m->ref});
}

// The member's text; p = NULL and *ret_ok when it is absent or null. Refused otherwise.
static struct str text_member(struct native *n, const struct wmessage *m, const char *name,
                              bool *ret_ok)
{
    struct json_val v = json_get(m->object, name);
    *ret_ok = true;
    if (v.type == JSON_NONE || v.type == JSON_NULL) {
        return STR_NONE;
    }
    *ret_ok = false;
    if (v.type != JSON_STRING) {
        refuse(n, m, -E_BAD_REQUEST,
               "`topic`, `event`, `channel`, `since` and `before` are strings.");
        return STR_NONE;
    }
    struct str text = json_string(v, m->arena);
    if (!text.p) {
        refuse(n, m, -E_NO_MEMORY, NULL);
    }
    *ret_ok = text.p != NULL;
    return text;
}

// --- topics ---

struct names {
    struct str *topics; // in the message's arena
    unsigned count;
    struct str event; // as it was named by `event`
};

static bool add_name(struct names *names, struct arena *a, const char *prefix, struct str name)
{
    size_t prefix_len = strlen(prefix);
    char *text = arena_try_alloc(a, prefix_len + name.len + 1);
    if (!text) {
        return false;
    }
    memcpy(text, prefix, prefix_len);
    memcpy(text + prefix_len, name.p, name.len);
    names->topics[names->count++] = str_make(text, prefix_len + name.len);
    return true;
}

static bool add_single(struct native *n, const struct wmessage *m, struct names *names)
{
    static const struct {
        const char *member, *prefix;
    } places[] = {{"topic", ""}, {"event", "event:"}, {"channel", "channel:"}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        bool ok;
        struct str name = text_member(n, m, places[i].member, &ok);
        if (!ok) {
            return false;
        }
        if (name.p && !add_name(names, m->arena, places[i].prefix, name)) {
            refuse(n, m, -E_NO_MEMORY, NULL);
            return false;
        }
        if (name.p && places[i].member[0] == 'e') {
            names->event = name;
        }
    }
    return true;
}

static bool add_list(struct native *n, const struct wmessage *m, struct json_val list,
                     struct names *names)
{
    struct json_iter it = json_iter(list);
    struct json_val v;
    while (json_next(&it, NULL, &v)) {
        struct str name = v.type == JSON_STRING ? json_string(v, m->arena) : STR_NONE;
        if (v.type != JSON_STRING) {
            refuse(n, m, -E_BAD_REQUEST, "`topics` is an array of strings.");
            return false;
        }
        if (!name.p || !add_name(names, m->arena, "", name)) {
            refuse(n, m, -E_NO_MEMORY, NULL);
            return false;
        }
    }
    return true;
}

// All topics that the message names, in order. False: refused.
static bool read_names(struct native *n, const struct wmessage *m, struct names *ret)
{
    struct json_val list = json_get(m->object, "topics");
    unsigned count = 3; // topic, event, channel
    struct json_iter it = json_iter(list);
    while (json_next(&it, NULL, NULL)) {
        count++;
    }
    if (list.type != JSON_NONE && list.type != JSON_NULL && list.type != JSON_ARRAY) {
        refuse(n, m, -E_BAD_REQUEST, "`topics` is an array of strings.");
        return false;
    }
    if (count > TOPICS_NAMED_MAX) {
        refuse(n, m, -E_LIMIT, "Those are more topics than a connection may be on.");
        return false;
    }
    *ret = (struct names){.topics = arena_try_alloc(m->arena, count * sizeof(*ret->topics))};
    if (!ret->topics) {
        refuse(n, m, -E_NO_MEMORY, NULL);
        return false;
    }
    if (!add_single(n, m, ret) || !add_list(n, m, list, ret)) {
        return false;
    }
    if (ret->count == 0) {
        refuse(n, m, -E_BAD_REQUEST, "Name a `topic`, `topics`, an `event` or a `channel`.");
        return false;
    }
    return true;
}

static char *arena_cstr(struct str s)
{
    return (char *)(uintptr_t)s.p;
}

static void on_subscribe(struct native *n, const struct wmessage *m)
{
    struct names names;
    bool ok;
    if (n->brackets == BRACKETS_MAX) {
        refuse(n, m, -E_RATE_LIMITED, "Read the answers to the subscriptions before.");
        return;
    }
    struct str since = text_member(n, m, "since", &ok);
    if (!ok || !read_names(n, m, &names)) {
        return;
    }
    struct native_bracket told = {.presence = json_is_true(json_get(m->object, "presence"))};
    if (m->ref.p) {
        told.ref = arena_cstr(m->ref); // arena_try_copy ended it with a NUL
    }
    if (names.event.p) {
        struct str event = arena_try_copy(m->arena, names.event);
        told.event = arena_cstr(event);
    }
    struct session_subscribe sub = {.topics = names.topics, .count = names.count, .since = since};
    if ((names.event.p && !told.event) || !native_subscribe(n, &sub, &told)) {
        refuse(n, m, -E_NO_MEMORY, NULL);
    }
}

static void on_unsubscribe(struct native *n, const struct wmessage *m)
{
    struct names names;
    if (!read_names(n, m, &names)) {
        return;
    }
    struct frames f;
    frames_init(&f);
    for (unsigned i = 0; i < names.count; i++) {
        (void)session_unsubscribe(n->base.session, names.topics[i]);
        struct native_answer a = {.topic = names.topics[i], .ref = m->ref};
        if (names.event.p && str_starts(a.topic, STR("event:")) &&
            str_eq(str_from(a.topic, 6), names.event)) {
            a.event = names.event;
        }
        native_put_unsubscribed(frames_begin(&f), &a);
        frames_end(&f);
    }
    if (!native_send_in_turn(n, &f)) {
        refuse(n, m, -E_UNAVAILABLE, NULL);
    }
    frames_fini(&f);
}

// --- history ---

// A question under way.
struct question {
    struct native *n;  // one reference
    char *topic, *ref; // owned; ref NULL: none
};

static void question_free(struct question *q)
{
    q->n->questions--;
    wsession_unref(&q->n->base);
    mem_free(q->topic);
    mem_free(q->ref);
    mem_free(q);
}

static void on_history_read(void *ctx, int err, struct str json)
{
    struct question *q = ctx;
    if (err) {
        wsession_refuse(&q->n->base, &(struct wrefusal){.err = err, .ref = str_of(q->ref)});
    } else {
        struct buf b;
        buf_init(&b, SIZE_MAX);
        native_put_history(&b, str_of(q->topic), json, str_of(q->ref));
        wsession_send(&q->n->base, &b);
        buf_fini(&b);
    }
    question_free(q);
}

static struct question *question_try_new(struct native *n, struct str topic, struct str ref)
{
    struct question *q = mem_try_alloc(sizeof(*q));
    if (!q) {
        return NULL;
    }
    wsession_ref(&n->base);
    q->n = n;
    n->questions++;
    q->topic = mem_try_strdup(topic);
    q->ref = ref.p ? mem_try_strdup(ref) : NULL;
    if (!q->topic || (ref.p && !q->ref)) {
        question_free(q);
        return NULL;
    }
    return q;
}

static void on_history(struct native *n, const struct wmessage *m)
{
    bool ok;
    if (n->questions == QUESTIONS_MAX || ws_unsent_bytes(n->base.ws) > UNSENT_MAX) {
        refuse(n, m, -E_RATE_LIMITED, "Read the answers to the questions before.");
        return;
    }
    struct history_query query = {.topic = text_member(n, m, "topic", &ok)};
    query.since = ok ? text_member(n, m, "since", &ok) : STR_NONE;
    query.before = ok ? text_member(n, m, "before", &ok) : STR_NONE;
    if (!ok) {
        return;
    }
    struct json_val limit = json_get(m->object, "limit");
    if (limit.type != JSON_NONE && limit.type != JSON_NULL) {
        query.limit = limit.raw;
    }
    struct question *q = question_try_new(n, query.topic.p ? query.topic : STR(""), m->ref);
    if (!q) {
        refuse(n, m, -E_NO_MEMORY, NULL);
        return;
    }
    struct history_asker asker = {.done = on_history_read, .ctx = q};
    struct hub_worker *hub = n->base.hub;
    int err = history_ask(hub->realm, hub->ask, session_principal(n->base.session), &query, &asker);
    if (err) {
        wsession_refuse(
            &n->base,
            &(struct wrefusal){.err = err, .text = query.why, .ref = m->ref, .topic = query.topic});
        question_free(q);
    }
}

// --- who is there ---

static void on_present(void *ctx, int err, struct str members)
{
    struct question *q = ctx;
    native_tell_present(q->n, &(struct sink_present){.topic = str_of(q->topic),
                                                     .err = err,
                                                     .members = members,
                                                     .ref = str_of(q->ref)});
    question_free(q);
}

// With leave to follow the topic one may know who else does.
static void on_may_know(void *ctx, int err)
{
    struct question *q = ctx;
    struct presence_asker asker = {.done = on_present, .ctx = q};
    err = err ? err : presence_ask(q->n->base.hub->presence, str_of(q->topic), &asker);
    if (err) {
        on_present(q, err, STR_NONE);
    }
}

static void ask_presence(struct native *n, const struct wmessage *m, struct str topic)
{
    const struct hub_worker *hub = n->base.hub;
    if (n->questions == QUESTIONS_MAX || ws_unsent_bytes(n->base.ws) > UNSENT_MAX) {
        refuse(n, m, -E_RATE_LIMITED, "Read the answers to the questions before.");
        return;
    }
    struct question *q = question_try_new(n, topic, m->ref);
    if (!q) {
        refuse(n, m, -E_NO_MEMORY, NULL);
        return;
    }
    struct owner_asker asker = {.done = on_may_know, .ctx = q};
    int err = session_is_on(n->base.session, topic)
                  ? 0
                  : owner_ask_may_read(hub->ask, session_principal(n->base.session), topic, &asker);
    if (err != -E_AGAIN) {
        on_may_know(q, err);
    }
}

static void on_presence(struct native *n, const struct wmessage *m)
{
    struct names names;
    if (!read_names(n, m, &names)) {
        return;
    }
    for (unsigned i = 0; i < names.count && n->base.ws; i++) {
        if (topic_valid(names.topics[i])) {
            ask_presence(n, m, names.topics[i]);
        } else {
            refuse(n, m, -E_BAD_REQUEST,
                   "A topic is 1 to 255 bytes of UTF-8 without control characters.");
        }
    }
}

// --- publishing ---

// What a submit's answer goes to; in the submit's arena.
struct message_ctx {
    struct native *n; // one reference
    struct str ref;
};

static void on_published(struct submit *s)
{
    struct message_ctx *c = s->ctx;
    struct native *n = c->n;
    if (s->answer.err) {
        wsession_refuse(&n->base, &(struct wrefusal){
                                      .err = s->answer.err, .text = s->answer.text, .ref = c->ref});
    } else if (c->ref.p) {
        struct buf b;
        buf_init(&b, LIMIT_MESSAGE_BYTES);
        native_put_published(&b, s, c->ref);
        wsession_send(&n->base, &b);
        buf_fini(&b);
    }
    submit_free(s);
    wsession_unref(&n->base);
}

static struct submit *new_submit(struct native *n, const struct wmessage *m)
{
    struct submit *s = submit_new(n->base.hub->realm, session_principal(n->base.session));
    struct message_ctx *c = s ? arena_try_alloc(&s->arena, sizeof(*c)) : NULL;
    if (!c) {
        goto fail;
    }
    c->n = n;
    c->ref = m->ref.p ? arena_try_copy(&s->arena, m->ref) : STR_NONE;
    if (m->ref.p && !c->ref.p) {
        goto fail;
    }
    s->ctx = c;
    s->done = on_published;
    return s;
fail:
    submit_free(s);
    refuse(n, m, -E_NO_MEMORY, NULL);
    return NULL;
}

static void hand_in(struct native *n, const struct wmessage *m, struct submit *s)
{
    struct intake *in = n->base.hub->intake;
    wsession_ref(&n->base); // the answer's
    int err = in->submit_take(in, s);
    if (err) {
        refuse(n, m, err, NULL);
        submit_free(s);
        wsession_unref(&n->base);
    }
}

// Who speaks on a channel hears it, as far as it may.
static void join_channel(struct native *n, const struct wmessage *m, struct str channel)
{
    struct names names = {.topics = arena_try_alloc(m->arena, sizeof(struct str))};
    struct native_bracket told = {.quiet = true};
    if (!names.topics || !add_name(&names, m->arena, "channel:", channel)) {
        wsession_out_of_memory(&n->base);
        return;
    }
    struct session_subscribe sub = {.topics = names.topics, .count = 1, .spoke = true};
    if (session_is_on(n->base.session, names.topics[0]) ||
        !principal_may(session_principal(n->base.session), RIGHT_SUBSCRIBE, names.topics[0])) {
        return;
    }
    if (n->brackets < BRACKETS_MAX && !native_subscribe(n, &sub, &told)) {
        wsession_out_of_memory(&n->base);
    }
}

static int find_responder(const struct native *n, struct str channel, bool *ret_shown)
{
    struct responders *r = n->base.hub->responders;
    return r ? r->find(r, channel, ret_shown) : -1;
}

// False: refused. The submit of the message has been checked by now.
static bool ask_responder(struct native *n, const struct wmessage *m, unsigned responder,
                          struct str channel)
{
    char topic[LIMIT_TOPIC_BYTES + 1];
    int len = snprintf(topic, sizeof(topic), "channel:%.*s", STR_ARG(channel));
    if (!principal_may(session_principal(n->base.session), RIGHT_PUBLISH,
                       str_make(topic, (size_t)len))) {
        refuse(n, m, -E_FORBIDDEN, NULL);
        return false;
    }
    return native_ask(n, &(struct native_asked){.responder = responder,
                                                .message = m,
                                                .channel = channel,
                                                .data = json_get(m->object, "data")});
}

static void publish(struct native *n, const struct wmessage *m, struct str channel)
{
    struct json_val data = json_get(m->object, "data");
    if (data.type == JSON_NONE) {
        refuse(n, m, -E_UNKNOWN_TYPE, "That is no command, and a message to publish has `data`.");
        return;
    }
    bool shown = true;
    int responder = channel.p ? find_responder(n, channel, &shown) : -1;
    struct submit *s = new_submit(n, m);
    if (!s) {
        return;
    }
    struct report_fault fault = {0};
    int err;
    if (channel.p) {
        err = submit_add_channel(s, channel, data, &fault);
        if (!json_is_true(json_get(m->object, "echo"))) {
            s->origin = session_id(n->base.session);
        }
    } else {
        err = submit_add_client_event(s, m->type, data, &fault);
    }
    if (err) {
        refuse(n, m, err, fault.text);
        submit_free(s);
        return;
    }
    if (responder >= 0 && !ask_responder(n, m, (unsigned)responder, channel)) {
        submit_free(s);
        return;
    }
    if (channel.p && n->channels) {
        join_channel(n, m, channel);
    }
    if (shown) {
        hand_in(n, m, s);
    } else {
        submit_free(s);
    }
}

// --- all of them ---

static const struct {
    const char *type;
    void (*run)(struct native *n, const struct wmessage *m);
} commands[] = {
    {"subscribe", on_subscribe}, {"unsubscribe", on_unsubscribe},         {"history", on_history},
    {"presence", on_presence},   {"stream_cancel", native_stream_cancel},
};

void native_message(struct wsession *w, const struct wmessage *m)
{
    struct native *n = CONTAINER_OF(w, struct native, base);
    for (size_t i = 0; m->type.p && i < ARRAY_LEN(commands); i++) {
        if (str_is(m->type, commands[i].type)) {
            commands[i].run(n, m);
            return;
        }
    }
    // A channel's events are of type `message` themselves, so that what was received can be sent on
    // as it is.
    struct str channel = STR_NONE;
    if (!m->type.p || str_is(m->type, "message")) {
        bool ok;
        channel = text_member(n, m, "channel", &ok);
        if (!ok) {
            return;
        }
    }
    if (!m->type.p && !channel.p) {
        refuse(n, m, -E_UNKNOWN_TYPE, "A message has a `type`, or a `channel` and `data`.");
        return;
    }
    publish(n, m, channel);
}
