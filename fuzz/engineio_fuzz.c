// SPDX-License-Identifier: MIT
// Engine.IO payloads: no read past a packet, and a payload that is written anew reads the same. The
// first byte says how many packets may come.
#include "wire/engineio.h"

#include "base/err.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"

enum { LOG_MAX = 1000000 };

// Walks over a body; what it says goes to `log` to be compared, its packets to `again`.
static int walk(struct str body, size_t packets_max, struct buf *log, struct buf *again)
{
    struct engineio_payload it;
    struct engineio_packet p;
    size_t count = 0;
    int rc;
    char *copy = fuzz_copy(body);
    engineio_payload_init(&it, str_make(copy, body.len), packets_max);
    while ((rc = engineio_payload_next(&it, &p)) == 0) {
        ASSERT(++count <= packets_max && p.type < ENGINEIO_TYPES);
        ASSERT(p.binary ? p.type == ENGINEIO_MESSAGE : utf8_valid(p.data));
        ASSERT(p.data.len < body.len);
        buf_putf(log, "%d %d %zu ", (int)p.type, p.binary, p.data.len);
        buf_put(log, p.data);
        size_t len = again->len, separator = len > 0;
        ASSERT(engineio_payload_put(again, &p));
        ASSERT(again->len == len + separator + engineio_packet_bytes(&p));
    }
    ASSERT(rc == -E_AGAIN || rc == -E_PROTOCOL || rc == -E_UTF8 || rc == -E_POLICY);
    engineio_payload_fini(&it);
    free(copy);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct str body = fuzz_input(data + 1, size - 1);
    struct buf log, again, log2, again2;
    buf_init(&log, LOG_MAX);
    buf_init(&again, LOG_MAX);
    buf_init(&log2, LOG_MAX);
    buf_init(&again2, LOG_MAX);
    int rc = walk(body, data[0], &log, &again);
    // A body that was taken whole is the only way to write its packets.
    ASSERT(rc != -E_AGAIN || str_eq(buf_str(&again), body));
    if (again.len > 0) {
        ASSERT(walk(buf_str(&again), data[0], &log2, &again2) == -E_AGAIN);
        ASSERT(str_eq(buf_str(&log), buf_str(&log2)));
    }
    buf_fini(&log);
    buf_fini(&again);
    buf_fini(&log2);
    buf_fini(&again2);
    return 0;
}
