// SPDX-License-Identifier: MIT
#include "wire/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

enum { MAX = 64, WHOLE = 0, BYTES = 1, RANDOM = 2, CUTS = 3 };

static void test_put(void **state)
{
    (void)state;
    static const struct {
        struct sse_block block;
        const char *text;
    } rows[] = {
        {{STR("c-1"), STR("log"), STR("{}"), 0}, "id: c-1\nevent: log\ndata: {}\n\n"},
        {{.data = STR("x")}, "data: x\n\n"},
        {{.data = STR("")}, "data: \n\n"},
        {{.id = STR("7")}, "id: 7\n\n"},
        {{.id = STR("")}, "id: \n\n"},
        {{.retry_ms = 2000}, "retry: 2000\n\n"},
        {{.event = STR(""), .data = STR("x")}, "data: x\n\n"},
        {{.event = STR(" a:b"), .data = STR(" x")}, "event:  a:b\ndata:  x\n\n"},
        // Every kind of line end in the data.
        {{.data = STR("a\nb\rc\r\nd")}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
        {{.data = STR("\n")}, "data: \ndata: \n\n"},
        {{.data = STR("a\r\n\r\nb\r")}, "data: a\ndata: \ndata: b\ndata: \n\n"},
        {{.data = STR("a\n\revent: x\n\nid: 2")},
         "data: a\ndata: \ndata: event: x\ndata: \ndata: id: 2\n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 1000);
        assert_int_equal(sse_put_block(&b, &rows[i].block), 0);
        buf_putc(&b, 0);
        assert_string_equal(b.p, rows[i].text);
        buf_fini(&b);
    }
}

static void test_put_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {STR("a\nb"), STR("a\r"), STR("\r\n"),
                                     STR("a\0b"), STR("\0"),  STR("\ndata: x")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf b;
        buf_init(&b, 1000);
        struct sse_block block = {.id = bad[i], .data = STR("x")};
        assert_int_equal(sse_put_block(&b, &block), -E_BAD_REQUEST);
        block = (struct sse_block){.event = bad[i], .data = STR("x")};
        assert_int_equal(sse_put_block(&b, &block), -E_BAD_REQUEST);
        assert_int_equal(b.len, 0);
        buf_fini(&b);
    }
}

static void test_comment(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    sse_put_comment(&b, STR_NONE);
    sse_put_comment(&b, STR("hello"));
    sse_put_comment(&b, STR("a\ndata: b\r\nc"));
    assert_true(str_is(buf_str(&b), ":\n\n: hello\n\n: a\n: data: b\n: c\n\n"));
    buf_fini(&b);
}

// All that the parser gives, as text: "type(id|data) ", at last the last id and the time to retry.
static void read_all(struct str text, int cut, struct rng *rng, struct buf *log)
{
    struct sse_parser p;
    sse_parser_init(&p, MAX);
    int rc = -E_AGAIN;
    for (size_t at = 0; at < text.len && rc == -E_AGAIN;) {
        size_t left = text.len - at;
        size_t want = cut == WHOLE ? left : cut == BYTES ? 1 : 1 + (size_t)rng_below(rng, 9);
        want = want < left ? want : left;
        char *copy = malloc(want);
        assert_non_null(copy);
        memcpy(copy, text.p + at, want);
        at += want;
        struct str in = str_make(copy, want);
        struct sse_event e;
        while ((rc = sse_parser_next(&p, &in, &e)) == 0) {
            buf_putf(log, "%.*s(%.*s|", STR_ARG(e.type), STR_ARG(e.id));
            buf_put(log, e.data);
            buf_put(log, STR(") "));
        }
        assert_true(rc != -E_AGAIN || in.len == 0);
        free(copy);
    }
    if (rc != -E_AGAIN) {
        struct str more = STR("data: x\n\n");
        struct sse_event e;
        assert_int_equal(sse_parser_next(&p, &more, &e), rc);
        buf_putf(log, "%s ", err_name(rc));
    }
    buf_putf(log, "id=%.*s retry=%d", STR_ARG(buf_str(&p.last_id)), (int)p.retry_ms);
    sse_parser_fini(&p);
    sse_parser_fini(&p);
}

#define X16 "0123456789abcdef"
#define X64 X16 X16 X16 X16

static void test_read(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *said;
    } rows[] = {
        {STR("data: x\n\n"), "message(|x) id= retry=-1"},
        {STR("data: x\r\rdata: y\r\n\r\ndata: z\n\r"),
         "message(|x) message(|y) message(|z) id= retry=-1"},
        {STR("data\n\n"), "message(|) id= retry=-1"},
        {STR("data\ndata\n\n"), "message(|\n) id= retry=-1"},
        {STR("data:x\ndata: y\ndata:  z\n\n"), "message(|x\ny\n z) id= retry=-1"},
        {STR("id: 1\nevent: log\ndata: x\n\ndata: y\n\n"), "log(1|x) message(1|y) id=1 retry=-1"},
        {STR("event: a\nevent: b\ndata: x\n\n"), "b(|x) id= retry=-1"},
        // No data: no event, but the id counts; and the type does not live on.
        {STR("id: 2\nevent: log\n\ndata: x\n\n"), "message(2|x) id=2 retry=-1"},
        {STR("id: 2\n\nid\ndata: x\n\n"), "message(|x) id= retry=-1"},
        {STR("id: 2\n\nid: a\0b\ndata: x\n\n"), "message(2|x) id=2 retry=-1"},
        // Not ended: dropped whole, its id too.
        {STR("id: 2\n\nid: 3\ndata: x\n"), "id=2 retry=-1"},
        {STR("id: 2\n\nid: 3\ndata: x"), "id=2 retry=-1"},
        {STR("retry: 2000\nretry: 2x\nretry: -1\nretry:\nretry: 1.5\n"), "id= retry=2000"},
        {STR("retry: 99999999999999999999\n"), "id= retry=-1"},
        {STR(": hello\n:\n:data: x\n\ndata: y\n\n"), "message(|y) id= retry=-1"},
        {STR("Data: x\n data: x\ndata : x\ndatas: x\nfoo\n\n"), "id= retry=-1"},
        {STR("\n\n\r\n\r"), "id= retry=-1"},
        // A byte order mark at the very start only.
        {STR("\xef\xbb\xbf"
             "data: x\n\n\xef\xbb\xbf"
             "data: y\n\n"),
         "message(|x) id= retry=-1"},
        {STR("\xef\xbb\xbf\n\xef\xbb\xbf"
             "data: x\n\n"),
         "id= retry=-1"},
        {STR("data: a\xff"
             "b\xe2\x82\n\n"),
         "message(|a\xef\xbf\xbd"
         "b\xef\xbf\xbd\xef\xbf\xbd) id= retry=-1"},
        {STR("data: \xe2\x82\xac\n\n"), "message(|\xe2\x82\xac) id= retry=-1"},
        // Too large: a line, a comment too, or the lines of one event together.
        {STR("data:" X16 X16 X16 "01234567890\n\n"),
         "message(|" X16 X16 X16 "01234567890) id= retry=-1"},
        {STR("data:" X64 "\n\n"), "E_TOO_LARGE id= retry=-1"},
        {STR(":" X64 "\n\n"), "E_TOO_LARGE id= retry=-1"},
        {STR("id: 1\n\ndata: " X16 X16 "\ndata: " X16 "0123456789abcde\n\n"),
         "message(1|" X16 X16 "\n" X16 "0123456789abcde) id=1 retry=-1"},
        {STR("id: 1\n\ndata: " X16 X16 "\ndata: " X16 X16 "\n\n"), "E_TOO_LARGE id=1 retry=-1"},
        {STR("data: x\n\nid: 3\n" X64 X16 "data: x\n\n"), "message(|x) E_TOO_LARGE id= retry=-1"},
    };
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int cut = 0; cut < CUTS; cut++) {
            struct buf log;
            buf_init(&log, 10000);
            read_all(rows[i].text, cut, &rng, &log);
            buf_putc(&log, 0);
            if (strcmp(log.p, rows[i].said) != 0) {
                fail_msg("row %zu, cut %d: %s, not %s", i, cut, log.p, rows[i].said);
            }
            buf_fini(&log);
        }
    }
}

