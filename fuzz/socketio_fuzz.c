// SPDX-License-Identifier: MIT
// Socket.IO: a script of messages for one reader. What it takes is within the limits, is written
// anew as the same packet, and the reader owns memory only while attachments are to come.
//
// The input: messages separated by 0x1e; one that begins with `!` is bytes, the others are text.
#include "wire/socketio.h"

#include "base/err.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"

static const struct socketio_limits limits = {
    .depth_max = 16, .nsp_bytes_max = 40, .attached_bytes_max = 300};

static bool same(const struct socketio_packet *a, const struct socketio_packet *b)
{
    return a->type == b->type && a->attachments == b->attachments && a->has_id == b->has_id &&
           a->id == b->id && str_eq(a->nsp, b->nsp) && a->payload.type == b->payload.type &&
           str_eq(a->payload.raw, b->payload.raw) && a->name.type == b->name.type &&
           str_eq(a->name.raw, b->name.raw);
}

static void check(const struct socketio_packet *p)
{
    struct socketio_packet again;
    const char *why;
    struct buf b;
    size_t total = 0;
    ASSERT(p->type < SOCKETIO_TYPES && p->attachments <= SOCKETIO_ATTACHMENTS_MAX);
    ASSERT(p->nsp.len > 0 && p->nsp.len <= limits.nsp_bytes_max && p->nsp.p[0] == '/');
    ASSERT(p->id < 1000000000000000 && (p->has_id || p->type != SOCKETIO_ACK));
    for (unsigned i = 0; i < p->attachments; i++) {
        total += p->attached[i].len;
        free(fuzz_copy(p->attached[i])); // all of it can be read
    }
    ASSERT(total <= limits.attached_bytes_max);
    buf_init(&b, 100000);
    socketio_put(&b, p);
    ASSERT(!b.failed && socketio_decode(buf_str(&b), &limits, &again, &why) == 0);
    ASSERT(same(p, &again));
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = fuzz_input(data, size);
    struct socketio_reader r;
    struct socketio_packet p;
    int rc = 0;
    socketio_reader_init(&r, &limits);
    while (rest.p && (rc == 0 || rc == -E_AGAIN)) {
        struct str s = str_cut(&rest, '\x1e');
        bool bytes = str_starts(s, STR("!"));
        if (!bytes && !utf8_valid(s)) {
            continue;
        }
        s = str_from(s, bytes);
        char *copy = fuzz_copy(s);
        s.p = copy;
        rc = bytes ? socketio_reader_bytes(&r, s, &p) : socketio_reader_text(&r, s, &p);
        if (rc == 0) {
            check(&p);
            socketio_reader_release(&r);
        }
        free(copy);
        ASSERT(socketio_reader_waits(&r) == (rc == -E_AGAIN));
        ASSERT((r.pending != NULL) == (rc == -E_AGAIN));
        ASSERT(rc == 0 || rc == -E_AGAIN || rc == -E_PROTOCOL || rc == -E_TOO_LARGE);
        ASSERT(rc == 0 || rc == -E_AGAIN || r.why);
    }
    socketio_reader_fini(&r);
    return 0;
}
