// SPDX-License-Identifier: MIT
#include "wire/engineio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

static const char *read_request(const char *query, bool get, bool upgrade, bool known)
{
    static const char *const names[] = {"0", "1", "2", "3", "4", "5", "-"};
    struct arena a;
    struct url_query q;
    struct engineio_request r = {.get = get, .upgrade = upgrade, .known = known};
    arena_init(&a, 10000);
    assert_int_equal(url_query_parse(str_of(query), &a, &q), 0);
    engineio_read_query(&q, &r.query);
    enum engineio_error e = engineio_check(&r);
    arena_fini(&a);
    return names[e];
}

static void test_request(void **state)
{
    (void)state;
    enum { GET = 1, UPGRADE = 2, KNOWN = 4 };
    static const struct {
        const char *query;
        int how;
        const char *said;
    } rows[] = {
        // Handshakes.
        {"EIO=4&transport=polling&t=abc", GET, "-"},
        {"transport=polling&EIO=4", GET, "-"},
        {"transport=p%6Flling&EIO=%34&sid=", GET, "-"},
        {"EIO=4&transport=websocket", GET | UPGRADE, "-"},
        {"EIO=4&transport=websocket&transport=polling", GET, "-"}, // the last counts
        // No transport that is known.
        {NULL, GET, "0"},
        {"", GET, "0"},
        {"EIO=4", GET, "0"},
        {"EIO=4&transport", GET, "0"},
        {"EIO=4&transport=abc", GET, "0"},
        {"EIO=4&transport=Polling", GET, "0"},
        {"EIO=4&transport=polling&transport=abc", GET, "0"},
        {"EIO=4&transport=abc&sid=x", GET | KNOWN, "0"},
        // Not a session.
        {"EIO=4&transport=polling&sid=x", GET, "1"},
        {"EIO=4&transport=polling&sid=x", 0, "1"},
        {"EIO=4&transport=websocket&sid=x", GET, "1"},
        {"EIO=4&transport=websocket&sid=x", GET | UPGRADE, "1"},
        // Not a GET.
        {"EIO=4&transport=polling", 0, "2"},
        {"EIO=3&transport=websocket", 0, "2"},
        // The transport is not that of the request.
        {"EIO=4&transport=websocket", GET, "3"},
        {"EIO=4&transport=polling", GET | UPGRADE, "3"},
        {"EIO=4&transport=websocket&sid=x", GET | KNOWN, "3"},
        // Versions.
        {"transport=polling", GET, "5"},
        {"EIO=3&transport=polling", GET, "5"},
        {"EIO=04&transport=polling", GET, "5"},
        {"EIO=4&EIO=3&transport=polling", GET, "5"},
        {"EIO=3&transport=websocket", GET | UPGRADE, "5"},
        {"EIO=&transport=polling&sid=", GET, "5"},
        // With a session: nothing is asked about the version, and any method may be right.
        {"transport=polling&sid=x", GET | KNOWN, "-"},
        {"EIO=4&transport=polling&sid=x", KNOWN, "-"},
        {"EIO=4&transport=websocket&sid=x", GET | UPGRADE | KNOWN, "-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *said = read_request(rows[i].query, rows[i].how & GET, rows[i].how & UPGRADE,
                                        rows[i].how & KNOWN);
        if (strcmp(said, rows[i].said) != 0) {
            fail_msg("row %zu: %s, not %s", i, said, rows[i].said);
        }
    }
}

static void test_query(void **state)
{
    (void)state;
    struct arena a;
    struct url_query q;
    struct engineio_query r;
    arena_init(&a, 10000);
    struct str text = STR("t=1&EIO=4&b64=1&transport=websocket&x=%20&sid=old&sid=a%2Db");
    assert_int_equal(url_query_parse(text, &a, &q), 0);
    engineio_read_query(&q, &r);
    assert_true(r.transport == ENGINEIO_WEBSOCKET && r.version_4 && r.base64);
    assert_true(str_is(r.sid, "a-b"));
    assert_int_equal(url_query_parse(STR("sid=&b64=0"), &a, &q), 0);
    engineio_read_query(&q, &r);
    assert_true(r.transport == ENGINEIO_UNKNOWN && !r.version_4 && !r.base64 && !r.sid.p);
    arena_fini(&a);
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"code\":0,\"message\":\"Transport unknown\"}",
        "{\"code\":1,\"message\":\"Session ID unknown\"}",
        "{\"code\":2,\"message\":\"Bad handshake method\"}",
        "{\"code\":3,\"message\":\"Bad request\"}",
        "{\"code\":4,\"message\":\"Forbidden\"}",
        "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
    };
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        buf_clear(&b);
        engineio_put_error(&b, (enum engineio_error)i, STR_NONE);
        assert_true(str_is(buf_str(&b), bodies[i]));
        assert_int_equal(engineio_error_status((enum engineio_error)i), i == 4 ? 403 : 400);
    }
    buf_clear(&b);
    engineio_put_error(&b, ENGINEIO_FORBIDDEN, STR("too \"many\""));
    assert_true(str_is(buf_str(&b), "{\"code\":4,\"message\":\"too \\\"many\\\"\"}"));
    buf_fini(&b);
}

