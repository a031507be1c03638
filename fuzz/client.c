// SPDX-License-Identifier: MIT
// The checking client.
#include "fuzz/client.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "def/limits.h"
#include "fuzz/kernel.h"
#include "wire/cursor.h"
#include "wire/json.h"
#include "wire/url.h"
#include "wire/ws_handshake.h"

static const struct http1_limits head_limits = {
    .head_bytes = LIMIT_HEAD_BYTES, .uri_bytes = LIMIT_URI_BYTES, .fields = LIMIT_HEAD_FIELDS};
static struct http1_request request;
static struct http1_response response;

void client_open(struct client *c, int fd)
{
    *c = (struct client){.fd = fd, .peer = kernel_peer(fd)};
    buf_init(&c->said, SIZE_MAX);
    ws_decoder_init(&c->decoder, WS_CLIENT, SIZE_MAX >> 1);
}

void client_close(struct client *c)
{
    buf_fini(&c->said);
    ws_decoder_fini(&c->decoder);
    c->fd = -1;
}

// ---- what is said

// The bytes of a whole request at said_at, or 0.
static size_t read_request(struct client *c)
{
    struct http1_parser p;
    struct http1_body body;
    struct str rest = str_from(buf_str(&c->said), c->said_at), piece;
    size_t all = rest.len;
    http1_parser_init(&p);
    int rc = http1_parse_request(&p, rest, &head_limits, &request);
    if (rc == 0) {
        rest = str_from(rest, request.head.bytes);
        rc = http1_body_init(&body, &request.head, LIMIT_BODY_BYTES);
        while (rc == 0 && !body.done) {
            rc = http1_body_next(&body, &rest, &piece);
        }
    }
    if (rc != 0 && rc != -E_AGAIN) {
        c->said_enough = true; // it will be refused
    }
    return rc == 0 ? all - rest.len : 0;
}

static void take_requests(struct client *c)
{
    size_t len;
    while (!c->said_enough && c->said_at < c->said.len && (len = read_request(c)) > 0) {
        ASSERT(c->asked_count < CLIENT_ASKED_MAX);
        c->said_at += len;
        c->asked[c->asked_count].method = request.method;
        c->asked[c->asked_count].waits = str_starts(request.path, STR("/api/events")) ||
                                         str_starts(request.path, STR("/api/poll"));
        c->asked[c->asked_count++].upgrade = http1_field(&request.head, "Upgrade").p != NULL;
    }
}

void client_say(struct client *c, struct str bytes)
{
    if (c->has_left || !c->peer->open) {
        return;
    }
    bytes_put(&c->peer->in, bytes.p, bytes.len);
    if (!c->is_ws && c->said.len < 200000) {
        buf_put(&c->said, bytes);
        take_requests(c);
    } else {
        c->said_enough = true;
    }
    ASSERT(!c->said.failed);
}

void client_say_frame(struct client *c, unsigned first_byte, struct str payload)
{
    static const uint8_t mask[4] = {0x5a, 0x01, 0xf0, 0x33};
    struct buf b;
    buf_init(&b, SIZE_MAX);
    ws_put_frame(&b, WS_OP_TEXT, payload, mask);
    b.p[0] = (char)first_byte;
    client_say(c, buf_str(&b));
    buf_fini(&b);
}

void client_fin(struct client *c)
{
    c->has_left = true;
    c->peer->fin = true;
}

void client_reset(struct client *c)
{
    c->has_left = true;
    c->peer->reset = true;
}

bool client_answered(const struct client *c)
{
    return c->answered == c->asked_count || c->asked[c->answered].waits || c->over || c->is_ws ||
           c->peer->shut;
}

// ---- what comes on a WebSocket

static bool read_cursor(struct json_val v, struct cursor *ret)
{
    return v.type == JSON_STRING && v.raw.len > 2 &&
           cursor_parse(str_make(v.raw.p + 1, v.raw.len - 2), ret) == 0;
}

static bool is_type(struct json_val type, const char *text)
{
    return type.type == JSON_STRING && json_string_is(type, str_of(text));
}

