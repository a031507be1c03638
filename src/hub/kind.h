// SPDX-License-Identifier: MIT
// Job kinds (def/kinds.def) and event types (def/events.def) as C.
#ifndef CLAIRON_HUB_KIND_H
#define CLAIRON_HUB_KIND_H

#include <stdbool.h>

#include "base/str.h"

enum job_kind {
#define KIND(name, text, prefix, wide, id_field) KIND_##name,
#include "def/kinds.def"
#undef KIND
    KIND_NR,
    KIND_NONE = KIND_NR
};

const char *kind_name(enum job_kind k);     // "deployment"
const char *kind_prefix(enum job_kind k);   // "deployment:"
const char *kind_wide(enum job_kind k);     // "deployment_events"
const char *kind_id_field(enum job_kind k); // "deployment_id"
enum job_kind kind_parse(struct str s); // "job" is another word for build; KIND_NONE when unknown

enum event_type {
#define EVENT(name, family, who) EVENT_TYPE_##name,
#include "def/events.def"
#undef EVENT
    EVENT_TYPE_NR,
    EVENT_TYPE_FREE = EVENT_TYPE_NR // any other valid name
};

enum event_type event_type_parse(struct str s);
const char *event_type_name(enum event_type t);
enum job_kind event_type_family(enum event_type t); // KIND_NONE for those that no job reduces
bool event_type_hub_only(enum event_type t);
// `[A-Za-z][A-Za-z0-9_.:-]{0,63}` and none of the envelope's own words (subscribe, connected, ping,
// …).
bool event_type_valid(struct str s);

#endif
