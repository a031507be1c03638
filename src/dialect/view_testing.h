// SPDX-License-Identifier: MIT
// For the unit tests of views: events and jobs out of a few words, and frames back into lines of
// text.
#ifndef CLAIRON_DIALECT_VIEW_TESTING_H
#define CLAIRON_DIALECT_VIEW_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "dialect/frames.h"
#include "hub/event.h"
#include "hub/job.h"
#include "hub/topic.h"
#include "wire/ws_frame.h"

#define VIEW_EPOCH UINT64_C(0x0123456789abcdef)
#define VIEW_WALL  INT64_C(1732833000123)         // 2024-11-28T22:30:00.123Z
#define VIEW_TIME  "\"2024-11-28T22:30:00.123Z\"" // the same
#define VIEW_C(n)  "\"0123456789abcdef-" n "\""

// A job's event, or (kind KIND_NONE) one on the topic `id`.
static inline struct event *view_event(enum job_kind kind, const char *id, const char *type,
                                       const char *data)
{
    static const struct hash_key key = {1, 2};
    struct event_init init = {.id = 42,
                              .wall_ms = VIEW_WALL,
                              .type = str_of(type),
                              .data = str_of(data),
                              .kind = kind,
                              .attempt = 1,
                              .scope = SCOPE_ALL};
    if (kind == KIND_NONE) {
        init.topics_count = 1;
        init.topics[0] = str_of(id);
    } else {
        init.job_id = str_of(id);
    }
    struct event *e = event_try_new(&init, &key);
    assert_non_null(e);
    return e;
}

// The messages of the frames, each with a newline behind it; as a client reads them.
static inline struct buf view_lines(const struct frames *f)
{
    assert_false(frames_failed(f));
    struct buf copy, lines;
    buf_init(&copy, SIZE_MAX);
    buf_init(&lines, SIZE_MAX);
    buf_put(&copy, buf_str(&f->out));
    struct ws_decoder d;
    ws_decoder_init(&d, WS_CLIENT, (size_t)16 << 20);
    char *p = copy.p;
    size_t len = copy.len;
    struct ws_event e;
    int err;
    while ((err = ws_decoder_next(&d, &p, &len, &e)) == 0) {
        assert_int_equal(e.type, WS_TEXT);
        struct json_val v;
        size_t offset;
        assert_int_equal(json_parse(e.data, 64, &v, &offset), 0);
        buf_put(&lines, e.data);
        buf_putc(&lines, '\n');
    }
    assert_int_equal(err, -E_AGAIN);
    assert_int_equal(len, 0);
    ws_decoder_fini(&d);
    buf_fini(&copy);
    buf_putc(&lines, '\0');
    return lines;
}

static inline void view_expect(struct frames *f, const char *expected)
{
    struct buf lines = view_lines(f);
    assert_string_equal(lines.p, expected);
    buf_fini(&lines);
}

#endif
