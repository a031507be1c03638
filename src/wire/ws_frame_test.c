// SPDX-License-Identifier: MIT
#include "wire/ws_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "def/limits.h"

enum { MAX = 200, WHOLE = 0, BYTES = 1, RANDOM = 2, CUTS = 3 };

#define M      "\0\0\0\0" // a mask that changes nothing keeps the tables readable
#define S(lit) STR(lit)
#define X16    "0123456789abcdef"
#define X64    X16 X16 X16 X16
#define X125   X64 X16 X16 X16 "0123456789abc"

static bool deflate; // agreed, in what follows

// Everything the decoder says about some bytes, as text: "text(hi) ping() close(1000,bye)
// E_PROTOCOL".
static void say(struct buf *log, const struct ws_event *e)
{
    static const char *const names[] = {"text", "binary", "ping", "pong", "close"};
    assert_true(!e->compressed || (deflate && e->type <= WS_BINARY));
    buf_putf(log, "%s%s(", e->compressed ? "z-" : "", names[e->type]);
    if (e->type == WS_CLOSE) {
        buf_putf(log, "%d,", e->code);
    }
    buf_put(log, e->data);
    buf_put(log, STR(") "));
}

static void decode(struct str in, enum ws_role role, int cut, struct rng *rng, struct buf *log)
{
    struct ws_decoder d;
    ws_decoder_init(&d, role, MAX);
    d.deflate = deflate;
    for (size_t at = 0; at < in.len;) {
        size_t len = in.len - at;
        size_t want = cut == WHOLE ? len : cut == BYTES ? 1 : 1 + (size_t)rng_below(rng, 20);
        len = want < len ? want : len;
        char *copy = malloc(len), *p = copy;
        assert_non_null(copy);
        memcpy(copy, in.p + at, len);
        at += len;
        struct ws_event e;
        int rc;
        while ((rc = ws_decoder_next(&d, &p, &len, &e)) == 0) {
            say(log, &e);
        }
        if (rc != -E_AGAIN) {
            buf_putf(log, "%s ", err_name(rc));
            assert_non_null(d.why);
        }
        assert_int_equal(len, 0);
        free(copy);
        if (ws_decoder_at_rest(&d)) { // another connection may have it from here on
            assert_null(d.partial.p);
            memset(&d, 0xff, sizeof(d));
            ws_decoder_init(&d, role, MAX);
            d.deflate = deflate;
        } else if (!d.closed) {
            assert_true(d.head_len > 0 || d.message_op != 0);
        }
    }
    ws_decoder_fini(&d);
    ws_decoder_fini(&d);
}

struct row {
    struct str in;
    const char *said;
};

static void check(const struct row *rows, size_t count, enum ws_role role)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < count; i++) {
        for (int cut = 0; cut < CUTS; cut++) {
            struct buf log;
            buf_init(&log, 100000);
            decode(rows[i].in, role, cut, &rng, &log);
            buf_putc(&log, 0);
            if (strcmp(log.p, rows[i].said) != 0) {
                fail_msg("row %zu, cut %d: %s, not %s", i, cut, log.p, rows[i].said);
            }
            buf_fini(&log);
        }
    }
}

