// SPDX-License-Identifier: MIT
// Questions to responders: what a client says on a channel that has one goes there, and what it
// answers comes back piece by piece, to that client alone and outside of the log. The server
// carries them on a thread of its own (`struct responders`); a dialect asks.
//
//   respond_ask -> any number of on_piece, on_unread behind them -> on_end, once, also after
//   respond_cancel; then the asker's reference goes
//
// A call is shared by the worker and the carrier's thread: what either may touch is said below.
#ifndef CLAIRON_HUB_RESPOND_H
#define CLAIRON_HUB_RESPOND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/mailbox.h"
#include "base/str.h"

struct responders;

struct respond_call {
    atomic_uint refs;
    // The question: constant once asked, in the call's own memory.
    unsigned responder;
    struct str channel;
    struct str ref;  // raw JSON; p = NULL: none
    struct str user; // p = NULL: nobody's
    struct str body; // what the responder is sent
    // The asker's, on its worker's thread.
    struct respond_call *next; // of the same asker
    void *asker;               // NULL: nobody listens any more
    uint64_t seq;
    size_t unsaid; // bytes of pieces that the client's socket has yet to take
    void (*on_piece)(struct respond_call *c, struct str event, struct str json);
    void (*on_unread)(struct respond_call *c, size_t bytes); // after pieces: to be taken back
    void (*on_end)(struct respond_call *c);
    struct responders *responders;
    // Between both.
    atomic_size_t unread; // bytes of pieces given and not taken back by respond_taken
    atomic_bool cancelled, nudging;
    // The carrier's. How it ended is the asker's from on_end on.
    struct mail start, nudge, end;
    void *carrier, *transfer;
    int err;
    char text[160];
};

struct respond_question {
    unsigned responder;
    struct str channel, ref, user, body;
};

// One reference. NULL without memory.
struct respond_call *respond_call_try_new(const struct respond_question *q) MUST_CHECK;
struct respond_call *respond_call_ref(struct respond_call *c);
void respond_call_unref(struct respond_call *c); // any thread

// A worker's way to them. On its thread.
struct responders {
    // The number of the channel's responder, or -1. `*ret_shown`: what is said is shown on the
    // channel as well.
    int (*find)(struct responders *r, struct str channel, bool *ret_shown);
    // Takes a reference of its own until on_end.
    void (*ask)(struct responders *r, struct respond_call *c);
    // Something of the call that is between both has changed.
    void (*nudge)(struct responders *r, struct respond_call *c);
};

// The asker's, with on_piece, on_end and asker set.
void respond_ask(struct responders *r, struct respond_call *c);
// It is to end soon.
void respond_cancel(struct respond_call *c);
// So many bytes of pieces have gone on: as many more may come.
void respond_taken(struct respond_call *c, size_t bytes);

#endif
