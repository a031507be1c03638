// SPDX-License-Identifier: MIT
// HTTP/1.1 heads. The lines are found and their bytes checked as they arrive; once the empty line
// is there, one more pass makes the spans. Both passes look at a byte once, however the bytes were
// cut.
#include "wire/http1.h"

#include "base/assert.h"
#include "base/err.h"
#include "def/limits.h"
#include "wire/url.h"

const struct http1_limits http1_limits_default = {
    .head_bytes = LIMIT_HEAD_BYTES,
    .uri_bytes = LIMIT_URI_BYTES,
    .fields = LIMIT_HEAD_FIELDS,
};

// tchar of RFC 9110 5.6.2.
static const bool token_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

bool http1_is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!token_char[(unsigned char)s.p[i]]) {
            return false;
        }
    }
    return s.len > 0;
}

// What may stand in a line at all: visible ASCII, blanks, and bytes over 0x7f (obs-text).
static const bool line_char[256] = {['\t'] = true, [0x20 ... 0x7e] = true, [0x80 ... 0xff] = true};

void http1_parser_init(struct http1_parser *p)
{
    *p = (struct http1_parser){0};
}

static int refuse(struct http1_parser *p, int err, const char *why)
{
    p->why = why;
    return -err;
}

// ---- First pass: line by line, as bytes arrive.

enum { REQUEST_LINE_EXTRA = 64 }; // room for the method and the version around the longest target

static int judge_field_line(struct http1_parser *p, struct str line)
{
    if (line.p[0] == ' ' || line.p[0] == '\t') {
        return refuse(p, E_BAD_REQUEST, "folded header line");
    }
    ptrdiff_t colon = str_chr(line, ':', 0);
    if (colon < 0) {
        return refuse(p, E_BAD_REQUEST, "header line without a colon");
    }
    if (!http1_is_token(str_make(line.p, (size_t)colon))) {
        return refuse(p, E_BAD_REQUEST, "bad header name");
    }
    return 0;
}

static int judge_line(struct http1_parser *p, struct str line, const struct http1_limits *limits)
{
    p->lines++;
    if (p->lines == 1 || line.len == 0) {
        return 0; // the caller's, or the end
    }
    if (p->lines - 1 > limits->fields || p->lines - 1 > HTTP1_FIELDS_MAX) {
        return refuse(p, E_HEAD_TOO_LARGE, "too many header fields");
    }
    return judge_field_line(p, line);
}

// A start line that went on for too long, whatever it is.
static int refuse_start_line(struct http1_parser *p, struct str line)
{
    ptrdiff_t target = str_chr(line, ' ', 0);
    if (target >= 0 && target < REQUEST_LINE_EXTRA && str_chr(line, ' ', (size_t)target + 1) < 0) {
        return refuse(p, E_URI_TOO_LONG, "target too long");
    }
    return refuse(p, E_BAD_REQUEST, "request line too long");
}

static int judge_byte(struct http1_parser *p, struct str bytes, const struct http1_limits *limits)
{
    size_t at = p->seen;
    char c = bytes.p[at];
    bool behind_cr = at > p->line && bytes.p[at - 1] == '\r';
    if (at >= limits->head_bytes) {
        return refuse(p, E_HEAD_TOO_LARGE, "head too large");
    }
    if (c == '\n' && !behind_cr) {
        return refuse(p, E_BAD_REQUEST, "line feed without carriage return");
    }
    if (c != '\n' && behind_cr) {
        return refuse(p, E_BAD_REQUEST, "carriage return without line feed");
    }
    if (c != '\n' && c != '\r' && !line_char[(unsigned char)c]) {
        return refuse(p, E_BAD_REQUEST, "control character in the head");
    }
    if (p->lines == 0 && at - p->start > limits->uri_bytes + REQUEST_LINE_EXTRA) {
        return refuse_start_line(p, str_make(bytes.p + p->start, at - p->start));
    }
    return 0;
}

