// SPDX-License-Identifier: MIT
// The other end of a connection in the stateful targets: it keeps what was said, reads what comes
// back, and holds the server to its word: one answer to each request and in their order, nothing
// behind the end, frames and messages whole and valid, ids that rise.
#ifndef CLAIRON_FUZZ_CLIENT_H
#define CLAIRON_FUZZ_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "wire/http1.h"
#include "wire/ws_frame.h"

enum { CLIENT_ASKED_MAX = 4096 };

struct client {
    int fd; // -1: not in use
    struct peer *peer;
    bool has_left; // shut its side, or reset

    // What was said, read as the server should read it.
    struct buf said;
    size_t said_at; // requests are taken apart up to here
    struct {
        enum http1_method method;
        bool upgrade;
        bool waits;            // a stream or a poll: its answer ends when it likes
    } asked[CLIENT_ASKED_MAX]; // whole heads, in order
    unsigned asked_count, answered;
    bool said_enough; // what follows is no request: garbage, or frames

    // What came.
    bool over;    // the server said that nothing more comes
    bool refused; // by an answer to what is no request
    bool is_ws, ws_closed;
    struct ws_decoder decoder;
    unsigned messages;
    bool native;
    unsigned brackets; // topics subscribed and not caught up
    uint64_t last_id;  // of a live event, or where a bracket ended
    void (*on_message)(struct client *c, struct str text); // may be NULL
    void *arg;
};

void client_open(struct client *c, int fd);
void client_close(struct client *c); // forgets it
void client_say(struct client *c, struct str bytes);
void client_say_frame(struct client *c, unsigned first_byte, struct str payload);
void client_fin(struct client *c);
void client_reset(struct client *c);
void client_hear(struct client *c); // reads and checks all that came
// At rest and with an open socket, every whole request was answered.
bool client_answered(const struct client *c);

#endif
