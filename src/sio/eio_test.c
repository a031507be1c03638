// SPDX-License-Identifier: MIT
// Tests of the Engine.IO server over real sockets: handshakes, polling, heartbeat, ends from both
// sides, and all that clients should not do.
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

// Heartbeats that a test can wait for.
static int start_quick(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    l.ping_interval_ms = 100;
    l.ping_timeout_ms = 1000;
    return start_with(state, &l);
}

static int start_small(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    l.unsent_bytes_max = 200;
    l.messages_per_second = 3;
    l.sockets_per_address = 2;
    return start_with(state, &l);
}

static int start_few_packets(void **state)
{
    struct eio_limits l = eio_limits_of(&limits_default);
    l.packets_max = 2;
    return start_with(state, &l);
}

// ---- Handshakes and their refusals ----

static void handshakes(void **state)
{
    struct server *s = *state;
    struct sid a = open_polling(s),
               b = open_polling_with(s, "b=%20&transport=websocket&" HANDSHAKE);
    assert_string_not_equal(a.text, b.text);
    // Both say which worker they belong to.
    assert_memory_equal(a.text, b.text, 2);
    struct sid c;
    int fd = open_ws_with(s, "EIO=4&transport=websocket", &c);
    assert_memory_equal(a.text, c.text, 2);
    close(fd);
    struct rig_reply reply;
    rig_ask(s->rig, "GET /eio?" HANDSHAKE " HTTP/1.1\r\n" HOST "\r\n", &reply);
    assert_int_equal(reply.status, 200);
    rig_reply_free(&reply);
    // What is said at once goes along.
    read_reply(say_get(s, HANDSHAKE "&greet=1", ""), 200, &reply);
    assert_non_null(strstr(reply.body, "}\x1e"
                                       "4hi"));
    rig_reply_free(&reply);
    fd = open_ws_with(s, "EIO=4&transport=websocket&greet=1", &c);
    expect_text(fd, "4hi");
    close(fd);
    // So does an end.
    read_reply(say_get(s, HANDSHAKE "&bye=1", ""), 200, &reply);
    assert_non_null(strstr(reply.body, "}\x1e"
                                       "1"));
    rig_reply_free(&reply);
    fd = open_ws_with(s, "EIO=4&transport=websocket&bye=1", &c);
    expect_text(fd, "1");
    expect_close(fd, 1000);
}

