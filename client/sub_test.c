// SPDX-License-Identifier: MIT
// What messages do to a subscription: cursors, refusals, callbacks. Its connection is tested with a
// hub.
#include "client/sub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "client/error.h"

struct fixture {
    struct clairon_sub *s;
    struct buf told; // what the callbacks were given, in order
};

static void on_event(void *arg, const struct clairon_event *e)
{
    struct fixture *f = arg;
    buf_putf(&f->told, "event %.*s %.*s;", (int)e->type.len, e->type.p, (int)e->data.len,
             e->data.p);
}

static void on_snapshot(void *arg, struct clairon_span topic, struct clairon_span data)
{
    struct fixture *f = arg;
    buf_putf(&f->told, "snapshot %.*s %.*s;", (int)topic.len, topic.p, (int)data.len, data.p);
}

static void on_gap(void *arg, const struct clairon_gap *g)
{
    struct fixture *f = arg;
    buf_putf(&f->told, "gap %.*s %.*s %lld;", (int)g->topic.len, g->topic.p, (int)g->reason.len,
             g->reason.p, (long long)g->count);
}

static void on_caught_up(void *arg, struct clairon_span topic, struct clairon_span cursor)
{
    struct fixture *f = arg;
    buf_putf(&f->told, "caught_up %.*s %.*s;", (int)topic.len, topic.p, (int)cursor.len, cursor.p);
}

static void on_state(void *arg, enum clairon_sub_state state, const struct clairon_error *why,
                     int retry_ms)
{
    struct fixture *f = arg;
    (void)why;
    (void)retry_ms;
    buf_putf(&f->told, "state %d;", (int)state);
}

static void on_refused(void *arg, struct clairon_span topic, const struct clairon_error *why)
{
    struct fixture *f = arg;
    buf_putf(&f->told, "refused %.*s %s;", (int)topic.len, topic.p, why->code);
}

static void on_published(void *arg, struct clairon_span ref, struct clairon_span id)
{
    struct fixture *f = arg;
    buf_putf(&f->told, "published %.*s %.*s;", (int)ref.len, ref.p, (int)id.len, id.p);
}

static void begin(struct fixture *f, const char *since)
{
    static const char *const topics[] = {"a", "b\"c"};
    const struct clairon_sub_options o = {
        .target = {.server = "http://127.0.0.1:1", .token = "t"},
        .topics = topics,
        .topics_count = 2,
        .since = since,
        .handlers = {.on_event = on_event,
                     .on_snapshot = on_snapshot,
                     .on_gap = on_gap,
                     .on_caught_up = on_caught_up,
                     .on_state = on_state,
                     .on_refused = on_refused,
                     .on_published = on_published},
        .arg = f,
    };
    assert_int_equal(clairon_sub_new(&o, &f->s, NULL), 0);
    buf_init(&f->told, 100000);
}

static void end(struct fixture *f)
{
    buf_fini(&f->told);
    clairon_sub_free(f->s);
}

static void message(struct fixture *f, const char *text)
{
    struct clairon_error err;
    assert_int_equal(sub_message(f->s, str_of(text), &err), 0);
}

static void expect_told(struct fixture *f, const char *what)
{
    if (!str_is(buf_str(&f->told), what)) {
        fail_msg("told: %.*s", STR_ARG(buf_str(&f->told)));
    }
    buf_clear(&f->told);
}

// The one message of ours that waits to be sent.
static void expect_sent(struct fixture *f, const char *text)
{
    struct ws_decoder d;
    struct ws_event e;
    ws_decoder_init(&d, WS_SERVER, 100000);
    char *p = f->s->tx.p;
    size_t len = f->s->tx.len;
    assert_int_equal(ws_decoder_next(&d, &p, &len, &e), 0);
    if (!str_is(e.data, text)) {
        fail_msg("sent: %.*s", STR_ARG(e.data));
    }
    assert_int_equal(ws_decoder_next(&d, &p, &len, &e), -E_AGAIN);
    ws_decoder_fini(&d);
    buf_clear(&f->s->tx);
}

static void expect_cursors(struct fixture *f, const char *cursor, const char *own)
{
    assert_string_equal(clairon_sub_cursor(f->s), cursor);
    assert_string_equal(f->s->own_cursor, own);
}

