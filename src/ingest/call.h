// SPDX-License-Identifier: MIT
// A POST (or DELETE) on its way: request -> submit -> answer. Checks what all calls have in common,
// keeps the request until the sequencer has answered, and knows Idempotency-Key. On the worker's
// thread, but for `put`.
//
//   call_new -> call_json, submit_add_* -> call_send_take -> (answered) -> reply, freed
//        +---------- call_refuse_take ------------------------------------^
#ifndef CLAIRON_INGEST_CALL_H
#define CLAIRON_INGEST_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "http/request.h"
#include "hub/intake.h"
#include "hub/worker.h"
#include "wire/json.h"

struct call {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    struct submit *submit; // its ctx is the call
    // How a good answer looks: its status, and its members but `durability` and `duplicate`,
    // beginning with the opening brace. Also called on the sequencer's thread, to be kept for the
    // same Idempotency-Key: it reads the submit and this struct only.
    int (*status)(const struct submit *s);
    void (*put)(struct buf *b, const struct submit *s);
    bool batch; // the answer to a refusal names an index
    // What `put` may want to know.
    enum job_kind kind;
    enum report_verb verb;
};

// NULL: the request is answered (400, 503).
struct call *call_new(struct http_request *req, struct hub_worker *hub) MUST_CHECK;

// The body as one JSON text. False: refused, and the call is gone.
bool call_json(struct call *c, struct json_val *ret) MUST_CHECK;

struct call_fault {
    int err;
    const char *text; // NULL or empty: the error's own
    bool index_named; // which event was refused
    size_t index;
};
void call_refuse_take(struct call *c, const struct call_fault *fault);
// "The body is not JSON ... at byte N".
void call_refuse_json_take(struct call *c, size_t offset, const size_t *index);

void call_send_take(struct call *c);

// ---- For `put`.

void call_put_cursor(struct buf *b, const char *name, const struct submit *s,
                     uint64_t id); // `"name":"…"`

#endif
