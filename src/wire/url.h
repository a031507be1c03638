// SPDX-License-Identifier: MIT
// URLs (RFC 3986), queries, origins (RFC 6454) and Host. Strict: one decoding, nothing repaired.
// Pure; what must be copied goes to the caller's arena.
#ifndef CLAIRON_WIRE_URL_H
#define CLAIRON_WIRE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#define URL_HOST_SIZE 254 // a DNS name or an address in brackets, with a NUL
#define URL_QUERY_MAX 256 // parameters of one query

// Decodes the path of a request once and checks that it is normal: begins with '/', no empty, `.`
// or `..` segment, no backslash, no control character, valid UTF-8, and no slash that was written
// as %2F. One slash at the end is kept. *ret is a span of `path` when nothing is encoded.
// -E_BAD_REQUEST: broken escape; -E_NOT_FOUND: not normal, so there can be nothing; -E_NO_MEMORY.
int url_path_decode(struct str path, struct arena *a, struct str *ret) MUST_CHECK;

struct url_param {
    struct str name, value; // decoded; a parameter without '=' has an empty value
};

struct url_query {
    struct url_param *params; // in the arena, in order
    size_t count;
};

// Splits at '&' and decodes once; `+` is a space. An absent query (p = NULL) has no parameters.
// -E_BAD_REQUEST: broken escape, NUL, bad UTF-8, or more than URL_QUERY_MAX parameters;
// -E_NO_MEMORY.
int url_query_parse(struct str query, struct arena *a, struct url_query *ret) MUST_CHECK;
// Value of the last parameter of this name; p = NULL when absent. For repeated ones walk `params`.
struct str url_query_get(const struct url_query *q, const char *name);
// Appends with every byte but the unreserved ones as %XX: good for a path segment and for a query's
// names and values.
void url_put_encoded(struct buf *b, struct str s);

// host[:port]: a name in lower case, an IPv4 address, or an IPv6 address in brackets in its
// canonical form.
struct url_host {
    char name[URL_HOST_SIZE];
    uint16_t port; // 0: none given
};
// -E_BAD_REQUEST for anything else: empty, user info, bad port, bad characters.
int url_host_parse(struct str s, struct url_host *ret) MUST_CHECK;
// localhost, *.localhost, 127.0.0.0/8, [::1]
bool url_host_is_loopback(const struct url_host *h);

struct url_origin {
    char scheme[16];      // lower case
    struct url_host host; // port: 0 when it is the scheme's default
};
// scheme://host[:port] and nothing behind it. -E_BAD_REQUEST otherwise, "null" included.
int url_origin_parse(struct str s, struct url_origin *ret) MUST_CHECK;
bool url_origin_eq(const struct url_origin *a, const struct url_origin *b);
uint16_t url_origin_port(
    const struct url_origin *o); // the scheme's own when none is given; 0 when it has none

// An absolute URL: scheme://host[:port][/path][?query]. No user info, no fragment; visible ASCII
// only.
struct url {
    struct url_origin origin;
    struct str authority; // host[:port] as it was written
    struct str path;      // still encoded; "/" when there is none
    struct str query;     // p = NULL when there is no '?'
};
int url_parse(struct str s, struct url *ret) MUST_CHECK;

#endif
