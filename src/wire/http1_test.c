// SPDX-License-Identifier: MIT
#include "wire/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"
#include "def/limits.h"

#define LIT(s) (s), sizeof(s) - 1
#define HOST   "Host: a.example\r\n"

static const struct http1_limits *const limits = &http1_limits_default;

// How the bytes are cut: all at once, one by one, or at random.
enum cut { WHOLE, BYTES, RANDOM, CUTS };

static size_t step(enum cut cut, struct rng *rng, size_t left)
{
    size_t n = cut == WHOLE ? left : cut == BYTES ? 1 : 1 + (size_t)rng_below(rng, 40);
    return n < left ? n : left;
}

// Gives the parser ever longer copies that end where their memory ends and move each time.
struct feed {
    char *p; // what the spans of the result point into
    int rc;
    const char *why;
};

static struct feed feed(struct str text, enum cut cut, struct rng *rng, bool request, void *ret)
{
    struct http1_parser parser;
    struct feed f = {.rc = -E_AGAIN};
    http1_parser_init(&parser);
    for (size_t len = 0; f.rc == -E_AGAIN && len < text.len;) {
        len += step(cut, rng, text.len - len);
        free(f.p);
        f.p = malloc(len);
        assert_non_null(f.p);
        memcpy(f.p, text.p, len);
        struct str bytes = str_make(f.p, len);
        f.rc = request ? http1_parse_request(&parser, bytes, limits, ret)
                       : http1_parse_response(&parser, bytes, false, limits, ret);
    }
    f.why = parser.why;
    return f;
}

static int parse(struct str text, struct http1_request *r)
{
    struct http1_parser p;
    http1_parser_init(&p);
    return http1_parse_request(&p, text, limits, r);
}

static void test_good_request(void **state)
{
    (void)state;
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct rng rng;
    rng_init(&rng, 1);
    static const char text[] = "\r\nPOST /a/b%20c?x=1&y=?2 HTTP/1.1\r\n"
                               "Host: Example.org:8000\r\n"
                               "content-LENGTH:5\r\n"
                               "X-Empty:\r\n"
                               "X-Blank: \t \r\n"
                               "X-Inner:  a  b\t\r\n"
                               "Connection: keep-alive, Upgrade\r\n"
                               "Accept: a/b,,\t, c/d ,\r\n"
                               "accept: e/f\r\n"
                               "X-High: \xc3\xa4\xff\r\n"
                               "Expect: 100-Continue\r\n"
                               "\r\nhello";
    for (enum cut cut = WHOLE; cut < CUTS; cut++) {
        struct feed f = feed(str_make(LIT(text)), cut, &rng, true, r);
        assert_int_equal(f.rc, 0);
        assert_int_equal(r->method, HTTP1_POST);
        assert_true(str_is(r->target, "/a/b%20c?x=1&y=?2"));
        assert_true(str_is(r->path, "/a/b%20c"));
        assert_true(str_is(r->query, "x=1&y=?2"));
        assert_true(str_is(r->host, "Example.org:8000"));
        assert_true(r->expect_continue);
        assert_int_equal(r->head.minor, 1);
        assert_int_equal(r->head.framing, HTTP1_LENGTH);
        assert_int_equal(r->head.content_length, 5);
        assert_true(r->head.keep_alive);
        assert_int_equal(r->head.count, 10);
        assert_int_equal(r->head.bytes, sizeof(text) - 1 - 5);
        assert_true(str_is(http1_field(&r->head, "x-inner"), "a  b"));
        assert_true(str_is(http1_field(&r->head, "x-empty"), ""));
        assert_true(str_is(http1_field(&r->head, "x-blank"), ""));
        assert_true(str_is(http1_field(&r->head, "x-high"), "\xc3\xa4\xff"));
        assert_null(http1_field(&r->head, "x-none").p);
        assert_int_equal(http1_field_count(&r->head, "ACCEPT"), 2);
        assert_true(http1_has_token(&r->head, "connection", "upgrade"));
        assert_false(http1_has_token(&r->head, "connection", "up"));
        static const char *const items[] = {"a/b", "c/d", "e/f"};
        struct str item;
        size_t n = 0;
        for (struct http1_list it = http1_list(&r->head, "Accept"); http1_list_next(&it, &item);
             n++) {
            assert_true(n < 3 && str_is(item, items[n]));
        }
        assert_int_equal(n, 3);
        free(f.p);
    }
    free(r);
}

