// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "wire/http1.h"

#include <cmocka.h>

#include "base/err.h"
#include "base/rng.h"

enum { MAX = 64, WHOLE = 0, BYTES = 1, RANDOM = 2, CUTS = 3 };

struct outcome {
    int rc;
    bool done;
    size_t used; // bytes taken of the input
    struct buf body;
};

static struct outcome read_body(const struct http1_head *h, struct str text, int cut,
                                struct rng *rng)
{
    struct outcome o = {0};
    struct http1_body b;
    buf_init(&o.body, 100000);
    o.rc = http1_body_init(&b, h, MAX);
    while (o.rc == 0 && !b.done && o.used < text.len) {
        size_t left = text.len - o.used;
        size_t len = cut == WHOLE ? left : cut == BYTES ? 1 : 1 + (size_t)rng_below(rng, 9);
        len = len < left ? len : left;
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, text.p + o.used, len);
        struct str in = str_make(copy, len), piece;
        while ((o.rc = http1_body_next(&b, &in, &piece)) == 0) {
            buf_put(&o.body, piece);
            if (b.done) {
                break;
            }
            assert_true(piece.len > 0);
        }
        if (o.rc == -E_AGAIN) {
            assert_int_equal(in.len, 0);
            o.rc = 0;
        }
        assert_true((o.rc != 0) == (b.why != NULL));
        o.used += len - in.len;
        free(copy);
    }
    o.done = b.done;
    if (o.rc == 0 && !o.done) {
        int rc = http1_body_eof(&b);
        assert_true(rc == 0 || rc == -E_BAD_REQUEST);
        o.rc = rc ? -E_CLOSED : 0; // told apart from a refusal of the bytes
        o.done = b.done;
    }
    assert_int_equal(b.total, o.body.len);
    return o;
}

struct row {
    struct str text;
    int err; // 0: the body is whole; E_CLOSED: it is cut off
    const char *body;
    size_t rest; // bytes that belong to the next message
};

static void check(const struct http1_head *h, const struct row *rows, size_t count)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < count; i++) {
        for (int cut = 0; cut < CUTS; cut++) {
            struct outcome o = read_body(h, rows[i].text, cut, &rng);
            if (o.rc != -rows[i].err) {
                fail_msg("row %zu, cut %d: %s", i, cut, err_name(o.rc));
            }
            if (o.rc == 0) {
                assert_true(o.done);
                assert_true(str_is(buf_str(&o.body), rows[i].body));
                assert_int_equal(o.used, rows[i].text.len - rows[i].rest);
            }
            buf_fini(&o.body);
        }
    }
}

#define X16  "0123456789abcdef"
#define X64  X16 X16 X16 X16
#define X256 X64 X64 X64 X64

