// SPDX-License-Identifier: MIT
// An event: immutable once it is in the log, reference-counted (atomic), in one piece of memory.
// Its maker fills it by event_try_new; the sequencer sets the id before anyone else sees it.
#ifndef CLAIRON_HUB_EVENT_H
#define CLAIRON_HUB_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/siphash.h"
#include "base/str.h"
#include "def/limits.h"
#include "hub/kind.h"

// What an acknowledgement promises: survives nothing, a crash of the hub, a loss of power.
enum durability { DURABILITY_MEMORY, DURABILITY_PROCESS, DURABILITY_DISK };
const char *durability_name(enum durability d); // "memory", "process", "disk"
int durability_parse(struct str s, enum durability *ret) MUST_CHECK;

enum event_flag {
    EVENT_MEMORY = 1,   // mere progress: never on disk or in history
    EVENT_LOG = 2,      // lines of a job's log: stored in the job's log chunks
    EVENT_CHANNEL = 4,  // on a `channel:` topic: shown with "channel", data may be any JSON
    EVENT_RETAINED = 8, // handed out once more to who comes later: shown with "retained"
};

struct event_topic {
    struct str name;
    uint64_t hash; // siphash with the realm's key
};

struct event {
    atomic_uint refs;
    uint32_t flags; // enum event_flag
    uint64_t id;
    int64_t wall_ms;
    uint64_t origin; // session id whose connection gets no copy; 0 = none. Not stored.
    struct str type;
    struct str data; // minified JSON, holds no newline
    // The job it is about; kind KIND_NONE for events with explicit topics, whose job_id is empty.
    enum job_kind kind;
    uint32_t attempt;
    struct str job_id, owner, project; // owner and project: p = NULL when there is none
    uint32_t line, lines; // EVENT_LOG: first line number (from 1 per attempt) and count
    uint8_t topics_count; // 1..LIMIT_TOPICS_PER_EVENT; topics[0] is its `topic`
    struct event_topic topics[LIMIT_TOPICS_PER_EVENT];
};

// What event_try_new copies. For job events leave topics_count 0 and give `scope`: the topics
// follow from (kind, id, owner, project, type), see topic.h.
struct event_init {
    uint64_t id;
    int64_t wall_ms;
    uint32_t flags;
    uint64_t origin;
    struct str type, data;
    enum job_kind kind;
    uint32_t attempt;
    struct str job_id, owner, project;
    uint32_t line, lines;
    uint8_t topics_count;
    struct str topics[LIMIT_TOPICS_PER_EVENT];
    unsigned scope; // enum topic_scope
};

// Whether that describes an event at all: names, topics and lengths are within bounds, data is
// there. For what comes from a disk; all other callers have checked it already.
bool event_init_valid(const struct event_init *init) MUST_CHECK;
// One reference, owned by the caller; NULL without memory. Copies everything.
struct event *event_try_new(const struct event_init *init, const struct hash_key *key) MUST_CHECK;
struct event *event_ref(struct event *e);
void event_unref(struct event *e);         // accepts NULL
size_t event_bytes(const struct event *e); // memory it takes
bool event_has_topic(const struct event *e, struct str topic);
// A copy of an event with explicit topics, EVENT_RETAINED. NULL without memory.
struct event *event_try_retain(const struct event *e, const struct hash_key *key) MUST_CHECK;

// The event object, the same everywhere: {"type","id","timestamp","topic","data"}, "channel" on
// channel messages and "retained" on those handed out once more.
void event_put_json(struct buf *b, const struct event *e, uint64_t epoch);

#endif
