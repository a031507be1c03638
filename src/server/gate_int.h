// SPDX-License-Identifier: MIT
// Between gate.c, door.c and visit.c.
#ifndef CLAIRON_SERVER_GATE_INT_H
#define CLAIRON_SERVER_GATE_INT_H

#include <pthread.h>

#include "auth/verifier.h"
#include "base/list.h"
#include "server/gate.h"

struct gate {
    const struct config *config;
    struct verifier *verifier; // NULL: authentication is off
    struct issuer *issuer;
    pthread_mutex_t lock;
    struct list doors; // struct door.node
};

struct door {
    struct list node; // in the gate's
    // Under the gate's lock.
    unsigned visits; // on their way to here
    bool closed;     // no more visits
    // The worker's own.
    struct door_config cfg;
    struct verifier *verifier;
    struct principal *anyone; // while authentication is off
    struct token_checker checker;
    unsigned under_way; // questions not answered yet
};

#endif
