// SPDX-License-Identifier: MIT
// URLs: decoding, queries, hosts and origins.
#include "wire/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One decoding. The result is `s` itself when there is nothing to decode.
static int decode(struct str s, bool plus_is_space, struct arena *a, struct str *ret)
{
    if (str_chr(s, '%', 0) < 0 && !(plus_is_space && str_chr(s, '+', 0) >= 0)) {
        *ret = s;
        return 0;
    }
    char *to = arena_try_alloc(a, s.len);
    if (!to) {
        return -E_NO_MEMORY;
    }
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return -E_BAD_REQUEST;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        to[len++] = c;
    }
    *ret = str_make(to, len);
    return 0;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

// No empty segment but the last, none that is `.` or `..`.
static bool segments_normal(struct str path)
{
    struct str rest = str_from(path, 1);
    while (rest.p) {
        struct str segment = str_cut(&rest, '/');
        if ((segment.len == 0 && rest.p) || str_is(segment, ".") || str_is(segment, "..")) {
            return false;
        }
    }
    return true;
}

static size_t count_slashes(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        count += s.p[i] == '/';
    }
    return count;
}

int url_path_decode(struct str path, struct arena *a, struct str *ret)
{
    struct str s;
    int rc = decode(path, false, a, &s);
    if (rc) {
        return rc;
    }
    if (s.len == 0 || s.p[0] != '/' || count_slashes(s) != count_slashes(path) ||
        str_chr(s, '\\', 0) >= 0 || has_control(s) || !utf8_valid(s) || !segments_normal(s)) {
        return -E_NOT_FOUND;
    }
    *ret = s;
    return 0;
}

static int decode_param(struct str raw, struct arena *a, struct url_param *ret)
{
    struct str value = raw;
    struct str name = str_cut(&value, '=');
    struct url_param p;
    int rc = decode(name, true, a, &p.name);
    if (rc == 0) {
        rc = decode(value.p ? value : STR(""), true, a, &p.value);
    }
    if (rc) {
        return rc;
    }
    if (str_chr(p.name, 0, 0) >= 0 || str_chr(p.value, 0, 0) >= 0 || !utf8_valid(p.name) ||
        !utf8_valid(p.value)) {
        return -E_BAD_REQUEST;
    }
    *ret = p;
    return 0;
}

int url_query_parse(struct str query, struct arena *a, struct url_query *ret)
{
    size_t count = 0;
    for (struct str rest = query; rest.p;) {
        count += str_cut(&rest, '&').len > 0;
    }
    if (count > URL_QUERY_MAX) {
        return -E_BAD_REQUEST;
    }
    struct url_query q = {0};
    if (count > 0) {
        q.params = arena_try_alloc(a, count * sizeof(*q.params));
        if (!q.params) {
            return -E_NO_MEMORY;
        }
    }
    for (struct str rest = query; rest.p;) {
        struct str raw = str_cut(&rest, '&');
        if (raw.len > 0) {
            int rc = decode_param(raw, a, &q.params[q.count++]);
            if (rc) {
                return rc;
            }
        }
    }
    *ret = q;
    return 0;
}

struct str url_query_get(const struct url_query *q, const char *name)
{
    for (size_t i = q->count; i > 0; i--) {
        if (str_is(q->params[i - 1].name, name)) {
            return q->params[i - 1].value;
        }
    }
    return STR_NONE;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void url_put_encoded(struct buf *b, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_alnum(s.p[i]) || c == '-' || c == '.' || c == '_' || c == '~') {
            buf_putc(b, s.p[i]);
        } else {
            char out[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_put_mem(b, out, sizeof(out));
        }
    }
}

// ---- Hosts and origins.

static int parse_port(struct str s, uint16_t *ret)
{
    uint64_t n;
    if (s.len > 5 || str_to_u64(s, &n) || n == 0 || n > UINT16_MAX) {
        return -E_BAD_REQUEST;
    }
    *ret = (uint16_t)n;
    return 0;
}

// "[...]": an IPv6 address without zone, in the one form that inet_ntop gives.
static int parse_ip6(struct str s, struct url_host *ret)
{
    char text[INET6_ADDRSTRLEN], canonical[INET6_ADDRSTRLEN];
    struct in6_addr addr;
    if (s.len < 2 || s.len - 2 >= sizeof(text)) {
        return -E_BAD_REQUEST;
    }
    memcpy(text, s.p + 1, s.len - 2);
    text[s.len - 2] = 0;
    if (strlen(text) != s.len - 2 || inet_pton(AF_INET6, text, &addr) != 1 ||
        !inet_ntop(AF_INET6, &addr, canonical, sizeof(canonical))) {
        return -E_BAD_REQUEST;
    }
    size_t len = strlen(canonical);
    ret->name[0] = '[';
    memcpy(ret->name + 1, canonical, len);
    ret->name[len + 1] = ']';
    ret->name[len + 2] = 0;
    return 0;
}