static void requests_that_are_refused(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *method, *query, *fields;
        int status;
        const char *body;
    } rows[] = {
        {"GET", "EIO=4", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=tcp", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=Polling", "", 400,
         "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "", "", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", HANDSHAKE "&sid=abc", "", 400, UNKNOWN_SID},
        {"GET", HANDSHAKE "&sid=AAAAAAAAAAAAAAAAAAAAAAAA", "", 400, UNKNOWN_SID},
        {"GET", HANDSHAKE "&sid=ASwAAAAAAAAAAAAAAAAAAAAA", "", 400, UNKNOWN_SID},
        {"GET", HANDSHAKE "&sid=%2F%2F", "", 400, UNKNOWN_SID},
        {"POST", HANDSHAKE, "Content-Length: 2\r\n", 400,
         "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"PUT", HANDSHAKE, "", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"DELETE", HANDSHAKE, "", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"GET", "EIO=4&transport=websocket", "", 400, BAD_REQUEST},
        {"GET", HANDSHAKE, UPGRADE, 400, BAD_REQUEST},
        {"GET", HANDSHAKE "&deny=1", "", 403, "{\"code\":4,\"message\":\"Forbidden\"}"},
        {"GET", "EIO=4&transport=websocket&deny=1", UPGRADE, 403,
         "{\"code\":4,\"message\":\"Forbidden\"}"},
        {"GET", "EIO=3&transport=polling", "", 400,
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
        {"GET", "transport=polling", "", 400,
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
        {"GET", "EIO=3&transport=websocket", UPGRADE, 400,
         "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char request[1024];
        struct rig_reply reply;
        snprintf(request, sizeof(request),
                 "%s /eio/?%s HTTP/1.1\r\n" HOST "Origin: http://page.test\r\n%s\r\n",
                 rows[i].method, rows[i].query, rows[i].fields);
        rig_ask(s->rig, request, &reply);
        if (reply.status != rows[i].status || strcmp(reply.body, rows[i].body) != 0) {
            fail_msg("%s-> %s%s", request, reply.head, reply.body);
        }
        assert_true(rig_reply_has(&reply, "\r\nContent-Type: application/json\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Origin: http://page.test\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Credentials: true\r\n"));
        assert_true(rig_reply_has(&reply, "\r\nVary: Origin\r\n"));
        rig_reply_free(&reply);
    }
    struct sid sid = open_polling(s);
    char request[256];
    snprintf(request, sizeof(request), "PUT /eio/?%s HTTP/1.1\r\n" HOST "\r\n",
             query_of(&sid, "polling"));
    rig_expect(s->rig, request, 405, "method_not_allowed");
    get(s, query_of(&sid, "websocket"), 400, BAD_REQUEST);
    rig_expect(s->rig, "GET /eio/?" HANDSHAKE "&deny=full HTTP/1.1\r\n" HOST "\r\n", 429,
               "limit_reached");
    rig_expect(s->rig, "GET /never/?" HANDSHAKE " HTTP/1.1\r\n" HOST "\r\n", 404, "not_found");
    assert_int_equal(opened_count, 1);
}

static void preflights(void **state)
{
    struct server *s = *state;
    struct rig_reply reply;
    rig_ask(s->rig,
            "OPTIONS /eio/?" HANDSHAKE " HTTP/1.1\r\n" HOST "Origin: http://page.test\r\n"
            "Access-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: authorization\r\n\r\n",
            &reply);
    assert_int_equal(reply.status, 204);
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Origin: http://page.test\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Credentials: true\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Headers: authorization\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST"));
    rig_reply_free(&reply);
    rig_expect(s->rig,
               "GET /eio/?" HANDSHAKE " HTTP/1.1\r\n" HOST "Origin: http://evil.test\r\n\r\n", 403,
               "forbidden");
}

// ---- Polling ----

static void messages_by_polling(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    // Waiting for a GET.
    post(s, &sid, "4hello");
    poll_is(s, &sid, "4hello");
    // The GET waits.
    int fd = hold(s, &sid);
    post(s, &sid,
         "4t\xc3\xa4st1\x1e"
         "4test2\x1e"
         "4\x1e"
         "bAQIDBA==");
    expect_reply(fd, 200,
                 "4t\xc3\xa4st1\x1e"
                 "4test2\x1e"
                 "4\x1e"
                 "bAQIDBA==");
    // What asks for nothing.
    post(s, &sid,
         "0\x1e"
         "6\x1e"
         "5\x1e"
         "3\x1e"
         "4x");
    poll_is(s, &sid, "4x");
    expect_reply(say_post(s, &sid, "X-Mine: yes\r\n", STR("4posted")), 200, "ok");
    poll_is(s, &sid, "4yes");
    struct rig_reply reply;
    read_reply(say_post(s, &sid, "Origin: http://page.test\r\n", STR("4y")), 200, &reply);
    assert_true(rig_reply_has(&reply, "\r\nContent-Type: text/html\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nCache-Control: no-store\r\n"));
    assert_true(rig_reply_has(&reply, "\r\nAccess-Control-Allow-Origin: http://page.test\r\n"));
    rig_reply_free(&reply);
    poll_is(s, &sid, "4y");
    assert_int_equal(closed_count, 0);
}

static void chunked_and_pipelined(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    char request[1024], path[256];
    struct rig_reply reply;
    snprintf(path, sizeof(path), "/eio/?%s", query_of(&sid, "polling"));
    int fd = rig_dial(s->rig);
    snprintf(request, sizeof(request),
             "POST %s HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
             "Expect: 100-continue\r\n\r\n",
             path);
    rig_say(fd, request);
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 100);
    snprintf(request, sizeof(request),
             "3\r\n4he\r\n3\r\nllo\r\n0\r\n\r\nGET %s HTTP/1.1\r\n" HOST
             "\r\nPOST %s HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n4a",
             path, path);
    rig_say(fd, request);
    rig_reply_read(fd, &reply);
    assert_string_equal(reply.body, "ok");
    rig_reply_free(&reply);
    rig_reply_read(fd, &reply);
    assert_string_equal(reply.body, "4hello");
    rig_reply_free(&reply);
    expect_reply(fd, 200, "ok");
    poll_is(s, &sid, "4a");
}

static void runs_by_polling(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    // Nobody waits: they are kept.
    post(s, &sid, "4runs");
    wait_for(&blocked_count, 1);
    poll_is(s, &sid,
            "4a\x1e"
            "4b\x1e"
            "4c\x1e"
            "4d");
    wait_for(&room_count, 1);
    // Somebody waits: the first is the answer.
    int fd = hold(s, &sid);
    post(s, &sid, "4runs");
    expect_reply(fd, 200,
                 "4a\x1e"
                 "4b");
    wait_for(&blocked_count, 2);
    poll_is(s, &sid,
            "4c\x1e"
            "4d");
    // There is no room before the next poll, and not at once.
    assert_int_equal(room_count, 1);
    fd = hold(s, &sid);
    wait_for(&room_count, 2);
    post(s, &sid, "4x");
    expect_reply(fd, 200, "4x");
}

static void two_polls_at_once(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int fd = hold(s, &sid);
    poll_is_refused(s, &sid, BAD_REQUEST);
    expect_reply(fd, 200, "1");
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_PROTOCOL);
    poll_is_refused(s, &sid, UNKNOWN_SID);
}

static void two_posts_at_once(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    char head[256];
    struct rig_reply reply;
    snprintf(head, sizeof(head),
             "POST /eio/?%s HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 6\r\n\r\n",
             query_of(&sid, "polling"));
    int fd = rig_dial(s->rig);
    rig_say(fd, head);
    rig_reply_read_head(fd, &reply);
    assert_int_equal(reply.status, 100);
    post_is(s, &sid, "4hello", 400, "");
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_PROTOCOL);
    rig_say(fd, "4hello");
    expect_reply(fd, 400, UNKNOWN_SID);
    // One that is broken off is none.
    sid = open_polling(s);
    snprintf(head, sizeof(head),
             "POST /eio/?%s HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
             "Transfer-Encoding: chunked\r\n\r\n",
             query_of(&sid, "polling"));
    fd = rig_dial(s->rig);
    rig_say(fd, head);
    rig_reply_read_head(fd, &reply);
    rig_say(fd, "x\r\n");
    rig_reply_read(fd, &reply);
    assert_int_equal(reply.status, 400);
    rig_reply_free(&reply);
    rig_expect_end(fd);
    post(s, &sid, "4hello");
    poll_is(s, &sid, "4hello");
}

