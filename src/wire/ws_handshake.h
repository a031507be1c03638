// SPDX-License-Identifier: MIT
// The WebSocket opening handshake (RFC 6455 section 4), both sides, on heads that http1 parsed.
// Pure. Paths, origins, tokens and the choice of a subprotocol are the caller's.
#ifndef CLAIRON_WIRE_WS_HANDSHAKE_H
#define CLAIRON_WIRE_WS_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"
#include "wire/http1.h"

#define WS_NONCE_BYTES      16
#define WS_KEY_TEXT_SIZE    25 // 24 characters and a NUL
#define WS_ACCEPT_TEXT_SIZE 29 // 28 characters and a NUL
#define WS_VERSION          "13"

// Does the request ask to become a WebSocket (Upgrade lists `websocket`)? Says nothing about its
// validity.
bool ws_asks_upgrade(const struct http1_request *r);

// Server. 0: a valid upgrade, *ret_key is a span of the head. Otherwise the answer:
//   -E_METHOD            405 with `Allow: GET`
//   -E_UPGRADE_REQUIRED  426 with `Upgrade: websocket`, `Connection: Upgrade` and
//   `Sec-WebSocket-Version: 13`:
//                        no upgrade asked for, HTTP/1.0, or another version of the protocol
//   -E_BAD_REQUEST       400: key missing, double or malformed, a body, a bad subprotocol list
// *ret_why gets a short constant phrase on refusal.
int ws_server_check(const struct http1_request *r, struct str *ret_key,
                    const char **ret_why) MUST_CHECK;
// Sec-WebSocket-Accept for a key.
void ws_accept(struct str key, char out[WS_ACCEPT_TEXT_SIZE]);

// The subprotocols the client offers, in its order of preference, over all lines: each is a token.
//   for (struct http1_list it = ws_offers(r); http1_list_next(&it, &item);) ...
struct http1_list ws_offers(const struct http1_request *r);

// Client. Sec-WebSocket-Key from 16 random bytes that the caller brings.
void ws_key(const uint8_t nonce[WS_NONCE_BYTES], char out[WS_KEY_TEXT_SIZE]);
// Is this the 101 that answers `key`? `offered` is the comma list we sent, p = NULL for none;
// *ret_protocol is the one chosen, or p = NULL. -E_PROTOCOL with *ret_why otherwise (any other
// status included).
int ws_client_check(const struct http1_response *r, struct str key, struct str offered,
                    struct str *ret_protocol, const char **ret_why) MUST_CHECK;
// The same for who offered extensions: those that were chosen are the caller's to check.
int ws_client_check_extended(const struct http1_response *r, struct str key, struct str offered,
                             struct str *ret_protocol, const char **ret_why) MUST_CHECK;

#endif
