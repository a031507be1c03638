// SPDX-License-Identifier: MIT
// A whole hub on one thread for the stateful targets: the real worker, HTTP server, dialects, API,
// hub and sequencer; the kernel (kernel.h) and the engine (engine.h) are ours.
#ifndef CLAIRON_FUZZ_HUB_H
#define CLAIRON_FUZZ_HUB_H

#include "fuzz/client.h"
#include "fuzz/engine.h"
#include "server/worker.h"

enum { HUB_CLIENTS = 8 };

struct hub {
    struct engine *engine;
    struct worker *worker;
    struct visitors *visitors;
    struct quotas *users;
    struct client clients[HUB_CLIENTS];
    unsigned long fail_nth; // of the next turn: this allocation fails; 0: none
};

void hub_start(struct hub *h);
// Everybody leaves; asserts that nothing of them stays, and that memory and counters are as before.
void hub_stop(struct hub *h);
// Takes the place of a client that is gone. False: that one is still here, or no more may come.
bool hub_open(struct hub *h, unsigned client);
void hub_turn(struct hub *h); // one turn of the worker, then all clients read
void hub_pass_ms(struct hub *h, int64_t ms);
// Until nothing moves any more, with sockets that take everything; no time passes.
void hub_settle(struct hub *h);
uint64_t hub_epoch(struct hub *h);

#endif