static void polls_that_are_broken_off(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    close(hold(s, &sid));
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_CLIENT);
    poll_is_refused(s, &sid, UNKNOWN_SID);
    // Not waited for: the next request may be read in the same turn.
    sid = open_polling(s);
    close(say_poll(s, &sid));
    struct rig_reply reply;
    read_reply(say_poll(s, &sid), 400, &reply);
    rig_reply_free(&reply);
}

static void posts_that_end_it(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *fields;
        struct str body;
    } rows[] = {
        {"", STR("")},
        {"", STR("abc")},
        {"", STR("7")},
        {"", STR("2")},
        {"", STR("4a\x1e")},
        {"", STR("\x1e"
                 "4a")},
        {"", STR("4a\x1e\x1e"
                 "4b")},
        {"", STR("bAQ=I")},
        {"", STR("bAQI")},
        {"", STR("bAQIDBA")},
        {"", STR("b AQIDBA==")},
        {"", STR("4\xff")},
        {"", STR("4\xed\xa0\x80")},
        {"Content-Type: application/octet-stream\r\n", STR("4a")},
        {"Content-Type: Application/Octet-Stream; x=y\r\n", STR("4a")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sid sid = open_polling(s);
        int fd = hold(s, &sid);
        expect_reply(say_post(s, &sid, rows[i].fields, rows[i].body), 400, "");
        wait_for(&closed_count, (int)i + 1);
        assert_int_equal(closed_why, EIO_END_PROTOCOL);
        expect_reply(fd, 200, "1");
        poll_is_refused(s, &sid, UNKNOWN_SID);
    }
}

