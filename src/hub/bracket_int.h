// SPDX-License-Identifier: MIT
// Inside a bracket: shared by bracket.c (its stages, and what is told) and bracket_ask.c (what it
// asks of other threads). Nobody else includes this.
#ifndef CLAIRON_HUB_BRACKET_INT_H
#define CLAIRON_HUB_BRACKET_INT_H

#include "base/arena.h"
#include "base/list.h"
#include "hub/fanout_int.h"

enum bracket_stage {
    STAGE_NEW,
    STAGE_OWNERS,
    STAGE_GAPS,
    STAGE_JOBS,
    STAGE_TAILS,
    STAGE_OLD,
    STAGE_LASTS,
    STAGE_OPEN,
    STAGE_EVENTS,
};

struct bracket_topic {
    struct str name;
    bool refused, already, left;
    bool if_owned; // allowed to whom owns the job, which is not known yet
    bool recovered, snapshot, replay, gapped;
    enum job_kind job_kind; // KIND_NONE: not one job's
    struct str job_id;
    uint64_t floor; // it needs nothing up to here
    uint64_t after; // replay: its events above this
    struct gap gap;
    struct job *job;
    struct read_req *tail;
    struct event *repeat; // its last progress, or the last message of a channel that keeps it
};

struct bracket {
    struct bracket *next; // of the same session
    struct arena arena;
    enum bracket_stage stage;
    void *ref;
    struct str since_text;
    bool since_known;
    bool leads;
    uint64_t since;
    unsigned tail_lines;
    uint64_t target, position;
    unsigned tails_next, lasts_next;
    bool spoke;
    unsigned count;
    struct bracket_topic *topics;
    struct str *replay_topics;
    unsigned replay_count;
    // Questions under way.
    struct read_req *reading;
    struct snapshot_req *asking;
};

static inline bool joins(const struct bracket_topic *t)
{
    return !t->refused && !t->already;
}

// bracket.c: with the gaps known, or none to ask for: which topics are recovered, replayed or shown
// by a snapshot.
void bracket_plan(struct bracket *b);
// The topic is not for this session: tells the sink.
void bracket_refuse(struct session *s, struct bracket *b, struct bracket_topic *t, int err,
                    const char *text);

// bracket_ask.c: each asks, and its answer moves the bracket on. READING_DONE: there is nothing to
// ask.
enum reading bracket_ask_owners(struct session *s, struct bracket *b);
enum reading bracket_ask_gaps(struct session *s, struct bracket *b);
enum reading bracket_ask_jobs(struct session *s, struct bracket *b);
enum reading bracket_ask_tails(struct session *s, struct bracket *b);
enum reading bracket_ask_lasts(struct session *s, struct bracket *b);

#endif
