// SPDX-License-Identifier: MIT
// One compressed stream for all subscribers of a topic.
#include "wire/ws_deflate_stream.h"

#include "base/assert.h"
#include "base/mem.h"

struct ws_deflate_stream {
    struct ws_deflater *deflater;
    uint64_t *runs;
    uint64_t run;
    uint32_t next; // in the run; 0: it is yet to begin
};

struct ws_deflate_stream *ws_deflate_stream_try_new(const struct ws_deflate_shape *shape,
                                                    uint64_t *runs)
{
    struct ws_deflate_stream *s = mem_try_alloc(sizeof(*s));
    if (!s) {
        return NULL;
    }
    s->runs = runs;
    s->deflater = ws_deflater_try_new(shape);
    if (!s->deflater) {
        mem_free(s);
        return NULL;
    }
    return s;
}

void ws_deflate_stream_free(struct ws_deflate_stream *s)
{
    if (s) {
        ws_deflater_free(s->deflater);
        mem_free(s);
    }
}

void ws_deflate_stream_end_run(struct ws_deflate_stream *s)
{
    s->next = 0;
}

int ws_deflate_stream_put(struct ws_deflate_stream *s, struct str plain, struct buf *out,
                          struct ws_stream_message *ret)
{
    bool fresh = s->next == 0;
    int rc = ws_deflater_put(s->deflater, plain, fresh, out);
    if (rc) {
        s->next = 0;
        return rc;
    }
    if (fresh) {
        s->run = ++*s->runs;
    }
    *ret = (struct ws_stream_message){s->run, s->next};
    s->next = (s->next + 1) % WS_STREAM_RUN;
    return 0;
}

bool ws_stream_serves(const struct ws_stream_place *place, const struct ws_stream_message *m)
{
    ASSERT(m->run > 0);
    return m->seq == 0 || (place->run == m->run && place->next == m->seq);
}

void ws_stream_sent(struct ws_stream_place *place, const struct ws_stream_message *m)
{
    ASSERT(ws_stream_serves(place, m));
    *place = (struct ws_stream_place){m->run, m->seq + 1};
}

void ws_stream_left(struct ws_stream_place *place)
{
    *place = (struct ws_stream_place){0};
}
