// SPDX-License-Identifier: MIT
// Submits: what producers put in, checked once for names, sizes and rights, whatever door it came
// by.
#include "hub/intake.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/topic.h"

// A body, minified copies of its parts, and the reports made of it.
#define SUBMIT_ARENA_BYTES ((size_t)8 * LIMIT_BODY_BYTES)

struct submit *submit_new(struct realm *realm, struct principal *principal)
{
    struct submit *s = mem_try_alloc(sizeof(*s));
    if (!s) {
        return NULL;
    }
    list_init(&s->node);
    s->realm = realm;
    s->principal = principal_ref(principal);
    arena_init(&s->arena, SUBMIT_ARENA_BYTES);
    return s;
}

void submit_free(struct submit *s)
{
    if (!s) {
        return;
    }
    job_unref(s->answer.job);
    principal_unref(s->principal);
    arena_fini(&s->arena);
    mem_free(s->items);
    mem_free(s);
}

size_t submit_bytes(const struct submit *s)
{
    return sizeof(*s) + s->cap * sizeof(*s->items) + s->arena.used_bytes;
}

static int fault_set(struct report_fault *fault, int err, const char *text)
{
    (void)snprintf(fault->text, sizeof(fault->text), "%s", text);
    return err;
}

// The next free item, zeroed; counted by the caller when it is complete.
static struct submit_item *next_item(struct submit *s)
{
    if (s->count == s->cap) {
        unsigned cap = s->cap ? s->cap * 4 : 1;
        struct submit_item *grown = mem_try_realloc(s->items, cap * sizeof(*grown));
        if (!grown) {
            return NULL;
        }
        s->items = grown;
        s->cap = cap;
    }
    s->items[s->count] = (struct submit_item){0};
    return &s->items[s->count];
}

static int add_report(struct submit *s, struct submit_item *item, struct report_fault *fault)
{
    char topic[LIMIT_TOPIC_BYTES + 1];
    int len = snprintf(topic, sizeof(topic), "%s%.*s", kind_prefix(item->report.kind),
                       STR_ARG(item->report.id));
    ASSERT(len > 0 && (size_t)len < sizeof(topic));
    if (!principal_may(s->principal, RIGHT_PUBLISH, str_make(topic, (size_t)len))) {
        item->if_owned = principal_user_id(s->principal).p != NULL;
        if (!item->if_owned) {
            return fault_set(fault, -E_FORBIDDEN, err_text(E_FORBIDDEN));
        }
    }
    item->is_report = true;
    s->count++;
    return 0;
}

// Copies the value without white space into the arena.
static int copy_data(struct submit *s, struct json_val data, bool any_type, struct str *ret,
                     struct report_fault *fault)
{
    if (data.type == JSON_NONE) {
        return fault_set(fault, -E_BAD_REQUEST, "`data` is missing.");
    }
    if (data.type != JSON_OBJECT && !any_type) {
        return fault_set(fault, -E_BAD_REQUEST, "`data` must be a JSON object.");
    }
    struct buf b;
    buf_init(&b, data.raw.len + 1);
    json_put_minified(&b, data);
    int err = 0;
    if (b.failed) {
        err = -E_NO_MEMORY;
    } else if (b.len > LIMIT_DATA_BYTES) {
        err = fault_set(fault, -E_TOO_LARGE, "`data` is larger than 65536 bytes.");
    } else {
        *ret = arena_try_copy(&s->arena, buf_str(&b));
        err = ret->p ? 0 : -E_NO_MEMORY;
    }
    buf_fini(&b);
    return err;
}

