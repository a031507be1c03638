// SPDX-License-Identifier: MIT
// Inside one worker's end of the log: shared by fanout.c (the worker's own reading), session.c (the
// life of sessions), session_read.c (a session that reads on by itself), pages.c (what it reads
// from the store) and bracket.c (joining late). Nobody else includes this.
#ifndef CLAIRON_HUB_FANOUT_INT_H
#define CLAIRON_HUB_FANOUT_INT_H

#include "base/list.h"
#include "base/pool.h"
#include "hub/encoded.h"
#include "hub/fanout.h"
#include "hub/session.h"
#include "hub/streams.h"
#include "hub/topics.h"
#include "hub/window.h"

// One session on one topic. Events of the topic with from < id <= position were given to the
// session.
struct sub {
    struct topic *topic;
    uint64_t from;
    uint32_t place; // among the topic's subscribers
    uint32_t looks; // that it gives to events, in the family of the session's variant
};

#define SUBS_FEW 2 // topics that need no memory of their own

enum session_state { SESSION_LIVE, SESSION_BEHIND };

// What a reading that stopped is waiting for.
enum reading { READING_DONE, READING_AGAIN, READING_BLOCKED, READING_WAITS };

struct session {
    struct fanout *fanout;
    struct principal *principal;
    void *sink;
    uint64_t id;
    uint64_t position;       // BEHIND only: the session's own
    struct list run;         // in fanout.runnable
    struct bracket *bracket; // the first is under way
    struct page_place *page; // in what it reads from the store; NULL: none
    union {
        struct sub few[SUBS_FEW]; // subs_cap == SUBS_FEW
        struct sub *many;
    } subs;
    uint32_t slot; // in fanout.live
    uint16_t subs_count, subs_cap;
    uint8_t state; // enum session_state
    bool blocked;  // no more until session_writable
    bool watches;  // who else is on some of its topics
};

static inline struct sub *session_subs(struct session *s)
{
    return s->subs_cap == SUBS_FEW ? s->subs.few : s->subs.many;
}

// What fan-out touches of a session, four to a cache line.
struct live {
    uint64_t mask;  // events of the window that it is still to have
    uintptr_t port; // and the flags
};

#define LIVE_NOT    ((uintptr_t)1) // there is no port, or the session is behind
#define LIVE_QUEUED ((uintptr_t)2) // its slot stands in the queue
#define LIVE_FLAGS  (LIVE_NOT | LIVE_QUEUED)

struct fanout {
    struct realm *realm;
    struct ask *ask;
    struct memlog_reader reader;
    uint64_t position;
    struct topics topics;
    // Sessions by slot, in arrays that grow together.
    struct live *live;
    struct session **by_slot; // NULL: free
    uint8_t *variant_of;
    struct stream_slot *places; // NULL: no session is on a stream
    uint32_t *queue;            // a ring of the slots to be served, each at most once
    uint32_t slots_cap, slots_top, free_slot;
    uint32_t queue_at, queued;
    uint32_t lap_left;               // of the queue, in the lap under way
    uint64_t served;                 // slots taken out of the queue, ever
    uint64_t done_at[WINDOW_EVENTS]; // by bit: `served` when nobody is to have the event any more
    const struct sink_variant *variants[SINK_VARIANTS_MAX]; // by number
    struct window window;
    struct streams streams;
    // For sessions that read on by themselves.
    struct list runnable;
    struct encoded encoded;
    struct buf gathered; // the run being put together
    struct list pages;   // read or being read from the store
    unsigned pages_count;
    unsigned in_flight;        // questions not yet answered
    struct presence *presence; // NULL: nobody is counted
    struct pool sessions;
    size_t subs_bytes; // of lists of topics that need memory of their own
    struct fanout_stats stats;
};

// fanout.c
#define SLOT_NONE UINT32_MAX
int fanout_take_slot(struct fanout *f, struct session *s) MUST_CHECK; // sets s->slot
void fanout_give_slot(struct fanout *f, struct session *s);           // it is behind
// Its variant has streams, of which it may have those of that topic from now on.
int fanout_take_places(struct fanout *f) MUST_CHECK;
// What a live session was given up to.
uint64_t fanout_position_of(const struct fanout *f, uint32_t slot);

// session.c
void session_stop(struct session *s);    // LIVE -> BEHIND at the worker's position
void session_go_live(struct session *s); // BEHIND, at the worker's position -> LIVE
void session_wake(struct session *s);    // will be run; idempotent
const struct sink_variant *session_variant(const struct session *s);
// The looks of an event by the topics the session is on.
unsigned session_looks(struct session *s, const struct event *e);
const struct sink_ops *session_ops(const struct session *s);
void *session_port(const struct session *s);
struct sub *session_sub(struct session *s, struct str topic);
int session_join(struct session *s, struct str topic, uint64_t from) MUST_CHECK;
bool session_on_event_topic(struct session *s, const struct event *e);

// session_read.c: gives out what the reading selects of (*position, end], from memory or from the
// store, as runs.
struct selection {
    const struct str *topics; // for the store; NULL: those the session is on
    unsigned topics_count;
    bool (*wants)(struct session *s, const struct event *e);
    unsigned (*looks)(struct session *s, const struct event *e); // of one that it wants
    bool in_bracket;
};
enum reading session_read(struct session *s, const struct selection *sel, uint64_t *position,
                          uint64_t end);
// A turn of a session that is behind: its brackets, then its own topics, until it is live.
enum reading session_run(struct session *s);
// Adds one event to the run being put together, and sends what was put together so far.
void session_gather(struct session *s, const struct selection *sel, const struct event *e);
void session_send_gathered(struct session *s);

// bracket.c
struct bracket;
struct bracket *bracket_try_new(const struct session_subscribe *sub,
                                unsigned tail_lines_max) MUST_CHECK;
void bracket_append(struct session *s, struct bracket *b);
void bracket_end_first(struct session *s); // takes it off and frees it
// Goes on with the first bracket. READING_DONE: it is over.
enum reading bracket_run(struct session *s);
// Marks the topic as left in the first bracket that is to join it. False: in none.
bool bracket_leave(struct session *s, struct str topic);
// Leaves the topics of all brackets that `keeps` does not say so of, and tells them by `lost`.
struct principal_change {
    const struct principal *old, *new;
    void (*lost)(void *ctx, struct str topic);
    void *ctx;
};
bool session_keeps(const struct principal_change *c, struct str topic);
void bracket_leave_lost(struct session *s, const struct principal_change *c);

#endif
