// SPDX-License-Identifier: MIT
// Going round all workers, one after the other, to look at their sessions or to end some, and home
// again. One mail does it, so what it carries needs no lock.
#ifndef CLAIRON_SERVER_VISIT_H
#define CLAIRON_SERVER_VISIT_H

#include "base/mailbox.h"
#include "hub/session.h"
#include "server/gate.h"

struct visit {
    struct mail mail;
    struct door *home, *at;
    // Set by who begins it. `each` runs on the thread of the session's worker, `done` at home.
    void (*each)(struct visit *v, struct session *s);
    void (*done)(struct visit *v);
};

// On the thread of `home`, whose worker waits for it. Workers that are stopping are left out.
void visit_begin(struct visit *v, struct door *home);
// From `each`: ends it and counts.
void visit_end_session(struct visit *v, struct session *s, enum session_end why);

// For other things that a worker must wait for.
void door_enter(struct door *d);
void door_leave(struct door *d);

#endif