// Adds `PREFIX NAME` as a topic of the event, if the name is good and the principal may publish
// there.
static int add_topic(struct submit *s, struct submit_event *e, const char *prefix, struct str name,
                     struct report_fault *fault)
{
    char text[LIMIT_TOPIC_BYTES + 1];
    size_t prefix_len = strlen(prefix);
    if (name.len == 0 || prefix_len + name.len > LIMIT_TOPIC_BYTES) {
        return fault_set(fault, -E_BAD_REQUEST, "A topic is 1 to 255 bytes long.");
    }
    memcpy(text, prefix, prefix_len);
    memcpy(text + prefix_len, name.p, name.len);
    struct str topic = str_make(text, prefix_len + name.len);
    if (!topic_valid(topic)) {
        return fault_set(fault, -E_BAD_REQUEST,
                         "A topic is valid UTF-8 without control characters.");
    }
    if (!principal_may(s->principal, RIGHT_PUBLISH, topic)) {
        return fault_set(fault, -E_FORBIDDEN, err_text(E_FORBIDDEN));
    }
    for (unsigned i = 0; i < e->topics_count; i++) {
        if (str_eq(e->topics[i], topic)) {
            return 0;
        }
    }
    if (e->topics_count == LIMIT_TOPICS_PER_EVENT) {
        return fault_set(fault, -E_BAD_REQUEST, "An event has at most 8 topics.");
    }
    if (str_starts(topic, STR("channel:"))) {
        if (e->flags & EVENT_CHANNEL) {
            return fault_set(fault, -E_BAD_REQUEST, "An event is on at most one `channel:` topic.");
        }
        e->flags |= EVENT_CHANNEL;
    }
    e->topics[e->topics_count] = arena_try_copy(&s->arena, topic);
    if (!e->topics[e->topics_count].p) {
        return -E_NO_MEMORY;
    }
    e->topics_count++;
    return 0;
}

static int add_named_topic(struct submit *s, struct submit_event *e, const char *prefix,
                           struct json_val name, struct report_fault *fault)
{
    if (name.type != JSON_STRING) {
        return fault_set(fault, -E_BAD_REQUEST,
                         "`topic`, `channel`, `user` and each of `topics` must be strings.");
    }
    struct str text = json_string(name, &s->arena);
    if (!text.p) {
        return -E_NO_MEMORY;
    }
    if (prefix[0] == 'u' && !topic_id_valid(text)) { // nobody could have that name
        return fault_set(fault, -E_BAD_REQUEST,
                         "`user` must have 1 to 128 bytes and no `/`, space, control character or "
                         "`*`.");
    }
    return add_topic(s, e, prefix, text, fault);
}

// The topics that a publish names; `event:T` is added for messages to a user.
static int publish_topics(struct submit *s, struct submit_event *e, struct json_val object,
                          struct report_fault *fault)
{
    static const struct {
        const char *member, *prefix;
    } places[] = {{"topic", ""}, {"channel", "channel:"}, {"user", "user:"}};
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        struct json_val v = json_get(object, places[i].member);
        if (v.type == JSON_NONE || v.type == JSON_NULL) {
            continue;
        }
        int err = add_named_topic(s, e, places[i].prefix, v, fault);
        if (err) {
            return err;
        }
        e->to_user = e->to_user || places[i].member[0] == 'u';
    }
    struct json_val topics = json_get(object, "topics");
    if (topics.type != JSON_NONE && topics.type != JSON_ARRAY) {
        return fault_set(fault, -E_BAD_REQUEST, "`topics` must be an array of strings.");
    }
    struct json_iter it = json_iter(topics);
    struct json_val name;
    while (json_next(&it, NULL, &name)) {
        int err = add_named_topic(s, e, "", name, fault);
        if (err) {
            return err;
        }
    }
    if (e->to_user) {
        return add_topic(s, e, "event:", e->type, fault);
    }
    if (e->topics_count == 0) {
        return fault_set(fault, -E_BAD_REQUEST,
                         "Name where it goes: `topic`, `topics`, `channel` or `user`.");
    }
    return 0;
}

static int check_type(struct str type, struct report_fault *fault)
{
    if (!event_type_valid(type)) {
        return fault_set(fault, -E_UNKNOWN_TYPE,
                         "`type` must match [A-Za-z][A-Za-z0-9_.:-]{0,63} and be none of the words "
                         "of the protocol.");
    }
    return 0;
}

// Makes the item a report when the type is a job's and the data names one. 1: it is a plain event.
static int try_report(struct submit *s, struct submit_item *item, struct str type,
                      struct json_val data, struct report_fault *fault)
{
    enum event_type t = event_type_parse(type);
    if (event_type_family(t) == KIND_NONE || data.type != JSON_OBJECT) {
        return 1;
    }
    // The text belongs to the request or socket, which may go before the answer comes.
    data.raw = arena_try_copy(&s->arena, data.raw);
    if (!data.raw.p) {
        return -E_NO_MEMORY;
    }
    int err = report_from_event(t, data, &s->arena, &item->report, fault);
    return err ? err : add_report(s, item, fault);
}

