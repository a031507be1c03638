// SPDX-License-Identifier: MIT
// What the workers' ends of presence (hub/presence.h) and the roll (hub/roll.h) tell each other, by
// mails in order. Whoever gets a mail owns it.
//
//   worker  ASK (and watch) ->  roll      the same mail comes back with the answer
//   roll    COUNT           -> worker     CHANGEs, one for each connection on the topic; then the
//                                         COUNT comes back, and from then on a CHANGE for each who
//                                         joins or leaves
//   roll    FORGET          -> worker     no more CHANGEs
//   roll    TELL            -> worker     a user came or left, for those who watch
//   worker  UNWATCH         ->  roll      nobody there watches any more
//
// A counting has a generation: what belongs to an earlier one is passed over.
#ifndef CLAIRON_HUB_PRESENCE_MAIL_H
#define CLAIRON_HUB_PRESENCE_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/mailbox.h"
#include "base/str.h"

enum presence_what {
    PRESENCE_ASK,
    PRESENCE_COUNT,
    PRESENCE_CHANGE,
    PRESENCE_FORGET,
    PRESENCE_TELL,
    PRESENCE_UNWATCH,
};

struct presence_mail {
    struct mail mail; // the carrier's
    void *carrier;    // the carrier's
    struct list node; // the roll's
    enum presence_what what;
    unsigned worker;        // from or to
    struct str topic, user; // in its own memory; user p = NULL: nobody's
    uint64_t generation;
    int change;  // CHANGE: connections more or fewer
    bool joined; // TELL
    bool watch;  // ASK: and TELL what changes from then on
    int err;     // COUNT that came back, ASK
    // ASK
    void (*done)(struct presence_mail *m); // the asker's; owns it from then on
    void *ctx;                             // the asker's; NULL: nobody waits any more
    struct str ref;                        // the asker's, in its own memory
    struct buf answer;                     // `"users":[…],"connections":N`, and `,"crowded":true`
};

// Copies the texts; those with p = NULL stay so.
struct presence_mail *presence_mail_try_new(enum presence_what what, struct str topic,
                                            struct str user, struct str ref) MUST_CHECK;
// For those whose number we bound ourselves, or that may not fail.
struct presence_mail *presence_mail_new(enum presence_what what, struct str topic, struct str user);
void presence_mail_free(struct presence_mail *m); // accepts NULL

#endif
