// SPDX-License-Identifier: MIT
// Socket.IO, protocol 5, without I/O: what stands inside the messages of Engine.IO.
//
//   <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//
// Payloads stay the bytes that came (wire/json.h). A packet with binary attachments names each by a
// placeholder, {"_placeholder":true,"num":N}, and they follow as messages of bytes; the reader puts
// them together. Any thread; one user at a time.
#ifndef CLAIRON_WIRE_SOCKETIO_H
#define CLAIRON_WIRE_SOCKETIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "wire/json.h"

#define SOCKETIO_ATTACHMENTS_MAX 10 // of one packet: what clients take
#define SOCKETIO_DEPTH_MAX       64

enum socketio_type {
    SOCKETIO_CONNECT,
    SOCKETIO_DISCONNECT,
    SOCKETIO_EVENT,
    SOCKETIO_ACK,
    SOCKETIO_CONNECT_ERROR,
    SOCKETIO_TYPES,
};

struct socketio_packet {
    enum socketio_type type; // the two binary types are EVENT and ACK with attachments
    unsigned attachments;    // how many belong to it
    bool has_id; // EVENT: an answer is asked for; ACK: always; elsewhere it means nothing
    uint64_t id;
    struct str nsp;             // "/" unless another one is named
    struct json_val payload;    // JSON_NONE when there is none
    struct json_val name;       // EVENT: its name, a string or a number: the first of the payload
    const struct str *attached; // from the reader: the attachments by number
};

struct socketio_limits {
    unsigned depth_max; // of the JSON; at most SOCKETIO_DEPTH_MAX
    size_t nsp_bytes_max;
    size_t attached_bytes_max; // of all attachments of one packet together
};

// One text, which is valid UTF-8. What the payload must be: CONNECT an object or nothing,
// DISCONNECT nothing, EVENT an array that begins with a number or a name that is not reserved, ACK
// an array, CONNECT_ERROR an object or a string. Placeholders and attachments match one to one; in
// a packet without attachments such an object is the sender's data. -E_PROTOCOL with *ret_why, a
// short constant phrase: the connection is to be closed.
int socketio_decode(struct str text, const struct socketio_limits *limits,
                    struct socketio_packet *ret, const char **ret_why) MUST_CHECK;
// Names that no packet may carry, since clients use them for their own events. Unescaped.
bool socketio_name_reserved(struct str name);

// All that stands before the payload.
void socketio_put_head(struct buf *b, const struct socketio_packet *p);
// The whole text; of the payload only `raw` counts. The attachments are the next messages.
void socketio_put(struct buf *b, const struct socketio_packet *p);

// ---- Reading what one connection sends.

struct socketio_pending;

struct socketio_reader {
    const struct socketio_limits *limits;
    struct socketio_pending *pending; // NULL at rest
    const char *why;                  // after a refusal: what was wrong
};

// Allocates nothing. The limits must outlive it.
void socketio_reader_init(struct socketio_reader *r, const struct socketio_limits *limits);
void socketio_reader_fini(struct socketio_reader *r); // idempotent
// The next message. 0: *ret is a whole packet, which holds as long as the message does, and until
// the next call for this reader. -E_AGAIN: attachments are to come. Refusals, after which the
// connection is to be closed: -E_PROTOCOL, -E_TOO_LARGE, -E_NO_MEMORY.
int socketio_reader_text(struct socketio_reader *r, struct str text,
                         struct socketio_packet *ret) MUST_CHECK;
int socketio_reader_bytes(struct socketio_reader *r, struct str bytes,
                          struct socketio_packet *ret) MUST_CHECK;
// Are attachments still to come? Only a time-out ends such a wait.
bool socketio_reader_waits(const struct socketio_reader *r);
// Gives back the memory of a packet that was handled; the next message would do so, too.
void socketio_reader_release(struct socketio_reader *r);

#endif