// Passes over what needs no judging one by one: characters inside a line, within all limits.
static void skip_plain(struct http1_parser *p, struct str bytes, const struct http1_limits *limits)
{
    size_t at = p->seen, end = bytes.len;
    end = end < limits->head_bytes ? end : limits->head_bytes;
    if (p->lines == 0 && end > p->start + limits->uri_bytes) {
        end = p->start + limits->uri_bytes;
    }
    if (at > p->line && bytes.p[at - 1] == '\r') {
        return;
    }
    while (at < end && line_char[(unsigned char)bytes.p[at]]) {
        at++;
    }
    p->seen = at;
}

// The next line without its CRLF; an empty one ends the head. -E_AGAIN, or a refusal.
static int next_line(struct http1_parser *p, struct str bytes, const struct http1_limits *limits,
                     struct str *ret)
{
    ASSERT(p->seen <= bytes.len);
    for (;;) {
        skip_plain(p, bytes, limits);
        if (p->seen == bytes.len) {
            return -E_AGAIN;
        }
        int rc = judge_byte(p, bytes, limits);
        if (rc) {
            return rc;
        }
        p->seen++;
        if (bytes.p[p->seen - 1] != '\n') {
            continue;
        }
        struct str line = str_make(bytes.p + p->line, p->seen - 2 - p->line);
        p->line = p->seen;
        if (line.len == 0 && p->lines == 0 && p->start == 0) {
            p->start = p->seen; // RFC 9112 2.2: one stray empty line is forgiven
            continue;
        }
        rc = judge_line(p, line, limits);
        if (rc == 0) {
            *ret = line;
        }
        return rc;
    }
}

// ---- Second pass: spans.

static struct str take_line(struct str *rest)
{
    struct str line = str_cut(rest, '\n');
    line.len--; // the CR
    return line;
}

static void split_fields(struct str rest, size_t head_bytes, struct http1_head *h)
{
    h->bytes = head_bytes;
    h->count = 0;
    for (;;) {
        struct str value = take_line(&rest);
        if (value.len == 0) {
            return;
        }
        ASSERT(h->count < HTTP1_FIELDS_MAX);
        struct http1_field *f = &h->fields[h->count++];
        f->name = str_cut(&value, ':');
        f->value = str_trim(value);
    }
}

// Blanks behind a value may be tabs (RFC 9110 5.6.3), but not all readers of what decides about the
// body take them.
static bool tab_behind(struct str value)
{
    const char *at = value.p + value.len;
    while (*at == ' ') {
        at++;
    }
    return *at == '\t';
}

// RFC 9112 6: which bytes are the body. Whatever two readers could see differently is refused.
static int judge_framing(struct http1_parser *p, struct http1_head *h)
{
    size_t lengths = http1_field_count(h, "Content-Length");
    size_t codings = http1_field_count(h, "Transfer-Encoding");
    h->framing = HTTP1_NO_BODY;
    h->content_length = 0;
    if (lengths + codings > 1) {
        return refuse(p, E_BAD_REQUEST, "more than one Content-Length or Transfer-Encoding");
    }
    if (codings > 0) {
        if (h->minor == 0) {
            return refuse(p, E_BAD_REQUEST, "Transfer-Encoding in HTTP/1.0");
        }
        struct str coding = http1_field(h, "Transfer-Encoding");
        if (!str_eq_nocase(coding, STR("chunked")) || tab_behind(coding)) {
            return refuse(p, E_BAD_REQUEST, "Transfer-Encoding other than chunked");
        }
        h->framing = HTTP1_CHUNKED;
    } else if (lengths > 0) {
        uint64_t n;
        struct str length = http1_field(h, "Content-Length");
        if (str_to_u64(length, &n) || n > INT64_MAX || tab_behind(length)) {
            return refuse(p, E_BAD_REQUEST, "bad Content-Length");
        }
        h->framing = n > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
        h->content_length = n;
    }
    return 0;
}

// HTTP/1.0 goes on only when asked to, in words that every reader takes for it.
static bool asks_keep_alive(const struct http1_head *h)
{
    for (size_t i = 0; i < h->count; i++) {
        if (str_eq_nocase(h->fields[i].name, STR("Connection")) && tab_behind(h->fields[i].value)) {
            return false;
        }
    }
    return http1_has_token(h, "Connection", "keep-alive");
}

