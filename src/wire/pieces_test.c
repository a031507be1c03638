// SPDX-License-Identifier: MIT
// Streams as pieces, whole and byte by byte.
#include "wire/pieces.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PIECE_MAX 64

static void take(void *ctx, struct str event, struct str json)
{
    struct buf *b = ctx;
    if (event.p) {
        buf_put(b, event);
        buf_putc(b, '=');
    }
    buf_put(b, json);
    buf_putc(b, '|');
}

// What came of it, fed in steps of so many bytes.
static int feed(enum pieces_kind kind, struct str in, size_t step, struct buf *out)
{
    struct pieces p;
    struct pieces_taker taker = {.take = take, .ctx = out};
    int err = 0;
    pieces_init(&p, kind, PIECE_MAX);
    while (in.len && !err) {
        struct str part = in.len > step ? str_make(in.p, step) : in;
        err = pieces_feed(&p, part, &taker);
        in = str_from(in, part.len);
    }
    if (err) {
        assert_int_equal(pieces_feed(&p, STR("x"), &taker), err);
    }
    int end = pieces_end(&p, &taker);
    assert_true(!err || end == err);
    pieces_fini(&p);
    return end;
}

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_streams(void **state)
{
    (void)state;
    static const struct {
        enum pieces_kind kind;
        const char *in, *out;
        int err;
    } rows[] = {
        {PIECES_SSE, "data: {\"a\": 1.10}\n\nevent: x\ndata: two\ndata: lines\n\ndata: cut",
         "{\"a\":1.10}|x=\"two\\nlines\"|", 0},
        {PIECES_SSE, ": nothing\n\nid: 1\n\ndata:\n\n", "\"\"|", 0},
        {PIECES_SSE, "data: \"s\"\n\ndata: [DONE]\n\n", "\"s\"|\"[DONE]\"|", 0},
        {PIECES_SSE, "data: 1\n\ndata: " LONG "\n\n", "1|", -E_TOO_LARGE},
        {PIECES_NDJSON, "{\"a\": [1, 2]}\r\n\n \t\n\"x\"\n3", "{\"a\":[1,2]}|\"x\"|3|", 0},
        {PIECES_NDJSON, "1\n{oops}\n2\n", "1|", -E_BAD_JSON},
        {PIECES_NDJSON, "1\n{\"a\":", "1|", -E_BAD_JSON},
        {PIECES_NDJSON, "1\n\"" LONG "\"\n", "1|", -E_TOO_LARGE},
        {PIECES_NDJSON, "", "", 0},
        {PIECES_JSON, " {\"a\" : null}\n", "{\"a\":null}|", 0},
        {PIECES_JSON, "{}{}", "", -E_BAD_JSON},
        {PIECES_JSON, "", "", -E_BAD_JSON},
        {PIECES_JSON, "\"" LONG "\"", "", -E_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t step = 1; step < 200; step += step < 5 ? 1 : 50) {
            struct buf out;
            buf_init(&out, 10000);
            assert_int_equal(feed(rows[i].kind, str_of(rows[i].in), step, &out), rows[i].err);
            assert_true(str_is(buf_str(&out), rows[i].out));
            buf_fini(&out);
        }
    }
}

// Pieces of text depend on how it comes; put together they are what came.
static void test_text(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n" LONG LONG "\xf0\x9f\x98\x80";
    for (size_t step = 1; step < 200; step++) {
        struct buf out, all;
        buf_init(&out, 10000);
        buf_init(&all, 10000);
        assert_int_equal(feed(PIECES_TEXT, str_of(text), step, &out), 0);
        struct str rest = buf_str(&out);
        while (rest.len) {
            struct str piece = str_cut(&rest, '|');
            assert_true(piece.len > 2 && piece.p[0] == '"' && piece.p[piece.len - 1] == '"');
            buf_put(&all, str_make(piece.p + 1, piece.len - 2));
        }
        assert_true(str_is(buf_str(&all), "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\n" LONG LONG
                                          "\xf0\x9f\x98\x80"));
        buf_fini(&all);
        buf_fini(&out);
    }
    static const char *const bad[] = {"a\xff",        "\xc3",         "\xe2\x82",    "\x80",
                                      "\xf0\x9f\x98", "\xed\xa0\x80", "\xc3\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (size_t step = 1; step < 4; step++) {
            struct buf out;
            buf_init(&out, 100);
            assert_int_equal(feed(PIECES_TEXT, str_of(bad[i]), step, &out), -E_UTF8);
            buf_fini(&out);
        }
    }
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int kind;
    } rows[] = {{"text/event-stream", PIECES_SSE},
                {"Text/Event-Stream; charset=UTF-8", PIECES_SSE},
                {"application/x-ndjson", PIECES_NDJSON},
                {"application/jsonl ; charset=\"utf-8\"", PIECES_NDJSON},
                {"application/json", PIECES_JSON},
                {"text/plain", PIECES_TEXT},
                {"text/markdown; a=b; charset=utf-8", PIECES_TEXT},
                {"text/plain; charset=iso-8859-1", -E_MEDIA_TYPE},
                {"text/", -E_MEDIA_TYPE},
                {"", -E_MEDIA_TYPE},
                {"application/octet-stream", -E_MEDIA_TYPE},
                {"image/png", -E_MEDIA_TYPE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum pieces_kind kind = PIECES_TEXT;
        int err = pieces_kind_of(str_of(rows[i].type), &kind);
        assert_int_equal(err ? err : (int)kind, rows[i].kind);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char *const in[] = {"text", "data: 1\n\n", "{\"a\":1}\n", "{\"a\":1}"};
    for (int kind = PIECES_TEXT; kind <= PIECES_JSON; kind++) {
        for (unsigned long n = 1; n < 4; n++) {
            struct buf out;
            char room[200];
            buf_init(&out, sizeof(room));
            buf_put(&out, STR("                                                      "));
            mem_fail_nth(n);
            int err = feed((enum pieces_kind)kind, str_of(in[kind]), 3, &out);
            mem_fail_nth(0);
            assert_true(err == 0 || err == -E_NO_MEMORY);
            buf_fini(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams), cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
