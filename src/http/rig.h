// SPDX-License-Identifier: MIT
// What the tests of the server run against: an httpd with real sockets on a thread of its own, and
// a client that says exactly the bytes it is told to.
#ifndef CLAIRON_HTTP_RIG_H
#define CLAIRON_HTTP_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "http/httpd.h"
#include "wire/ws_frame.h"

struct rig_config {
    const struct route *routes;
    size_t routes_count;
    struct http_limits limits; // all zero: the defaults
    struct origin_config origins;
    struct net_blocks trusted_proxies;
    bool no_upgrades;
    struct ws_compression compression;
    int (*authenticate)(void *ctx, struct http_request *req, void **ret_principal);
    void *authenticate_ctx;
    void (*principal_unref)(void *principal);
    // For servers behind the routes: on the test's thread, before the first turn of the loop, and
    // after the last connection is over. The loop may be turned there. NULL: none.
    void (*on_start)(void *ctx, struct loop *loop, struct metrics *metrics);
    void (*on_stop)(void *ctx);
    void (*add_routes)(void *ctx, struct router *router); // after on_start
    void (*on_drain)(void *ctx, int ws_code); // with httpd_drain, on the server's thread
    void *ctx;
    // One of two workers, the first or the second, which is started later and names the first.
    bool is_first;
    struct rig *first;
};

struct rig;
struct rig *rig_start(const struct rig_config *cfg);
void rig_stop(struct rig *r); // asserts that nothing is left
uint16_t rig_port(const struct rig *r);
int64_t rig_metric(const struct rig *r, enum metric which);
int64_t rig_hits(const struct rig *r, enum limit_row limit);
void rig_wait_metric(const struct rig *r, enum metric which, int64_t value);
void rig_drain(struct rig *r, int ws_code); // httpd_drain on the server's thread

// Client. Blocking; every read fails the test after 10 s.
int rig_dial(const struct rig *r);
int rig_dial_small(const struct rig *r, int receive_bytes); // with a small receive buffer
void rig_say(int fd, const char *text);
void rig_say_bytes(int fd, struct str bytes);
void rig_read(int fd, char *p, size_t len); // all of it

struct rig_reply {
    int status;
    char head[8192]; // with its empty line, NUL-terminated
    char *body;      // NUL-terminated; freed by rig_reply_free
    size_t body_len;
};
void rig_reply_read(int fd, struct rig_reply *ret); // one answer, chunked or not
void rig_reply_read_head(int fd, struct rig_reply *ret);
void rig_reply_free(struct rig_reply *reply);
bool rig_reply_has(const struct rig_reply *reply, const char *text); // in the head
// A WebSocket: of the server the frame is not fragmented; of the client it is masked.
struct rig_frame {
    enum ws_opcode op;
    size_t len;
    char *payload; // NUL-terminated; the caller's, for mem_free
};
struct rig_frame rig_frame_read(int fd);
void rig_frame_say(int fd, enum ws_opcode op, struct str payload);
int rig_close_code(const struct rig_frame *f); // 0: none

// The peer has closed, after whatever it still sent.
void rig_expect_end(int fd);
// Sends one request on a connection of its own and gives the answer.
void rig_ask(const struct rig *r, const char *request, struct rig_reply *ret);
// The same; asserts the status, and that the error is JSON of that code (NULL: no body is looked
// at).
void rig_expect(const struct rig *r, const char *request, int status, const char *code);

#endif