#define CONNECTED "{\"type\":\"connected\",\"data\":{\"connection_id\":\"x\",\"heartbeat\":20}}"
#define TOPICS    "\"ref\":\"subscribe\",\"topics\":[\"a\",\"b\\\"c\"]"

static void test_first_time(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, NULL);
    message(&f, CONNECTED);
    assert_int_equal(f.s->heartbeat_ms, 20000);
    expect_sent(&f, "{\"type\":\"subscribe\"," TOPICS "}");
    message(&f,
            "{\"type\":\"subscribed\",\"topic\":\"a\",\"cursor\":\"e-10\",\"recovered\":false}");
    message(
        &f,
        "{\"type\":\"subscribed\",\"topic\":\"b\\\"c\",\"cursor\":\"e-10\",\"recovered\":false}");
    message(&f, "{\"type\":\"snapshot\",\"topic\":\"a\",\"data\":{\"x\":1},\"cursor\":\"e-10\"}");
    message(&f, "{\"type\":\"R\",\"id\":\"e-3\",\"topic\":\"a\",\"data\":{},\"retained\":true}");
    expect_cursors(&f, "", "");
    message(&f, "{\"type\":\"caught_up\",\"topic\":\"a\",\"cursor\":\"e-10\"}");
    expect_cursors(&f, "", "");
    message(&f, "{\"type\":\"caught_up\",\"topic\":\"b\\\"c\",\"cursor\":\"e-10\"}");
    expect_cursors(&f, "e-10", "e-10");
    message(&f, "{\"type\":\"LIVE\",\"id\":\"e-12\",\"topic\":\"a\",\"data\":{\"n\": 1.10}}");
    expect_cursors(&f, "e-12", "e-12");
    message(&f, "{\"type\":\"pong\",\"cursor\":\"e-20\"}");
    expect_cursors(&f, "e-20", "e-20");
    message(&f, "{\"type\":\"published\",\"id\":\"e-21\",\"ref\":\"r\"}");
    message(&f, "{\"type\":\"of a later version\",\"x\":1}");
    message(&f, "{\"type\":\"gap\",\"topic\":\"a\",\"reason\":\"rate\",\"count\":3}");
    expect_told(&f, "state 3;snapshot a {\"x\":1};event R {};caught_up a e-10;caught_up b\"c e-10;"
                    "event LIVE {\"n\": 1.10};published r e-21;gap a rate 3;");
    end(&f);
}

// A long catch-up that breaks off goes on where it was.
static void test_lost_in_the_bracket(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "e-2");
    message(&f, CONNECTED);
    expect_sent(&f, "{\"type\":\"subscribe\"," TOPICS ",\"since\":\"e-2\"}");
    message(&f, "{\"type\":\"subscribed\",\"topic\":\"a\",\"cursor\":\"e-10\",\"recovered\":true}");
    message(
        &f,
        "{\"type\":\"subscribed\",\"topic\":\"b\\\"c\",\"cursor\":\"e-10\",\"recovered\":true}");
    message(&f, "{\"type\":\"X\",\"id\":\"e-5\",\"topic\":\"a\",\"data\":{}}");
    message(&f, "{\"type\":\"X\",\"id\":\"e-7\",\"topic\":\"a\",\"data\":{}}");
    message(&f, "{\"type\":\"pong\",\"cursor\":\"e-9\"}"); // not ours to use before we caught up
    expect_cursors(&f, "e-7", "e-2");
    f.s->connected = false; // what losing the connection does
    message(&f, CONNECTED);
    expect_sent(&f, "{\"type\":\"subscribe\"," TOPICS ",\"since\":\"e-7\"}");
    end(&f);
}

