// SPDX-License-Identifier: MIT
#include "wire/socketio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

#define P(n) "{\"_placeholder\":true,\"num\":" #n "}"

static const struct socketio_limits limits = {
    .depth_max = 6, .nsp_bytes_max = 20, .attached_bytes_max = 10};

// A packet as text: "event /ns #7 +2 ["a"] name".
static void say(struct buf *log, const struct socketio_packet *p)
{
    static const char *const names[] = {"connect", "disconnect", "event", "ack", "connect_error"};
    buf_putf(log, "%s %.*s", names[p->type], STR_ARG(p->nsp));
    if (p->has_id) {
        buf_putf(log, " #%llu", (unsigned long long)p->id);
    }
    if (p->attachments > 0) {
        buf_putf(log, " +%u", p->attachments);
    }
    if (p->payload.type != JSON_NONE) {
        buf_putf(log, " %.*s", STR_ARG(p->payload.raw));
    }
    if (p->name.type != JSON_NONE) {
        buf_putf(log, " %.*s", STR_ARG(p->name.raw));
    }
}

struct row {
    struct str text;
    const char *said; // or why it is refused
};

static void check(const struct row *rows, size_t count, int rc_wanted)
{
    for (size_t i = 0; i < count; i++) {
        struct str text = rows[i].text;
        struct socketio_packet p;
        const char *why = NULL;
        struct buf log;
        char *copy = malloc(text.len + 1); // a read past the end is seen
        assert_non_null(copy);
        memcpy(copy + 1, text.p, text.len);
        buf_init(&log, 1000);
        int rc = socketio_decode(str_make(copy + 1, text.len), &limits, &p, &why);
        if (rc == 0) {
            say(&log, &p);
        } else {
            buf_put(&log, str_of(why));
        }
        buf_putc(&log, 0);
        if (rc != rc_wanted || strcmp(log.p, rows[i].said) != 0) {
            fail_msg("row %zu: %s: %s, not %s", i, err_name(rc), log.p, rows[i].said);
        }
        buf_fini(&log);
        free(copy);
    }
}

