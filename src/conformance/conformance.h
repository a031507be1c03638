// SPDX-License-Identifier: MIT
// The server that the test suites of Engine.IO and Socket.IO are run against: the same transports
// and namespaces as the hub's, and behind them what those suites expect to find there. It knows no
// hub. One thread; loopback only.
//
//   protocol   the protocol suites: echoes on /engine.io/ and /socket.io/
//   client     the tests of socket.io-client: /socket.io/, with connection state recovery
//   engine     the tests of engine.io-client: /engine.io/
#ifndef CLAIRON_CONFORMANCE_CONFORMANCE_H
#define CLAIRON_CONFORMANCE_CONFORMANCE_H

#include <stdbool.h>

#include "base/compiler.h"

struct conformance_options {
    // HOST:PORT, HOST one of localhost (127.0.0.1 and ::1), 127.0.0.1 and [::1]; NULL: not served
    const char *protocol, *client, *engine;
    bool calm;        // heartbeats and time-outs of the protocol suites' servers as in a hub
    int interrupt_fd; // readable: it is time to end
};

// Says on standard output where it listens, then serves. 0 at the end; -E_BAD_REQUEST or -E_IO: it
// could not begin, and *ret_problem (PROBLEM_BYTES) says why.
#define CONFORMANCE_PROBLEM_BYTES 256
int conformance_run(const struct conformance_options *o,
                    char ret_problem[static CONFORMANCE_PROBLEM_BYTES]) MUST_CHECK;

#endif
