// SPDX-License-Identifier: MIT
// Tests of Engine.IO on WebSocket, and of the change to it, cut at each step.
#include "sio/eio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "sio/eio_rig.h"

static int start_hasty(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    l.upgrade_timeout_ms = 50;
    return start_with(state, &l);
}

static int start_patient(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    l.poll_gap_ms = 600000;
    return start_with(state, &l);
}

// ---- WebSocket ----

// Opened and closed again.
static void is_turned_away(int fd)
{
    struct rig_reply reply;
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 101);
    expect_close(fd, 1008);
}

static void messages_by_websocket(void **state)
{
    struct server *s = *state;
    struct sid sid;
    int fd = open_ws_with(s, "EIO=4&transport=websocket", &sid);
    say_text(fd, "4hello");
    expect_text(fd, "4hello");
    rig_frame_say(fd, WS_OP_BINARY, STR("\x00\x01\x04"));
    expect_frame(fd, WS_OP_BINARY, STR("\x00\x01\x04"));
    say_text(fd, "bAQIDBA==");
    expect_frame(fd, WS_OP_BINARY, STR("\x01\x02\x03\x04"));
    say_text(fd, "0");
    say_text(fd, "3");
    say_text(fd, "5");
    say_text(fd, "6");
    say_text(fd, "4posted");
    expect_text(fd, "4none");
    say_text(fd, "4runs");
    expect_text(fd, "4a");
    // It is not polled, and there is nothing to change to.
    poll_is_refused(s, &sid, BAD_REQUEST);
    post_is(s, &sid, "4a", 400, BAD_REQUEST);
    is_turned_away(say_get(s, query_of(&sid, "websocket"), UPGRADE));
    say_text(fd, "4bye");
    expect_text(fd, "4so long");
    expect_close(fd, 1000);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_SERVER);
    poll_is_refused(s, &sid, UNKNOWN_SID);
    // For a client that takes no binary frames.
    fd = open_ws_with(s, "EIO=4&b64=1&transport=websocket", &sid);
    rig_frame_say(fd, WS_OP_BINARY, STR("\x01\x02\x03\x04"));
    expect_text(fd, "bAQIDBA==");
    rig_frame_say(fd, WS_OP_CLOSE, STR(""));
    expect_close(fd, 0);
    wait_for(&closed_count, 2);
    assert_int_equal(closed_why, EIO_END_CLIENT);
}

static void frames_that_end_it(void **state)
{
    struct server *s = *state;
    static const struct {
        enum ws_opcode op;
        struct str text;
        int code;
        enum eio_end why;
    } rows[] = {
        {WS_OP_TEXT, STR("1"), 1000, EIO_END_CLIENT},
        {WS_OP_TEXT, STR(""), 1002, EIO_END_PROTOCOL},
        {WS_OP_TEXT, STR("abc"), 1002, EIO_END_PROTOCOL},
        {WS_OP_TEXT, STR("7"), 1002, EIO_END_PROTOCOL},
        {WS_OP_TEXT, STR("2"), 1002, EIO_END_PROTOCOL},
        {WS_OP_TEXT, STR("2probe"), 1002, EIO_END_PROTOCOL},
        {WS_OP_TEXT, STR("bAQ=I"), 1002, EIO_END_PROTOCOL},
        {WS_OP_TEXT, STR("4\xff"), 1007, EIO_END_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = open_ws(s);
        rig_frame_say(fd, rows[i].op, rows[i].text);
        expect_close(fd, rows[i].code);
        wait_for(&closed_count, (int)i + 1);
        assert_int_equal(closed_why, rows[i].why);
    }
}

static void sizes(void **state)
{
    struct server *s = *state;
    size_t max = s->limits.payload_bytes_max;
    char *much = mem_alloc(max + 2);
    memset(much, '4', max + 1);
    struct sid sid = open_polling(s);
    expect_reply(say_post(s, &sid, "", str_make(much, max + 1)), 413, "");
    expect_reply(say_post(s, &sid, "", str_make(much, max)), 200, "ok");
    struct rig_reply reply;
    read_reply(say_poll(s, &sid), 200, &reply);
    assert_int_equal(reply.body_len, max);
    rig_reply_free(&reply);
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_PAYLOAD_BYTES), 1);
    // A body that is larger than any is not read.
    char request[256];
    snprintf(request, sizeof(request),
             "POST /eio/?%s HTTP/1.1\r\n" HOST "Content-Length: 104857600\r\n\r\n",
             query_of(&sid, "polling"));
    rig_expect(s->rig, request, 413, "too_large");
    // Nor one whose length is not told.
    int fd = rig_dial(s->rig);
    snprintf(request, sizeof(request),
             "POST /eio/?%s HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
             query_of(&sid, "polling"), max + 1);
    rig_say(fd, request);
    rig_say_bytes(fd, str_make(much, max + 1));
    rig_say(fd, "\r\n0\r\n\r\n");
    expect_reply(fd, 413, "");
    fd = open_ws(s);
    rig_frame_say(fd, WS_OP_TEXT, str_make(much, max));
    expect_frame(fd, WS_OP_TEXT, str_make(much, max));
    rig_frame_say(fd, WS_OP_TEXT, str_make(much, max + 1));
    expect_close(fd, 1009);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_PROTOCOL);
    post(s, &sid, "4still here");
    poll_is(s, &sid, "4still here");
    mem_free(much);
}

