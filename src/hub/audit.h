// SPDX-License-Identifier: MIT
// Telling what happens to a session's right to be here: events of the types AUTH_* and SESSION_*
// that the hub itself publishes to the user's other connections. Who does so is the server's
// matter. On the session's worker thread.
#ifndef CLAIRON_HUB_AUDIT_H
#define CLAIRON_HUB_AUDIT_H

#include "hub/kind.h"
#include "hub/session.h"

struct audit {
    // `reason` is a word for programs, of static storage.
    void (*tell)(struct audit *a, const struct session *s, enum event_type type,
                 const char *reason);
};

#endif
