// SPDX-License-Identifier: MIT
// The limits that the HTTP side keeps, in one struct so that configuration and tests can set them.
#ifndef CLAIRON_HTTP_LIMITS_H
#define CLAIRON_HTTP_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "wire/http1.h"

struct http_limits {
    struct http1_limits head;
    size_t body_bytes;     // 413 beyond
    size_t outbox_bytes;   // unsent on one connection: closed beyond
    size_t outboxes_bytes; // on all of an httpd: the slowest are closed
    size_t pipeline_bytes; // read ahead while a request is answered
    size_t message_bytes;  // of a WebSocket message: 1009 beyond
    int64_t
        head_ms; // from its first byte (of a fresh connection: from the accept) to its last: 408
    int64_t body_stall_ms; // for the next 16 KiB of a body, or its rest: 408
    int64_t keepalive_ms;  // to the first byte of the next request
    int64_t linger_ms;
    int64_t slow_ms; // no byte taken while bytes wait: closed, a WebSocket with 4008
    int64_t ping_ms;
    int64_t pong_ms;
    int64_t message_bytes_per_second; // per WebSocket
    unsigned
        messages_per_second; // per WebSocket; pings and pongs are counted apart, by the same limit
};

struct http_limits http_limits_of(const struct limits *limits);

#endif
