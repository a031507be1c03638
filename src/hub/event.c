// SPDX-License-Identifier: MIT
// Events: one allocation holds the struct and, behind it, every byte its spans point to.
#include "hub/event.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/topic.h"
#include "wire/cursor.h"

static const char *const durability_names[] = {
    [DURABILITY_MEMORY] = "memory",
    [DURABILITY_PROCESS] = "process",
    [DURABILITY_DISK] = "disk",
};

const char *durability_name(enum durability d)
{
    ASSERT((size_t)d < ARRAY_LEN(durability_names));
    return durability_names[d];
}

int durability_parse(struct str s, enum durability *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(durability_names); i++) {
        if (str_is(s, durability_names[i])) {
            *ret = (enum durability)i;
            return 0;
        }
    }
    return -E_BAD_REQUEST;
}

// Copies a span to *at and moves it on; an absent span stays absent.
static struct str place(char **at, struct str s)
{
    if (!s.p) {
        return STR_NONE;
    }
    struct str copy = str_make(*at, s.len);
    if (s.len > 0) {
        memcpy(*at, s.p, s.len);
    }
    *at += s.len;
    return copy;
}

static size_t total_bytes(const struct event_init *init, const struct str *topics, unsigned count)
{
    size_t bytes = sizeof(struct event) + init->type.len + init->data.len + init->job_id.len +
                   init->owner.len + init->project.len;
    for (unsigned i = 0; i < count; i++) {
        bytes += topics[i].len;
    }
    return bytes;
}

static struct event *make(const struct event_init *init, const struct str *topics, unsigned count,
                          const struct hash_key *key)
{
    ASSERT(count >= 1 && count <= LIMIT_TOPICS_PER_EVENT);
    struct event *e = mem_try_alloc(total_bytes(init, topics, count));
    if (!e) {
        return NULL;
    }
    char *at = (char *)(e + 1);
    atomic_init(&e->refs, 1);
    e->flags = init->flags;
    e->id = init->id;
    e->wall_ms = init->wall_ms;
    e->origin = init->origin;
    e->type = place(&at, init->type);
    e->data = place(&at, init->data);
    e->kind = init->kind;
    e->attempt = init->attempt;
    e->job_id = place(&at, init->job_id);
    e->owner = place(&at, init->owner);
    e->project = place(&at, init->project);
    e->line = init->line;
    e->lines = init->lines;
    e->topics_count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        e->topics[i].name = place(&at, topics[i]);
        e->topics[i].hash = siphash(key, topics[i]);
    }
    return e;
}

// By its type, not by EVENT_LOG: a log that starts anew with no line yet is not stored with the
// lines.
static bool is_log_type(struct str type)
{
    return str_is(type, "DEPLOYMENT_LOGS_UPDATE") || str_is(type, "TICKET_LOG") ||
           str_is(type, "JOB_LOG");
}

static bool job_valid(const struct event_init *init)
{
    return init->kind < KIND_NR && init->topics_count == 0 && !(init->flags & EVENT_CHANNEL) &&
           topic_id_valid(init->job_id) && (!init->owner.p || topic_id_valid(init->owner)) &&
           (!init->project.p || topic_id_valid(init->project));
}

static bool topics_valid(const struct event_init *init)
{
    bool channel = false;
    if (init->topics_count == 0 || init->topics_count > LIMIT_TOPICS_PER_EVENT) {
        return false;
    }
    for (unsigned i = 0; i < init->topics_count; i++) {
        if (!topic_valid(init->topics[i])) {
            return false;
        }
        channel = channel || str_starts(init->topics[i], STR("channel:"));
    }
    return channel || !(init->flags & EVENT_CHANNEL);
}

bool event_init_valid(const struct event_init *init)
{
    bool plain = init->id > 0 && init->type.len <= LIMIT_TYPE_BYTES && topic_valid(init->type) &&
                 init->data.len > 0;
    return plain && (init->kind == KIND_NONE ? topics_valid(init) : job_valid(init));
}

