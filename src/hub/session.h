// SPDX-License-Identifier: MIT
// A session: cursor + topics + principal, and a sink. It belongs to one worker's fanout and is used
// on that thread only. States:
//
//            every event as the worker passes it
//      LIVE <------------------------------------------+
//       |  session_hold (short send), subscribe         | position reached the worker's
//       v                                               |
//      BEHIND: reads on from the log at its own position, from memory or, when that is gone, from
//      the store;
//              one bracket at a time is opened when the old topics have been read up to its place
//              C.
//
// Position: every logged event of my topics up to here was given to the sink, or declared in a gap.
// Being behind costs no queue: no more than the run that the socket is taking waits for a session.
#ifndef CLAIRON_HUB_SESSION_H
#define CLAIRON_HUB_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "hub/fanout.h"
#include "hub/principal.h"
#include "hub/sink.h"

struct session;

// NULL without memory. Starts LIVE, on no topic, at the worker's position. Takes its own reference
// on the principal.
struct session *session_new(struct fanout *f, struct principal *p,
                            const struct sink_variant *variant, void *sink) MUST_CHECK;
// Where runs go: what the variant's `send` is given; at an address that 4 divides. Once, before the
// first subscription.
void session_set_port(struct session *s, void *port);
// The same sink and port, seen in another way from where it stands (a client that changed its
// transport); of one that belongs to a family, any with the same looks_of. Not from inside a
// `send`.
void session_set_variant(struct session *s, const struct sink_variant *variant);
// At once; the sink is not called again (brackets under way end by bracket_done from in here).
void session_free(struct session *s);

uint64_t session_id(const struct session *s); // for submit.origin; never 0, unique in this process
// The same as clients and administrators see it.
#define SESSION_ID_TEXT 17 // 16 hexadecimal digits and a NUL
struct str session_id_text(const struct session *s, char out[SESSION_ID_TEXT]);
uint64_t session_position(const struct session *s);
struct principal *session_principal(const struct session *s); // borrowed
// From now on the session is this principal's, of the same user; takes its own reference. Topics
// that it was allowed by name and is no more are left at once, and told by `lost`.
void session_set_principal(struct session *s, struct principal *p,
                           void (*lost)(void *ctx, struct str topic), void *ctx);
// The topics it is on, in no order; one that is still to be joined is not among them.
void session_each_topic(struct session *s, void (*fn)(void *ctx, struct str topic), void *ctx);
void session_about(const struct session *s, struct sink_about *ret);
// It is over for who it belongs to: tells the sink.
void session_tell_end(struct session *s, enum session_end why);

struct session_subscribe {
    const struct str *topics;
    unsigned count;
    struct str
        since; // cursor text; p = NULL: none. One that is not ours is answered by recovered:false
    bool tail_named; // how many lines of log a snapshot shows; else the limit
    unsigned tail_lines;
    // NULL; or for each topic up to where its events were given to the client, though `since` may
    // lie before.
    const uint64_t *after;
    bool leads; // it is on no topic before: the bracket's events move the client's cursor
    bool spoke; // it joins by what it says itself, which is not retained for it
    void *ref;  // the dialect's; given back by bracket_done
};
// Opens one bracket for the topics, now or after the brackets before it. Refused topics (name,
// right, limit) are told by the sink. -E_NO_MEMORY: nothing happened and `ref` stays the caller's.
int session_subscribe(struct session *s, const struct session_subscribe *sub) MUST_CHECK;
// Leaves a topic now (a bracket still under way for it is finished first, in order). False: was not
// on it.
bool session_unsubscribe(struct session *s, struct str topic);
bool session_is_on(struct session *s, struct str topic);
unsigned session_topics_count(const struct session *s);

// The transport took less than it was given: nothing more until session_writable. Never from inside
// a `send`.
void session_hold(struct session *s);
// The transport has sent all it had: read on. May call the sink from in here.
void session_writable(struct session *s);

#endif