static void test_restart(void **state)
{
    (void)state;
    struct sse_parser p;
    struct sse_event e;
    sse_parser_init(&p, MAX);
    struct str in = STR("retry: 5\nid: 1\ndata: x\n\nid: 2\nevent: y\ndata: cut o");
    assert_int_equal(sse_parser_next(&p, &in, &e), 0);
    assert_int_equal(sse_parser_next(&p, &in, &e), -E_AGAIN);
    sse_parser_restart(&p);
    in = STR("\xef\xbb\xbf"
             "data: z\n\n");
    assert_int_equal(sse_parser_next(&p, &in, &e), 0);
    assert_true(str_is(e.id, "1") && str_is(e.type, "message") && str_is(e.data, "z"));
    assert_int_equal(p.retry_ms, 5);
    in = STR(":" X64);
    assert_int_equal(sse_parser_next(&p, &in, &e), -E_TOO_LARGE);
    sse_parser_restart(&p);
    in = STR("data: w\n\n");
    assert_int_equal(sse_parser_next(&p, &in, &e), 0);
    sse_parser_fini(&p);
}

// What is written is read, whatever is in it.
static void test_round(void **state)
{
    (void)state;
    static const char bytes[] = "a :\n\r\0d\xc3\xa4";
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 3000; i++) {
        char text[16], plain[16];
        size_t len = (size_t)rng_below(&rng, sizeof(text)), plain_len = 0;
        for (size_t k = 0; k < len; k++) {
            text[k] = bytes[rng_below(&rng, 7)]; // ASCII: any order is UTF-8
        }
        for (size_t k = 0; k < len; k++) {
            if (text[k] != '\n' || k == 0 || text[k - 1] != '\r') {
                plain[plain_len++] = text[k] == '\r' ? '\n' : text[k];
            }
        }
        struct buf b;
        struct sse_parser p;
        struct sse_event e;
        buf_init(&b, 1000);
        sse_parser_init(&p, MAX);
        struct sse_block block = {STR("i"), STR("t"), str_make(text, len), 0};
        assert_int_equal(sse_put_block(&b, &block), 0);
        struct str in = buf_str(&b);
        assert_int_equal(sse_parser_next(&p, &in, &e), 0);
        assert_true(str_eq(e.data, str_make(plain, plain_len)) && str_is(e.type, "t"));
        assert_int_equal(sse_parser_next(&p, &in, &e), -E_AGAIN);
        sse_parser_fini(&p);
        buf_fini(&b);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    int rc = -E_NO_MEMORY;
    for (unsigned nth = 1; rc == -E_NO_MEMORY; nth++) {
        struct sse_parser p;
        struct sse_event e = {0};
        sse_parser_init(&p, MAX);
        struct str one = STR("id: 1\nevent: y\nda"), two = STR("ta: x\n\n");
        mem_fail_nth(nth);
        rc = sse_parser_next(&p, &one, &e);
        if (rc == -E_AGAIN) {
            rc = sse_parser_next(&p, &two, &e);
        }
        mem_fail_nth(0);
        assert_true(rc == 0 ? nth == 6 && str_is(e.data, "x") : rc == -E_NO_MEMORY && nth < 6);
        sse_parser_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),       cmocka_unit_test(test_put_refused),
        cmocka_unit_test(test_comment),   cmocka_unit_test(test_read),
        cmocka_unit_test(test_restart),   cmocka_unit_test(test_round),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
