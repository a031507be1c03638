// SPDX-License-Identifier: MIT
// Connecting without blocking, address by address: localhost may be ::1, 127.0.0.1, or both.
#ifndef CLAIRON_CLIENT_DIAL_H
#define CLAIRON_CLIENT_DIAL_H

#include <netdb.h>

#include "base/compiler.h"
#include "client/address.h"

struct dial {
    int fd; // -1: none; wait for POLLOUT on it, then dial_step
    struct addrinfo *list, *next;
    int error; // errno of the address tried last
};

// Looks the name up (this blocks) and begins. As dial_step.
int dial_start(struct dial *d, const struct address *a, struct clairon_error *err) MUST_CHECK;
// 0: connected, the caller takes `fd` (and sets it to -1). -E_AGAIN: wait.
// -CLAIRON_UNREACHABLE: no address answered. Other than -E_AGAIN leaves nothing to free but `fd`.
int dial_step(struct dial *d, const struct address *a, struct clairon_error *err) MUST_CHECK;
void dial_fini(struct dial *d); // idempotent, on a zeroed one with fd = -1 too

#endif
