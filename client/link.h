// SPDX-License-Identifier: MIT
// A connected socket to a hub, with TLS or without, that never blocks. Sending and receiving look
// like send(2) and recv(2), so that their users need not know which it is; what to wait for is not
// always what one would think, hence link_events.
#ifndef CLAIRON_CLIENT_LINK_H
#define CLAIRON_CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "client/address.h"

struct link {
    int fd;               // -1: none
    struct tls_conn *tls; // NULL: none
    struct buf out;       // sealed and unsent
    bool shaken;          // the handshake is done
    const char *why;      // what was wrong with TLS
};

// Takes the descriptor. -CLAIRON_NO_MEMORY.
int link_open_take(struct link *l, int fd, const struct address *a,
                   struct clairon_error *err) MUST_CHECK;
void link_close(struct link *l); // idempotent, on one with fd = -1 too

// As send and recv: -1 and errno, EAGAIN among them. Both go on with the handshake.
ssize_t link_send(struct link *l, const char *p, size_t len) MUST_CHECK;
ssize_t link_recv(struct link *l, char *p, size_t len) MUST_CHECK;
bool link_has_unsent(const struct link *l); // bytes that link_send took: call it again, with none
bool link_has_unread(const struct link *l); // something can be received that poll does not see
// What to poll for by somebody who wants to do `wanted`.
short link_events(const struct link *l, short wanted);
bool link_is_refused(const struct link *l); // the handshake failed: mostly the certificate
// For people: what errno means, or what was wrong with TLS.
const char *link_error(const struct link *l, int error);

#endif