static void test_request_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *query;
        enum http1_framing framing;
        bool keep_alive;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "/", NULL, HTTP1_NO_BODY, true},
        {"GET /? HTTP/1.1\r\n" HOST "\r\n", "/", "", HTTP1_NO_BODY, true},
        {"GET //x/../y HTTP/1.1\r\n" HOST "\r\n", "//x/../y", NULL, HTTP1_NO_BODY, true},
        {"GET http://a.example/p?q HTTP/1.1\r\n" HOST "\r\n", "/p", "q", HTTP1_NO_BODY, true},
        {"GET HTTP://A.example:80 HTTP/1.1\r\n" HOST "\r\n", "/", NULL, HTTP1_NO_BODY, true},
        {"GET http://a.example?q HTTP/1.1\r\n" HOST "\r\n", "/", "q", HTTP1_NO_BODY, true},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "*", NULL, HTTP1_NO_BODY, true},
        {"GET / HTTP/1.0\r\n\r\n", "/", NULL, HTTP1_NO_BODY, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", NULL, HTTP1_NO_BODY, true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\t\r\n\r\n", "/", NULL, HTTP1_NO_BODY, false},
        {"GET / HTTP/1.0\r\nExpect: x\r\n\r\n", "/", NULL, HTTP1_NO_BODY, false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: a\r\nConnection: b, CLOSE\r\n\r\n", "/", NULL,
         HTTP1_NO_BODY, false},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "/", NULL, HTTP1_NO_BODY, true},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n\r\n", "/", NULL,
         HTTP1_LENGTH, true},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", "/", NULL, HTTP1_CHUNKED,
         true},
        {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "/", NULL, HTTP1_NO_BODY, true},
    };
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = parse(str_of(rows[i].text), r);
        if (rc) {
            fail_msg("row %zu: %s", i, err_name(rc));
        }
        assert_true(str_is(r->path, rows[i].path));
        assert_int_equal(r->query.p != NULL, rows[i].query != NULL);
        assert_true(!rows[i].query || str_is(r->query, rows[i].query));
        assert_int_equal(r->head.framing, rows[i].framing);
        assert_int_equal(r->head.keep_alive, rows[i].keep_alive);
        assert_int_equal(r->head.bytes, strlen(rows[i].text));
    }
    free(r);
}

