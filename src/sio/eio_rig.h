// SPDX-License-Identifier: MIT
// What the tests of Engine.IO run against: a server that sends every message back, does more at
// some words, and counts what it is told; and a client for it, whose every reading fails the test
// if it is not answered.
#ifndef CLAIRON_SIO_EIO_RIG_H
#define CLAIRON_SIO_EIO_RIG_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/rig.h"
#include "sio/eio.h"
#include "wire/engineio.h"

extern atomic_int opened_count, closed_count, closed_why, blocked_count, room_count, upgraded_count;

struct server {
    struct rig *rig;
    struct loop *loop;
    struct eio *eio;
    struct eio_limits limits;
    unsigned worker;
    struct quotas *addresses;
};

enum { SID_CHARS = 24 };
#define HOST      "Host: localhost\r\n"
#define HANDSHAKE "EIO=4&transport=polling"
#define UPGRADE                                                                                    \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

struct sid {
    char text[SID_CHARS + 1];
};

#define UNKNOWN_SID "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define BAD_REQUEST "{\"code\":3,\"message\":\"Bad request\"}"

// One of two workers: the first, or the second, which is given the first. Or alone.
struct server *server_start(const struct eio_limits *limits, struct server *first, bool is_first);
void server_stop(struct server *s);
void forget(void); // what was counted
int start_with(void **state, const struct eio_limits *limits);
int start(void **state);
int stop(void **state);
void wait_for(atomic_int *what, int value);
int say_get(const struct server *s, const char *query, const char *fields);
void read_reply(int fd, int status, struct rig_reply *ret);
void expect_reply(int fd, int status, const char *body);
void get(const struct server *s, const char *query, int status, const char *body);
const char *query_of(const struct sid *sid, const char *transport);
int say_poll(const struct server *s, const struct sid *sid);
void poll_is(const struct server *s, const struct sid *sid, const char *body);
void poll_is_refused(const struct server *s, const struct sid *sid, const char *body);
int hold(const struct server *s, const struct sid *sid);
int say_post(const struct server *s, const struct sid *sid, const char *fields, struct str body);
void post_is(const struct server *s, const struct sid *sid, const char *text, int status,
             const char *body);
void post(const struct server *s, const struct sid *sid, const char *text);
struct sid open_polling_with(const struct server *s, const char *query);
struct sid open_polling(const struct server *s);
void expect_frame(int fd, enum ws_opcode op, struct str payload);
void expect_text(int fd, const char *text);
void say_text(int fd, const char *text);
void expect_close(int fd, int code);
int dial_ws(const struct server *s, const char *query);
int open_ws_with(const struct server *s, const char *query, struct sid *ret);
int open_ws(const struct server *s);
int probe(const struct server *s, const struct sid *sid);

#endif