static void the_client_closes(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int fd = hold(s, &sid);
    post(s, &sid, "1");
    expect_reply(fd, 200, "6");
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_CLIENT);
    poll_is_refused(s, &sid, UNKNOWN_SID);
    post_is(s, &sid, "4a", 400, UNKNOWN_SID);
}

static void the_server_closes(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int fd = hold(s, &sid);
    post(s, &sid, "4bye");
    expect_reply(fd, 200,
                 "4so long\x1e"
                 "1");
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_SERVER);
    poll_is_refused(s, &sid, UNKNOWN_SID);
    // Nobody waits: it is told to the next.
    sid = open_polling(s);
    post(s, &sid, "4bye");
    wait_for(&closed_count, 2);
    post_is(s, &sid, "4a", 400, UNKNOWN_SID);
    poll_is(s, &sid,
            "4so long\x1e"
            "1");
    poll_is_refused(s, &sid, UNKNOWN_SID);
    // Or to nobody.
    sid = open_polling(s);
    post(s, &sid, "4bye");
    wait_for(&closed_count, 3);
}

// ---- Heartbeat ----

static void heartbeat_by_polling(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    for (int i = 0; i < 3; i++) {
        poll_is(s, &sid, "2");
        post(s, &sid, "3");
    }
    assert_int_equal(closed_count, 0);
}

static void heartbeat_by_websocket(void **state)
{
    struct server *s = *state;
    int fd = open_ws(s);
    for (int i = 0; i < 3; i++) {
        expect_text(fd, "2");
        say_text(fd, "3");
    }
    expect_text(fd, "2");
    expect_close(fd, 1008);
    assert_int_equal(closed_why, EIO_END_SILENT);
}

// The ping is sent by polling, and answered on WebSocket.
static void heartbeat_over_an_upgrade(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    int held = hold(s, &sid);
    expect_reply(held, 200, "2");
    int fd = probe(s, &sid);
    say_text(fd, "5");
    say_text(fd, "3");
    expect_text(fd, "2");
    close(fd);
}

static void silence(void **state)
{
    struct server *s = *state;
    int64_t begin_ms = clock_now().mono_ms;
    struct sid sid = open_polling(s);
    int held = hold(s, &sid);
    expect_reply(held, 200, "2");
    assert_true(clock_now().mono_ms - begin_ms >= 100);
    held = hold(s, &sid);
    expect_reply(held, 200, "1");
    assert_true(clock_now().mono_ms - begin_ms >= 1100);
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_SILENT);
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_PONG_MS), 1);
    // Nobody asks: exactly when it is due, it is over.
    sid = open_polling(s);
    usleep(1100000);
    poll_is_refused(s, &sid, UNKNOWN_SID);
}

// ---- Limits, and the server's end ----

