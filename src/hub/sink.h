// SPDX-License-Identifier: MIT
// The only door out: what a session tells its dialect. All calls come on the session's worker
// thread.
//
// Events go out as *runs*: the frames of one or more events in id order, shared by every sink that
// is to have the same ones. Everything else is told to each sink by itself. Runs and tellings come
// in the order in which the client is to see them.
#ifndef CLAIRON_HUB_SINK_H
#define CLAIRON_HUB_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rcbuf.h"
#include "base/str.h"
#include "hub/event.h"
#include "hub/store.h"

#define SINK_VARIANTS_MAX 64

struct sink_variant;

struct sink_encoding {
    uint64_t epoch;
    bool in_bracket;                    // the event does not move the client's cursor
    const struct sink_variant *variant; // whose `put` it is, filled in for it
};

// Looks: to some families an event looks different by the topic that it comes by. Each topic has a
// set of looks, and an event that comes by several topics has those of all.
#define SINK_LOOKS 3

struct sink_family {
    unsigned (*looks_of)(struct str topic); // 0: what comes by it looks as it does elsewhere
    const struct sink_variant *variants[1 << SINK_LOOKS]; // by set of looks
};

// Streams: frames that refer to those before them in a run, for sinks that were given all of the
// run so far. What begins a run is for everyone.
struct sink_place {
    uint64_t run;  // of one stream only; 0: on none
    uint32_t next; // in it
};

struct sink_linked {
    void *(*open)(const struct sink_variant *variant); // a stream; NULL without memory
    void (*close)(void *stream);
    // Appends the event's frames, as sink_variant.put does. *from: who may be given them: next 0
    // everyone, run 0 everyone and nobody's place changes. *to: where they are then.
    void (*put)(void *stream, struct buf *out, const struct event *e,
                const struct sink_encoding *how, struct sink_place *from, struct sink_place *to);
    const struct sink_variant *plain; // its frames refer to nothing, and nothing refers to them
};

// A family of clients: how events look to them, whose sinks share the bytes, and how they are told.
// Lives as long as its sessions.
struct sink_variant {
    unsigned number; // its own, below SINK_VARIANTS_MAX
    // Appends the event as whole frames, or nothing when this family is not shown it. Depends on
    // its arguments alone.
    void (*put)(struct buf *out, const struct event *e, const struct sink_encoding *how);
    // Hands a run (borrowed, not empty) to the transport, which takes all of it: what the socket
    // does not take waits there, and the session is held (session_hold) before the next. `run` is
    // NULL when there was no memory for it: the connection must end, for what it would miss. May
    // not free sessions from in here.
    void (*send)(void *port, struct rcbuf *run);
    const struct sink_ops *ops;       // what else is told; one for a family
    const struct sink_family *family; // NULL: events look the same by whatever topic they come
    unsigned looks;                   // its set of looks in the family
    // NULL: no stream. Else `put` makes frames that refer to nothing, but those of a stream may not
    // come behind them in a run. Without a family.
    const struct sink_linked *linked;
};

// The variant for an event with that set of looks.
static inline const struct sink_variant *sink_variant_of(const struct sink_variant *v,
                                                         unsigned looks)
{
    return v->family ? v->family->variants[looks] : v;
}
// Do the events of one session differ in their looks?
static inline bool sink_variant_is_mixed(const struct sink_variant *v)
{
    return (v->looks & (v->looks - 1)) != 0;
}

// What a variant's frames are written into before they are shared; kept from one event to the next.
// `put` is not to be given anything else.
void sink_scratch_init(struct buf *scratch); // allocates nothing yet
// The frames of one event, over what was there; scratch->failed when that failed.
void sink_scratch_put(struct buf *scratch, const struct sink_variant *variant,
                      const struct event *e, const struct sink_encoding *how);
// They are copied: an event that was large leaves no large scratch behind.
void sink_scratch_done(struct buf *scratch);

struct sink_snapshot {
    struct str topic;
    uint64_t cursor;       // C of the bracket
    const struct job *job; // NULL: nobody has reported on it
    const struct store_lines
        *tail; // the end of its log, up to the job's last line; NULL with no job
};

// What an administrator is shown of a session.
struct sink_about {
    const char *dialect; // "native"
    int64_t since_wall_ms;
    char address[64]; // of the client; empty when it is not known
};

enum session_end {
    SESSION_END_REVOKED,
    SESSION_END_DISCONNECTED,
    SESSION_END_TAKEN, // its client has come back by another connection, see hub/recall.h
};

// The snapshot object, the same everywhere: {"type":"snapshot","topic","data":JOB|null,"cursor"}.
void sink_snapshot_put_json(struct buf *b, const struct sink_snapshot *s, uint64_t epoch);

// Who is on a topic, for who asked to be told.
struct sink_present {
    struct str topic;
    int err;            // the rest is not known, and will not be told
    struct str members; // see presence_mail.answer
    struct str ref;     // of the question; p = NULL: none
};

// Variants may share them.
struct sink_ops {
    // A bracket: subscribed for each topic, gaps and snapshots in the order asked, events,
    // caught_up for each. `ref` is the subscription's own (session_subscribe), borrowed.
    void (*subscribed)(void *sink, struct str topic, uint64_t cursor, bool recovered,
                       const void *ref);
    void (*snapshot)(void *sink, const struct sink_snapshot *snapshot);
    void (*gap)(void *sink, const struct gap *gap);
    void (*caught_up)(void *sink, struct str topic, uint64_t cursor, const void *ref);
    void (*refused)(void *sink, struct str topic, int err, const char *text, const void *ref);
    // The bracket is over; `ref` may be freed.
    void (*bracket_done)(void *sink, void *ref);
    // The session is over for who it belongs to: what is tied to it is to be ended soon.
    void (*end)(void *sink, enum session_end why);
    void (*about)(const void *sink, struct sink_about *ret);
    // Both or neither. A sink that leaves out some events, of those it would get, as long as
    // `picks` says so of its position: until then its session reads by itself.
    bool (*picks)(void *sink, uint64_t position);
    bool (*wants)(void *sink, const struct event *e);
    // Both or neither: for sessions that watch who is on their topics (hub/presence.h).
    void (*present)(void *sink, const struct sink_present *present);
    void (*presence)(void *sink, struct str topic, struct str user, bool joined);
};

#endif
