// SPDX-License-Identifier: MIT
// The configuration: what is taken, what is refused, and with which words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "server/config.h"

static int read_text(const char *text, struct config *c, struct config_fault *fault)
{
    char path[] = "/tmp/clairon-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    config_init(c);
    int err = config_read_file(c, path, fault);
    (void)unlink(path);
    return err;
}

static void test_good(void **state)
{
    (void)state;
    struct config c;
    struct config_fault fault = {""};
    assert_int_equal(
        read_text("# a comment\nserver:\n  listen: ['[::1]:8000', 127.0.0.1:0]\n  workers: 3\n"
                  "  trusted_proxies: [10.0.0.0/8, 192.0.2.1]\n"
                  "store:\n  data: /x y\nauth:\n  # nothing\nlimits: {head_ms: 200, exempt: "
                  "[]}\nwebsocket: {enabled: no, cors_origin: "
                  "'https://a, https://b'}\n",
                  &c, &fault),
        0);
    assert_int_equal(c.server_listen.count, 2);
    assert_true(str_is(c.server_listen.items[0], "[::1]:8000"));
    assert_int_equal(c.server_workers, 3);
    assert_int_equal(LIMIT_OF(&c.limits, HEAD_MS), 200);
    assert_int_equal(LIMIT_OF(&c.limits, BODY_BYTES), LIMIT_BODY_BYTES);
    assert_int_equal(c.limits_exempt.count, 0);
    assert_int_equal(c.server_trusted_proxies.count, 2);
    assert_int_equal(c.server_trusted_proxies.items[1].bits, 32);
    assert_true(str_is(c.store_data, "/x y"));
    assert_false(c.websocket_enabled);
    assert_true(str_is(c.websocket_cors_origin, "https://a, https://b"));
    config_fini(&c);
    assert_int_equal(read_text("", &c, &fault), 0);
    assert_true(c.websocket_enabled);
    assert_int_equal(c.limits_exempt.count, 2);
    config_fini(&c);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"limits:\n  body_bytes: 0\n",
         ":2: limits.body_bytes must be a whole number from 1024 to 1048576, not \"0\""},
        {"limits:\n  ping_ms: 1\n  head_ms: 99999999999999999999\n", ":2: limits.ping_ms must be"},
        {"limits:\n  head_ms: 99999999999999999999\n", ":2: limits.head_ms must be"},
        {"limits:\n  head_ms: -1\n", "not \"-1\""},
        {"limits:\n  HEAD_MS: 1000\n", ":2: unknown key: HEAD_MS"},
        {"limits:\n  batch_entries: 5\n", ":2: unknown key: batch_entries"},
        {"limits:\n  exempt: [everyone]\n", ":2: limits.exempt must be addresses and blocks"},
        {"server:\n  trusted_proxies: [10.0.0.0/8,\n    proxy]\n",
         ":3: server.trusted_proxies must be addresses and blocks such as 10.0.0.0/8"},
        {"server:\n  trusted_proxies: 10.0.0.1/8\n", ":2: server.trusted_proxies must be"},
        {"server:\n  trusted_proxies: '::1, 10.0.0.0/33'\n", "not \"::1, 10.0.0.0/33\""},
        {"server:\n  trusted_proxies: {a: b}\n", ":2: the value has the wrong shape"},
        {"server:\n  lisen: x\n", ":2: unknown key: lisen"},
        {"sever:\n  listen: x\n", ":1: unknown section: sever"},
        {"server:\n  workers: many\n", ":2: server.workers must be a whole number"},
        {"server:\n  workers: -1\n", ":2: server.workers must be"},
        {"websocket:\n  enabled: perhaps\n", ":2: websocket.enabled must be true or false"},
        {"store:\n  data: [a]\n", ":2: the value has the wrong shape: data"},
        {"store:\n  data:\n    deep: 1\n", "the value has the wrong shape: data"},
        {"- a\n", ":1: the file must be a mapping"},
        {"server: x\n", "a section holds keys and values"},
        {"server:\n  listen: [a\n", ":"},
        {"server:\n\tlisten: a\n", ":2: "},
        {"server:\n  workers: 1\n---\nserver:\n  listen: x\n",
         ":3: the file holds a second document"},
        {"{server: {workers: 1}}\nlisten: x\n", ":2: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config c;
        struct config_fault fault = {""};
        assert_int_not_equal(read_text(rows[i].text, &c, &fault), 0);
        if (!strstr(fault.text, rows[i].says)) {
            fail_msg("row %zu says: %s", i, fault.text);
        }
        config_fini(&c);
    }
}

static void test_environ(void **state)
{
    (void)state;
    struct config c;
    struct config_fault fault = {""};
    config_init(&c);
    const char *const good[] = {"CLAIRON__STORE__DATA=/d",
                                "CLAIRON__CHANNELS__DEFAULT=a, b",
                                "WEBSOCKET_ENABLED=false",
                                "CLAIRON_SERVER=not ours",
                                "PATH=/bin",
                                "WEBSOCKET_CORS_ORIGIN=*",
                                NULL};
    assert_int_equal(config_read_environ(&c, (char *const *)(uintptr_t)good, &fault), 0);
    assert_true(str_is(c.store_data, "/d"));
    assert_int_equal(c.channels_default.count, 2);
    assert_false(c.websocket_enabled);
    assert_true(str_is(c.websocket_cors_origin, "*"));
    const char *const bad[] = {"CLAIRON__STORE__DTA=/d", NULL}, *const worse[] = {
                                                                    "CLAIRON__SERVER__WORKERS=x",
                                                                    NULL};
    assert_int_not_equal(config_read_environ(&c, (char *const *)(uintptr_t)bad, &fault), 0);
    assert_non_null(strstr(fault.text, "CLAIRON__STORE__DTA: unknown key"));
    assert_int_not_equal(config_read_environ(&c, (char *const *)(uintptr_t)worse, &fault), 0);
    assert_int_equal(c.server_workers, 0); // and stays what it was
    const char *const lines[] = {"CLAIRON__SERVER__WORKERS=1\n2", NULL};
    assert_int_not_equal(config_read_environ(&c, (char *const *)(uintptr_t)lines, &fault), 0);
    assert_non_null(strstr(fault.text, "not \"1?2\"")); // one line
    config_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_environ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
