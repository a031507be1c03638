// SPDX-License-Identifier: MIT
// Addresses of peers and blocks of them.
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/err.h"

enum { PORT_MAX = 65535, V4_BYTES = 4, V6_BYTES = 16, MAPPED_BYTES = 12 };

static const uint8_t mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

static struct net_addr make_v6(const uint8_t bytes[V6_BYTES])
{
    struct net_addr a = {.family = 6};
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        a.family = 4;
        memcpy(a.bytes, bytes + MAPPED_BYTES, V4_BYTES);
    } else {
        memcpy(a.bytes, bytes, V6_BYTES);
    }
    return a;
}

struct net_addr net_addr_of_bytes(uint8_t family, const uint8_t *bytes, uint16_t port)
{
    struct net_addr a = {.family = 4};
    if (family == 6) {
        a = make_v6(bytes);
    } else {
        memcpy(a.bytes, bytes, V4_BYTES);
    }
    a.port = port;
    return a;
}

struct net_addr net_addr_of_sockaddr(const struct sockaddr *sa)
{
    struct net_addr a = {0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in4;
        memcpy(&in4, sa, sizeof(in4));
        a.family = 4;
        memcpy(a.bytes, &in4.sin_addr, V4_BYTES);
        a.port = ntohs(in4.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        a = make_v6(in6.sin6_addr.s6_addr);
        a.port = ntohs(in6.sin6_port);
    }
    return a;
}

// inet_pton refuses octal, zones, blanks and abbreviations.
static int parse_host(struct str s, struct net_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[V6_BYTES] = {0};
    if (s.len == 0 || s.len >= sizeof(text) || str_chr(s, '\0', 0) >= 0) {
        return -E_BAD_REQUEST;
    }
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    if (str_chr(s, ':', 0) >= 0) {
        if (inet_pton(AF_INET6, text, bytes) != 1) {
            return -E_BAD_REQUEST;
        }
        *ret = make_v6(bytes);
        return 0;
    }
    if (inet_pton(AF_INET, text, bytes) != 1) {
        return -E_BAD_REQUEST;
    }
    *ret = (struct net_addr){.family = 4};
    memcpy(ret->bytes, bytes, V4_BYTES);
    return 0;
}

// `s`: empty, or ":80".
static int parse_port(struct str s, uint16_t *ret)
{
    uint64_t port = 0;
    if (s.len > 0 && (s.p[0] != ':' || str_to_u64(str_from(s, 1), &port) || port > PORT_MAX)) {
        return -E_BAD_REQUEST;
    }
    *ret = (uint16_t)port;
    return 0;
}

int net_addr_parse(struct str s, struct net_addr *ret)
{
    struct str host = s, port = STR_NONE;
    bool bracketed = s.len > 0 && s.p[0] == '[';
    if (bracketed) {
        ptrdiff_t end = str_chr(s, ']', 0);
        if (end < 0) {
            return -E_BAD_REQUEST;
        }
        host = str_make(s.p + 1, (size_t)end - 1);
        port = str_from(s, (size_t)end + 1);
        if (str_chr(host, ':', 0) < 0) {
            return -E_BAD_REQUEST;
        }
    } else {
        ptrdiff_t colon = str_chr(s, ':', 0);
        if (colon >= 0 && str_chr(s, ':', (size_t)colon + 1) < 0) {
            host = str_make(s.p, (size_t)colon);
            port = str_from(s, (size_t)colon);
        }
    }
    struct net_addr a;
    uint16_t number;
    int e = parse_host(host, &a);
    if (!e) {
        e = parse_port(port, &number);
    }
    if (e) {
        return e;
    }
    a.port = number;
    *ret = a;
    return 0;
}

size_t net_addr_text(const struct net_addr *a, char out[static NET_ADDR_TEXT_BYTES])
{
    out[0] = '\0';
    if (a->family) {
        inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->bytes, out, NET_ADDR_TEXT_BYTES);
    }
    return strlen(out);
}

size_t net_addr_text_port(const struct net_addr *a, char out[static NET_ADDR_TEXT_BYTES])
{
    char host[NET_ADDR_TEXT_BYTES];
    if (net_addr_text(a, host) == 0) {
        out[0] = '\0';
        return 0;
    }
    int len = snprintf(out, NET_ADDR_TEXT_BYTES, a->family == 6 ? "[%.45s]:%u" : "%.45s:%u", host,
                       (unsigned)a->port);
    return (size_t)len;
}

bool net_addr_is_loopback(const struct net_addr *a)
{
    static const uint8_t one[V6_BYTES] = {[15] = 1};
    return (a->family == 4 && a->bytes[0] == 127) ||
           (a->family == 6 && memcmp(a->bytes, one, sizeof(one)) == 0);
}

bool net_addr_same_host(const struct net_addr *a, const struct net_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// ---- Blocks ----

static uint8_t byte_mask(unsigned bits, unsigned byte)
{
    if (bits >= 8 * (byte + 1)) {
        return 0xff;
    }
    if (bits <= 8 * byte) {
        return 0;
    }
    return (uint8_t)(0xff00u >> (bits - 8 * byte));
}

int net_block_parse(struct str s, struct net_block *ret)
{
    struct net_addr a;
    ptrdiff_t slash = str_chr(s, '/', 0);
    int e = parse_host(slash < 0 ? s : str_make(s.p, (size_t)slash), &a);
    if (e) {
        return e;
    }
    if (a.family == 4 && str_chr(s, ':', 0) >= 0) {
        return -E_BAD_REQUEST; // bits of which of the two ways to write it?
    }
    uint64_t bits = a.family == 4 ? 8 * V4_BYTES : 8 * V6_BYTES, most = bits;
    if (slash >= 0 && (str_to_u64(str_from(s, (size_t)slash + 1), &bits) || bits > most)) {
        return -E_BAD_REQUEST;
    }
    struct net_block b = {.family = a.family, .bits = (uint8_t)bits};
    for (unsigned i = 0; i < sizeof(b.bytes); i++) {
        b.bytes[i] = a.bytes[i];
        if (a.bytes[i] & ~byte_mask(b.bits, i)) {
            return -E_BAD_REQUEST;
        }
    }
    *ret = b;
    return 0;
}

bool net_block_contains(const struct net_block *b, const struct net_addr *a)
{
    if (a->family != b->family) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(b->bytes); i++) {
        if ((a->bytes[i] ^ b->bytes[i]) & byte_mask(b->bits, i)) {
            return false;
        }
    }
    return true;
}

bool net_blocks_contain(const struct net_blocks *blocks, const struct net_addr *a)
{
    for (size_t i = 0; i < blocks->count; i++) {
        if (net_block_contains(&blocks->items[i], a)) {
            return true;
        }
    }
    return false;
}
