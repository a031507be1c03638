// SPDX-License-Identifier: MIT
// What the messages of a hub mean to a subscription.
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "client/error.h"
#include "client/sub.h"
#include "wire/json.h"

enum {
    DEPTH_MAX = 64,
    ARENA_BYTES_MAX = 1024 * 1024,
    HEARTBEAT_S_MAX = 600,
};

struct message {
    struct str text;
    struct json_val all;
    struct arena arena; // of unescaped strings
};

static struct str text_of(struct message *m, struct json_val v)
{
    return v.type == JSON_STRING ? json_string(v, &m->arena) : STR_NONE;
}

static struct str member(struct message *m, const char *name)
{
    return text_of(m, json_get(m->all, name));
}

static void set_cursor(char to[SUB_CURSOR_SIZE], struct str cursor)
{
    if (cursor.len > 0 && cursor.len < SUB_CURSOR_SIZE) {
        memcpy(to, cursor.p, cursor.len);
        to[cursor.len] = '\0';
    }
}

static void set_both(struct clairon_sub *s, struct str cursor)
{
    set_cursor(s->cursor, cursor);
    set_cursor(s->own_cursor, cursor);
}

static struct sub_topic *find(struct clairon_sub *s, struct str name)
{
    for (size_t i = 0; i < s->topics_count; i++) {
        if (str_is(name, s->topics[i].name)) {
            return &s->topics[i];
        }
    }
    return NULL;
}

static bool any_in(const struct clairon_sub *s, enum topic_state state)
{
    for (size_t i = 0; i < s->topics_count; i++) {
        if (s->topics[i].state == state) {
            return true;
        }
    }
    return false;
}

// No bracket of ours is open or to come.
static bool all_caught_up(const struct clairon_sub *s)
{
    return s->connected && !any_in(s, TOPIC_ASKED) && !any_in(s, TOPIC_OPEN);
}

static void subscribe(struct clairon_sub *s)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    buf_put(&b, STR("{\"type\":\"subscribe\",\"ref\":\"subscribe\",\"topics\":["));
    bool first = true;
    for (size_t i = 0; i < s->topics_count; i++) {
        if (s->topics[i].state == TOPIC_REFUSED) {
            continue;
        }
        s->topics[i].state = TOPIC_ASKED;
        buf_put(&b, first ? STR("") : STR(","));
        buf_put_json(&b, str_of(s->topics[i].name));
        first = false;
    }
    buf_putc(&b, ']');
    if (s->cursor[0]) {
        buf_put(&b, STR(",\"since\":"));
        buf_put_json(&b, str_of(s->cursor));
    }
    buf_putc(&b, '}');
    sub_put(s, buf_str(&b));
    buf_fini(&b);
}

static void on_connected(struct clairon_sub *s, struct message *m)
{
    int64_t seconds;
    struct json_val heartbeat = json_get(json_get(m->all, "data"), "heartbeat");
    if (json_int(heartbeat, &seconds) == 0 && seconds > 0 && seconds <= HEARTBEAT_S_MAX) {
        s->heartbeat_ms = seconds * 1000;
    }
    if (!s->connected) {
        s->connected = true;
        s->failures = 0;
        subscribe(s);
        s->state = CLAIRON_SUB_LIVE;
        if (s->handlers.on_state) {
            s->handlers.on_state(s->arg, CLAIRON_SUB_LIVE, NULL, 0);
        }
    }
}

static void on_subscribed(struct clairon_sub *s, struct message *m)
{
    struct sub_topic *t = find(s, member(m, "topic"));
    if (t && t->state == TOPIC_ASKED) {
        t->state = TOPIC_OPEN;
    }
}

static void on_caught_up(struct clairon_sub *s, struct message *m)
{
    struct str topic = member(m, "topic");
    struct str cursor = member(m, "cursor");
    struct sub_topic *t = find(s, topic);
    if (t && t->state != TOPIC_REFUSED) {
        t->state = TOPIC_CAUGHT_UP;
    }
    if (all_caught_up(s)) {
        set_both(s, cursor);
    } else if (!t) {
        set_cursor(s->own_cursor, cursor);
    }
    if (t && s->handlers.on_caught_up) {
        s->handlers.on_caught_up(s->arg, str_span(topic), str_span(cursor));
    }
}

static void on_snapshot(struct clairon_sub *s, struct message *m)
{
    if (s->handlers.on_snapshot) {
        s->handlers.on_snapshot(s->arg, str_span(member(m, "topic")),
                                str_span(json_get(m->all, "data").raw));
    }
}

