// SPDX-License-Identifier: MIT
// Where to: a URL taken apart and its host looked up.
#ifndef CLAIRON_LOAD_TARGET_H
#define CLAIRON_LOAD_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "load/template.h"

enum target_kind {
    TARGET_WS,
    TARGET_HTTP,
    TARGET_SSE,
    TARGET_POLL,
    TARGET_SOCKETIO,      // over WebSocket
    TARGET_SOCKETIO_POLL, // by polling
};

struct tls_context;

struct target {
    enum target_kind kind;
    struct tls_context *tls; // referenced; NULL: none
    char *name;              // of the host, which its certificate must name
    struct sockaddr_storage address;
    socklen_t address_len;
    char *host; // for the head of a request: host[:port]
    char *path; // with its query: a template
};

// Takes ws://, http://, sse+http://, poll+http://, socketio+ws:// and socketio+http://, and the
// same with an s for TLS, for which target_secure must follow. -E_BAD_REQUEST, with *ret_why saying
// what is wrong with the URL or the host; otherwise *ret is to be given to target_fini.
int target_parse(struct str url, struct target *ret, const char **ret_why) MUST_CHECK;
void target_fini(struct target *t); // idempotent
bool target_is_secure(const struct target *t);
void target_secure(struct target *t, struct tls_context *tls); // references it
// Is it a WebSocket that is opened there?
bool target_is_ws(const struct target *t);
bool target_is_socketio(const struct target *t);
// Is this a path at which Clairon speaks its own WebSocket messages?
bool target_is_native(const struct target *t);
// Appends the request that opens a WebSocket or a stream, or asks once: GET, without body. `more`
// is put behind the path, `fields` into the head.
void target_put_get(struct buf *b, const struct target *t, const struct template_values *v,
                    struct str more, struct str fields);
struct target_body {
    struct str more; // is put behind the path
    const char *type;
    struct str text;
};
// Appends a POST.
void target_put_post(struct buf *b, const struct target *t, const struct template_values *v,
                     const struct target_body *body);

// The n-th socket, connecting, without delay, non-blocking. The ports of one address suffice for
// some 28,000: towards 127.0.0.0/8 the next of its addresses is used from the 20,001st on, and
// whenever one has none left. -1 and errno.
int target_connect(const struct target *t, unsigned n) MUST_CHECK;

#endif
