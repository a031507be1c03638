// SPDX-License-Identifier: MIT
// Between gate.c and door.c.
#ifndef CLAIRON_SERVER_GATE_INT_H
#define CLAIRON_SERVER_GATE_INT_H

#include <pthread.h>

#include "auth/verifier.h"
#include "base/list.h"
#include "server/gate.h"

struct gate {
    const struct config *config;
    struct verifier *verifier; // NULL: authentication is off
    pthread_mutex_t lock;
    struct list doors; // struct door.node
};

// What every door is to end: sessions whose token is revoked, or those that fit.
struct notice {
    enum session_end why;
    struct str user;     // p = NULL: any
    uint64_t session_id; // 0: any
};

// door.c. Copies the notice for each door.
void gate_tell_doors(struct gate *g, const struct notice *n);

#endif