static void test_good(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("\x81\x80" M), "text() "},
        {S("\x82\x80" M), "binary() "},
        {S("\x81\x85" M "hello"), "text(hello) "},
        {S("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "text(Hello) "}, // RFC 6455 5.7
        {S("\x82\x83" M "\xff\xfe\x80"), "binary(\xff\xfe\x80) "},
        {S("\x81\x81" M "a\x81\x81" M "b"), "text(a) text(b) "},
        {S("\x81\xfe\x00\x7e" M X125 "x"), "text(" X125 "x) "},
        {S("\x89\x80" M), "ping() "},
        {S("\x89\x82" M "ab"), "ping(ab) "},
        {S("\x8a\x82" M "ab"), "pong(ab) "},
        {S("\x89\xfd" M X125), "ping(" X125 ") "},
        // Fragments, with control frames between them.
        {S("\x01\x83" M "Hel\x80\x82" M "lo"), "text(Hello) "},
        {S("\x01\x80" M "\x00\x80" M "\x80\x80" M), "text() "},
        {S("\x01\x80" M "\x80\x82" M "hi"), "text(hi) "},
        {S("\x02\x81" M "a\x89\x82" M "pp\x00\x81" M "b\x8a\x80" M "\x80\x81" M "c"),
         "ping(pp) pong() binary(abc) "},
        {S("\x01\x81" M "a\x89\x80" M "\x80\x80" M "\x81\x81" M "z"), "ping() text(a) text(z) "},
        // A code point split between fragments.
        {S("\x01\x81" M "\xe2\x00\x81" M "\x82\x89\x80" M "\x80\x81" M "\xac"),
         "ping() text(\xe2\x82\xac) "},
        // Non-characters and NUL are text.
        {S("\x81\x84" M "\xef\xbf\xbf\x01"), "text(\xef\xbf\xbf\x01) "},
        {S("\x88\x80" M), "close(0,) "},
        {S("\x88\x82" M "\x03\xe8"), "close(1000,) "},
        {S("\x88\x85" M "\x0f\xa0"
           "bye"),
         "close(4000,bye) "},
        // After a close whatever comes is ignored; a message under way is dropped.
        {S("\x88\x82" M "\x03\xe8\x81\x81" M "x\xff\xff\xff"), "close(1000,) "},
        {S("\x01\x81" M "a\x88\x80" M "\x80\x81" M "b"), "close(0,) "},
        // Not whole.
        {S("\x81"), ""},
        {S("\x81\x85" M "hell"), ""},
        {S("\x01\x85" M "hello"), ""},
        {S("\x01\x81" M "a\x89\x82" M "p"), ""},
    };
    check(rows, ARRAY_LEN(rows), WS_SERVER);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("\x81\x05hello"), "E_PROTOCOL "}, // not masked
        {S("\x89\x00"), "E_PROTOCOL "},
        {S("\xc1\x80" M), "E_PROTOCOL "}, // reserved bits
        {S("\xa1\x80" M), "E_PROTOCOL "},
        {S("\x91\x80" M), "E_PROTOCOL "},
        {S("\xc9\x80" M), "E_PROTOCOL "},
        {S("\x83\x80" M), "E_PROTOCOL "}, // opcodes
        {S("\x87\x80" M), "E_PROTOCOL "},
        {S("\x8b\x80" M), "E_PROTOCOL "},
        {S("\x8f\x80" M), "E_PROTOCOL "},
        {S("\x09\x80" M), "E_PROTOCOL "}, // control frames in pieces
        {S("\x08\x80" M), "E_PROTOCOL "},
        {S("\x89\xfe\x00\x7e" M X125 "x"), "E_PROTOCOL "}, // and too long
        {S("\x88\xfe\x00\x02" M "\x03\xe8"), "E_PROTOCOL "},
        {S("\x80\x80" M), "E_PROTOCOL "}, // continuation of nothing
        {S("\x00\x80" M), "E_PROTOCOL "},
        {S("\x81\x81" M "a\x80\x81" M "b"), "text(a) E_PROTOCOL "},
        {S("\x01\x81" M "a\x81\x81" M "b"), "E_PROTOCOL "}, // message in a message
        {S("\x01\x81" M "a\x02\x81" M "b"), "E_PROTOCOL "},
        // Lengths: not the shortest form, the top bit, too large on the declared length alone.
        {S("\x81\xfe\x00\x7d" M), "E_PROTOCOL "},
        {S("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff" M), "E_PROTOCOL "},
        {S("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" M), "E_PROTOCOL "},
        {S("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" M), "E_PROTOCOL "},
        {S("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" M), "E_TOO_LARGE "},
        {S("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00" M), "E_TOO_LARGE "},
        {S("\x81\xfe\x00\xc9" M), "E_TOO_LARGE "},
        {S("\x01\xfd" M X125 "\x80\xcc" M), "E_TOO_LARGE "}, // 125 + 76 > 200
        {S("\x01\xfd" M X125 "\x00\xff\x7f\xff\xff\xff\xff\xff\xff\xff" M), "E_TOO_LARGE "},
        // Text that is not UTF-8, as soon as it shows.
        {S("\x81\x82" M "a\xff"), "E_UTF8 "},
        {S("\x81\x82" M "\xc0\x80"), "E_UTF8 "},
        {S("\x81\x83" M "\xed\xa0\x80"), "E_UTF8 "},
        {S("\x81\x84" M "\xf4\x90\x80\x80"), "E_UTF8 "},
        {S("\x81\x82" M "\xe2\x82"), "E_UTF8 "}, // ends inside a code point
        {S("\x01\x82" M "\xe2\x82\x80\x80" M), "E_UTF8 "},
        {S("\x01\x82" M "\xe2\x82\x80\x81" M "a"), "E_UTF8 "},
        {S("\x01\x81" M "\xff"), "E_UTF8 "},
        {S("\x81\xc8" M "\xff"), "E_UTF8 "}, // before the frame is whole
        // Close frames.
        {S("\x88\x81" M "\x03"), "E_PROTOCOL "},
        {S("\x88\x82" M "\x00\x00"), "E_PROTOCOL "},
        {S("\x88\x82" M "\x03\xe7"), "E_PROTOCOL "}, // 999
        {S("\x88\x82" M "\x03\xec"), "E_PROTOCOL "}, // 1004
        {S("\x88\x82" M "\x03\xed"), "E_PROTOCOL "}, // 1005
        {S("\x88\x82" M "\x03\xee"), "E_PROTOCOL "}, // 1006
        {S("\x88\x82" M "\x03\xf7"), "E_PROTOCOL "}, // 1015
        {S("\x88\x82" M "\x07\xd0"), "E_PROTOCOL "}, // 2000
        {S("\x88\x82" M "\x13\x88"), "E_PROTOCOL "}, // 5000
        {S("\x88\x82" M "\xff\xff"), "E_PROTOCOL "},
        {S("\x88\x83" M "\x03\xe8\xff"), "E_UTF8 "},
        {S("\x88\x84" M "\x03\xe8\xe2\x82"), "E_UTF8 "},
        // What follows a refusal is swallowed, and what came before it was given.
        {S("\x81\x81" M "a\x83\x80" M "\x81\x81" M "b"), "text(a) E_PROTOCOL "},
    };
    check(rows, ARRAY_LEN(rows), WS_SERVER);
}

