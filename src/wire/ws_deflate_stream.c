// SPDX-License-Identifier: MIT
// One compressed stream for all subscribers of a topic.
#include "wire/ws_deflate_stream.h"

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