// What comes on topics that the hub joins by itself, before our bracket, does not move our cursor.
static void test_own_topics(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "e-2");
    message(&f, CONNECTED);
    message(
        &f,
        "{\"type\":\"subscribed\",\"topic\":\"user:u\",\"cursor\":\"e-10\",\"recovered\":true}");
    message(&f, "{\"type\":\"X\",\"id\":\"e-8\",\"topic\":\"user:u\",\"data\":{}}");
    expect_cursors(&f, "e-2", "e-8");
    message(&f, "{\"type\":\"caught_up\",\"topic\":\"user:u\",\"cursor\":\"e-10\"}");
    expect_cursors(&f, "e-2", "e-10");
    message(&f, "{\"type\":\"subscribed\",\"topic\":\"a\",\"cursor\":\"e-10\",\"recovered\":true}");
    message(
        &f,
        "{\"type\":\"subscribed\",\"topic\":\"b\\\"c\",\"cursor\":\"e-10\",\"recovered\":true}");
    message(&f, "{\"type\":\"X\",\"id\":\"e-4\",\"topic\":\"a\",\"data\":{}}");
    expect_cursors(&f, "e-4", "e-10");
    message(&f, "{\"type\":\"caught_up\",\"topic\":\"a\",\"cursor\":\"e-11\"}");
    message(&f, "{\"type\":\"caught_up\",\"topic\":\"b\\\"c\",\"cursor\":\"e-11\"}");
    expect_cursors(&f, "e-11", "e-11");
    expect_told(&f, "state 3;event X {};event X {};caught_up a e-11;caught_up b\"c e-11;");
    end(&f);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, NULL);
    message(&f, CONNECTED);
    message(&f, "{\"type\":\"WEBSOCKET_ERROR\",\"data\":{\"code\":\"forbidden\",\"message\":\"no\"}"
                ",\"topic\":\"a\","
                "\"ref\":\"subscribe\"}");
    assert_int_equal(clairon_sub_state(f.s), CLAIRON_SUB_LIVE);
    message(&f, "{\"type\":\"WEBSOCKET_ERROR\",\"data\":{\"code\":\"bad_request\",\"message\":"
                "\"no\"},\"ref\":\"mine\"}");
    assert_int_equal(clairon_sub_state(f.s), CLAIRON_SUB_LIVE);
    message(&f, "{\"type\":\"caught_up\",\"topic\":\"b\\\"c\",\"cursor\":\"e-1\"}");
    expect_cursors(&f, "e-1", "e-1");
    f.s->connected = false;
    buf_clear(&f.s->tx);
    message(&f, CONNECTED);
    expect_sent(
        &f,
        "{\"type\":\"subscribe\",\"ref\":\"subscribe\",\"topics\":[\"b\\\"c\"],\"since\":\"e-1\"}");
    message(&f,
            "{\"type\":\"WEBSOCKET_ERROR\",\"data\":{\"code\":\"unauthorized\",\"message\":\"no\"},"
            "\"ref\":\"subscribe\"}");
    assert_int_equal(clairon_sub_state(f.s), CLAIRON_SUB_ENDED);
    expect_told(&f, "state 3;refused a forbidden;refused  bad_request;caught_up b\"c e-1;state 3;"
                    "refused  unauthorized;state 4;");
    end(&f);
}

static void test_not_a_hub(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "[]", "1", "{\"type\":", "{}x"};
    struct fixture f;
    begin(&f, NULL);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct clairon_error err;
        assert_int_equal(sub_message(f.s, str_of(texts[i]), &err), -CLAIRON_PROTOCOL);
    }
    message(&f, "{}");
    message(&f, "{\"type\":5,\"id\":7}");
    expect_told(&f, "");
    end(&f);
}

static void test_arguments(void **state)
{
    (void)state;
    static const char *const empty[] = {""};
    static const char *const bad[] = {"\xff"};
    char since[300];
    memset(since, 'x', sizeof(since) - 1);
    since[sizeof(since) - 1] = '\0';
    struct clairon_sub *s;
    struct clairon_error err;
    struct clairon_sub_options o = {.topics = empty, .topics_count = 1};
    assert_int_equal(clairon_sub_new(&o, &s, &err), -CLAIRON_BAD_ARGUMENT);
    o.topics = bad;
    assert_int_equal(clairon_sub_new(&o, &s, &err), -CLAIRON_BAD_ARGUMENT);
    o = (struct clairon_sub_options){.since = since};
    assert_int_equal(clairon_sub_new(&o, &s, &err), -CLAIRON_BAD_ARGUMENT);
    clairon_sub_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_time), cmocka_unit_test(test_lost_in_the_bracket),
        cmocka_unit_test(test_own_topics), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_not_a_hub),  cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
