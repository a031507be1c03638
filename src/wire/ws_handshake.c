// SPDX-License-Identifier: MIT
// The WebSocket opening handshake.
// SHA-1 by its own functions, as OpenSSL 1.1.1 had them: the newer ways look the algorithm up and
// allocate for each hash, which costs more than the hash.
#define OPENSSL_API_COMPAT 10101
#include "wire/ws_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/err.h"

bool ws_asks_upgrade(const struct http1_request *r)
{
    return http1_has_token(&r->head, "Upgrade", "websocket");
}

// 16 bytes in base64: 22 digits, of which the last carries two bits, and "==". What its other bits
// are is not asked: they mean nothing, and not every client clears them.
static bool key_valid(struct str key)
{
    if (key.len != WS_KEY_TEXT_SIZE - 1 || !str_ends(key, STR("=="))) {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        if (!base64_is_digit(key.p[i])) {
            return false;
        }
    }
    return true;
}

struct http1_list ws_offers(const struct http1_request *r)
{
    return http1_list(&r->head, "Sec-WebSocket-Protocol");
}

static bool offers_valid(const struct http1_request *r)
{
    struct str item;
    for (struct http1_list it = ws_offers(r); http1_list_next(&it, &item);) {
        if (!http1_is_token(item)) {
            return false;
        }
    }
    return true;
}

static int refuse(int err, const char *why, const char **ret_why)
{
    *ret_why = why;
    return -err;
}

int ws_server_check(const struct http1_request *r, struct str *ret_key, const char **ret_why)
{
    const struct http1_head *h = &r->head;
    if (r->method != HTTP1_GET) {
        return refuse(E_METHOD, "a WebSocket begins with GET", ret_why);
    }
    if (h->minor == 0) {
        return refuse(E_UPGRADE_REQUIRED, "a WebSocket needs HTTP/1.1", ret_why);
    }
    if (!ws_asks_upgrade(r)) {
        return refuse(E_UPGRADE_REQUIRED, "no Upgrade to websocket", ret_why);
    }
    if (!http1_has_token(h, "Connection", "upgrade")) {
        return refuse(E_UPGRADE_REQUIRED, "Connection does not say Upgrade", ret_why);
    }
    if (h->framing != HTTP1_NO_BODY) {
        return refuse(E_BAD_REQUEST, "an upgrade has no body", ret_why);
    }
    if (http1_field_count(h, "Sec-WebSocket-Version") != 1 ||
        !str_is(http1_field(h, "Sec-WebSocket-Version"), WS_VERSION)) {
        return refuse(E_UPGRADE_REQUIRED, "Sec-WebSocket-Version is not 13", ret_why);
    }
    struct str key = http1_field(h, "Sec-WebSocket-Key");
    if (http1_field_count(h, "Sec-WebSocket-Key") != 1 || !key_valid(key)) {
        return refuse(E_BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64", ret_why);
    }
    if (!offers_valid(r)) {
        return refuse(E_BAD_REQUEST, "bad Sec-WebSocket-Protocol", ret_why);
    }
    *ret_key = key;
    return 0;
}

void ws_accept(struct str key, char out[WS_ACCEPT_TEXT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 1.3
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA_CTX sha;
    ASSERT(key.len == WS_KEY_TEXT_SIZE - 1);
    SHA1_Init(&sha);
    SHA1_Update(&sha, key.p, key.len);
    SHA1_Update(&sha, guid, sizeof(guid) - 1);
    SHA1_Final(digest, &sha);
    int len = EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
    ASSERT(len == WS_ACCEPT_TEXT_SIZE - 1);
}

void ws_key(const uint8_t nonce[WS_NONCE_BYTES], char out[WS_KEY_TEXT_SIZE])
{
    int len = EVP_EncodeBlock((unsigned char *)out, nonce, WS_NONCE_BYTES);
    ASSERT(len == WS_KEY_TEXT_SIZE - 1);
}

static bool was_offered(struct str item, struct str offered)
{
    while (offered.p) {
        if (str_eq(str_trim(str_cut(&offered, ',')), item)) {
            return true;
        }
    }
    return false;
}

int ws_client_check(const struct http1_response *r, struct str key, struct str offered,
                    struct str *ret_protocol, const char **ret_why)
{
    struct str protocol;
    int rc = ws_client_check_extended(r, key, offered, &protocol, ret_why);
    if (rc == 0 && http1_field_count(&r->head, "Sec-WebSocket-Extensions") > 0) {
        return refuse(E_PROTOCOL, "an extension nobody offered", ret_why);
    }
    if (rc == 0) {
        *ret_protocol = protocol;
    }
    return rc;
}

int ws_client_check_extended(const struct http1_response *r, struct str key, struct str offered,
                             struct str *ret_protocol, const char **ret_why)
{
    const struct http1_head *h = &r->head;
    char accept[WS_ACCEPT_TEXT_SIZE];
    if (r->status != 101) {
        return refuse(E_PROTOCOL, "the server did not switch to WebSocket", ret_why);
    }
    if (!http1_has_token(h, "Upgrade", "websocket") ||
        !http1_has_token(h, "Connection", "upgrade")) {
        return refuse(E_PROTOCOL, "the 101 is not for WebSocket", ret_why);
    }
    ws_accept(key, accept);
    if (http1_field_count(h, "Sec-WebSocket-Accept") != 1 ||
        !str_is(http1_field(h, "Sec-WebSocket-Accept"), accept)) {
        return refuse(E_PROTOCOL, "wrong Sec-WebSocket-Accept", ret_why);
    }
    struct str protocol = http1_field(h, "Sec-WebSocket-Protocol");
    if (http1_field_count(h, "Sec-WebSocket-Protocol") > 1 ||
        (protocol.p && !was_offered(protocol, offered))) {
        return refuse(E_PROTOCOL, "a subprotocol nobody offered", ret_why);
    }
    *ret_protocol = protocol;
    return 0;
}