static void too_much(void **state)
{
    static const char many[] = "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6\x1e"
                               "6";
    struct server *s = *state;
    struct sid a = open_polling(s), b = open_polling(s);
    // A third from here must wait; what is on WebSocket does not count.
    rig_expect(s->rig, "GET /eio/?" HANDSHAKE " HTTP/1.1\r\n" HOST "\r\n", 429, "rate_limited");
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_POLLING_PER_ADDRESS), 1);
    int fd = probe(s, &b);
    say_text(fd, "5");
    say_text(fd, "4here");
    expect_text(fd, "4here");
    struct sid c = open_polling(s);
    // More than it may say.
    post(s, &a,
         "4a\x1e"
         "4b\x1e"
         "4c\x1e"
         "4d");
    poll_is(s, &a,
            "4a\x1e"
            "4b\x1e"
            "4c\x1e"
            "4limited");
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_MESSAGES_PER_SECOND), 1);
    // Far more.
    expect_reply(say_post(s, &c, "", str_of(many)), 400, "");
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_PACKETS), 0);
    wait_for(&closed_count, 1);
    close(fd);
}

static void too_many_packets(void **state)
{
    struct server *s = *state;
    struct sid sid = open_polling(s);
    post(s, &sid,
         "6\x1e"
         "6");
    post_is(s, &sid,
            "6\x1e"
            "6\x1e"
            "6",
            400, "");
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_PACKETS), 1);
    wait_for(&closed_count, 1);
}

static void too_much_unsent(void **state)
{
    struct server *s = *state;
    char text[100 + 1] = "4";
    memset(text + 1, 'x', 99);
    struct sid sid = open_polling(s);
    post(s, &sid, text);
    post(s, &sid, "4a");
    expect_reply(say_post(s, &sid, "", str_of(text)), 400, "");
    wait_for(&closed_count, 1);
    assert_int_equal(closed_why, EIO_END_PROTOCOL);
    assert_int_equal(rig_hits(s->rig, LIMIT_ROW_EIO_UNSENT_BYTES), 1);
    poll_is_refused(s, &sid, UNKNOWN_SID);
}

static void drains(void **state)
{
    struct server *s = *state;
    struct sid a = open_polling(s), b = open_polling(s);
    int held = hold(s, &a);
    int fd = open_ws(s);
    rig_drain(s->rig, 1012);
    expect_reply(held, 200, "1");
    expect_close(fd, 1012);
    poll_is(s, &b, "1");
    wait_for(&closed_count, 3);
    rig_expect(s->rig, "GET /eio/?" HANDSHAKE " HTTP/1.1\r\n" HOST "\r\n", 503, "unavailable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(handshakes, start, stop),
        cmocka_unit_test_setup_teardown(requests_that_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(preflights, start, stop),
        cmocka_unit_test_setup_teardown(messages_by_polling, start, stop),
        cmocka_unit_test_setup_teardown(chunked_and_pipelined, start, stop),
        cmocka_unit_test_setup_teardown(runs_by_polling, start, stop),
        cmocka_unit_test_setup_teardown(two_polls_at_once, start, stop),
        cmocka_unit_test_setup_teardown(two_posts_at_once, start, stop),
        cmocka_unit_test_setup_teardown(polls_that_are_broken_off, start, stop),
        cmocka_unit_test_setup_teardown(posts_that_end_it, start, stop),
        cmocka_unit_test_setup_teardown(the_client_closes, start, stop),
        cmocka_unit_test_setup_teardown(the_server_closes, start, stop),
        cmocka_unit_test_setup_teardown(heartbeat_by_polling, start_quick, stop),
        cmocka_unit_test_setup_teardown(heartbeat_by_websocket, start_quick, stop),
        cmocka_unit_test_setup_teardown(heartbeat_over_an_upgrade, start_quick, stop),
        cmocka_unit_test_setup_teardown(silence, start_quick, stop),
        cmocka_unit_test_setup_teardown(too_much, start_small, stop),
        cmocka_unit_test_setup_teardown(too_many_packets, start_few_packets, stop),
        cmocka_unit_test_setup_teardown(too_much_unsent, start_small, stop),
        cmocka_unit_test_setup_teardown(drains, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
