// SPDX-License-Identifier: MIT
// HTTP/1.1 (RFC 9112, RFC 9110) without I/O: request and response heads as spans, body framing, and
// the few lines we write ourselves. Strict: what two readers could understand differently is
// refused, never repaired.
//
// Heads are parsed from one contiguous buffer that grows; the parser remembers how far it looked,
// so bytes that arrive one at a time cost no more than all at once. All spans point into that
// buffer: they hold until it moves or is reused. Nothing here allocates. Any thread; one user at a
// time.
#ifndef CLAIRON_WIRE_HTTP1_H
#define CLAIRON_WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#define HTTP1_FIELDS_MAX 256 // room in a head; limits.fields may be set up to this

struct http1_limits {
    size_t head_bytes; // the whole head with its last empty line; more is -E_HEAD_TOO_LARGE
    size_t uri_bytes;  // the target; more is -E_URI_TOO_LONG
    size_t fields;     // more is -E_HEAD_TOO_LARGE; at most HTTP1_FIELDS_MAX
};
extern const struct http1_limits http1_limits_default; // from def/limits.def

struct http1_field {
    struct str name;  // as it came; compare with str_eq_nocase
    struct str value; // without blanks around it
};

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH, // content_length bytes
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE, // responses only
};

// What requests and responses have in common.
struct http1_head {
    size_t bytes;   // of the head in the buffer; the body, or the next message, begins there
    unsigned minor; // HTTP/1.minor: 0 or 1 (a higher one counts as 1)
    enum http1_framing framing;
    uint64_t content_length; // with HTTP1_LENGTH: never 0, that is HTTP1_NO_BODY
    bool keep_alive;         // the version and Connection say so; an until-close body says no
    size_t count;
    struct http1_field fields[HTTP1_FIELDS_MAX];
};

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_PATCH,
    HTTP1_TRACE,
};

struct http1_request {
    enum http1_method method;
    struct str method_text;
    struct str target;    // as it came
    struct str path;      // of the target, still encoded: begins with '/', or is "*" (OPTIONS only)
    struct str query;     // behind '?'; p = NULL when there is no '?'
    struct str host;      // the value of Host, checked; p = NULL only on HTTP/1.0
    bool expect_continue; // HTTP/1.1: answer 100 before reading the body, or refuse
    struct http1_head head;
};

struct http1_response {
    int status; // 100..599; 1xx other than 101 is followed by another head
    struct str reason;
    struct http1_head head;
};

// Where the parser of one head stands. Zero it (or http1_parser_init) before each message.
struct http1_parser {
    size_t seen;  // bytes already looked at
    size_t line;  // where the line under way begins
    size_t start; // where the start line begins: 2 behind a stray empty line
    size_t lines; // lines behind us
    const char
        *why; // after a refusal: what was wrong, a short constant phrase for the answer's message
};
void http1_parser_init(struct http1_parser *p);

// `bytes` is all that has arrived of this message from its first byte on (it may have moved since
// the last call). 0: the head is whole and *ret is filled; until then *ret is scratch. -E_AGAIN:
// more bytes are needed. Otherwise a refusal to answer with err_http_status() and a closed
// connection: -E_BAD_REQUEST, -E_HEAD_TOO_LARGE, -E_URI_TOO_LONG, -E_VERSION, -E_NOT_IMPLEMENTED
// (unknown method, CONNECT), -E_EXPECTATION; p->why says what. Lines are judged as soon as they are
// whole, so garbage is refused without waiting for an end.
int http1_parse_request(struct http1_parser *p, struct str bytes, const struct http1_limits *limits,
                        struct http1_request *ret) MUST_CHECK;
// The same for an answer; `to_head`: it answers a HEAD request, so it has no body whatever it says.
// Any refusal
// (-E_BAD_REQUEST, -E_HEAD_TOO_LARGE, -E_VERSION) means that the peer can't be talked to.
int http1_parse_response(struct http1_parser *p, struct str bytes, bool to_head,
                         const struct http1_limits *limits, struct http1_response *ret) MUST_CHECK;

const char *http1_method_name(enum http1_method m);
bool http1_is_token(struct str s); // RFC 9110 5.6.2, not empty

// First field of this name, any case; p = NULL when absent.
struct str http1_field_of(const struct http1_head *h, struct str name);
size_t http1_field_count_of(const struct http1_head *h, struct str name);
static inline struct str http1_field(const struct http1_head *h, const char *name)
{
    return http1_field_of(h, str_of(name));
}
static inline size_t http1_field_count(const struct http1_head *h, const char *name)
{
    return http1_field_count_of(h, str_of(name));
}

// The members of a comma-separated list that may be spread over several fields of one name, in
// order, trimmed, empty ones left out (RFC 9110 5.6.1).
struct http1_list {
    const struct http1_head *head;
    struct str name;
    size_t next;     // field to look at
    struct str rest; // of the field under way
};
static inline struct http1_list http1_list(const struct http1_head *h, const char *name)
{
    return (struct http1_list){.head = h, .name = str_of(name)};
}
bool http1_list_next(struct http1_list *it, struct str *ret);
// Does that list contain this token, any case?
bool http1_list_has(struct http1_list list, struct str token);
static inline bool http1_has_token(const struct http1_head *h, const char *name, const char *token)
{
    return http1_list_has(http1_list(h, name), str_of(token));
}

// A body on its way in. Without I/O and without copying: pieces are spans of the input.
struct http1_body {
    enum http1_framing framing;
    uint8_t state;           // of the chunked decoder, see http1_body.c
    uint8_t digits;          // of the chunk size so far
    uint8_t name_bytes;      // of this trailer's name
    uint8_t name_other;      // bits: which names of framing it is not
    uint16_t ext_bytes;      // of this chunk's extension
    uint32_t overhead_bytes; // of all extensions and the trailers
    uint64_t left;           // of the body, or of the chunk
    uint64_t total;          // body bytes given out so far
    uint64_t max;
    bool done;
    const char *why;
};

// `bytes_max`: of the whole body. -E_TOO_LARGE when the head already declares more.
int http1_body_init(struct http1_body *b, const struct http1_head *h,
                    uint64_t bytes_max) MUST_CHECK;
// Takes bytes from the front of *in. 0: *ret is the next piece (empty only at the end; look at
// b->done). -E_AGAIN: *in is used up and the body goes on. Refusals, after which the connection
// must be closed: -E_TOO_LARGE, -E_BAD_REQUEST. Once b->done, what remains in *in belongs to the
// next message. Trailer fields are checked and dropped.
int http1_body_next(struct http1_body *b, struct str *in, struct str *ret) MUST_CHECK;
// The peer closed its side: 0 when that ends the body, -E_BAD_REQUEST when it is cut off.
int http1_body_eof(struct http1_body *b) MUST_CHECK;

// "Not Found" for 404; "" for one we never send.
const char *http1_reason(int status);
// Appends `name: value CRLF`. The only way a field is written: a value with CR, LF or NUL marks the
// buffer as failed.
void http1_put_field(struct buf *b, const char *name, struct str value);
// Appends one chunk; nothing for an empty span, since that would end the body.
void http1_put_chunk(struct buf *b, struct str data);
#define HTTP1_LAST_CHUNK STR("0\r\n\r\n")

#endif
