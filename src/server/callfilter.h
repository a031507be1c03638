// SPDX-License-Identifier: MIT
// seccomp: from here on this thread, and every thread it starts, can make no system calls but those
// that serving takes. There is no way back.
#ifndef CLAIRON_SERVER_CALLFILTER_H
#define CLAIRON_SERVER_CALLFILTER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "net/metrics.h"

struct callfilter_config {
    bool kill;               // a refused call ends the process, not only the call
    bool uring;              // rings are in use
    bool outbound;           // names are looked up, and servers connected to
    struct metrics *metrics; // what is refused is counted here; outlives the process' last call
};

// 0, or -errno: nothing is confined. no_new_privs must be set.
int callfilter_confine(const struct callfilter_config *cfg) MUST_CHECK;

// The calls refused since the last time this was asked, and the name of the last of them.
unsigned long callfilter_refused(char name[48]);

#endif
