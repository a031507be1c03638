// SPDX-License-Identifier: MIT
// The WebSocket handshake: whatever upgrade the server takes, its 101 satisfies the client; and no
// 101 from elsewhere satisfies it without the right key.
#include "wire/ws_handshake.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

static void check_answer(struct str key, struct str protocol, struct str offered)
{
    struct http1_response *answer = malloc(sizeof(*answer));
    struct http1_parser p;
    struct buf b;
    char accept[WS_ACCEPT_TEXT_SIZE];
    struct str chosen;
    const char *why = NULL;
    ASSERT(answer);
    ws_accept(key, accept);
    buf_init(&b, 100000);
    buf_put(&b, STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\n"));
    http1_put_field(&b, "Sec-WebSocket-Accept", str_of(accept));
    if (protocol.p) {
        http1_put_field(&b, "Sec-WebSocket-Protocol", protocol);
    }
    buf_put(&b, STR("\r\n"));
    http1_parser_init(&p);
    int rc = http1_parse_response(&p, buf_str(&b), false, &http1_limits_default, answer);
    ASSERT(rc == 0);
    rc = ws_client_check(answer, key, offered, &chosen, &why);
    ASSERT(rc == 0 && str_eq(chosen, protocol));
    rc = ws_client_check(answer, STR("AAAAAAAAAAAAAAAAAAAAAA=="), offered, &chosen, &why);
    ASSERT((rc == 0) == str_is(key, "AAAAAAAAAAAAAAAAAAAAAA=="));
    buf_fini(&b);
    free(answer);
}

static void try_server(struct str text)
{
    struct http1_request *r = malloc(sizeof(*r));
    struct http1_parser p;
    struct str key, item, last = STR_NONE;
    const char *why = NULL;
    ASSERT(r);
    http1_parser_init(&p);
    if (http1_parse_request(&p, text, &http1_limits_default, r) == 0) {
        if (ws_server_check(r, &key, &why) == 0) {
            struct buf offered;
            buf_init(&offered, 100000);
            for (struct http1_list it = ws_offers(r); http1_list_next(&it, &item);) {
                ASSERT(http1_is_token(item));
                buf_put(&offered, offered.len ? STR(", ") : STR(""));
                buf_put(&offered, item);
                last = item;
            }
            check_answer(key, last, offered.len ? buf_str(&offered) : STR_NONE);
            buf_fini(&offered);
        } else {
            ASSERT(why);
        }
    }
    free(r);
}

static void try_client(struct str text)
{
    struct http1_response *r = malloc(sizeof(*r));
    struct http1_parser p;
    struct str protocol = STR_NONE, key = STR("dGhlIHNhbXBsZSBub25jZQ==");
    const char *why = NULL;
    ASSERT(r);
    http1_parser_init(&p);
    if (http1_parse_response(&p, text, false, &http1_limits_default, r) == 0) {
        if (ws_client_check(r, key, STR("clairon.v1, bearer.x"), &protocol, &why) == 0) {
            ASSERT(r->status == 101 && str_is(http1_field(&r->head, "Sec-WebSocket-Accept"),
                                              "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
            ASSERT(!protocol.p || str_is(protocol, "clairon.v1") || str_is(protocol, "bearer.x"));
        } else {
            ASSERT(why);
        }
    }
    free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_server(fuzz_input(data, size));
    try_client(fuzz_input(data, size));
    return 0;
}