static void test_open(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    struct engineio_handshake h = {STR("x_-9"), true, 25000, 20000, 1000000};
    engineio_put_open(&b, &h);
    assert_true(str_is(buf_str(&b), "0{\"sid\":\"x_-9\",\"upgrades\":[\"websocket\"],"
                                    "\"pingInterval\":25000,\"pingTimeout\":20000,"
                                    "\"maxPayload\":1000000}"));
    buf_clear(&b);
    h.can_upgrade = false;
    engineio_put_open(&b, &h);
    assert_true(str_is(buf_str(&b), "0{\"sid\":\"x_-9\",\"upgrades\":[],\"pingInterval\":25000,"
                                    "\"pingTimeout\":20000,\"maxPayload\":1000000}"));
    buf_fini(&b);
}

// All packets of a body as text: "message(hi) bytes(..) E_PROTOCOL".
static void read_payload(struct str body, size_t packets_max, struct buf *log)
{
    static const char *const names[] = {"open",    "close",   "ping", "pong",
                                        "message", "upgrade", "noop"};
    struct engineio_payload it;
    struct engineio_packet p;
    int rc;
    engineio_payload_init(&it, body, packets_max);
    while ((rc = engineio_payload_next(&it, &p)) == 0) {
        buf_putf(log, "%s(", p.binary ? "bytes" : names[p.type]);
        buf_put(log, p.data);
        buf_put(log, STR(") "));
    }
    if (rc != -E_AGAIN) {
        buf_put(log, str_of(err_name(rc)));
    } else {
        assert_int_equal(engineio_payload_next(&it, &p), -E_AGAIN);
    }
    engineio_payload_fini(&it);
    engineio_payload_fini(&it);
}