int submit_add_publish(struct submit *s, struct json_val object, struct report_fault *fault)
{
    if (object.type != JSON_OBJECT) {
        return fault_set(fault, -E_BAD_REQUEST, "An event is a JSON object.");
    }
    struct submit_item *item = next_item(s);
    if (!item) {
        return -E_NO_MEMORY;
    }
    struct json_val type_val = json_get(object, "type"), data = json_get(object, "data");
    struct str type = STR("message");
    if (type_val.type == JSON_STRING) {
        type = json_string(type_val, &s->arena);
        if (!type.p) {
            return -E_NO_MEMORY;
        }
    } else if (type_val.type != JSON_NONE || json_get(object, "channel").type == JSON_NONE) {
        return fault_set(fault, -E_UNKNOWN_TYPE, "`type` must be a string.");
    }
    int err = type_val.type == JSON_NONE ? 0 : check_type(type, fault);
    if (err) {
        return err;
    }
    err = try_report(s, item, type, data, fault);
    if (err <= 0) {
        return err;
    }
    struct submit_event *e = &item->event;
    *item = (struct submit_item){0};
    e->type = arena_try_copy(&s->arena, type);
    if (!e->type.p) {
        return -E_NO_MEMORY;
    }
    err = publish_topics(s, e, object, fault);
    if (err) {
        return err;
    }
    if (event_type_hub_only(event_type_parse(type)) &&
        !(principal_is_admin(s->principal) && e->to_user)) {
        return fault_set(
            fault, -E_UNKNOWN_TYPE,
            "Events of that type come from the hub, or from an administrator to a `user`.");
    }
    err = copy_data(s, data, (e->flags & EVENT_CHANNEL) != 0, &e->data, fault);
    if (!err) {
        s->count++;
    }
    return err;
}

int submit_add_client_event(struct submit *s, struct str type, struct json_val data,
                            struct report_fault *fault)
{
    int err = check_type(type, fault);
    if (err) {
        return err;
    }
    if (event_type_hub_only(event_type_parse(type))) {
        return fault_set(fault, -E_UNKNOWN_TYPE, "Events of that type come from the hub.");
    }
    struct submit_item *item = next_item(s);
    if (!item) {
        return -E_NO_MEMORY;
    }
    err = try_report(s, item, type, data, fault);
    if (err <= 0) {
        return err;
    }
    struct submit_event *e = &item->event;
    *item = (struct submit_item){0};
    e->type = arena_try_copy(&s->arena, type);
    if (!e->type.p) {
        return -E_NO_MEMORY;
    }
    err = add_topic(s, e, "event:", e->type, fault);
    if (!err) {
        err = copy_data(s, data, false, &e->data, fault);
    }
    if (!err) {
        s->count++;
    }
    return err;
}

int submit_add_channel(struct submit *s, struct str channel, struct json_val data,
                       struct report_fault *fault)
{
    struct submit_item *item = next_item(s);
    if (!item) {
        return -E_NO_MEMORY;
    }
    struct submit_event *e = &item->event;
    e->type = STR("message");
    int err = add_topic(s, e, "channel:", channel, fault);
    if (!err) {
        err = copy_data(s, data, true, &e->data, fault);
    }
    if (!err) {
        s->count++;
    }
    return err;
}

// Who begins a job owns it, unless the request says who does.
static int own_by_default(struct submit *s, struct report *r)
{
    struct str user = principal_user_id(s->principal);
    if (r->owner.p || !user.p) {
        return 0;
    }
    r->owner = arena_try_copy(&s->arena, user);
    return r->owner.p ? 0 : -E_NO_MEMORY;
}

int submit_add_call(struct submit *s, enum job_kind kind, enum report_verb verb, struct str id,
                    struct json_val body, struct report_fault *fault)
{
    struct submit_item *item = next_item(s);
    if (!item) {
        return -E_NO_MEMORY;
    }
    // The body belongs to the request, which may go before the answer comes.
    struct json_val kept = body;
    if (body.type != JSON_NONE) {
        kept.raw = arena_try_copy(&s->arena, body.raw);
        if (!kept.raw.p) {
            return -E_NO_MEMORY;
        }
    }
    struct str kept_id = id.p ? arena_try_copy(&s->arena, id) : STR_NONE;
    if (id.p && !kept_id.p) {
        return -E_NO_MEMORY;
    }
    int err = report_from_call(kind, verb, kept_id, kept, &s->arena, &item->report, fault);
    if (!err && (verb == REPORT_CREATE || verb == REPORT_START)) {
        err = own_by_default(s, &item->report);
    }
    return err ? err : add_report(s, item, fault);
}
