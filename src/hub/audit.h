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

// NULL: authentication is off, and nothing is told.
static inline void audit_tell(struct audit *a, const struct session *s, enum event_type type,
                              const char *reason)
{
    if (a) {
        a->tell(a, s, type, reason);
    }
}

// A session has begun.
static inline void audit_login(struct audit *a, const struct session *s)
{
    audit_tell(a, s, EVENT_TYPE_AUTH_LOGIN_SUCCESS, "token_accepted");
}

// An administrator ends it.
static inline void audit_logout(struct audit *a, const struct session *s, enum session_end why)
{
    audit_tell(a, s, EVENT_TYPE_AUTH_LOGOUT,
               why == SESSION_END_REVOKED ? "token_revoked" : "disconnected");
}

#endif
