// SPDX-License-Identifier: MIT
// What the kernel holds for TCP, as /proc/net/sockstat tells it. Not only this process's: the
// memory is the whole machine's, the sockets are those of the network namespace. Any thread.
#ifndef CLAIRON_SERVER_SOCKSTAT_H
#define CLAIRON_SERVER_SOCKSTAT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

struct sockstat {
    uint64_t sockets; // of IPv4 and IPv6
    uint64_t bytes;   // of what is sent and not acknowledged, and received and not read
};

// The text of the file of IPv4 and of that of IPv6 (empty: there is none). -E_BAD_REQUEST: not what
// is known.
int sockstat_parse(struct str v4, struct str v6, struct sockstat *ret) MUST_CHECK;

// The two files, kept open because the sandbox lets nobody open them later. -1: there is none.
struct sockstat_files {
    int v4, v6;
};
void sockstat_open(struct sockstat_files *f);
void sockstat_close(struct sockstat_files *f);
// Appends both as Prometheus text; nothing when the kernel does not tell.
void sockstat_put_prometheus(const struct sockstat_files *f, struct buf *out);

#endif