static void test_decode(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {STR("0"), "connect /"},
        {STR("0{\"token\":\"1\"}"), "connect / {\"token\":\"1\"}"},
        {STR("0/custom"), "connect /custom"}, // without a comma
        {STR("0/custom,"), "connect /custom"},
        {STR("0/custom,{}"), "connect /custom {}"},
        {STR("0/,{}"), "connect / {}"},
        {STR("0/a?b=1#\xc3\xa4,"), "connect /a?b=1#\xc3\xa4"}, // compared as bytes, never decoded
        {STR("1"), "disconnect /"},
        {STR("1/custom"), "disconnect /custom"},
        {STR("2[\"hello\",1,{\"3\":[true]}]"), "event / [\"hello\",1,{\"3\":[true]}] \"hello\""},
        {STR("2[\"\"]"), "event / [\"\"] \"\""},
        {STR("2[1,\"a\"]"), "event / [1,\"a\"] 1"},
        {STR("2[ \"a\" , 1.10 ] "), "event / [ \"a\" , 1.10 ] \"a\""},
        {STR("20[\"a\"]"), "event / #0 [\"a\"] \"a\""},
        {STR("2/ns,007[\"a\"]"), "event /ns #7 [\"a\"] \"a\""},
        {STR("2999999999999999[\"a\"]"), "event / #999999999999999 [\"a\"] \"a\""},
        {STR("2[\"connected\"]"), "event / [\"connected\"] \"connected\""},
        {STR("312[]"), "ack / #12 []"},
        {STR("3/ns,0[null,\"connect\"]"), "ack /ns #0 [null,\"connect\"]"},
        {STR("4{\"message\":\"no\"}"), "connect_error / {\"message\":\"no\"}"},
        {STR("4/ns,\"no\""), "connect_error /ns \"no\""},
        // Attachments.
        {STR("50-[\"a\"]"), "event / [\"a\"] \"a\""},
        {STR("60-5[]"), "ack / #5 []"},
        {STR("51-[\"a\"," P(0) "]"), "event / +1 [\"a\"," P(0) "] \"a\""},
        {STR("52-/ns,13[\"a\",{\"b\":[" P(1) "],\"c\":" P(0) "}]"),
         "event /ns #13 +2 [\"a\",{\"b\":[" P(1) "],\"c\":" P(0) "}] \"a\""},
        {STR("61-0[" P(0) "]"), "ack / #0 +1 [" P(0) "]"},
        {STR("51-[\"a\",{\"num\":0,\"_placeholder\":true}]"),
         "event / +1 [\"a\",{\"num\":0,\"_placeholder\":true}] \"a\""},
        {STR("51-[\"a\",{\"_place\\u0068older\":true,\"num\":0.0,\"x\":[{}]}]"),
         "event / +1 [\"a\",{\"_place\\u0068older\":true,\"num\":0.0,\"x\":[{}]}] \"a\""},
        // Only true makes a placeholder, only in a member of that name, and the last one counts.
        {STR("51-[\"_placeholder\",{\"_placeholder\":false,\"num\":7}," P(0) "]"),
         "event / +1 [\"_placeholder\",{\"_placeholder\":false,\"num\":7}," P(
             0) "] \"_placeholder\""},
        {STR("51-[\"\",{\"_placeholder\":true,\"_placeholder\":[]}," P(0) ",\"\\\"{[\"]"),
         "event / +1 [\"\",{\"_placeholder\":true,\"_placeholder\":[]}," P(0) ",\"\\\"{[\"] \"\""},
        {STR("51-[\"a\",[true,\"num\",5,{\"x\":{\"_placeholder\":1}}]," P(0) "]"),
         "event / +1 [\"a\",[true,\"num\",5,{\"x\":{\"_placeholder\":1}}]," P(0) "] \"a\""},
        // In a packet without attachments they are data.
        {STR("2[\"a\"," P(7) "]"), "event / [\"a\"," P(7) "] \"a\""},
        {STR("50-[\"a\"," P(7) "]"), "event / [\"a\"," P(7) "] \"a\""},
        {STR("510-[\"a\"," P(0) "," P(1) "," P(2) "," P(3) "," P(4) "," P(5) "," P(6) "," P(
             7) "," P(8) "," P(9) "]"),
         "event / +10 [\"a\"," P(0) "," P(1) "," P(2) "," P(3) "," P(4) "," P(5) "," P(6) "," P(
             7) "," P(8) "," P(9) "] \"a\""},
    };
    check(rows, ARRAY_LEN(rows), 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const char type[] = "no such type of packet", json[] = "payload is no JSON",
                      fits[] = "payload does not fit the type",
                      number[] = "number of attachments missing",
                      holders[] = "placeholders do not match the attachments";
    static const struct row rows[] = {
        {STR(""), type},
        {STR("7"), type},
        {STR("/"), type},
        {STR("abc"), type},
        {STR("{}"), type},
        {STR("\0"), type},
        {STR("2abc"), json},
        {STR("2[\"a\""), json},
        {STR("2[\"a\"]]"), json},
        {STR("2[\"a\"]\0"), json},
        {STR("2 [\"a\"]"), json}, // a blank is an id to JavaScript
        {STR("2\n1[\"a\"]"), json},
        {STR("2-1[\"a\"]"), json},
        {STR("2abc[\"a\"]"), json},
        {STR("21a[\"a\"]"), json},
        {STR("2+1[\"a\"]"), json},
        {STR("2[\"a\",[[[[[[]]]]]]]"), json}, // too deep
        {STR("2[\"a\xff\"]"), json},
        {STR("2,[\"a\"]"), json},
        {STR("0/custom,/x,{}"), json},
        // Payloads.
        {STR("0[]"), fits},
        {STR("0null"), fits},
        {STR("0\"x\""), fits},
        {STR("1{}"), fits},
        {STR("1[]"), fits},
        {STR("2"), fits},
        {STR("21"), fits},
        {STR("2{}"), fits},
        {STR("2[]"), fits},
        {STR("2null"), fits},
        {STR("2\"a\""), fits},
        {STR("2[null]"), fits},
        {STR("2[[\"a\"]]"), fits},
        {STR("2[{\"a\":1}]"), fits},
        {STR("2[true]"), fits},
        {STR("31{}"), fits},
        {STR("31"), fits},
        {STR("31null"), fits},
        {STR("4"), fits},
        {STR("4[]"), fits},
        {STR("4true"), fits},
        {STR("3[]"), "answer to nothing"},
        {STR("3/ns,[]"), "answer to nothing"},
        {STR("60-[]"), "answer to nothing"},
        {STR("21000000000000000[\"a\"]"), "ack id too large"},
        {STR("3000000000000000000000000000000000001[]"), "ack id too large"},
        {STR("0/01234567890123456789,"), "namespace too long"},
        {STR("0/01234567890123456789"), "namespace too long"},
        // Reserved names, escaped too.
        {STR("2[\"connect\"]"), fits},
        {STR("2[\"connect_error\"]"), fits},
        {STR("2[\"disconnect\",1]"), fits},
        {STR("2[\"disconnecting\"]"), fits},
        {STR("2[\"newListener\"]"), fits},
        {STR("20[\"removeListener\"]"), fits},
        {STR("2[\"\\u0063onnect\"]"), fits},
        {STR("51-[\"disconnect\"," P(0) "]"), fits},
        // Attachments.
        {STR("5"), number},
        {STR("5[\"a\"]"), number},
        {STR("5-[\"a\"]"), number},
        {STR("5-1-[\"a\"]"), number},
        {STR("51[\"a\"]"), number},
        {STR("5 1-[\"a\"]"), number},
        {STR("51e0-[\"a\"]"), number},
        {STR("51.0-[\"a\"]"), number},
        {STR("6abc-[]"), number},
        {STR("599999999999999999999999-[\"a\"]"), number},
        {STR("511-[\"a\"]"), "too many attachments"},
        {STR("51000000000-[\"a\"]"), "too many attachments"},
        // Placeholders that lie.
        {STR("51-[\"a\"]"), holders},
        {STR("52-[\"a\"," P(0) "]"), holders},
        {STR("51-[\"a\"," P(0) "," P(0) "]"), holders},
        {STR("52-[\"a\"," P(0) "," P(0) "]"), holders},
        {STR("51-[\"a\"," P(1) "]"), holders},
        {STR("51-[\"a\"," P(-1) "]"), holders},
        {STR("51-[\"a\"," P(0.5) "]"), holders},
        {STR("51-[\"a\"," P(1e0) "]"), holders},
        {STR("51-[\"a\"," P(18446744073709551616) "]"), holders},
        {STR("51-[\"a\"," P(4294967296) "]"), holders},
        {STR("51-[\"a\"," P(null) "]"), holders},
        {STR("51-[\"a\"," P("0") "]"), holders},
        {STR("51-[\"a\"," P([0]) "]"), holders},
        {STR("51-[\"a\",{\"_placeholder\":true}]"), holders},
        {STR("51-[\"a\",{\"_placeholder\":true,\"num\":0,\"num\":1}]"), holders},
        {STR("51-[\"a\",{\"_placeholder\":\"true\",\"num\":0}]"), holders},
        {STR("51-[\"a\",{\"_placeholder\":{\"_placeholder\":true},\"num\":0}]"), holders},
        {STR("51-[\"a\",[\"_placeholder\",true,\"num\",0]]"), holders},
    };
    check(rows, ARRAY_LEN(rows), -E_PROTOCOL);
}

