// SPDX-License-Identifier: MIT
// WebSocket frames, in both roles, with and without compression agreed: the same events however the
// bytes are cut, no memory kept at rest, and events that are written anew come back.
#include "wire/ws_frame.h"

#include "base/err.h"
#include "fuzz/fuzz.h"

enum { MESSAGE_MAX = 300, LOG_MAX = 1000000 };

// Events as bytes that can be compared; `wire` gets them as frames from the peer of `role`, unless
// NULL.
struct record {
    struct buf log, wire;
    enum ws_role role;
    bool deflate;
};

static void note(struct record *r, const struct ws_event *e)
{
    static const uint8_t key[4] = {0x11, 0x00, 0xfe, 0x80};
    static const enum ws_opcode ops[] = {WS_OP_TEXT, WS_OP_BINARY, WS_OP_PING, WS_OP_PONG};
    const uint8_t *mask = r->role == WS_SERVER ? key : NULL;
    buf_putf(&r->log, "%d %d %d %zu ", (int)e->type, e->code, e->compressed, e->data.len);
    buf_put(&r->log, e->data);
    ASSERT(!e->compressed || (r->deflate && e->type <= WS_BINARY));
    ASSERT(e->type == WS_BINARY || e->type == WS_PING || e->type == WS_PONG || e->compressed ||
           utf8_valid(e->data));
    if (e->type == WS_CLOSE) {
        ASSERT(e->code == 0 ? e->data.len == 0 : ws_close_code_valid(e->code));
        ws_put_close(&r->wire, e->code, e->data, mask);
    } else {
        ASSERT(e->data.len <= (e->type <= WS_BINARY ? MESSAGE_MAX : WS_CONTROL_MAX));
        size_t at = r->wire.len;
        ws_put_frame(&r->wire, ops[e->type], e->data, mask);
        if (e->compressed) {
            r->wire.p[at] = (char)(r->wire.p[at] | WS_RSV1);
        }
    }
}

static int decode(struct str text, enum fuzz_cut cut, struct record *r)
{
    struct rng rng = fuzz_rng(text);
    struct ws_decoder d;
    int refused = 0;
    bool over = false;
    ws_decoder_init(&d, r->role, MESSAGE_MAX);
    d.fragments_max = 8;
    d.deflate = r->deflate;
    for (size_t at = 0; at < text.len;) {
        size_t len = fuzz_piece(cut, &rng, text.len - at);
        char *copy = fuzz_copy(str_make(text.p + at, len)), *p = copy;
        struct ws_event e;
        int rc;
        at += len;
        while ((rc = ws_decoder_next(&d, &p, &len, &e)) == 0) {
            ASSERT(!over);
            over = e.type == WS_CLOSE;
            note(r, &e);
        }
        ASSERT(len == 0);
        ASSERT(rc == -E_AGAIN || (!over && err_close_code(rc) != 0 && d.why));
        if (rc != -E_AGAIN) {
            over = true;
            refused = rc;
        }
        free(copy);
    }
    bool at_rest = over || (d.head_len == 0 && d.message_op == 0);
    ASSERT(!at_rest || !d.partial.p);
    ASSERT(d.partial.cap <= 2 * (MESSAGE_MAX + WS_CONTROL_MAX));
    ws_decoder_fini(&d);
    return refused;
}

static void record_init(struct record *r, enum ws_role role, bool deflate)
{
    r->role = role;
    r->deflate = deflate;
    buf_init(&r->log, LOG_MAX);
    buf_init(&r->wire, LOG_MAX);
}

static void record_fini(struct record *r)
{
    buf_fini(&r->log);
    buf_fini(&r->wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    for (int way = 0; way < 4; way++) {
        enum ws_role role = way % 2 ? WS_CLIENT : WS_SERVER;
        struct record whole, other;
        record_init(&whole, role, way / 2);
        int refused = decode(text, FUZZ_WHOLE, &whole);
        for (enum fuzz_cut cut = FUZZ_BYTES; cut < FUZZ_CUTS; cut++) {
            record_init(&other, role, way / 2);
            int rc = decode(text, cut, &other);
            ASSERT(rc == refused && str_eq(buf_str(&other.log), buf_str(&whole.log)));
            record_fini(&other);
        }
        record_init(&other, role, way / 2);
        int rc = decode(buf_str(&whole.wire), FUZZ_RANDOM, &other);
        ASSERT(rc == 0 && str_eq(buf_str(&other.log), buf_str(&whole.log)));
        record_fini(&other);
        record_fini(&whole);
    }
    return 0;
}
