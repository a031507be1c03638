// SPDX-License-Identifier: MIT
// What one worker thread holds of the hub: this is all that dialects and producers get to see of
// it.
#ifndef CLAIRON_HUB_WORKER_H
#define CLAIRON_HUB_WORKER_H

#include "hub/ask.h"
#include "hub/fanout.h"
#include "hub/intake.h"
#include "hub/realm.h"
#include "hub/recall.h"
#include "hub/token_check.h"

struct audit;
struct presence;
struct responders;
struct twins;

struct hub_worker {
    struct realm *realm;
    struct fanout *fanout;
    struct intake *intake; // answers come back on this worker's thread
    struct ask *ask;
    const struct str *channels; // that a channel client is on without asking
    unsigned channels_count;
    struct quotas *users;          // their connections, by user id; NULL: nobody counts
    struct token_checker *checker; // NULL: authentication is off
    struct audit *audit;           // the same
    struct presence *presence;     // NULL: nobody is counted
    struct twins *twins;           // the compressed variants
    struct recaller *recaller;
    struct responders *responders; // NULL: there are none
};

#endif