// Ids rise outside of brackets; where a bracket ends tells from where on.
static void check_native(struct client *c, struct json_val object)
{
    struct json_val type = json_get(object, "type");
    struct cursor at;
    if (is_type(type, "subscribed")) {
        c->brackets++;
    } else if (is_type(type, "caught_up")) {
        ASSERT(c->brackets > 0);
        bool good = read_cursor(json_get(object, "cursor"), &at);
        ASSERT(good);
        c->brackets--;
        c->last_id = at.id;
    } else if (!is_type(type, "published") && json_get(object, "id").type != JSON_NONE) {
        bool good = read_cursor(json_get(object, "id"), &at);
        ASSERT(good && json_get(object, "data").type != JSON_NONE);
        ASSERT(c->brackets > 0 || at.id > c->last_id);
        c->last_id = c->brackets > 0 ? c->last_id : at.id;
    }
}

static void take_message(struct client *c, struct str text)
{
    struct json_val object;
    size_t offset;
    int rc = json_parse(text, 2 * LIMIT_JSON_DEPTH, &object, &offset);
    ASSERT(rc == 0 && object.type == JSON_OBJECT);
    if (c->messages++ == 0) { // each dialect begins with `connected`
        ASSERT(is_type(json_get(object, "type"), "connected"));
        c->native = json_get(object, "data").type == JSON_OBJECT;
    } else if (c->native) {
        check_native(c, object);
    }
    if (c->on_message) {
        c->on_message(c, text);
    }
}

static void hear_frames(struct client *c)
{
    char *p = c->peer->heard.p;
    size_t len = c->peer->heard.len;
    struct ws_event e;
    int rc;
    if (len == 0) {
        return;
    }
    ASSERT(!c->ws_closed); // nothing comes behind a close
    while ((rc = ws_decoder_next(&c->decoder, &p, &len, &e)) != -E_AGAIN) {
        ASSERT(rc == 0 && !c->ws_closed);
        if (e.type == WS_TEXT) {
            take_message(c, e.data);
        }
        ASSERT(e.type != WS_BINARY);
        c->ws_closed = e.type == WS_CLOSE;
    }
    bytes_consume(&c->peer->heard, c->peer->heard.len);
}

// ---- what comes as answers

// The bytes of a whole answer at the front, or 0.
static size_t read_answer(struct client *c)
{
    struct http1_parser p;
    struct http1_body body;
    struct str rest = bytes_str(&c->peer->heard), piece;
    size_t all = rest.len;
    bool known = c->answered < c->asked_count;
    bool to_head = known && c->asked[c->answered].method == HTTP1_HEAD;
    http1_parser_init(&p);
    const struct http1_limits wide = {.head_bytes = 65536, .uri_bytes = 1, .fields = 100};
    int rc = http1_parse_response(&p, rest, to_head, &wide, &response);
    if (rc == 0) {
        rest = str_from(rest, response.head.bytes);
        rc = http1_body_init(&body, &response.head, UINT64_MAX >> 1);
        while (rc == 0 && !body.done) {
            rc = http1_body_next(&body, &rest, &piece);
        }
    }
    ASSERT(rc == 0 || rc == -E_AGAIN); // what we send can be read
    return rc == 0 ? all - rest.len : 0;
}

static void take_answer(struct client *c)
{
    bool known = c->answered < c->asked_count;
    if (response.status == 100) {
        return;
    }
    ASSERT(response.status >= 200 || response.status == 101);
    if (response.status == 101) {
        ASSERT(known && c->asked[c->answered].upgrade);
        c->is_ws = true;
        return;
    }
    ASSERT(!c->refused);
    if (!known) { // what is no request is refused, once
        ASSERT(response.status >= 400 && !response.head.keep_alive);
        c->refused = true;
    } else {
        c->answered++;
    }
    c->over = !response.head.keep_alive;
}

void client_hear(struct client *c)
{
    size_t len;
    while (!c->is_ws && c->peer->heard.len > 0) {
        ASSERT(!c->over); // nothing comes behind the last answer
        len = read_answer(c);
        if (len == 0) {
            return; // it is on its way
        }
        take_answer(c);
        bytes_consume(&c->peer->heard, len);
    }
    if (c->is_ws) {
        hear_frames(c);
    }
}
