// SPDX-License-Identifier: MIT
#include "load/target.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/err.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum target_kind kind;
        const char *host, *path;
        bool native;
    } rows[] = {
        {"ws://127.0.0.1:8000/ws", TARGET_WS, "127.0.0.1:8000", "/ws", true},
        {"ws://127.0.0.1:8000/api/v1/ws?token=a", TARGET_WS, "127.0.0.1:8000", "/api/v1/ws?token=a",
         true},
        {"ws://127.0.0.1:8000", TARGET_WS, "127.0.0.1:8000", "/", false},
        {"ws://127.0.0.1:8000/ws/tickets", TARGET_WS, "127.0.0.1:8000", "/ws/tickets", false},
        {"WS://[::1]:9/%t", TARGET_WS, "[::1]:9", "/%t", false},
        {"http://127.0.0.1", TARGET_HTTP, "127.0.0.1", "/", false},
        {"http://127.0.0.1/ws", TARGET_HTTP, "127.0.0.1", "/ws", false},
        {"wss://127.0.0.1/ws", TARGET_WS, "127.0.0.1", "/ws", true},
        {"sse+https://[::1]:1/", TARGET_SSE, "[::1]:1", "/", false},
        {"sse+http://localhost:1/e?%q", TARGET_SSE, "localhost:1", "/e?%q", false},
        {"socketio+ws://127.0.0.1:1/ws/", TARGET_SOCKETIO, "127.0.0.1:1", "/ws/", false},
        {"socketio+https://127.0.0.1/", TARGET_SOCKETIO_POLL, "127.0.0.1", "/", false},
        {"poll+http://127.0.0.1:65535/p?", TARGET_POLL, "127.0.0.1:65535", "/p?", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t;
        const char *why;
        assert_int_equal(target_parse(str_of(rows[i].url), &t, &why), 0);
        assert_int_equal(t.kind, rows[i].kind);
        assert_string_equal(t.host, rows[i].host);
        assert_string_equal(t.path, rows[i].path);
        assert_int_equal(target_is_native(&t), rows[i].native);
        struct str rest = str_of(rows[i].url), scheme = str_cut(&rest, ':');
        assert_int_equal(target_is_secure(&t),
                         scheme.p[scheme.len - 1] == 's' && scheme.p[scheme.len - 2] != 'w');
        target_fini(&t);
        target_fini(&t);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "127.0.0.1:8000",
        "ws:/127.0.0.1",
        "ws://",
        "ws://:80/",
        "ws://127.0.0.1:99999/",
        "ws://127.0.0.1/a b",
        "wsss://127.0.0.1/",
        "sse://127.0.0.1/",
        "https+sse://127.0.0.1/",
        "ftp://127.0.0.1/",
        "socketio://127.0.0.1/",
        "ws://u:p@127.0.0.1/",
        "ws://[::1",
        "ws://127.0.0.1/#x",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t;
        const char *why = NULL;
        assert_int_equal(target_parse(str_of(rows[i]), &t, &why), -E_BAD_REQUEST);
        assert_non_null(why);
    }
}

static void test_get(void **state)
{
    (void)state;
    static const uint32_t topics[] = {0};
    const struct template_values v = {
        .prefix = "b:", .topics = topics, .topics_count = 1, .client = 5};
    struct target t;
    const char *why;
    struct buf b;
    assert_int_equal(target_parse(STR("sse+http://127.0.0.1:80/%c?%q"), &t, &why), 0);
    buf_init(&b, 1000);
    target_put_get(&b, &t, &v, STR("&since=1"), STR("A: b\r\n"));
    assert_true(str_is(buf_str(&b),
                       "GET /5?topic=b:0&since=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nA: b\r\n\r\n"));
    buf_fini(&b);
    target_fini(&t);
}

// Connects as the n-th and says from which address, as its last byte.
static unsigned source_of(const struct target *t, unsigned n)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    int fd = target_connect(t, n);
    assert_true(fd >= 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
    close(fd);
    return ntohl(from.sin_addr.s_addr) & 0xff;
}

static void test_sources(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);

    struct target t = {.kind = TARGET_WS, .address_len = sizeof(at)};
    memcpy(&t.address, &at, sizeof(at));
    assert_int_equal(source_of(&t, 0), 1);
    assert_int_equal(source_of(&t, 19999), 1);
    assert_int_equal(source_of(&t, 20000), 2);
    assert_int_equal(source_of(&t, 45000), 3);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
