// SPDX-License-Identifier: MIT
// What the flat dialects have in common: a socket that follows one topic from the moment it opens
// and hears nothing but pings. `?since=CURSOR` goes on from there, `?tail=N` says how many lines of
// log a late comer sees. On the worker's thread.
#ifndef CLAIRON_DIALECT_FLAT_H
#define CLAIRON_DIALECT_FLAT_H

#include "dialect/wsession.h"
#include "hub/kind.h"

// How one kind of job looks.
struct flat_view {
    struct wsession_ops ops;
    enum job_kind kind;
    void (*put_connected)(struct frames *f, struct str id);
    void (*put_snapshot)(struct frames *f, const struct sink_snapshot *s, uint64_t epoch);
    void (*put_gap)(struct frames *f, const struct flat_gap *g);
};

struct flat {
    struct wsession base; // first
    const struct flat_view *view;
    char *id; // owned; NULL: of no one job
};

// The route's handler for one job: `{id}` of the path.
void flat_open_job(struct http_request *req, struct hub_worker *hub, const struct flat_view *view);

// For a dialect that follows something else. Zeroed memory with a `struct flat` first, which is
// taken: false has answered the request and freed it. Says `connected`.
bool flat_open_take(struct flat *f, struct http_request *req, struct hub_worker *hub,
                    const struct flat_view *view) MUST_CHECK;
// Answers 400 to an `since` or `tail` that is none; `ret` borrows from the request.
bool flat_read_query(struct http_request *req, struct session_subscribe *ret) MUST_CHECK;
bool flat_may_follow(struct http_request *req, struct str topic) MUST_CHECK; // answers 403
// Closes when there is no memory.
void flat_follow(struct flat *f, const struct session_subscribe *sub);

// The sink of a flat socket, what it is made of, and its wsession_ops.
extern const struct sink_ops flat_sink;
void flat_on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                        const void *ref);
void flat_on_snapshot(void *sink, const struct sink_snapshot *snapshot);
void flat_on_gap(void *sink, const struct gap *gap);
void flat_on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref);
void flat_on_refused(void *sink, struct str topic, int err, const char *text, const void *ref);
void flat_on_bracket_done(void *sink, void *ref);
void flat_message(struct wsession *w, const struct wmessage *m);
void flat_free(struct wsession *w);

#endif