struct event *event_try_new(const struct event_init *init, const struct hash_key *key)
{
    if (init->kind == KIND_NONE) {
        return make(init, init->topics, init->topics_count, key);
    }
    ASSERT(init->topics_count == 0);
    struct topic_list list;
    topic_list_job(&list, &(struct job_about){
                              .kind = init->kind,
                              .id = init->job_id,
                              .owner = init->owner,
                              .project = init->project,
                              .type = init->type,
                              .log = is_log_type(init->type),
                              .scope = (enum topic_scope)init->scope,
                          });
    return make(init, list.names, list.count, key);
}

struct event *event_ref(struct event *e)
{
    unsigned before = atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return e;
}

void event_unref(struct event *e)
{
    if (!e) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(e);
    }
}

size_t event_bytes(const struct event *e)
{
    size_t bytes =
        sizeof(*e) + e->type.len + e->data.len + e->job_id.len + e->owner.len + e->project.len;
    for (unsigned i = 0; i < e->topics_count; i++) {
        bytes += e->topics[i].name.len;
    }
    return bytes;
}

bool event_has_topic(const struct event *e, struct str topic)
{
    for (unsigned i = 0; i < e->topics_count; i++) {
        if (str_eq(e->topics[i].name, topic)) {
            return true;
        }
    }
    return false;
}

struct event *event_try_retain(const struct event *e, const struct hash_key *key)
{
    ASSERT(e->kind == KIND_NONE);
    struct event_init init = {.id = e->id,
                              .wall_ms = e->wall_ms,
                              .flags = e->flags | EVENT_RETAINED,
                              .type = e->type,
                              .data = e->data,
                              .kind = KIND_NONE,
                              .topics_count = e->topics_count};
    for (unsigned i = 0; i < e->topics_count; i++) {
        init.topics[i] = e->topics[i].name;
    }
    return event_try_new(&init, key);
}

// A job's event shows its job's topic, also when it is on the wide topics only.
static void put_topic(struct buf *b, const struct event *e)
{
    if (e->kind == KIND_NONE) {
        buf_put_json(b, e->topics[0].name);
        return;
    }
    char name[LIMIT_TOPIC_BYTES];
    struct str prefix = str_of(kind_prefix(e->kind));
    ASSERT(prefix.len + e->job_id.len <= sizeof(name));
    memcpy(name, prefix.p, prefix.len);
    memcpy(name + prefix.len, e->job_id.p, e->job_id.len);
    buf_put_json(b, str_make(name, prefix.len + e->job_id.len));
}

static struct str channel_of(const struct event *e)
{
    const struct str prefix = STR("channel:");
    for (unsigned i = 0; i < e->topics_count; i++) {
        if (str_starts(e->topics[i].name, prefix)) {
            return str_from(e->topics[i].name, prefix.len);
        }
    }
    UNREACHABLE(); // EVENT_CHANNEL says that there is one
}

void event_put_json(struct buf *b, const struct event *e, uint64_t epoch)
{
    bool channel = e->flags & EVENT_CHANNEL;
    buf_put(b, STR("{\"type\":"));
    buf_put_json(b, channel ? STR("message") : e->type);
    buf_put(b, STR(",\"id\":\""));
    cursor_put(b, (struct cursor){.epoch = epoch, .id = e->id});
    buf_put(b, STR("\",\"timestamp\":\""));
    buf_put_time(b, e->wall_ms);
    buf_put(b, STR("\",\"topic\":"));
    put_topic(b, e);
    buf_put(b, STR(",\"data\":"));
    buf_put(b, e->data);
    if (channel) {
        buf_put(b, STR(",\"channel\":"));
        buf_put_json(b, channel_of(e));
    }
    if (e->flags & EVENT_RETAINED) {
        buf_put(b, STR(",\"retained\":true"));
    }
    buf_putc(b, '}');
}
