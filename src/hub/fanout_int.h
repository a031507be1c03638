// SPDX-License-Identifier: MIT
// Inside one worker's end of the log: shared by fanout.c (the worker's own reading), session.c (a
// session that reads on by itself) and bracket.c (joining late). Nobody else includes this.
#ifndef CLAIRON_HUB_FANOUT_INT_H
#define CLAIRON_HUB_FANOUT_INT_H

#include "base/list.h"
#include "base/map.h"
#include "hub/fanout.h"
#include "hub/session.h"

// A topic that some session of this worker is on; gone with the last one.
struct topic {
    struct str name; // owned
    uint64_t hash;
    struct list subs;
};

// One session on one topic. Events of the topic with from < id <= position were given to the
// session.
struct sub {
    struct list node; // in topic.subs
    struct topic *topic;
    struct session *session;
    uint64_t from;
};

enum session_state { SESSION_LIVE, SESSION_BEHIND };

// What a reading that stopped is waiting for.
enum reading { READING_DONE, READING_AGAIN, READING_BLOCKED, READING_WAITS };

struct session {
    struct fanout *fanout;
    struct principal *principal;
    const struct sink_ops *ops;
    void *sink;
    uint64_t id;
    enum session_state state;
    bool blocked;      // the sink wants no more until session_writable
    uint64_t position; // BEHIND only: the session's own
    uint64_t mark;     // last event looked at, so that one on two of its topics comes once
    struct list node;  // in fanout.sessions
    struct list run;   // in fanout.runnable
    struct sub **subs;
    unsigned subs_count, subs_cap;
    struct list brackets; // the first is under way
    // A page or answer under way; and the page that is being given out.
    struct read_req *reading;
    struct snapshot_req *asking;
    struct read_req *page;
    unsigned page_next; // counts its gaps first, then its events
};

struct fanout {
    struct realm *realm;
    struct ask *ask;
    struct map topics;
    struct memlog_reader reader;
    uint64_t position;
    struct list sessions;
    struct list runnable;
    unsigned in_flight; // questions not yet answered
    struct sink_frames frames;
    struct fanout_stats stats;
};

// fanout.c
void fanout_deliver(struct session *s, struct event *e, bool in_bracket); // may set s->blocked
void frames_clear(struct sink_frames *frames);
void session_wake(struct session *s); // will be run; idempotent
struct sub *session_sub(const struct session *s, struct str topic);
int session_join(struct session *s, struct str topic, uint64_t from) MUST_CHECK;

// session.c: asks for `r` on the session's behalf; one question at a time. The answer comes to
// `done`, which begins by session_answered: the session, to be run again, or NULL when it is gone,
// and the question with it.
void session_ask(struct session *s, struct read_req *r, void (*done)(struct read_req *r));
struct session *session_answered(struct read_req *r);
// Gives out what the reading selects of (*position, end], from memory or from the store.
struct selection {
    const struct str *topics; // for the store
    unsigned topics_count;
    bool (*wants)(const struct session *s, const struct event *e);
    bool in_bracket;
};
enum reading session_read(struct session *s, const struct selection *sel, uint64_t *position,
                          uint64_t end);
void session_stop(struct session *s); // LIVE -> BEHIND at the worker's position
bool session_on_event_topic(const struct session *s, const struct event *e);

// bracket.c
struct bracket;
struct bracket *bracket_try_new(const struct session_subscribe *sub) MUST_CHECK;
void bracket_end(struct session *s, struct bracket *b); // takes it off and frees it
struct bracket *bracket_of(struct list *node);
struct list *bracket_node(struct bracket *b);
// Goes on with the first bracket. READING_DONE: it is over.
enum reading bracket_run(struct session *s, struct bracket *b);
// Marks the topic as left. False: not in this bracket.
bool bracket_leave(struct bracket *b, struct str topic);

#endif
