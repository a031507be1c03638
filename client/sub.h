// SPDX-License-Identifier: MIT
// A subscription from the inside: sub.c keeps the connection, sub_message.c knows what messages
// mean.
//
// Two cursors. The topics asked for are joined by one bracket, in which events move `cursor` on, so
// that a connection lost in the middle of a long catch-up goes on from there. Topics that the hub
// joins by itself (user:<sub>) come in a bracket before ours and move `own_cursor`. Once every
// topic has caught up the two are one.
#ifndef CLAIRON_CLIENT_SUB_H
#define CLAIRON_CLIENT_SUB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rng.h"
#include "clairon/client.h"
#include "client/address.h"
#include "client/dial.h"
#include "client/link.h"
#include "wire/ws_frame.h"
#include "wire/ws_handshake.h"

#define SUB_CURSOR_SIZE 128

enum topic_state { TOPIC_ASKED, TOPIC_OPEN, TOPIC_CAUGHT_UP, TOPIC_REFUSED };

struct sub_topic {
    char *name; // owned
    enum topic_state state;
};

struct clairon_sub {
    struct address address;
    struct sub_topic *topics; // owned
    size_t topics_count;
    struct clairon_sub_handlers handlers;
    void *arg;

    enum clairon_sub_state state;
    struct dial dial;
    struct link link;
    char key[WS_KEY_TEXT_SIZE];
    struct buf tx, rx; // rx: of the handshake only
    struct ws_decoder decoder;
    bool connected; // the hub's first message has come

    struct rng rng;
    unsigned failures;   // in a row
    int64_t retry_at_ms; // WAITING
    int64_t deadline_ms; // CONNECTING, OPENING: to be over with it
    int64_t heard_at_ms; // LIVE: when something came last
    bool pinged;         // since then
    int64_t heartbeat_ms;

    char cursor[SUB_CURSOR_SIZE], own_cursor[SUB_CURSOR_SIZE];
};

// What a message of the hub does. 0, or why the connection can't go on in `err`.
int sub_message(struct clairon_sub *s, struct str text, struct clairon_error *err) MUST_CHECK;
// Puts a text message of ours behind what waits to be sent.
void sub_put(struct clairon_sub *s, struct str text);
// The session ends for good.
void sub_end(struct clairon_sub *s, const struct clairon_error *why);

#endif
