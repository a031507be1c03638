// SPDX-License-Identifier: MIT
// The header that a proxy puts in front of a connection to say who is behind it: the PROXY
// protocol, versions 1 (a line) and 2 (binary), of HAProxy's proxy-protocol.txt. Pure. Read
// strictly: what is not exactly a header is refused at its first wrong byte.
#ifndef CLAIRON_WIRE_PROXY_H
#define CLAIRON_WIRE_PROXY_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

enum {
    PROXY_LINE_MAX = 107, // version 1, with its CRLF
    PROXY_BYTES_MAX = 4096,
};

struct proxy_header {
    size_t len;          // of the header; what is behind it is the connection's
    uint8_t family;      // 4 or 6; 0: nobody is named (LOCAL, UNKNOWN), the socket's own peer holds
    uint16_t port;       // of the client
    uint8_t address[16]; // of the client
};

// `in` is all that has come so far, from its first byte. 0; -E_AGAIN: the header goes on; and for
// good -E_PROTOCOL (no header, or a broken one), -E_TOO_LARGE (longer than PROXY_BYTES_MAX).
int proxy_parse(struct str in, struct proxy_header *ret) MUST_CHECK;

#endif