static int parse_name(struct str s, struct url_host *ret)
{
    if (s.len == 0 || s.len >= sizeof(ret->name)) {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!is_alnum(c) && c != '-' && c != '.' && c != '_') {
            return -E_BAD_REQUEST;
        }
        ret->name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    ret->name[s.len] = 0;
    return 0;
}

int url_host_parse(struct str s, struct url_host *ret)
{
    struct url_host h = {0};
    bool ip6 = s.len > 0 && s.p[0] == '[';
    ptrdiff_t close = ip6 ? str_chr(s, ']', 0) : -1;
    if (ip6 && close < 0) {
        return -E_BAD_REQUEST;
    }
    ptrdiff_t colon = str_chr(s, ':', ip6 ? (size_t)close : 0);
    size_t name_len = colon < 0 ? s.len : (size_t)colon;
    if (ip6 && name_len != (size_t)close + 1) {
        return -E_BAD_REQUEST;
    }
    int rc = ip6 ? parse_ip6(str_make(s.p, name_len), &h) : parse_name(str_make(s.p, name_len), &h);
    if (rc == 0 && colon >= 0) {
        rc = parse_port(str_from(s, name_len + 1), &h.port);
    }
    if (rc) {
        return rc;
    }
    *ret = h;
    return 0;
}

bool url_host_is_loopback(const struct url_host *h)
{
    struct str name = str_of(h->name);
    struct in_addr addr;
    if (str_is(name, "localhost") || str_ends(name, STR(".localhost")) || str_is(name, "[::1]")) {
        return true;
    }
    return inet_pton(AF_INET, h->name, &addr) == 1 && ntohl(addr.s_addr) >> 24 == 127;
}

static uint16_t default_port(const char *scheme)
{
    struct str s = str_of(scheme);
    if (str_is(s, "http") || str_is(s, "ws")) {
        return 80;
    }
    return str_is(s, "https") || str_is(s, "wss") ? 443 : 0;
}

static int parse_scheme(struct str s, char *out, size_t size)
{
    if (s.len == 0 || s.len >= size) {
        return -E_BAD_REQUEST;
    }
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        c = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        bool letter = c >= 'a' && c <= 'z';
        bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && !(later && i > 0)) {
            return -E_BAD_REQUEST;
        }
        out[i] = c;
    }
    out[s.len] = 0;
    return 0;
}

int url_origin_parse(struct str s, struct url_origin *ret)
{
    struct url_origin o = {0};
    ptrdiff_t colon = str_chr(s, ':', 0);
    if (colon < 0 || !str_starts(str_from(s, (size_t)colon), STR("://"))) {
        return -E_BAD_REQUEST;
    }
    int rc = parse_scheme(str_make(s.p, (size_t)colon), o.scheme, sizeof(o.scheme));
    if (rc == 0) {
        rc = url_host_parse(str_from(s, (size_t)colon + 3), &o.host);
    }
    if (rc) {
        return rc;
    }
    if (o.host.port == default_port(o.scheme)) {
        o.host.port = 0;
    }
    *ret = o;
    return 0;
}

bool url_origin_eq(const struct url_origin *a, const struct url_origin *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host.name, b->host.name) == 0 &&
           a->host.port == b->host.port;
}

uint16_t url_origin_port(const struct url_origin *o)
{
    return o->host.port ? o->host.port : default_port(o->scheme);
}

// Where the authority ends: at the first '/', or '?', or the end.
static size_t authority_end(struct str s, size_t from)
{
    while (from < s.len && s.p[from] != '/' && s.p[from] != '?') {
        from++;
    }
    return from;
}

int url_parse(struct str s, struct url *ret)
{
    struct url u;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '#') {
            return -E_BAD_REQUEST;
        }
    }
    ptrdiff_t colon = str_chr(s, ':', 0);
    if (colon < 0 || s.len < (size_t)colon + 3) {
        return -E_BAD_REQUEST;
    }
    size_t end = authority_end(s, (size_t)colon + 3);
    int rc = url_origin_parse(str_make(s.p, end), &u.origin);
    if (rc) {
        return rc;
    }
    u.authority = str_make(s.p + colon + 3, end - (size_t)colon - 3);
    u.query = str_from(s, end);
    u.path = str_cut(&u.query, '?');
    if (u.path.len == 0) {
        u.path = STR("/");
    }
    *ret = u;
    return 0;
}
