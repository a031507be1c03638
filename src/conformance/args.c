// SPDX-License-Identifier: MIT
// Random ids, and arrays out of parts of arrays.
#include "conformance/args.h"

#include "base/base64.h"
#include "base/rng.h"

void args_make_id(char out[static ARGS_ID_BYTES])
{
    unsigned char bytes[15];
    struct buf b;
    random_bytes(bytes, sizeof(bytes));
    buf_init(&b, ARGS_ID_BYTES);
    base64url_put(&b, bytes, sizeof(bytes));
    memcpy(out, b.p, ARGS_ID_BYTES - 1);
    out[ARGS_ID_BYTES - 1] = '\0';
    buf_fini(&b);
}

// The array of `e` with another name, or (NULL) without any.
static struct sio_emit renamed(struct buf *b, const char *name, const struct sio_event *e)
{
    struct json_iter it = json_iter(e->payload);
    struct json_val v;
    buf_init(b, e->payload.raw.len + 64);
    buf_putc(b, '[');
    if (name) {
        buf_put_json(b, str_of(name));
    }
    (void)json_next(&it, NULL, &v);
    while (json_next(&it, NULL, &v)) {
        buf_put(b, b->len > 1 ? STR(",") : STR(""));
        buf_put(b, v.raw);
    }
    buf_putc(b, ']');
    return (struct sio_emit){
        .payload = buf_str(b), .attached = e->attached, .attached_count = e->attached_count};
}

void args_emit_back(struct sio_socket *s, const char *name, const struct sio_event *e)
{
    struct buf b;
    struct sio_emit out = renamed(&b, name, e);
    sio_emit(s, &out, NULL);
    buf_fini(&b);
}

void args_answer_back(struct sio_socket *s, const struct sio_event *e)
{
    struct buf b;
    struct sio_emit out = renamed(&b, NULL, e);
    if (e->wants_ack) {
        sio_ack(s, e->ack, &out);
    }
    buf_fini(&b);
}