static void test_client_role(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("\x81\x05hello"), "text(hello) "},
        {S("\x01\x03hel\x89\x01p\x80\x02lo\x88\x02\x03\xe8"), "ping(p) text(hello) close(1000,) "},
        {S("\x81\x7e\x00\x7e" X125 "x"), "text(" X125 "x) "},
        {S("\x81\x85" M "hello"), "E_PROTOCOL "}, // masked
    };
    check(rows, ARRAY_LEN(rows), WS_CLIENT);
}

// RSV1 on the first frame of a message and nowhere else (RFC 7692 6.1).
static void test_compressed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("\xc1\x83" M "\xff\xfe\x80"), "z-text(\xff\xfe\x80) "}, // not UTF-8 yet
        {S("\xc2\x82" M "ab"), "z-binary(ab) "},
        {S("\xc1\x80" M), "z-text() "},
        {S("\x81\x82" M "ab\xc1\x82" M "cd\x81\x82" M "ef"), "text(ab) z-text(cd) text(ef) "},
        {S("\x41\x81" M "a\x89\x80" M "\x00\x81" M "b\x80\x81" M "\xff"), "ping() z-text(ab\xff) "},
        {S("\x41\x81" M "a\x80\x80" M "\x81\x81" M "\xff"), "z-text(a) E_UTF8 "},
        {S("\x41\x81" M "a\xc0\x81" M "b"), "E_PROTOCOL "},
        {S("\x01\x81" M "a\xc0\x81" M "b"), "E_PROTOCOL "},
        {S("\xc9\x80" M), "E_PROTOCOL "},
        {S("\xca\x80" M), "E_PROTOCOL "},
        {S("\xc8\x80" M), "E_PROTOCOL "},
        {S("\xa1\x80" M), "E_PROTOCOL "},
        {S("\x91\x80" M), "E_PROTOCOL "},
        {S("\xe1\x80" M), "E_PROTOCOL "},
        {S("\xf2\x80" M), "E_PROTOCOL "},
    };
    deflate = true;
    check(rows, ARRAY_LEN(rows), WS_SERVER);
    deflate = false;
}