static void test_payload(void **state)
{
    (void)state;
    static const struct {
        struct str body;
        const char *said;
    } rows[] = {
        {STR("4hello"), "message(hello) "},
        {STR("4"), "message() "},
        {STR("2"), "ping() "},
        {STR("2probe\x1e"
             "3probe\x1e"
             "5\x1e"
             "6\x1e"
             "1\x1e"
             "0{}"),
         "ping(probe) pong(probe) upgrade() noop() close() open({}) "},
        {STR("4test1\x1e"
             "4test2\x1e"
             "4test3"),
         "message(test1) message(test2) message(test3) "},
        {STR("4hello\x1e"
             "bAQIDBA=="),
         "message(hello) bytes(\x01\x02\x03\x04) "},
        {STR("b\x1e"
             "bQQ==\x1e"
             "4b"),
         "bytes() bytes(A) message(b) "},
        {STR("4\xe2\x82\xac"), "message(\xe2\x82\xac) "},
        {STR("4\x1d\x1f"), "message(\x1d\x1f) "},
        // Refused, where it stands.
        {STR(""), "E_PROTOCOL"},
        {STR_NONE, "E_PROTOCOL"},
        {STR("abc"), "E_PROTOCOL"},
        {STR("7"), "E_PROTOCOL"},
        {STR("/"), "E_PROTOCOL"},
        {STR("\x1e"), "E_PROTOCOL"},
        {STR("4a\x1e"), "message(a) E_PROTOCOL"},
        {STR("4a\x1e\x1e"
             "4b"),
         "message(a) E_PROTOCOL"},
        {STR("\x1e"
             "4b"),
         "E_PROTOCOL"},
        {STR("2\x1e"
             "B\x1e"
             "4b"),
         "ping() E_PROTOCOL"},
        {STR("bAQIDBA"), "E_PROTOCOL"},
        {STR("bAQID!A=="), "E_PROTOCOL"},
        {STR("b4AQIDBA=="), "E_PROTOCOL"},
        {STR("4a\xff"), "E_UTF8"},
        {STR("4a\xe2\x1e"
             "4\x82\xac"),
         "E_UTF8"},
        // Too many.
        {STR("2\x1e"
             "2\x1e"
             "2\x1e"
             "2\x1e"
             "2\x1e"
             "2\x1e"
             "2"),
         "ping() ping() ping() ping() ping() ping() E_POLICY"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf log;
        char *copy = malloc(rows[i].body.len + 1); // a read behind it is seen
        assert_non_null(copy);
        if (rows[i].body.len > 0) {
            memcpy(copy + 1, rows[i].body.p, rows[i].body.len);
        }
        buf_init(&log, 1000);
        read_payload(rows[i].body.p ? str_make(copy + 1, rows[i].body.len) : STR_NONE, 6, &log);
        buf_putc(&log, 0);
        if (strcmp(log.p, rows[i].said) != 0) {
            fail_msg("row %zu: %s, not %s", i, log.p, rows[i].said);
        }
        buf_fini(&log);
        free(copy);
    }
}

static void test_decode(void **state)
{
    (void)state;
    struct engineio_packet p;
    struct buf bytes;
    buf_init(&bytes, 3);
    // Text is a span of what came, and takes no memory.
    struct str text = STR("4hello world");
    assert_int_equal(engineio_decode(text, &bytes, &p), 0);
    assert_true(p.data.p == text.p + 1 && !p.binary && !bytes.p);
    assert_int_equal(engineio_decode(STR("bAQID"), &bytes, &p), 0);
    assert_true(p.binary && p.type == ENGINEIO_MESSAGE && str_is(p.data, "\x01\x02\x03"));
    assert_int_equal(engineio_decode(STR("bAQIDBA=="), &bytes, &p), -E_TOO_LARGE);
    assert_int_equal(engineio_decode(STR("bAQID"), &bytes, &p), 0);
    buf_fini(&bytes);
    mem_fail_nth(1);
    assert_int_equal(engineio_decode(STR("bAQID"), &bytes, &p), -E_NO_MEMORY);
    mem_fail_nth(0);
    buf_fini(&bytes);
}

static void test_payload_put(void **state)
{
    (void)state;
    const struct engineio_packet hello = {ENGINEIO_MESSAGE, false, STR("hello")};
    const struct engineio_packet bytes = {ENGINEIO_MESSAGE, true, STR("\x01\x02\x03\x04")};
    const struct engineio_packet none = {ENGINEIO_MESSAGE, true, STR("")};
    const struct engineio_packet noop = {.type = ENGINEIO_NOOP};
    struct buf b;
    buf_init(&b, 18);
    assert_true(engineio_payload_put(&b, &hello));
    assert_true(engineio_payload_put(&b, &bytes));
    assert_true(str_is(buf_str(&b), "4hello\x1e"
                                    "bAQIDBA=="));
    assert_int_equal(b.len, 16);
    assert_false(engineio_payload_put(&b, &hello)); // no room: for the next payload
    assert_true(!b.failed && b.len == 16);
    assert_true(engineio_payload_put(&b, &none)); // exactly full
    assert_int_equal(b.len, 18);
    assert_false(engineio_payload_put(&b, &noop));
    assert_false(b.failed);
    buf_clear(&b);
    assert_true(engineio_payload_put(&b, &noop));
    assert_true(str_is(buf_str(&b), "6"));
    buf_fini(&b);
    mem_fail_nth(1);
    assert_false(engineio_payload_put(&b, &noop));
    mem_fail_nth(0);
    assert_true(b.failed);
    buf_fini(&b);
}

// What is put is read again.
static void test_round(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 2000; i++) {
        char data[8][16];
        struct engineio_packet in[8], out;
        struct engineio_payload it;
        struct buf b;
        size_t count = 1 + (size_t)rng_below(&rng, 8), bytes = count - 1;
        buf_init(&b, 1000);
        for (size_t k = 0; k < count; k++) {
            size_t len = (size_t)rng_below(&rng, 16);
            in[k].type = (enum engineio_type)rng_below(&rng, ENGINEIO_TYPES);
            in[k].binary = in[k].type == ENGINEIO_MESSAGE && rng_below(&rng, 2);
            for (size_t j = 0; j < len; j++) {
                data[k][j] = (char)rng_next(&rng);
                if (!in[k].binary) {
                    data[k][j] = (char)('a' + (data[k][j] & 15));
                }
            }
            in[k].data = str_make(data[k], len);
            bytes += engineio_packet_bytes(&in[k]);
            assert_true(engineio_payload_put(&b, &in[k]));
        }
        assert_int_equal(b.len, bytes);
        engineio_payload_init(&it, buf_str(&b), count);
        for (size_t k = 0; k < count; k++) {
            assert_int_equal(engineio_payload_next(&it, &out), 0);
            assert_true(out.type == in[k].type && out.binary == in[k].binary);
            assert_true(str_eq(out.data, in[k].data));
        }
        assert_int_equal(engineio_payload_next(&it, &out), -E_AGAIN);
        engineio_payload_fini(&it);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),     cmocka_unit_test(test_query),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_open),
        cmocka_unit_test(test_payload),     cmocka_unit_test(test_decode),
        cmocka_unit_test(test_payload_put), cmocka_unit_test(test_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
