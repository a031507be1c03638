// SPDX-License-Identifier: MIT
#include "wire/ws_handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"

#define KEY     "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define LINE    "GET /ws HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void test_server(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
    } rows[] = {
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n", 0},
        {LINE
         "upgrade: h2c, WebSocket\r\nConnection: keep-alive\r\nCONNECTION: foo, upgrade\r\n" VERSION
         "sec-websocket-key:  " KEY " \r\n\r\n",
         0},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\nContent-Length: 0\r\n\r\n", 0},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY
                              "\r\nSec-WebSocket-Protocol: bearer.a-b_c.d, clairon.v1\r\n\r\n",
         0},
        // Method and version of HTTP.
        {"POST /ws HTTP/1.1\r\nHost: a\r\n" UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         E_METHOD},
        {"HEAD /ws HTTP/1.1\r\nHost: a\r\n" UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         E_METHOD},
        {"GET /ws HTTP/1.0\r\n" UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        // Upgrade.
        {LINE "\r\n", E_UPGRADE_REQUIRED},
        {LINE "Upgrade: websocket\r\n" VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        {LINE "Connection: Upgrade\r\n" VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        {LINE "Upgrade: websockets\r\nConnection: Upgrade\r\n" VERSION "Sec-WebSocket-Key: " KEY
              "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        {LINE "Upgrade: websocket\r\nConnection: Upgrade-Insecure\r\n" VERSION
              "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        // Version of the protocol.
        {LINE UPGRADE "Sec-WebSocket-Key: " KEY "\r\n\r\n", E_UPGRADE_REQUIRED},
        {LINE UPGRADE "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        {LINE UPGRADE "Sec-WebSocket-Version: 130\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        {LINE UPGRADE "Sec-WebSocket-Version: 13, 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
         E_UPGRADE_REQUIRED},
        {LINE UPGRADE VERSION VERSION "Sec-WebSocket-Key: " KEY "\r\n\r\n", E_UPGRADE_REQUIRED},
        // Key.
        {LINE UPGRADE VERSION "\r\n", E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n", E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
         E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n", E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=\r\n\r\n", E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==A\r\n\r\n",
         E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n\r\n", E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBs-SBub25jZQ==\r\n\r\n", E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA===\r\n\r\n", E_BAD_REQUEST},
        // Body and subprotocols.
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\nContent-Length: 5\r\n\r\n",
         E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\nTransfer-Encoding: chunked\r\n\r\n",
         E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Protocol: a b\r\n\r\n",
         E_BAD_REQUEST},
        {LINE UPGRADE VERSION "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Protocol: a, b=\r\n\r\n",
         E_BAD_REQUEST},
    };
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http1_parser p;
        struct str key = {0};
        const char *why = NULL;
        http1_parser_init(&p);
        assert_int_equal(http1_parse_request(&p, str_of(rows[i].text), &http1_limits_default, r),
                         0);
        int rc = ws_server_check(r, &key, &why);
        if (rc != -rows[i].err) {
            fail_msg("row %zu: %s %s", i, err_name(rc), why ? why : "");
        }
        assert_true(rc ? why != NULL : str_is(key, KEY));
    }
    free(r);
}

static void test_offers(void **state)
{
    (void)state;
    struct http1_request *r = malloc(sizeof(*r));
    assert_non_null(r);
    struct http1_parser p;
    http1_parser_init(&p);
    struct str text = STR(LINE "Sec-WebSocket-Protocol: b.x,, a\r\n"
                               "sec-websocket-protocol: c\r\n\r\n");
    assert_int_equal(http1_parse_request(&p, text, &http1_limits_default, r), 0);
    assert_false(ws_asks_upgrade(r));
    struct str item;
    struct http1_list it = ws_offers(r);
    assert_true(http1_list_next(&it, &item) && str_is(item, "b.x"));
    assert_true(http1_list_next(&it, &item) && str_is(item, "a"));
    assert_true(http1_list_next(&it, &item) && str_is(item, "c"));
    assert_false(http1_list_next(&it, &item));
    free(r);
}

static void test_accept(void **state)
{
    (void)state;
    char accept[WS_ACCEPT_TEXT_SIZE], key[WS_KEY_TEXT_SIZE];
    ws_accept(STR(KEY), accept);
    assert_string_equal(accept, ACCEPT); // RFC 6455 1.3
    ws_key((const uint8_t *)"the sample nonce", key);
    assert_string_equal(key, KEY);
}

static void test_client(void **state)
{
    (void)state;
#define OK   "HTTP/1.1 101 Switching Protocols\r\n"
#define SAID "Sec-WebSocket-Accept: " ACCEPT "\r\n"
    static const struct {
        const char *text, *offered;
        int err;
        const char *protocol;
    } rows[] = {
        {OK UPGRADE SAID "\r\n", NULL, 0, NULL},
        {OK UPGRADE SAID "\r\n", "a", 0, NULL},
        {OK "upgrade: WEBSOCKET\r\nconnection: upgrade\r\n" SAID "\r\n", NULL, 0, NULL},
        {OK UPGRADE SAID "Sec-WebSocket-Protocol: b\r\n\r\n", "a, b", 0, "b"},
        {OK UPGRADE SAID "Sec-WebSocket-Protocol: B\r\n\r\n", "a, b", E_PROTOCOL, NULL},
        {OK UPGRADE SAID "Sec-WebSocket-Protocol: a, b\r\n\r\n", "a, b", E_PROTOCOL, NULL},
        {OK UPGRADE SAID "Sec-WebSocket-Protocol: b\r\n\r\n", NULL, E_PROTOCOL, NULL},
        {OK UPGRADE SAID "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", NULL, E_PROTOCOL,
         NULL},
        {OK UPGRADE "\r\n", NULL, E_PROTOCOL, NULL},
        {OK UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n", NULL, E_PROTOCOL,
         NULL},
        {OK UPGRADE SAID SAID "\r\n", NULL, E_PROTOCOL, NULL},
        {OK "Upgrade: websocket\r\n" SAID "\r\n", NULL, E_PROTOCOL, NULL},
        {OK "Connection: Upgrade\r\n" SAID "\r\n", NULL, E_PROTOCOL, NULL},
        {"HTTP/1.1 200 OK\r\n" UPGRADE SAID "\r\n", NULL, E_PROTOCOL, NULL},
        {"HTTP/1.1 401 Unauthorized\r\n\r\n", NULL, E_PROTOCOL, NULL},
    };
    struct http1_response *r = malloc(sizeof(*r));
    assert_non_null(r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http1_parser p;
        struct str protocol = {0};
        const char *why = NULL;
        http1_parser_init(&p);
        struct str text = str_of(rows[i].text);
        assert_int_equal(http1_parse_response(&p, text, false, &http1_limits_default, r), 0);
        int rc = ws_client_check(r, STR(KEY), str_of(rows[i].offered), &protocol, &why);
        if (rc != -rows[i].err) {
            fail_msg("row %zu: %s %s", i, err_name(rc), why ? why : "");
        }
        assert_int_equal(protocol.p != NULL, rows[i].protocol != NULL);
        assert_true(!rows[i].protocol || str_is(protocol, rows[i].protocol));
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