static void test_close_codes(void **state)
{
    (void)state;
    static const int good[] = {1000, 1001, 1002, 1003, 1007, 1008,
                               1011, 1012, 1013, 1014, 3000, 4999};
    static const int bad[] = {-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(ws_close_code_valid(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(ws_close_code_valid(bad[i]));
    }
    for (int e = 0; e < E_NR; e++) { // every close code of the table may be sent
        assert_true(err_close_code(e) == 0 || ws_close_code_valid(err_close_code(e)));
    }
}

static void test_fragments_limit(void **state)
{
    (void)state;
    for (unsigned more = LIMIT_FRAGMENTS - 1; more <= LIMIT_FRAGMENTS; more++) {
        struct ws_decoder d;
        ws_decoder_init(&d, WS_SERVER, MAX);
        struct ws_event e;
        int rc = -E_AGAIN;
        for (unsigned i = 0; i <= more && rc == -E_AGAIN; i++) {
            char frame[] = "\x00\x80" M, *p = frame;
            size_t len = sizeof(frame) - 1;
            frame[0] = (char)((i == 0 ? 1 : 0) | (i == more ? 0x80 : 0));
            rc = ws_decoder_next(&d, &p, &len, &e);
        }
        assert_int_equal(rc, more < LIMIT_FRAGMENTS ? 0 : -E_POLICY);
        ws_decoder_fini(&d);
    }
}

// The limit is for one message, not for the connection.
static void test_many_messages(void **state)
{
    (void)state;
    struct ws_decoder d;
    ws_decoder_init(&d, WS_SERVER, MAX);
    for (unsigned i = 0; i < 2 * LIMIT_FRAGMENTS; i++) {
        char frames[] = "\x01\x81" M "a\x80\x81" M "b", *p = frames;
        size_t len = sizeof(frames) - 1;
        struct ws_event e;
        assert_int_equal(ws_decoder_next(&d, &p, &len, &e), 0);
        assert_true(e.type == WS_TEXT && str_is(e.data, "ab"));
        assert_int_equal(ws_decoder_next(&d, &p, &len, &e), -E_AGAIN);
    }
    ws_decoder_fini(&d);
}

// A declared length costs nothing; what arrived costs at most about twice itself.
static void test_memory_follows_arrival(void **state)
{
    (void)state;
    struct ws_decoder d;
    ws_decoder_init(&d, WS_SERVER, 10000000);
    char bytes[14 + 100] = "\x82\xff\x00\x00\x00\x00\x00\x80\x00\x00", *p = bytes;
    size_t len = sizeof(bytes);
    struct ws_event e;
    assert_int_equal(ws_decoder_next(&d, &p, &len, &e), -E_AGAIN);
    assert_int_equal(d.partial.len, 100);
    assert_true(d.partial.cap <= 200);
    ws_decoder_fini(&d);
    assert_null(d.partial.p);
}

// A whole message in the input is given out where it lies.
static void test_in_place(void **state)
{
    (void)state;
    struct ws_decoder d;
    ws_decoder_init(&d, WS_SERVER, MAX);
    char bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x80" M, *p = bytes;
    size_t len = sizeof(bytes) - 1;
    struct ws_event e;
    mem_fail_nth(1);
    assert_int_equal(ws_decoder_next(&d, &p, &len, &e), 0);
    assert_ptr_equal(e.data.p, bytes + 6);
    assert_int_equal(ws_decoder_next(&d, &p, &len, &e), 0);
    assert_int_equal(e.type, WS_PING);
    assert_int_equal(ws_decoder_next(&d, &p, &len, &e), -E_AGAIN);
    mem_fail_nth(0);
    ws_decoder_fini(&d);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char text[] = "\x01\xfd" M X125 "\x89\x82" M "ab\x80\xc0" M X64;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct ws_decoder d;
        struct ws_event e;
        ws_decoder_init(&d, WS_SERVER, MAX);
        int rc = -E_AGAIN, events = 0;
        mem_fail_nth(nth);
        for (size_t i = 0; i < sizeof(text) - 1 && (rc == 0 || rc == -E_AGAIN); i++) {
            char byte = text[i], *p = &byte;
            size_t len = 1;
            while ((rc = ws_decoder_next(&d, &p, &len, &e)) == 0) {
                events++;
            }
        }
        mem_fail_nth(0);
        failed = rc == -E_NO_MEMORY;
        assert_true(failed || (rc == -E_AGAIN && events == 2));
        assert_true(failed || nth > 2); // the buffer grew, and each growth was made to fail
        ws_decoder_fini(&d);
    }
}

// Random messages, written by our encoder in random fragments with random masks, come back however
// they are cut.
static void test_round_trip(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 99);
    for (int round = 0; round < 300; round++) {
        enum ws_role role = rng_below(&rng, 2) ? WS_SERVER : WS_CLIENT;
        struct buf wire, want, got[CUTS];
        buf_init(&wire, 1000000);
        buf_init(&want, 1000000);
        for (int m = 0; m < 8; m++) {
            char bytes[MAX];
            uint8_t mask[4];
            uint64_t r = rng_next(&rng);
            memcpy(mask, &r, sizeof(mask));
            struct str data =
                str_make(bytes, rng_below(&rng, 4) ? rng_below(&rng, 20) : rng_below(&rng, MAX));
            for (size_t i = 0; i < data.len; i++) {
                bytes[i] = (char)rng_below(&rng, 256);
            }
            static const enum ws_opcode ops[] = {WS_OP_BINARY, WS_OP_BINARY, WS_OP_PING,
                                                 WS_OP_PONG};
            enum ws_opcode op = ops[rng_below(&rng, ARRAY_LEN(ops))];
            if (op != WS_OP_BINARY && data.len > WS_CONTROL_MAX) {
                data.len = WS_CONTROL_MAX;
            }
            size_t at = wire.len, half = data.len / 2;
            bool fragmented = op == WS_OP_BINARY && rng_below(&rng, 2);
            if (fragmented) {
                ws_put_frame(&wire, op, str_make(bytes, half), role == WS_SERVER ? mask : NULL);
                wire.p[at] = (char)(wire.p[at] & 0x7f);
                ws_put_frame(&wire, WS_OP_PING, STR("mid"), role == WS_SERVER ? mask : NULL);
                ws_put_frame(&wire, WS_OP_CONTINUATION, str_from(data, half),
                             role == WS_SERVER ? mask : NULL);
                say(&want, &(struct ws_event){WS_PING, STR("mid"), 0});
            } else {
                ws_put_frame(&wire, op, data, role == WS_SERVER ? mask : NULL);
            }
            say(&want, &(struct ws_event){op == WS_OP_BINARY ? WS_BINARY
                                          : op == WS_OP_PING ? WS_PING
                                                             : WS_PONG,
                                          data, 0});
        }
        for (int cut = 0; cut < CUTS; cut++) {
            buf_init(&got[cut], 1000000);
            decode(buf_str(&wire), role, cut, &rng, &got[cut]);
            assert_true(str_eq(buf_str(&got[cut]), buf_str(&want)));
            buf_fini(&got[cut]);
        }
        buf_fini(&wire);
        buf_fini(&want);
    }
}