// More than a second's worth is told apart, so that its user can refuse it; nothing is lost.
static void too_much_by_websocket(void **state)
{
    enum { MESSAGES = 2 * LIMIT_MESSAGES_PER_SECOND };
    static const uint8_t mask[4] = {0};
    struct buf b;
    size_t limited = 0;
    int fd = open_ws(*state);
    buf_init(&b, 16 * MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        ws_put_frame(&b, WS_OP_TEXT, STR("4x"), mask);
    }
    rig_say_bytes(fd, buf_str(&b));
    for (size_t i = 0; i < MESSAGES; i++) {
        struct rig_frame f = rig_frame_read(fd);
        limited += strcmp(f.payload, "4limited") == 0;
        assert_true(limited || strcmp(f.payload, "4x") == 0);
        mem_free(f.payload);
    }
    assert_true(limited > 0);
    buf_fini(&b);
    close(fd);
}

static void binary_by_polling_with_b64(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling_with(s, HANDSHAKE "&b64=1");
    post(s, &sid,
         "bAQIDBA==\x1e"
         "b");
    poll_is(s, &sid,
            "bAQIDBA==\x1e"
            "b");
    int fd = probe(s, &sid);
    say_text(fd, "5");
    rig_frame_say(fd, WS_OP_BINARY, STR("\x01"));
    expect_text(fd, "bAQ==");
    close(fd);
}

// ---- The change to WebSocket ----

static void upgrades(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int held = hold(s, &sid);
    int fd = probe(s, &sid);
    // The poll that waits is ended, and every other one.
    expect_reply(held, 200, "6");
    poll_is(s, &sid, "6");
    // Until it is done, everything goes by polling.
    post(s, &sid, "4early");
    poll_is(s, &sid, "4early");
    post(s, &sid,
         "4one\x1e"
         "bAQIDBA==\x1e"
         "4runs");
    wait_for(&blocked_count, 1);
    is_turned_away(say_get(s, query_of(&sid, "websocket"), UPGRADE));
    say_text(fd, "5");
    say_text(fd, "4two");
    expect_text(fd, "4one");
    expect_frame(fd, WS_OP_BINARY, STR("\x01\x02\x03\x04"));
    expect_text(fd, "4a");
    expect_text(fd, "4b");
    expect_text(fd, "4c");
    expect_text(fd, "4d");
    expect_text(fd, "4two");
    assert_int_equal(upgraded_count, 1);
    assert_int_equal(room_count, 1);
    poll_is_refused(s, &sid, BAD_REQUEST);
    post_is(s, &sid, "4a", 400, BAD_REQUEST);
    is_turned_away(say_get(s, query_of(&sid, "websocket"), UPGRADE));
    say_text(fd, "4three");
    expect_text(fd, "4three");
    close(fd);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_CLIENT);
}

// A poll waits, and the probe is left out.
static void upgrades_without_probe(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int held = hold(s, &sid);
    int fd = dial_ws(s, query_of(&sid, "websocket"));
    say_text(fd, "5");
    expect_reply(held, 200, "6");
    say_text(fd, "4hello");
    expect_text(fd, "4hello");
    close(fd);
}

