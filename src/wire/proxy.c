// SPDX-License-Identifier: MIT
// The PROXY protocol, both versions.
#include "wire/proxy.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"

// ---- Version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n" ----

static const struct str line_start = {.p = "PROXY ", .len = 6};

// A decimal number without sign, blank or leading zero.
static int read_port(struct str s, uint16_t *ret)
{
    unsigned n = 0;
    if (s.len == 0 || s.len > 5 || (s.len > 1 && s.p[0] == '0')) {
        return -E_PROTOCOL;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return -E_PROTOCOL;
        }
        n = n * 10 + (unsigned)(s.p[i] - '0');
    }
    if (n > UINT16_MAX) {
        return -E_PROTOCOL;
    }
    *ret = (uint16_t)n;
    return 0;
}

static int read_address(struct str s, int family, uint8_t out[16])
{
    char text[INET6_ADDRSTRLEN];
    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.p, '\0', s.len)) {
        return -E_PROTOCOL;
    }
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, out) == 1 ? 0 : -E_PROTOCOL;
}

// What is behind "PROXY " and before the CRLF.
static int read_line(struct str line, struct proxy_header *h)
{
    struct str rest = line;
    struct str protocol = str_cut(&rest, ' ');
    if (str_is(protocol, "UNKNOWN")) {
        return 0; // whatever else it says
    }
    bool six = str_is(protocol, "TCP6");
    if (!six && !str_is(protocol, "TCP4")) {
        return -E_PROTOCOL;
    }
    struct str from = str_cut(&rest, ' '), to = str_cut(&rest, ' ');
    struct str from_port = str_cut(&rest, ' ');
    int family = six ? AF_INET6 : AF_INET;
    uint8_t address[16] = {0}, other[16];
    uint16_t port, other_port;
    if (!rest.p || read_address(from, family, address) || read_address(to, family, other) ||
        read_port(from_port, &port) || read_port(rest, &other_port)) {
        return -E_PROTOCOL;
    }
    h->family = six ? 6 : 4;
    h->port = port;
    memcpy(h->address, address, sizeof(address));
    return 0;
}

static int parse_line(struct str in, struct proxy_header *ret)
{
    struct proxy_header h = {0};
    size_t end = 0;
    while (end < in.len && in.p[end] != '\r') {
        if ((unsigned char)in.p[end] < ' ' || (unsigned char)in.p[end] > '~') {
            return -E_PROTOCOL;
        }
        end++;
    }
    if (end + 2 > PROXY_LINE_MAX || (end + 1 < in.len && in.p[end + 1] != '\n')) {
        return -E_PROTOCOL;
    }
    if (end + 1 >= in.len) {
        return -E_AGAIN;
    }
    int err = read_line(str_make(in.p + line_start.len, end - line_start.len), &h);
    if (!err) {
        h.len = end + 2;
        *ret = h;
    }
    return err;
}

// ---- Version 2 ----

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    HEAD_BYTES = 16,
    INET_BYTES = 12,  // two addresses, two ports
    INET6_BYTES = 36, // the same
    UNIX_BYTES = 216,
    // Version and command.
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    // Family and transport. Datagrams do not come by a connection.
    V2_UNSPEC = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX = 0x31,
};

static unsigned read_u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

// Bytes of the two addresses; -E_PROTOCOL.
static int address_bytes(uint8_t family)
{
    switch (family) {
    case V2_UNSPEC:
        return 0;
    case V2_TCP4:
        return INET_BYTES;
    case V2_TCP6:
        return INET6_BYTES;
    case V2_UNIX:
        return UNIX_BYTES;
    default:
        return -E_PROTOCOL;
    }
}

// Nothing that they say is used, but what is no list of them is no header.
static int check_extensions(const uint8_t *p, size_t len)
{
    while (len > 0) {
        if (len < 3 || 3 + read_u16(p + 1) > len) {
            return -E_PROTOCOL;
        }
        size_t used = 3 + read_u16(p + 1);
        p += used;
        len -= used;
    }
    return 0;
}

static void take_address(const uint8_t *p, uint8_t family, struct proxy_header *h)
{
    if (family == V2_TCP4) {
        h->family = 4;
        memcpy(h->address, p, 4);
        h->port = (uint16_t)read_u16(p + 8);
    } else if (family == V2_TCP6) {
        h->family = 6;
        memcpy(h->address, p, 16);
        h->port = (uint16_t)read_u16(p + 32);
    }
}

static int parse_binary(struct str in, struct proxy_header *ret)
{
    const uint8_t *p = (const uint8_t *)in.p;
    bool local = in.len > 12 && p[12] == V2_LOCAL;
    if (in.len > 12 && !local && p[12] != V2_PROXY) {
        return -E_PROTOCOL;
    }
    // What a LOCAL header says of addresses is to be skipped, whatever it is.
    int addresses = in.len > 13 && !local ? address_bytes(p[13]) : 0;
    if (addresses < 0) {
        return addresses;
    }
    if (in.len < HEAD_BYTES) {
        return -E_AGAIN;
    }
    size_t len = read_u16(p + 14);
    if (HEAD_BYTES + len > PROXY_BYTES_MAX) {
        return -E_TOO_LARGE;
    }
    if (len < (size_t)addresses) {
        return -E_PROTOCOL;
    }
    if (in.len < HEAD_BYTES + len) {
        return -E_AGAIN;
    }
    struct proxy_header h = {.len = HEAD_BYTES + len};
    if (!local) {
        // Without a family the length alone says where it ends.
        bool listed = p[13] != V2_UNSPEC;
        if (listed && check_extensions(p + HEAD_BYTES + addresses, len - (size_t)addresses)) {
            return -E_PROTOCOL;
        }
        take_address(p + HEAD_BYTES, p[13], &h);
    }
    *ret = h;
    return 0;
}

static bool begins(struct str in, struct str start)
{
    size_t n = in.len < start.len ? in.len : start.len;
    return n == 0 || memcmp(in.p, start.p, n) == 0;
}

int proxy_parse(struct str in, struct proxy_header *ret)
{
    const struct str binary_start = {.p = signature, .len = sizeof(signature)};
    if (begins(in, binary_start)) {
        return in.len < binary_start.len ? -E_AGAIN : parse_binary(in, ret);
    }
    if (begins(in, line_start)) {
        return in.len < line_start.len ? -E_AGAIN : parse_line(in, ret);
    }
    return -E_PROTOCOL;
}