static void judge_keep_alive(struct http1_head *h)
{
    h->keep_alive = h->framing != HTTP1_UNTIL_CLOSE && !http1_has_token(h, "Connection", "close") &&
                    (h->minor > 0 || asks_keep_alive(h));
}

// "HTTP/1.0" and "HTTP/1.1": *ret_minor. RFC 9112 2.3 has 1.2 read as 1.1; nobody sends it, and
// others refuse it.
static int parse_version(struct http1_parser *p, struct str s, unsigned *ret_minor)
{
    bool form = s.len == 8 && str_starts(s, STR("HTTP/")) && s.p[6] == '.' && s.p[5] >= '0' &&
                s.p[5] <= '9' && s.p[7] >= '0' && s.p[7] <= '9';
    if (!form) {
        return refuse(p, E_BAD_REQUEST, "bad HTTP version");
    }
    if (s.p[5] != '1' || s.p[7] > '1') {
        return refuse(p, E_VERSION, "HTTP version other than 1.0 and 1.1");
    }
    *ret_minor = s.p[7] != '0';
    return 0;
}

// ---- Requests.

static const char *const methods[] = {
    [HTTP1_GET] = "GET",     [HTTP1_HEAD] = "HEAD",     [HTTP1_POST] = "POST",
    [HTTP1_PUT] = "PUT",     [HTTP1_DELETE] = "DELETE", [HTTP1_OPTIONS] = "OPTIONS",
    [HTTP1_PATCH] = "PATCH", [HTTP1_TRACE] = "TRACE",
};

const char *http1_method_name(enum http1_method m)
{
    ASSERT((size_t)m < ARRAY_LEN(methods));
    return methods[m];
}

static bool find_method(struct str s, enum http1_method *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (str_is(s, methods[i])) {
            *ret = (enum http1_method)i;
            return true;
        }
    }
    return false;
}

// The path and query of a target in origin form, or "*".
static int split_target(struct http1_parser *p, struct http1_request *r)
{
    for (size_t i = 0; i < r->target.len; i++) {
        unsigned char c = (unsigned char)r->target.p[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return refuse(p, E_BAD_REQUEST, "bad character in the target");
        }
    }
    if (str_is(r->target, "*") && r->method == HTTP1_OPTIONS) {
        r->path = r->target;
        r->query = STR_NONE;
        return 0;
    }
    if (r->target.len > 0 && r->target.p[0] == '/') {
        r->query = r->target;
        r->path = str_cut(&r->query, '?');
        return 0;
    }
    struct url url;
    if (url_parse(r->target, &url) || !(str_is(str_of(url.origin.scheme), "http") ||
                                        str_is(str_of(url.origin.scheme), "https"))) {
        return refuse(p, E_BAD_REQUEST, "bad target");
    }
    r->path = url.path;
    r->query = url.query;
    return 0;
}

static int parse_request_line(struct http1_parser *p, struct str line,
                              const struct http1_limits *limits, struct http1_request *r)
{
    struct str rest = line;
    r->method_text = str_cut(&rest, ' ');
    r->target = str_cut(&rest, ' ');
    if (r->target.len > limits->uri_bytes) {
        return refuse(p, E_URI_TOO_LONG, "target too long");
    }
    if (!rest.p || r->target.len == 0 || !http1_is_token(r->method_text)) {
        return refuse(p, E_BAD_REQUEST, "bad request line");
    }
    int rc = parse_version(p, rest, &r->head.minor);
    if (rc) {
        return rc;
    }
    if (!find_method(r->method_text, &r->method)) {
        return refuse(p, E_NOT_IMPLEMENTED, "unknown method");
    }
    return split_target(p, r);
}