// However far it came, polling goes on as if nothing had been.
static void upgrades_that_fail(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *name;
        const char *texts[2];
        bool binary;
        int code; // of the server's close; -1: the client goes
    } rows[] = {
        {"cut before the probe", {NULL}, false, -1},
        {"cut after the probe", {"2probe"}, false, -1},
        {"a message for a probe", {"4hello"}, false, 1002},
        {"a ping for a probe", {"2"}, false, 1002},
        {"nonsense", {"abc"}, false, 1002},
        {"nothing", {""}, false, 1002},
        {"a message behind the probe", {"2probe", "4hello"}, false, 1002},
        {"bytes", {NULL}, true, 1002},
        {"bytes behind the probe", {"2probe"}, true, 1002},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sid sid = open_polling(s);
        int held = hold(s, &sid);
        int fd = dial_ws(s, query_of(&sid, "websocket"));
        bool probed = false;
        for (size_t k = 0; k < ARRAY_LEN(rows[i].texts) && rows[i].texts[k]; k++) {
            say_text(fd, rows[i].texts[k]);
            if (str_is(str_of(rows[i].texts[k]), "2probe")) {
                expect_text(fd, "3probe");
                expect_reply(held, 200, "6");
                post(s, &sid, "4meanwhile");
                probed = true;
            }
        }
        if (rows[i].binary) {
            rig_frame_say(fd, WS_OP_BINARY, STR("5"));
        }
        if (rows[i].code < 0) {
            rig_frame_say(fd, WS_OP_CLOSE, STR(""));
            expect_close(fd, 0);
        } else {
            expect_close(fd, rows[i].code);
        }
        if (probed) {
            poll_is(s, &sid, "4meanwhile");
            held = hold(s, &sid);
        }
        post(s, &sid, "4after");
        expect_reply(held, 200, "4after");
        // And it may be tried again.
        fd = probe(s, &sid);
        say_text(fd, "5");
        say_text(fd, "4hello");
        expect_text(fd, "4hello");
        close(fd);
        wait_for(&closed_count, (int)i + 1);
        assert_int_equal(upgraded_count, i + 1);
    }
}

static void upgrades_that_take_too_long(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int fd = probe(s, &sid);
    expect_close(fd, 1000);
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_UPGRADE_MS), 1);
    post(s, &sid, "4hello");
    poll_is(s, &sid, "4hello");
}

static void ends_while_upgrading(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int fd = probe(s, &sid);
    post(s, &sid, "1");
    expect_close(fd, 1000);
    wait_for(&closed_count, 1);
    sid = open_polling(s);
    fd = probe(s, &sid);
    post(s, &sid, "4bye");
    expect_close(fd, 1000);
    poll_is(s, &sid,
            "4so long\x1e"
            "1");
    wait_for(&closed_count, 2);
}

// ---- Two workers ----

// Whatever comes to the other one goes to the one that has the socket.
static void any_worker(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    struct server *a = server_start(&l, NULL, true), *b = server_start(&l, a, false);
    (void)state;
    forget();
    for (int i = 0; i < 20; i++) {
        struct server *here = i % 2 ? a : b, *there = i % 2 ? b : a;
        struct sid sid = open_polling(here);
        int held = hold(there, &sid);
        post(there, &sid, "4hello");
        expect_reply(held, 200, "4hello");
        held = hold(here, &sid);
        int fd = probe(there, &sid);
        expect_reply(held, 200, "6");
        post(here, &sid, "4waits");
        say_text(fd, "5");
        expect_text(fd, "4waits");
        say_text(fd, "4two");
        expect_text(fd, "4two");
        poll_is_refused(there, &sid, BAD_REQUEST);
        close(fd);
        // A body that is refused before it is read, and one that ends it.
        sid = open_polling(there);
        expect_reply(say_post(here, &sid, "Content-Type: application/octet-stream\r\n", STR("4a")),
                     400, "");
        poll_is_refused(here, &sid, UNKNOWN_SID);
    }
    assert_int_equal(opened_count, 40);
    assert_true(rig_metric(a->rig, METRIC_MOVED) > 0 && rig_metric(b->rig, METRIC_MOVED) > 0);
    server_stop(a);
    server_stop(b);
    assert_int_equal(closed_count, opened_count);
}

// A poll soon after a run gets the next one only together with what comes behind it.
static void runs_by_polling_keep_their_distance(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int fd = hold(s, &sid);
    post(s, &sid, "4runs");
    expect_reply(fd, 200,
                 "4a\x1e"
                 "4b");
    poll_is(s, &sid,
            "4c\x1e"
            "4d");
    fd = hold(s, &sid);
    post(s, &sid, "4runs");
    expect_reply(fd, 200,
                 "4a\x1e"
                 "4b\x1e"
                 "4c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_by_websocket, start, stop),
        cmocka_unit_test_setup_teardown(frames_that_end_it, start, stop),
        cmocka_unit_test_setup_teardown(sizes, start, stop),
        cmocka_unit_test_setup_teardown(too_much_by_websocket, start, stop),
        cmocka_unit_test_setup_teardown(binary_by_polling_with_b64, start, stop),
        cmocka_unit_test_setup_teardown(runs_by_polling_keep_their_distance, start_patient, stop),
        cmocka_unit_test_setup_teardown(upgrades, start, stop),
        cmocka_unit_test_setup_teardown(upgrades_without_probe, start, stop),
        cmocka_unit_test_setup_teardown(upgrades_that_fail, start, stop),
        cmocka_unit_test_setup_teardown(upgrades_that_take_too_long, start_hasty, stop),
        cmocka_unit_test_setup_teardown(ends_while_upgrading, start, stop),
        cmocka_unit_test(any_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