static void test_chunked(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {STR("0\r\n\r\n"), 0, "", 0},
        {STR("0\r\n\r\nGET /"), 0, "", 5},
        {STR("5\r\nhello\r\n0\r\n\r\n"), 0, "hello", 0},
        {STR("05\r\nhello\r\n000\r\n\r\nX"), 0, "hello", 1},
        {STR("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), 0, "01234567890123456789", 0},
        {STR("2;name=value;q=\"a b\"\r\n\r\n\r\n0;x\r\n\r\n"), 0, "\r\n", 0},
        {STR("1;" X64 X64 X64 "\r\na\r\n0\r\n\r\n"), 0, "a", 0},
        {STR("1;" X64 X64 X64 "\r\na\r\n1;" X64 X64 X64 "\r\nb\r\n0\r\n\r\n"), 0, "ab", 0},
        {STR("00001\r\na\r\n00001\r\nb\r\n00000\r\n\r\n"), 0, "ab", 0},
        {STR("1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\nX"), 0, "a", 1},
        {STR("0\r\nContent-Lengths: b\r\nransfer-Encoding: c\r\n\r\n"), 0, "", 0},
        {STR("1;a=\"\\\"\\\\\";b=c;d\r\na\r\n0;a=\"\"\r\n\r\n"), 0, "a", 0},
        {STR("40\r\n" X64 "\r\n0\r\n\r\n"), 0, X64, 0},
        // Refused.
        {STR("41\r\n"), E_TOO_LARGE, NULL, 0},
        {STR("40\r\n" X64 "\r\n1\r\n"), E_TOO_LARGE, NULL, 0},
        {STR("80000000\r\n"), E_TOO_LARGE, NULL, 0},
        {STR("80000001\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("FFFFFFFF\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("000000005\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("FFFFFFFFFFFFFFFF\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR(";x\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("5\nhello"), E_BAD_REQUEST, NULL, 0},
        {STR("5 \r\nhello"), E_BAD_REQUEST, NULL, 0},
        {STR(" 5\r\nhello"), E_BAD_REQUEST, NULL, 0},
        {STR("+5\r\nhello"), E_BAD_REQUEST, NULL, 0},
        {STR("-5\r\nhello"), E_BAD_REQUEST, NULL, 0},
        {STR("0x5\r\nhello"), E_BAD_REQUEST, NULL, 0},
        {STR("5\rhello"), E_BAD_REQUEST, NULL, 0},
        {STR("5\r\nhelloX\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("5\r\nhello\n0\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("5\r\nhello\r0\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("5\r\nhello0\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;" X256 "x\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a\nb\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a\rb\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a\x01\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1; a\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a \r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a=\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a=\"b\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a=\"b\"c\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a=b=c\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("1;a=\"\\\r\na\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\nContent-Length: 5\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\nA: b\r\nTRANSFER-encoding:chunked\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\nA b\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\n: b\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\n A: b\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\nA: b\r\n c\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\nA: b\nC: d\r\n\r\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\n\n"), E_BAD_REQUEST, NULL, 0},
        {STR("0\r\n\rX"), E_BAD_REQUEST, NULL, 0},
        // Cut off.
        {STR("5"), E_CLOSED, NULL, 0},
        {STR("5\r\nhel"), E_CLOSED, NULL, 0},
        {STR("5\r\nhello\r\n"), E_CLOSED, NULL, 0},
        {STR("0\r\n"), E_CLOSED, NULL, 0},
        {STR("0\r\n\r"), E_CLOSED, NULL, 0},
    };
    struct http1_head *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    h->framing = HTTP1_CHUNKED;
    check(h, rows, ARRAY_LEN(rows));
    free(h);
}

// Neither extensions nor trailers go on for ever, however small each is.
static void test_overhead(void **state)
{
    (void)state;
    static const char *const units[] = {"1;" X64 X64 "\r\na\r\n", "A: " X64 "\r\n"};
    struct http1_head *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    h->framing = HTTP1_CHUNKED;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct http1_body b;
        assert_int_equal(http1_body_init(&b, h, UINT64_MAX), 0);
        struct str in = i ? STR("0\r\n") : STR(""), piece;
        int rc = http1_body_next(&b, &in, &piece);
        size_t bytes = 0;
        while (rc == -E_AGAIN || rc == 0) {
            assert_true(bytes < 40000);
            if (in.len == 0) {
                in = str_of(units[i]);
                bytes += in.len;
            }
            rc = http1_body_next(&b, &in, &piece);
        }
        assert_int_equal(rc, -E_BAD_REQUEST);
    }
    free(h);
}

static void test_length(void **state)
{
    (void)state;
    struct http1_head *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    static const struct row five[] = {
        {STR("hello"), 0, "hello", 0},
        {STR("hello GET"), 0, "hello", 4},
        {STR("hell"), E_CLOSED, NULL, 0},
        {STR(""), E_CLOSED, NULL, 0},
    };
    h->framing = HTTP1_LENGTH;
    h->content_length = 5;
    check(h, five, ARRAY_LEN(five));
    static const struct row large[] = {{STR(""), E_TOO_LARGE, NULL, 0}};
    h->content_length = MAX + 1;
    check(h, large, 1);
    h->content_length = INT64_MAX;
    check(h, large, 1);
    static const struct row none[] = {{STR("GET"), 0, "", 3}, {STR(""), 0, "", 0}};
    h->framing = HTTP1_NO_BODY;
    check(h, none, 2);
    static const struct row until_close[] = {
        {STR(""), 0, "", 0},
        {STR("all of it"), 0, "all of it", 0},
        {STR(X64), 0, X64, 0},
        {STR(X64 "x"), E_TOO_LARGE, NULL, 0},
    };
    h->framing = HTTP1_UNTIL_CLOSE;
    check(h, until_close, ARRAY_LEN(until_close));
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_overhead),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