// Exactly one Host on HTTP/1.1 (RFC 9112 3.2), and the same one as in an absolute target.
static int judge_host(struct http1_parser *p, struct http1_request *r)
{
    struct url_host host;
    size_t count = http1_field_count(&r->head, "Host");
    r->host = http1_field(&r->head, "Host");
    if (count > 1 || (count == 0 && r->head.minor > 0)) {
        return refuse(p, E_BAD_REQUEST, count ? "more than one Host" : "no Host");
    }
    if (count == 1 && url_host_parse(r->host, &host)) {
        return refuse(p, E_BAD_REQUEST, "bad Host");
    }
    struct url url;
    if (count == 1 && r->target.p[0] != '/' && !str_is(r->target, "*")) {
        struct url_origin said = {0};
        int rc = url_parse(r->target, &url);
        ASSERT(rc == 0);
        said = url.origin;
        said.host = host;
        if (url_origin_port(&said) != url_origin_port(&url.origin) ||
            !str_eq(str_of(host.name), str_of(url.origin.host.name))) {
            return refuse(p, E_BAD_REQUEST, "Host differs from the target");
        }
    }
    return 0;
}

static int judge_expect(struct http1_parser *p, struct http1_request *r)
{
    r->expect_continue = false;
    size_t count = http1_field_count(&r->head, "Expect");
    if (count > 0 && r->head.minor > 0) {
        if (count > 1 || !str_eq_nocase(http1_field(&r->head, "Expect"), STR("100-continue"))) {
            return refuse(p, E_EXPECTATION, "Expect other than 100-continue");
        }
        r->expect_continue = true;
    }
    return 0;
}

int http1_parse_request(struct http1_parser *p, struct str bytes, const struct http1_limits *limits,
                        struct http1_request *ret)
{
    struct str line;
    int rc;
    do {
        rc = next_line(p, bytes, limits, &line);
        if (rc == 0 && p->lines == 1) {
            rc = parse_request_line(p, line, limits, ret);
        }
        if (rc) {
            return rc;
        }
    } while (line.len > 0);
    struct str rest = str_make(bytes.p + p->start, p->seen - p->start);
    rc = parse_request_line(p, take_line(&rest), limits, ret); // the bytes may have moved since
    ASSERT(rc == 0);
    split_fields(rest, p->seen, &ret->head);
    rc = judge_framing(p, &ret->head);
    if (rc == 0) {
        rc = judge_host(p, ret);
    }
    if (rc == 0) {
        rc = judge_expect(p, ret);
    }
    judge_keep_alive(&ret->head);
    return rc;
}

// ---- Responses.

static int parse_status_line(struct http1_parser *p, struct str line, struct http1_response *r)
{
    struct str rest = line;
    int rc = parse_version(p, str_cut(&rest, ' '), &r->head.minor);
    if (rc) {
        return rc;
    }
    struct str status = str_cut(&rest, ' ');
    uint64_t n = 0;
    if (status.len != 3 || str_to_u64(status, &n) || n < 100 || n > 599) {
        return refuse(p, E_BAD_REQUEST, "bad status line");
    }
    r->status = (int)n;
    r->reason = rest;
    return 0;
}

static void judge_response_framing(struct http1_response *r, bool to_head)
{
    struct http1_head *h = &r->head;
    if (to_head || r->status < 200 || r->status == 204 || r->status == 304) {
        h->framing = HTTP1_NO_BODY;
        h->content_length = 0;
    } else if (h->framing == HTTP1_NO_BODY && http1_field_count(h, "Content-Length") == 0) {
        h->framing = HTTP1_UNTIL_CLOSE;
    }
}

int http1_parse_response(struct http1_parser *p, struct str bytes, bool to_head,
                         const struct http1_limits *limits, struct http1_response *ret)
{
    struct http1_limits no_uri = *limits;
    no_uri.uri_bytes = limits->head_bytes;
    struct str line;
    int rc;
    do {
        rc = next_line(p, bytes, &no_uri, &line);
        if (rc == 0 && p->lines == 1) {
            rc = parse_status_line(p, line, ret);
        }
        if (rc) {
            return rc;
        }
    } while (line.len > 0);
    struct str rest = str_make(bytes.p + p->start, p->seen - p->start);
    rc = parse_status_line(p, take_line(&rest), ret);
    ASSERT(rc == 0);
    split_fields(rest, p->seen, &ret->head);
    rc = judge_framing(p, &ret->head);
    judge_response_framing(ret, to_head);
    judge_keep_alive(&ret->head);
    return rc;
}
