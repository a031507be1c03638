// SPDX-License-Identifier: MIT
// What clients of Socket.IO say: events with one argument, acknowledged when asked.
#include "base/arena.h"
#include "base/err.h"
#include "dialect/chef.h"
#include "hub/topic.h"

// Subscriptions under way: each keeps its name until the client has taken those before.
#define BRACKETS_MAX    200
#define ARENA_BYTES_MAX ((size_t)4 * LIMIT_MESSAGE_BYTES)

// An event being taken.
struct heard {
    struct chef *client;
    struct json_val argument; // the first; JSON_NONE: there is none
    struct arena *arena;
    struct chef_ask ask;
};

static void refuse(struct heard *h, int err, const char *text)
{
    chef_answer_refused(h->client, &h->ask, &(struct chef_refusal){.err = err, .text = text});
}

// --- topics ---

// The topic that an id and `prefix` name; p = NULL: refused. In the arena.
static struct str read_topic(struct heard *h, struct str prefix)
{
    struct json_val v = h->argument;
    if (v.type != JSON_STRING && v.type != JSON_NUMBER) {
        refuse(h, -E_BAD_REQUEST,
               prefix.len ? "Name one id, as a text or a number." : "Name one topic, as a text.");
        return STR_NONE;
    }
    struct str name = v.type == JSON_STRING ? json_string(v, h->arena) : v.raw;
    if (name.p && prefix.len > 0 && !topic_id_valid(name)) {
        refuse(h, -E_BAD_REQUEST,
               "An id is 1 to 128 bytes without `/`, space, `*` or control characters.");
        return STR_NONE;
    }
    char *text = name.p ? arena_try_alloc(h->arena, prefix.len + name.len + 1) : NULL;
    if (!text) {
        refuse(h, -E_NO_MEMORY, NULL);
        return STR_NONE;
    }
    memcpy(text, prefix.p, prefix.len);
    memcpy(text + prefix.len, name.p, name.len);
    return str_make(text, prefix.len + name.len);
}

static void subscribe(struct heard *h, struct str prefix)
{
    if (h->client->brackets >= BRACKETS_MAX) {
        refuse(h, -E_RATE_LIMITED, "Read the answers to the subscriptions before.");
        return;
    }
    struct str topic = read_topic(h, prefix);
    struct session_subscribe sub = {.topics = &topic, .count = 1};
    if (topic.p && !chef_subscribe(h->client, &sub, &h->ask)) {
        refuse(h, -E_NO_MEMORY, NULL);
    }
}

static void unsubscribe(struct heard *h, struct str prefix)
{
    struct str topic = read_topic(h, prefix);
    if (topic.p) {
        chef_unsubscribe(h->client, topic, &h->ask);
    }
}

// --- another token ---

static void refresh(struct heard *h, struct str prefix)
{
    (void)prefix;
    struct json_val v = h->argument;
    if (v.type == JSON_OBJECT && json_get(v, "data").type == JSON_OBJECT) {
        v = json_get(v, "data");
    }
    v = v.type == JSON_OBJECT ? json_get(v, "token") : v;
    if (v.type != JSON_STRING) {
        refuse(h, -E_BAD_REQUEST, "`token` must be a string: the new token.");
        return;
    }
    struct str token = json_string(v, h->arena);
    if (token.p) {
        chef_refresh(h->client, token, &h->ask);
    } else {
        refuse(h, -E_NO_MEMORY, NULL);
    }
}

// --- all of them ---

static const struct {
    const char *name;
    void (*run)(struct heard *h, struct str prefix);
    const char *prefix; // of the topic
} commands[] = {
    {"subscribe:job", subscribe, "job:"},
    {"unsubscribe:job", unsubscribe, "job:"},
    {"subscribe:project", subscribe, "project:"},
    {"unsubscribe:project", unsubscribe, "project:"},
    {"subscribe", subscribe, ""},
    {"unsubscribe", unsubscribe, ""},
    {"AUTH_TOKEN_REFRESH", refresh, ""},
};

static void take(struct heard *h, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_is(name, commands[i].name)) {
            commands[i].run(h, str_of(commands[i].prefix));
            return;
        }
    }
    refuse(h, -E_UNKNOWN_TYPE,
           "What is said here: subscribe:job, subscribe:project, subscribe, the same with `un` "
           "before it, and AUTH_TOKEN_REFRESH.");
}

void chef_on_event(struct sio_socket *s, void *arg, const struct sio_event *e)
{
    struct chef *c = arg;
    struct arena arena;
    struct heard h = {
        .client = c, .arena = &arena, .ask = {.wants_ack = e->wants_ack, .ack = e->ack}};
    if (!c->session) {
        return;
    }
    if (eio_is_limited(sio_transport(s))) {
        refuse(&h, -E_RATE_LIMITED, "More messages than one may say: this one was not taken.");
        return;
    }
    struct json_iter it = json_iter(e->payload);
    if (!json_next(&it, NULL, NULL) || !json_next(&it, NULL, &h.argument)) {
        h.argument = (struct json_val){.type = JSON_NONE};
    }
    arena_init(&arena, ARENA_BYTES_MAX);
    take(&h, e->name);
    arena_fini(&arena);
}
