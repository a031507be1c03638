// SPDX-License-Identifier: MIT
// One HTTP server on loopback with Engine.IO servers on its paths.
#ifndef CLAIRON_CONFORMANCE_SITE_H
#define CLAIRON_CONFORMANCE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/list.h"
#include "base/str.h"
#include "http/request.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "sio/eio.h"

struct site;

// Owned by the caller; outlives the site.
struct site_path {
    const char *path; // of static storage
    struct eio *eio;
    int64_t handshake_ms; // before a handshake is answered
    struct loop *loop;    // set by site_add, as the next
    struct list waiting;  // handshakes
};

struct site *site_new(struct loop *loop, struct metrics *metrics, size_t message_bytes_max);
void site_free(struct site *s); // after site_end, when site_is_over; accepts NULL
void site_add(struct site *s, struct site_path *path);
// HOST:PORT (conformance.h); says on standard output where it listens, as `label`. -E_BAD_REQUEST:
// no such address, or not on loopback; -E_IO: errno says why.
int site_listen(struct site *s, const char *label, struct str address) MUST_CHECK;
void site_end(struct site *s); // takes nobody any more and closes all, at once
bool site_is_over(const struct site *s);
void site_path_end(struct site_path *path); // drops the handshakes that wait

#endif
