// SPDX-License-Identifier: MIT
// A worker's end of presence: it tells the roll (hub/roll.h) who of its sessions joins and leaves
// the topics that are counted, asks it who is on a topic, and tells those who watch. What nobody
// asks about costs a flag per topic. On the worker's thread.
#ifndef CLAIRON_HUB_PRESENCE_H
#define CLAIRON_HUB_PRESENCE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"
#include "hub/fanout.h"
#include "hub/presence_mail.h"

struct presence;
struct session;
struct topic;

struct presence_config {
    struct fanout *fanout; // outlives presence_close
    unsigned worker;       // its number
    // To the roll, which takes it; in order.
    void (*send)(void *ctx, struct presence_mail *m);
    void *ctx;
};

struct presence *presence_new(const struct presence_config *cfg);
// No session is left. Mails that still come are freed, the fanout may go.
void presence_close(struct presence *p);
void presence_free(struct presence *p); // accepts NULL
// A mail of the roll's, in order.
void presence_take(struct presence *p, struct presence_mail *m);

// ---- For dialects.

// Who is on the topic? `done` is told once, on this thread, never from inside: err, or the members
// of the answer (see presence_mail.answer), borrowed. -E_NO_MEMORY, -E_UNAVAILABLE (no `p`): it
// will not be.
struct presence_asker {
    void (*done)(void *ctx, int err, struct str members);
    void *ctx;
};
int presence_ask(struct presence *p, struct str topic,
                 const struct presence_asker *asker) MUST_CHECK;
// The session, which is on the topic, is told by its sink who is there (`present`), and then who
// comes and goes (`presence`), as long as it is on it. `ref` comes back with the former; p = NULL:
// none. The same errors.
int presence_watch(struct presence *p, struct session *s, struct str topic,
                   struct str ref) MUST_CHECK;

// ---- For session.c.

// The topic was made just now.
void presence_topic_made(struct presence *p, struct topic *t);
// Of topics that are counted. -E_NO_MEMORY.
int presence_joined(struct presence *p, const struct topic *t, const struct session *s) MUST_CHECK;
void presence_parted(struct presence *p, const struct topic *t, struct session *s);

#endif