static void on_gap(struct clairon_sub *s, struct message *m)
{
    struct clairon_gap gap = {.text = str_span(m->text),
                              .topic = str_span(member(m, "topic")),
                              .reason = str_span(member(m, "reason")),
                              .from = str_span(member(m, "from")),
                              .to = str_span(member(m, "to")),
                              .count = -1};
    if (json_int(json_get(m->all, "count"), &gap.count)) {
        gap.count = -1;
    }
    if (s->handlers.on_gap) {
        s->handlers.on_gap(s->arg, &gap);
    }
}

static void on_pong(struct clairon_sub *s, struct message *m)
{
    if (all_caught_up(s)) {
        set_both(s, member(m, "cursor"));
    }
}

static void on_published(struct clairon_sub *s, struct message *m)
{
    if (s->handlers.on_published) {
        s->handlers.on_published(s->arg, str_span(member(m, "ref")), str_span(member(m, "id")));
    }
}

// A topic or a message was refused. Without any topic left the session has nothing to live for.
static void on_refused(struct clairon_sub *s, struct message *m)
{
    struct json_val data = json_get(m->all, "data");
    struct str code = text_of(m, json_get(data, "code"));
    struct str message = text_of(m, json_get(data, "message"));
    struct str topic = member(m, "topic");
    if (!topic.p) {
        topic = text_of(m, json_get(data, "topic"));
    }
    struct clairon_error why;
    (void)client_fail(&why, CLAIRON_REFUSED, "%.*s", STR_ARG(message.len ? message : code));
    snprintf(why.code, sizeof(why.code), "%.*s", STR_ARG(code));
    bool ours = str_is(member(m, "ref"), "subscribe");
    for (size_t i = 0; i < s->topics_count; i++) {
        if (topic.p ? str_is(topic, s->topics[i].name) : ours) {
            s->topics[i].state = TOPIC_REFUSED;
        }
    }
    if (s->handlers.on_refused) {
        s->handlers.on_refused(s->arg, str_span(topic), &why);
    }
    if (s->topics_count > 0 && !any_in(s, TOPIC_ASKED) && !any_in(s, TOPIC_OPEN) &&
        !any_in(s, TOPIC_CAUGHT_UP)) {
        sub_end(s, &why);
    }
}

static void on_event(struct clairon_sub *s, struct message *m)
{
    struct json_val data = json_get(m->all, "data");
    struct clairon_event e = {.text = str_span(m->text),
                              .type = str_span(member(m, "type")),
                              .id = str_span(member(m, "id")),
                              .topic = str_span(member(m, "topic")),
                              .channel = str_span(member(m, "channel")),
                              .timestamp = str_span(member(m, "timestamp")),
                              .data = str_span(data.raw)};
    if (!e.id.p) {
        return; // no event: a message of a later version
    }
    if (json_is_true(json_get(m->all, "retained"))) {
        // As old as it is, it says nothing about what lies between.
    } else if (all_caught_up(s)) {
        set_both(s, span_str(e.id));
    } else {
        set_cursor(any_in(s, TOPIC_OPEN) ? s->cursor : s->own_cursor, span_str(e.id));
    }
    if (s->handlers.on_event) {
        s->handlers.on_event(s->arg, &e);
    }
}

static void on_nothing(struct clairon_sub *s, struct message *m)
{
    (void)s;
    (void)m;
}

// The envelope's own words; any other type is an event's.
static const struct {
    const char *type;
    void (*run)(struct clairon_sub *s, struct message *m);
} words[] = {
    {"connected", on_connected},
    {"subscribed", on_subscribed},
    {"caught_up", on_caught_up},
    {"snapshot", on_snapshot},
    {"gap", on_gap},
    {"pong", on_pong},
    {"published", on_published},
    {"unsubscribed", on_nothing},
    {"history", on_nothing},
    {"presence", on_nothing},
    {"presence_join", on_nothing},
    {"presence_leave", on_nothing},
    {"stream", on_nothing},
    {"stream_end", on_nothing},
};

int sub_message(struct clairon_sub *s, struct str text, struct clairon_error *err)
{
    struct message m = {.text = text};
    size_t offset;
    if (json_parse(text, DEPTH_MAX, &m.all, &offset) || m.all.type != JSON_OBJECT) {
        return client_fail(err, CLAIRON_PROTOCOL, "a message of the hub is no JSON object");
    }
    arena_init(&m.arena, ARENA_BYTES_MAX);
    struct str type = member(&m, "type");
    void (*run)(struct clairon_sub *, struct message *) = on_event;
    if (str_is(type, "WEBSOCKET_ERROR") && json_get(m.all, "id").type == JSON_NONE) {
        run = on_refused;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_is(type, words[i].type)) {
            run = words[i].run;
        }
    }
    run(s, &m);
    arena_fini(&m.arena);
    return 0;
}
