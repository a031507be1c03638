// SPDX-License-Identifier: MIT
// Addresses of peers (IPv4 and IPv6) and blocks of them (CIDR, RFC 4632), as plain values. An IPv4
// address written as IPv6 (::ffff:192.0.2.1, RFC 4291 2.5.5.2) is the IPv4 address everywhere here.
#ifndef CLAIRON_NET_ADDR_H
#define CLAIRON_NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

struct sockaddr;

// All zero: no address (a socket of another family, a peer that is not known).
struct net_addr {
    uint8_t family; // 0: none, 4, 6
    uint16_t port;  // 0: not known
    uint8_t bytes[16];
};

struct net_block {
    uint8_t family; // 4 or 6
    uint8_t bits;
    uint8_t bytes[16]; // zero past the bits
};

enum { NET_ADDR_TEXT_BYTES = 56 }; // with brackets, port and the final NUL

// `sa` may be of any family; it must be as long as its family says.
struct net_addr net_addr_of_sockaddr(const struct sockaddr *sa);
// `family` is 4 or 6, of 4 or 16 bytes.
struct net_addr net_addr_of_bytes(uint8_t family, const uint8_t *bytes, uint16_t port);
// "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; with a port "192.0.2.1:80" and "[2001:db8::1]:80".
// No names, no zones, no octal. -E_BAD_REQUEST.
int net_addr_parse(struct str s, struct net_addr *ret) MUST_CHECK;
// NUL-terminated, without the port: "192.0.2.1", "2001:db8::1"; "" for none. Returns the length.
size_t net_addr_text(const struct net_addr *a, char out[static NET_ADDR_TEXT_BYTES]);
// With the port: "192.0.2.1:80", "[2001:db8::1]:80".
size_t net_addr_text_port(const struct net_addr *a, char out[static NET_ADDR_TEXT_BYTES]);
bool net_addr_is_loopback(const struct net_addr *a);                         // 127.0.0.0/8, ::1
bool net_addr_same_host(const struct net_addr *a, const struct net_addr *b); // whatever the ports

// "10.0.0.0/8", "fd00::/8", or an address alone. -E_BAD_REQUEST, also where bits past the prefix
// are set: 10.0.0.1/8 says one thing and means another. IPv4 written as IPv6 is refused here.
int net_block_parse(struct str s, struct net_block *ret) MUST_CHECK;
bool net_block_contains(const struct net_block *b, const struct net_addr *a);

// Some blocks; borrowed.
struct net_blocks {
    const struct net_block *items;
    size_t count;
};
bool net_blocks_contain(const struct net_blocks *blocks, const struct net_addr *a); // any of them

#endif