static void test_put(void **state)
{
    (void)state;
    static const struct {
        struct socketio_packet packet;
        const char *text;
    } rows[] = {
        {{.type = SOCKETIO_CONNECT, .nsp = STR("/"), .payload.raw = STR("{\"sid\":\"x\"}")},
         "0{\"sid\":\"x\"}"},
        {{.type = SOCKETIO_DISCONNECT, .nsp = STR("/admin")}, "1/admin,"},
        {{.type = SOCKETIO_EVENT, .nsp = STR("/"), .payload.raw = STR("[\"a\"]")}, "2[\"a\"]"},
        {{.type = SOCKETIO_EVENT,
          .nsp = STR("/ns"),
          .has_id = true,
          .id = 7,
          .payload.raw = STR("[\"a\"]")},
         "2/ns,7[\"a\"]"},
        {{.type = SOCKETIO_ACK, .nsp = STR("/"), .has_id = true, .id = 0, .payload.raw = STR("[]")},
         "30[]"},
        {{.type = SOCKETIO_CONNECT_ERROR,
          .nsp = STR("/random"),
          .payload.raw = STR("{\"message\":\"Invalid namespace\"}")},
         "4/random,{\"message\":\"Invalid namespace\"}"},
        {{.type = SOCKETIO_EVENT,
          .nsp = STR("/"),
          .attachments = 2,
          .payload.raw = STR("[\"message-back\"," P(0) "," P(1) "]")},
         "52-[\"message-back\"," P(0) "," P(1) "]"},
        {{.type = SOCKETIO_ACK,
          .nsp = STR("/ns"),
          .attachments = 2,
          .has_id = true,
          .id = 789,
          .payload.raw = STR("[" P(0) "," P(1) "]")},
         "62-/ns,789[" P(0) "," P(1) "]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct socketio_packet p;
        struct buf b;
        const char *why;
        buf_init(&b, 1000);
        socketio_put(&b, &rows[i].packet);
        assert_true(str_is(buf_str(&b), rows[i].text));
        assert_int_equal(socketio_decode(buf_str(&b), &limits, &p, &why), 0);
        assert_true(p.type == rows[i].packet.type && p.id == rows[i].packet.id);
        assert_true(str_eq(p.nsp, rows[i].packet.nsp));
        buf_fini(&b);
    }
}

// A script for the reader: words that begin with '!' are bytes, others are text. What it says:
// packets with their attachments, "..." while some are to come, and the error.
static void run(const char *const *script, struct buf *log)
{
    struct socketio_reader r;
    struct socketio_packet p;
    socketio_reader_init(&r, &limits);
    for (int rc = 0; *script && (rc == 0 || rc == -E_AGAIN); script++) {
        bool bytes = **script == '!';
        char *copy = malloc(strlen(*script)); // gone before the next message
        assert_non_null(copy);
        struct str s = str_make(copy, strlen(*script) - bytes);
        memcpy(copy, *script + bytes, s.len);
        rc = bytes ? socketio_reader_bytes(&r, s, &p) : socketio_reader_text(&r, s, &p);
        memset(copy, '#', s.len * (rc == -E_AGAIN));
        if (rc == 0) {
            say(log, &p);
            for (unsigned i = 0; i < p.attachments; i++) {
                buf_putf(log, " <%.*s>", STR_ARG(p.attached[i]));
            }
            buf_put(log, STR("; "));
        } else {
            buf_put(log, rc == -E_AGAIN ? STR("... ") : str_of(err_name(rc)));
            assert_int_equal(socketio_reader_waits(&r), rc == -E_AGAIN);
        }
        free(copy);
        if (rc != -E_AGAIN) {
            socketio_reader_release(&r);
            assert_null(r.pending);
        }
    }
    buf_putc(log, 0);
    socketio_reader_fini(&r);
    socketio_reader_fini(&r);
}

static void test_reader(void **state)
{
    (void)state;
    static const struct {
        const char *script[8];
        const char *said;
    } rows[] = {
        {{"2[\"a\"]", "0", "1/x"}, "event / [\"a\"] \"a\"; connect /; disconnect /x; "},
        {{"51-[\"a\"," P(0) "]", "!xyz", "2[\"b\"]"},
         "... event / +1 [\"a\"," P(0) "] \"a\" <xyz>; event / [\"b\"] \"b\"; "},
        {{"52-/n,3[\"a\"," P(1) "," P(0) "]", "!", "!0123456789"},
         "... ... event /n #3 +2 [\"a\"," P(1) "," P(0) "] \"a\" <> <0123456789>; "},
        {{"61-9[" P(0) "]", "!x", "61-9[" P(0) "]", "!y"},
         "... ack / #9 +1 [" P(0) "] <x>; ... ack / #9 +1 [" P(0) "] <y>; "},
        {{"50-[\"a\"]", "2[\"b\"]"}, "event / [\"a\"] \"a\"; event / [\"b\"] \"b\"; "},
        // Refused.
        {{"!x"}, "E_PROTOCOL"},
        {{"2[\"a\"]", "!x"}, "event / [\"a\"] \"a\"; E_PROTOCOL"},
        {{"50-[\"a\"]", "!x"}, "event / [\"a\"] \"a\"; E_PROTOCOL"},
        {{"51-[\"a\"," P(0) "]", "!x", "!y"},
         "... event / +1 [\"a\"," P(0) "] \"a\" <x>; E_PROTOCOL"},
        {{"51-[\"a\"," P(0) "]", "2[\"b\"]"}, "... E_PROTOCOL"},
        {{"51-[\"a\"," P(0) "]", "51-[\"a\"," P(0) "]"}, "... E_PROTOCOL"},
        {{"52-[\"a\"," P(0) "," P(1) "]", "!x", "0"}, "... ... E_PROTOCOL"},
        {{"511-[\"a\"]"}, "E_PROTOCOL"},
        {{"51-[\"a\"," P(0) "]", "!01234567890"}, "... E_TOO_LARGE"},
        {{"52-[\"a\"," P(0) "," P(1) "]", "!0123456789", "!0"}, "... ... E_TOO_LARGE"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf log;
        buf_init(&log, 10000);
        run(rows[i].script, &log);
        if (strcmp(log.p, rows[i].said) != 0) {
            fail_msg("row %zu: %s, not %s", i, log.p, rows[i].said);
        }
        buf_fini(&log);
    }
}

// Handled and not released: the next message does it.
static void test_reader_next(void **state)
{
    (void)state;
    struct socketio_reader r;
    struct socketio_packet p;
    socketio_reader_init(&r, &limits);
    assert_int_equal(socketio_reader_text(&r, STR("51-[\"a\"," P(0) "]"), &p), -E_AGAIN);
    assert_int_equal(socketio_reader_bytes(&r, STR("x"), &p), 0);
    assert_non_null(r.pending);
    assert_int_equal(socketio_reader_text(&r, STR("2[\"a\"]"), &p), 0);
    assert_null(r.pending);
    assert_int_equal(socketio_reader_text(&r, STR("51-[\"a\"," P(0) "]"), &p), -E_AGAIN);
    socketio_reader_release(&r); // not while it waits
    assert_true(socketio_reader_waits(&r));
    socketio_reader_fini(&r); // cut off in the middle
    assert_false(socketio_reader_waits(&r));
}

static void test_no_memory(void **state)
{
    (void)state;
    int rc = -E_NO_MEMORY;
    for (unsigned nth = 1; rc == -E_NO_MEMORY; nth++) {
        struct socketio_reader r;
        struct socketio_packet p;
        socketio_reader_init(&r, &limits);
        mem_fail_nth(nth);
        rc = socketio_reader_text(&r, STR("51-[\"a\"," P(0) "]"), &p);
        if (rc == -E_AGAIN) {
            rc = socketio_reader_bytes(&r, STR("x"), &p);
        }
        mem_fail_nth(0);
        assert_true(rc == 0 ? nth == 4 : rc == -E_NO_MEMORY && nth < 4 && !r.pending && r.why);
        socketio_reader_fini(&r);
    }
    // A packet without attachments needs none.
    struct socketio_reader r;
    struct socketio_packet p;
    socketio_reader_init(&r, &limits);
    mem_fail_nth(1);
    assert_int_equal(socketio_reader_text(&r, STR("2[\"a\",{\"b\":[1]}]"), &p), 0);
    mem_fail_nth(0);
    socketio_reader_fini(&r);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(socketio_name_reserved(STR("connect")));
    assert_true(socketio_name_reserved(STR("removeListener")));
    assert_false(socketio_name_reserved(STR("Connect")));
    assert_false(socketio_name_reserved(STR("connected")));
    assert_false(socketio_name_reserved(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_put),         cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_next), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
