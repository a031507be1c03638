// SPDX-License-Identifier: MIT
// Native JSON as text: what the hub says to a native client. Pure; each call puts one message, not
// framed.
#ifndef CLAIRON_DIALECT_NATIVE_VIEW_H
#define CLAIRON_DIALECT_NATIVE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "dialect/frames.h"
#include "hub/event.h"
#include "hub/intake.h"
#include "hub/sink.h"

struct native_hello {
    struct str connection_id, user_id; // user_id: p = NULL: nobody's
    uint64_t epoch, position;
};
void native_put_connected(struct buf *b, const struct native_hello *h);

void native_put_event(struct frames *f, const struct event *e, uint64_t epoch);

// An answer about one topic.
struct native_answer {
    struct str topic;
    struct str event; // p = NULL unless the client asked for `event:E` by naming E
    struct str ref;   // raw JSON; p = NULL: none
    uint64_t epoch, cursor;
    bool recovered;
};
void native_put_subscribed(struct buf *b, const struct native_answer *a);
void native_put_caught_up(struct buf *b, const struct native_answer *a);
void native_put_unsubscribed(struct buf *b, const struct native_answer *a);

// Who is on a topic; `err` is 0.
void native_put_present(struct buf *b, const struct sink_present *p);
void native_put_presence_change(struct buf *b, struct str topic, struct str user, bool joined);

// What a responder is asked.
struct native_question {
    struct str channel, ref, user_id, connection_id; // ref (raw JSON), user_id: p = NULL: null
    struct json_val data;
};
void native_put_question(struct buf *b, const struct native_question *q);
// What it answers. `event`: the name of a server-sent event; p = NULL: none.
struct native_stream {
    struct str channel, ref; // ref: raw JSON; p = NULL: null
    uint64_t seq;
    struct str event, data; // data: JSON
    int err;                // of the end
    const char *text;
    bool cancelled;
};
void native_put_stream(struct buf *b, const struct native_stream *s);
void native_put_stream_end(struct buf *b, const struct native_stream *s);

// The answer to a message of the client's that was taken.
void native_put_published(struct buf *b, const struct submit *s, struct str ref);
// `members`: what history_ask gave.
void native_put_history(struct buf *b, struct str topic, struct str members, struct str ref);

#endif
