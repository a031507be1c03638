// SPDX-License-Identifier: MIT
// Job kinds and event types: look-ups in the two definition tables.
#include "hub/kind.h"

#include <stddef.h>

#include "base/assert.h"
#include "def/limits.h"

static const struct {
    const char *name, *prefix, *wide, *id_field;
} kinds[KIND_NR] = {
#define KIND(name, text, prefix, wide, id_field) [KIND_##name] = {text, prefix, wide, id_field},
#include "def/kinds.def"
#undef KIND
};

enum who { WHO_ANY, WHO_HUB };

static const struct {
    const char *name;
    enum job_kind family;
    enum who who;
} types[EVENT_TYPE_NR] = {
#define EVENT(name, family, who) [EVENT_TYPE_##name] = {#name, KIND_##family, WHO_##who},
#include "def/events.def"
#undef EVENT
};

const char *kind_name(enum job_kind k)
{
    ASSERT(k < KIND_NR);
    return kinds[k].name;
}

const char *kind_prefix(enum job_kind k)
{
    ASSERT(k < KIND_NR);
    return kinds[k].prefix;
}

const char *kind_wide(enum job_kind k)
{
    ASSERT(k < KIND_NR);
    return kinds[k].wide;
}

const char *kind_id_field(enum job_kind k)
{
    ASSERT(k < KIND_NR);
    return kinds[k].id_field;
}

enum job_kind kind_parse(struct str s)
{
    for (int k = 0; k < KIND_NR; k++) {
        if (str_is(s, kinds[k].name)) {
            return (enum job_kind)k;
        }
    }
    return str_is(s, "job") ? KIND_BUILD : KIND_NONE;
}

enum event_type event_type_parse(struct str s)
{
    for (int t = 0; t < EVENT_TYPE_NR; t++) {
        if (str_is(s, types[t].name)) {
            return (enum event_type)t;
        }
    }
    return EVENT_TYPE_FREE;
}

const char *event_type_name(enum event_type t)
{
    ASSERT(t < EVENT_TYPE_NR);
    return types[t].name;
}

enum job_kind event_type_family(enum event_type t)
{
    return t < EVENT_TYPE_NR ? types[t].family : KIND_NONE;
}

bool event_type_hub_only(enum event_type t)
{
    return t < EVENT_TYPE_NR && types[t].who == WHO_HUB;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// What the native envelope says itself: an event of such a type could be taken for a command or an
// answer.
static bool is_envelope_word(struct str s)
{
    static const char *const words[] = {
        "ping",      "pong",          "connected",      "subscribe", "subscribed", "unsubscribe",
        "caught_up", "unsubscribed",  "snapshot",       "gap",       "history",    "published",
        "presence",  "presence_join", "presence_leave", "stream",    "stream_end", "stream_cancel",
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_is(s, words[i])) {
            return true;
        }
    }
    return false;
}

bool event_type_valid(struct str s)
{
    if (s.len == 0 || s.len > LIMIT_TYPE_BYTES || !is_letter(s.p[0])) {
        return false;
    }
    for (size_t i = 1; i < s.len; i++) {
        char c = s.p[i];
        bool ok =
            is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == ':' || c == '-';
        if (!ok) {
            return false;
        }
    }
    return !is_envelope_word(s);
}
