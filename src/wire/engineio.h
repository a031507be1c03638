// SPDX-License-Identifier: MIT
// Engine.IO, protocol 4, without I/O: the query, the numbered errors, packets, and the payloads of
// polling. The same packets travel two ways:
//
//   WebSocket  one packet per message; a binary frame is the bytes of a `message`, without a type
//   polling    packets joined by 0x1e; the bytes of a `message` are `b` and base64
//
// Nothing is kept between calls and nothing is allocated, but for the bytes of a base64 packet. Any
// thread.
#ifndef CLAIRON_WIRE_ENGINEIO_H
#define CLAIRON_WIRE_ENGINEIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "wire/url.h"

#define ENGINEIO_SEPARATOR '\x1e'
#define ENGINEIO_PROBE     "probe" // the data of the ping and the pong of an upgrade

// ---- The request.

enum engineio_transport { ENGINEIO_UNKNOWN, ENGINEIO_POLLING, ENGINEIO_WEBSOCKET };

struct engineio_query {
    enum engineio_transport transport;
    bool version_4; // EIO=4
    bool base64;    // b64=1: no binary frames for this client, not on WebSocket either
    struct str sid; // p = NULL: this is a handshake
};

// Of a parameter that comes twice the last counts; others are the application's. The sid is a span
// of the query.
void engineio_read_query(const struct url_query *q, struct engineio_query *ret);

// In the order of their numbers on the wire.
enum engineio_error {
    ENGINEIO_TRANSPORT_UNKNOWN,
    ENGINEIO_SID_UNKNOWN, // also of a session that is over
    ENGINEIO_HANDSHAKE_METHOD,
    ENGINEIO_BAD_REQUEST, // the transport does not fit the session or the request
    ENGINEIO_FORBIDDEN,
    ENGINEIO_VERSION,
    ENGINEIO_ERROR_NR, // no error
};

// A request as its receiver sees it.
struct engineio_request {
    struct engineio_query query;
    bool get;     // the method
    bool upgrade; // asks to become a WebSocket
    bool known;   // the sid names a session
};
// In the order of the reference. ENGINEIO_ERROR_NR: go on, with that session or with a handshake.
// Left to the caller: does the session still speak this transport (ENGINEIO_BAD_REQUEST), and may
// there be one (ENGINEIO_FORBIDDEN)?
enum engineio_error engineio_check(const struct engineio_request *r);
int engineio_error_status(enum engineio_error e);
const char *engineio_error_text(enum engineio_error e);
// The answer's body, {"code","message"}. `message` (valid UTF-8) says more; p = NULL: the usual
// text.
void engineio_put_error(struct buf *b, enum engineio_error e, struct str message);

// ---- Packets.

enum engineio_type {
    ENGINEIO_OPEN,
    ENGINEIO_CLOSE,
    ENGINEIO_PING,
    ENGINEIO_PONG,
    ENGINEIO_MESSAGE,
    ENGINEIO_UPGRADE,
    ENGINEIO_NOOP,
    ENGINEIO_TYPES,
};

struct engineio_packet {
    enum engineio_type type;
    bool binary; // `message` only: bytes, else text
    struct str data;
};

// The text of one packet (valid UTF-8). `bytes` is cleared, and holds what base64 stood for: the
// data is in it, or a span of the text. -E_PROTOCOL: empty, no such type, or broken base64;
// -E_TOO_LARGE, -E_NO_MEMORY: no room in `bytes`.
int engineio_decode(struct str text, struct buf *bytes, struct engineio_packet *ret) MUST_CHECK;
// Its text; base64 for bytes.
void engineio_put_packet(struct buf *b, const struct engineio_packet *p);
// Length of that.
size_t engineio_packet_bytes(const struct engineio_packet *p);

struct engineio_handshake {
    struct str sid;   // without characters that JSON escapes
    bool can_upgrade; // from polling to WebSocket
    int64_t ping_interval_ms, ping_timeout_ms;
    size_t payload_bytes_max; // of a body that is POSTed, and of a message on WebSocket
};
// The `open` packet, type and all.
void engineio_put_open(struct buf *b, const struct engineio_handshake *h);

// ---- Payloads of polling.

// Walks over a whole body. Stop at the first refusal: the session is over.
struct engineio_payload {
    struct str rest; // p = NULL: nothing left
    size_t packets_left;
    struct buf bytes;
};
void engineio_payload_init(struct engineio_payload *p, struct str body, size_t packets_max);
void engineio_payload_fini(struct engineio_payload *p); // idempotent
// 0: *ret is the next packet; its data holds until the next call. -E_AGAIN: that was all.
// Refusals: those of engineio_decode (a body or a packet that is empty, a separator at the end),
// -E_UTF8, and -E_POLICY for too many packets.
int engineio_payload_next(struct engineio_payload *p, struct engineio_packet *ret) MUST_CHECK;

// Appends to a payload that `b` holds alone. Nothing is put, and false returned, when `b` would
// become larger than its maximum (the packet belongs into the next payload); also without memory,
// and then b->failed is set.
bool engineio_payload_put(struct buf *b, const struct engineio_packet *p) MUST_CHECK;

#endif