static void test_encoder(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        size_t head;
        const char *bytes;
    } rows[] = {
        {0, 2, "\x81\x00"},
        {125, 2, "\x81\x7d"},
        {126, 4, "\x81\x7e\x00\x7e"},
        {65535, 4, "\x81\x7e\xff\xff"},
        {65536, 10, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
        {INT64_MAX, 10, "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"},
    };
    static const uint8_t mask[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t out[WS_HEAD_MAX];
        assert_int_equal(ws_put_head(out, WS_OP_TEXT, rows[i].len, NULL), rows[i].head);
        assert_memory_equal(out, rows[i].bytes, rows[i].head);
        assert_int_equal(ws_put_head(out, WS_OP_TEXT, rows[i].len, mask), rows[i].head + 4);
        assert_int_equal(out[1], (unsigned char)rows[i].bytes[1] | 0x80);
        assert_memory_equal(out + rows[i].head, mask, 4);
    }
    struct buf b;
    buf_init(&b, 1000);
    ws_put_close(&b, 0, STR("ignored"), NULL);
    ws_put_close(&b, 1000, STR("bye"), NULL);
    assert_true(str_eq(buf_str(&b), S("\x88\x00\x88\x05\x03\xe8"
                                      "bye")));
    // A long reason is cut at a code point: 122 bytes, then a character of two that does not fit.
    buf_clear(&b);
    ws_put_close(&b, 1000, STR(X64 X16 X16 X16 "0123456789\xc3\xa4tail"), NULL);
    assert_int_equal(b.len, 2 + 2 + 122);
    buf_clear(&b);
    b.max = 5;
    ws_put_frame(&b, WS_OP_TEXT, STR("hello"), NULL);
    assert_true(b.failed && b.len == 0);
    buf_fini(&b);
}

static void test_mask(void **state)
{
    (void)state;
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    for (size_t len = 0; len < 40; len++) {
        for (uint64_t offset = 0; offset < 9; offset++) {
            char bytes[40] = {0};
            ws_mask(bytes, len, mask, offset);
            for (size_t i = 0; i < sizeof(bytes); i++) {
                assert_int_equal((uint8_t)bytes[i], i < len ? mask[(offset + i) % 4] : 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_client_role),   cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_close_codes),   cmocka_unit_test(test_fragments_limit),
        cmocka_unit_test(test_many_messages), cmocka_unit_test(test_memory_follows_arrival),
        cmocka_unit_test(test_in_place),      cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_encoder),
        cmocka_unit_test(test_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
