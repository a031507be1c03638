// SPDX-License-Identifier: MIT
// A worker: one thread with a loop, an HTTP server, its end of the log, and its own copy of the
// route table.
#ifndef CLAIRON_SERVER_WORKER_H
#define CLAIRON_SERVER_WORKER_H

#include "hub/worker.h"
#include "net/listener.h"
#include "net/sender.h"
#include "server/config.h"
#include "server/engine.h"
#include "server/gate.h"
#include "server/rollcall.h"
#include "server/upstream.h"

struct worker;

struct worker_config {
    struct engine *engine;
    struct metrics_table *metrics;
    unsigned index, workers;
    struct accept_target *const *targets; // of all workers; filled before worker_start
    const struct origin_policy *origins;
    struct gate *gate;
    struct audit_tokens *audit_tokens; // NULL: authentication is off
    const struct config *config;
    struct visitors *visitors;
    struct quotas *users; // connections and publishes of each
    enum send_mode send;
    const struct status *status; // for /health
    struct rollcall *rollcall;   // NULL: nobody is counted
    struct upstream *upstream;   // NULL: there are no responders
};

struct worker *worker_new(const struct worker_config *cfg);
void worker_start(struct worker *w);
// Any thread.
void worker_presence(struct worker *w, struct presence_mail *m); // the roll's; takes it
void worker_moved(struct worker *w);                             // the log moved
void worker_drain(struct worker *w); // no new requests, sockets are told; goes on until worker_stop
size_t worker_connections(struct worker *w);
void worker_stop(struct worker *w); // closes what is left, ends when no answer is under way, joins
void worker_free(struct worker *w); // stopped, or never started
struct accept_target *worker_target(struct worker *w);
// Before worker_start: whoever is alone accepts for itself, without another thread to wake it for
// each connection. Drains and stops with the worker.
void worker_bring_acceptor(struct worker *w, struct acceptor *a);
struct loop *worker_loop(struct worker *w);

// Any thread: how many turns its loop has made. worker_moved brings about another.
unsigned worker_turns(const struct worker *w);

#endif