static void test_refused_requests(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int err;
    } rows[] = {
        // Smuggling: two readers, two bodies.
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n"), E_BAD_REQUEST},
        {LIT("POST / HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
         E_BAD_REQUEST},
        {LIT("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"), E_BAD_REQUEST},
        // Lines.
        {LIT("GET / HTTP/1.1\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost: a\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\r\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n " HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A(: b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "\xc3\xa4: b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A\0: b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n"), E_BAD_REQUEST},
        {LIT("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("\nGET / HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        // Host.
        {LIT("GET / HTTP/1.1\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET http://b.example/ HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET http://a.example:81/ HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET http://u@a.example/ HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        // Request line.
        {LIT("GET  / HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET /  HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1 \r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT(" GET / HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET\t/\tHTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET /a b HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET /a\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET a HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET * HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET ftp://a.example/ HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET /\r\n"), E_BAD_REQUEST}, // HTTP/0.9
        {LIT("GET\r\n"), E_BAD_REQUEST},
        {LIT("GET / http/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.10\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/11.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.2\r\n" HOST "\r\n"), E_VERSION},
        {LIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 1 \t \r\n\r\n"), E_BAD_REQUEST},
        {LIT("PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\t\r\n\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/0.9\r\n" HOST "\r\n"), E_VERSION},
        {LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), E_VERSION},
        {LIT("BREW / HTTP/1.1\r\n" HOST "\r\n"), E_NOT_IMPLEMENTED},
        {LIT("get / HTTP/1.1\r\n" HOST "\r\n"), E_NOT_IMPLEMENTED},
        {LIT("CONNECT a.example:443 HTTP/1.1\r\n" HOST "\r\n"), E_NOT_IMPLEMENTED},
        {LIT("G(T / HTTP/1.1\r\n" HOST "\r\n"), E_BAD_REQUEST},
        {LIT("\x16\x03\x01\x02\x00\x01"), E_BAD_REQUEST}, // a TLS hello
        {LIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), E_BAD_REQUEST},
        {LIT("GET / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n"), E_EXPECTATION},
        {LIT("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"),
         E_EXPECTATION},
    };
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct rng rng;
    rng_init(&rng, 2);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (enum cut cut = WHOLE; cut < CUTS; cut++) {
            struct feed f = feed(str_make(rows[i].text, rows[i].len), cut, &rng, true, r);
            if (f.rc != -rows[i].err || !f.why) {
                fail_msg("row %zu, cut %d: %s", i, (int)cut, err_name(f.rc));
            }
            free(f.p);
        }
    }
    free(r);
}

static struct str repeat(struct buf *b, const char *before, char c, size_t times, const char *after)
{
    buf_init(b, 1000000);
    buf_put(b, str_of(before));
    for (size_t i = 0; i < times; i++) {
        buf_putc(b, c);
    }
    buf_put(b, str_of(after));
    assert_false(b->failed);
    return buf_str(b);
}

// Each limit holds on the byte, and the rows over it are refused alike however they are cut.
static void test_limits(void **state)
{
    (void)state;
    enum { HEAD = LIMIT_HEAD_BYTES, URI = LIMIT_URI_BYTES };
    static const char end[] = " HTTP/1.1\r\n" HOST "\r\n", open[] = "GET / HTTP/1.1\r\n" HOST "A: ";
    const size_t room = HEAD - (sizeof(open) - 1) - 4;
    const struct {
        const char *before;
        char c;
        size_t times;
        const char *after;
        int err;
    } rows[] = {
        {"GET /", 'a', URI - 1, end, 0},
        {"GET /", 'a', URI, end, E_URI_TOO_LONG},
        {"GET /", 'a', URI + 200, end, E_URI_TOO_LONG},
        {"GET /", 'a', 3 * HEAD, end, E_URI_TOO_LONG},
        {"OPTIONS /", 'a', URI - 1, end, 0},
        {"", 'A', 3 * HEAD, end, E_BAD_REQUEST},
        {"", ' ', 3 * HEAD, end, E_BAD_REQUEST},
        {open, 'b', room, "\r\n\r\n", 0},
        {open, 'b', room + 1, "\r\n\r\n", E_HEAD_TOO_LARGE},
        {open, 'b', 3 * HEAD, "\r\n\r\n", E_HEAD_TOO_LARGE},
    };
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        struct str text = repeat(&b, rows[i].before, rows[i].c, rows[i].times, rows[i].after);
        for (enum cut cut = WHOLE; cut < CUTS; cut++) {
            struct http1_parser p;
            http1_parser_init(&p);
            int rc = -E_AGAIN;
            for (size_t len = 0; rc == -E_AGAIN && len < text.len;) {
                len += step(cut, &rng, text.len - len);
                rc = http1_parse_request(&p, str_make(text.p, len), limits, r);
            }
            if (rc != -rows[i].err) {
                fail_msg("row %zu, cut %d: %s %s", i, (int)cut, err_name(rc), p.why);
            }
        }
        buf_fini(&b);
    }
    for (unsigned fields = 99; fields <= 101; fields++) {
        struct buf b;
        buf_init(&b, 10000);
        buf_put(&b, STR("GET / HTTP/1.1\r\n" HOST));
        for (unsigned i = 1; i < fields; i++) {
            buf_putf(&b, "a%u:\r\n", i);
        }
        buf_put(&b, STR("\r\n"));
        assert_int_equal(parse(buf_str(&b), r), fields > 100 ? -E_HEAD_TOO_LARGE : 0);
        assert_true(fields > 100 || r->head.count == fields);
        buf_fini(&b);
    }
    free(r);
}

// One byte at a time looks at each byte once: the parser never goes back.
static void test_linear(void **state)
{
    (void)state;
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct buf b;
    struct str text = repeat(&b, "GET / HTTP/1.1\r\n" HOST "A: ", 'b', 10000, "");
    struct http1_parser p;
    http1_parser_init(&p);
    for (size_t len = 1; len <= text.len; len++) {
        assert_int_equal(http1_parse_request(&p, str_make(text.p, len), limits, r), -E_AGAIN);
        assert_int_equal(p.seen, len);
    }
    buf_fini(&b);
    free(r);
}

static void test_pipelined(void **state)
{
    (void)state;
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct str text = STR("GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(parse(text, r), 0);
    assert_true(str_is(r->path, "/1"));
    text = str_from(text, r->head.bytes);
    assert_int_equal(parse(text, r), 0);
    assert_true(str_is(r->path, "/2"));
    assert_int_equal(r->head.bytes, text.len);
    free(r);
}

static void test_responses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc, status;
        const char *reason;
        enum http1_framing framing, to_head;
        bool keep_alive;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 0, 200, "OK", HTTP1_LENGTH, HTTP1_NO_BODY,
         true},
        {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 404, "Not Found",
         HTTP1_CHUNKED, HTTP1_NO_BODY, true},
        {"HTTP/1.1 200 \r\n\r\n", 0, 200, "", HTTP1_UNTIL_CLOSE, HTTP1_NO_BODY, false},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, 200, "", HTTP1_NO_BODY, HTTP1_NO_BODY,
         true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", 0, 200, "OK", HTTP1_LENGTH, HTTP1_NO_BODY,
         false},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, 101, "Switching Protocols", HTTP1_NO_BODY,
         HTTP1_NO_BODY, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", 0, 100, "Continue", HTTP1_NO_BODY, HTTP1_NO_BODY, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", 0, 204, "No Content", HTTP1_NO_BODY, HTTP1_NO_BODY,
         true},
        {"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", 0, 304, "x", HTTP1_NO_BODY, HTTP1_NO_BODY,
         true},
        {"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", 0, 503, "x",
         HTTP1_LENGTH, HTTP1_NO_BODY, false},
        {"HTTP/1.1 2000 OK\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 99 OK\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 099 OK\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 600 OK\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 2x0 OK\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1  200 OK\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/2.0 200 OK\r\n\r\n", -E_VERSION, 0, NULL, 0, 0, false},
        {"SSH-2.0-x\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
        {"HTTP/1.1 200 OK\nA: b\r\n\r\n", -E_BAD_REQUEST, 0, NULL, 0, 0, false},
    };
    struct http1_response *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct rng rng;
    rng_init(&rng, 4);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (enum cut cut = WHOLE; cut < CUTS; cut++) {
            struct feed f = feed(str_of(rows[i].text), cut, &rng, false, r);
            if (f.rc != rows[i].rc) {
                fail_msg("row %zu, cut %d: %s", i, (int)cut, err_name(f.rc));
            }
            if (f.rc == 0) {
                assert_int_equal(r->status, rows[i].status);
                assert_true(str_is(r->reason, rows[i].reason));
                assert_int_equal(r->head.framing, rows[i].framing);
                assert_int_equal(r->head.keep_alive, rows[i].keep_alive);
                struct http1_parser p;
                http1_parser_init(&p);
                assert_int_equal(http1_parse_response(&p, str_of(rows[i].text), true, limits, r),
                                 0);
                assert_int_equal(r->head.framing, rows[i].to_head);
            }
            free(f.p);
        }
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_request),     cmocka_unit_test(test_request_forms),
        cmocka_unit_test(test_refused_requests), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_linear),           cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
