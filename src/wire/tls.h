// SPDX-License-Identifier: MIT
// TLS 1.2 and 1.3 (RFC 5246, RFC 8446) by OpenSSL, as a codec: bytes of the wire go in and out by
// memory, and whoever uses it has the socket. Both sides. A context is shared by connections of any
// thread and does not change; a connection belongs to one thread at a time.
#ifndef CLAIRON_WIRE_TLS_H
#define CLAIRON_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

struct tls_context;
struct tls_conn;

// What is wrong with a file, for people; without its name.
struct tls_fault {
    bool in_key; // of the two files of a server: the key's
    char text[200];
};

// ---- A server's context (tls_server.c) ----

// The keys that session tickets are sealed with (RFC 5077, RFC 8446 4.6.1). Nothing is kept of a
// session but its ticket. Owned by the caller, outlives all contexts it was given to. On the thread
// that shakes hands.
struct tls_tickets;
struct tls_tickets *tls_tickets_new(void);
void tls_tickets_free(struct tls_tickets *t); // accepts NULL
// New tickets get a new key. Those of the last key are still good and are replaced when used.
void tls_tickets_rotate(struct tls_tickets *t);

struct tls_server_config {
    struct str chain; // PEM: the server's certificate, then those between it and a root
    struct str key;   // PEM, of the first
    int64_t now_s;    // for the dates of the certificate
    struct tls_tickets *tickets;
};
// -E_BAD_REQUEST with the fault: the pair can't be used.
int tls_server_new(const struct tls_server_config *cfg, struct tls_context **ret,
                   struct tls_fault *fault) MUST_CHECK;

int64_t tls_context_expires_s(const struct tls_context *x); // the server's certificate: Unix time

// ---- A client's context (tls_client.c) ----

// Trusts the certificates of that file, or with NULL those that the system trusts.
int tls_client_new(const char *ca_file, struct tls_context **ret,
                   struct tls_fault *fault) MUST_CHECK;

struct tls_context *tls_context_ref(struct tls_context *x);
void tls_context_unref(struct tls_context *x); // accepts NULL

// ---- A connection ----

enum tls_limits {
    TLS_RECORD_BYTES = 16384,    // of plain text in a record
    TLS_RECORD_OVERHEAD = 64,    // more than a record adds
    TLS_ANSWER_BYTES_MAX = 4096, // written by one tls_read
    // Handshake messages after the handshake: new keys, wishes to begin anew.
    TLS_REQUESTS_MAX = 1000,
};

// `host`: for a client, whom the certificate must name; NULL for a server. NULL without memory.
struct tls_conn *tls_conn_try_new(struct tls_context *x, const char *host) MUST_CHECK;
void tls_conn_free(struct tls_conn *t); // accepts NULL

// Bytes that came, borrowed until tls_conn_keep; allowed when those before are read.
void tls_conn_feed(struct tls_conn *t, const char *p, size_t len);
// Copies what was fed and not read. -E_NO_MEMORY.
int tls_conn_keep(struct tls_conn *t) MUST_CHECK;
// May there be something to read without anything being fed?
bool tls_conn_has_unread(const struct tls_conn *t);

// All append to `out` what is to be sent, and fail with -E_NO_MEMORY when it takes no more.
// Whatever failed, the connection is of no more use, but `out` may hold an alert for the peer.

// 0: done. -E_AGAIN: feed it. -E_PROTOCOL.
int tls_conn_handshake(struct tls_conn *t, struct buf *out) MUST_CHECK;
// Reads up to `room` bytes, *ret_len of them whatever is returned. 0: `room` is full and there may
// be more; -E_AGAIN: feed it; -E_CLOSED: the peer said that it sends no more; -E_PROTOCOL,
// -E_POLICY.
int tls_conn_read(struct tls_conn *t, char *p, size_t room, struct buf *out,
                  size_t *ret_len) MUST_CHECK;
// `in` may lie where `out` is written to, right behind what it holds, if it is one record.
int tls_conn_write(struct tls_conn *t, struct str in, struct buf *out) MUST_CHECK;
void tls_conn_shutdown(struct tls_conn *t, struct buf *out); // close_notify; once

bool tls_conn_resumed(const struct tls_conn *t); // by a ticket
// Did the peer's first bytes look like HTTP without TLS?
bool tls_conn_got_http(const struct tls_conn *t);
const char *tls_conn_why(const struct tls_conn *t); // what failed, constant

// At most so many bytes come out for `len` bytes in one tls_conn_write.
static inline size_t tls_sealed_bytes_max(size_t len)
{
    return len + (len / TLS_RECORD_BYTES + 1) * TLS_RECORD_OVERHEAD;
}

#endif
