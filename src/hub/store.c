// SPDX-License-Identifier: MIT
// The store's shared shapes: answers' life and names.
#include "hub/store.h"

#include "base/assert.h"
#include "base/mem.h"

const char *gap_reason_name(enum gap_reason r)
{
    static const char *const names[] = {
        [GAP_RETENTION] = "retention", [GAP_QUOTA] = "quota", [GAP_RATE] = "rate",
        [GAP_MEMORY] = "memory",       [GAP_EPOCH] = "epoch",
    };
    ASSERT(r < ARRAY_LEN(names));
    return names[r];
}

// Pages are bounded by their queries; the arena holds gaps, or lines and their text.
#define ANSWER_ARENA_BYTES ((size_t)16 << 20)

void store_page_init(struct store_page *p)
{
    *p = (struct store_page){0};
    arena_init(&p->arena, ANSWER_ARENA_BYTES);
}

void store_page_fini(struct store_page *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        event_unref(p->events[i]);
    }
    mem_free(p->events);
    mem_free(p->gaps);
    arena_fini(&p->arena);
    *p = (struct store_page){0};
}

void store_lines_init(struct store_lines *l)
{
    *l = (struct store_lines){0};
    arena_init(&l->arena, ANSWER_ARENA_BYTES);
}

void store_lines_fini(struct store_lines *l)
{
    arena_fini(&l->arena);
    *l = (struct store_lines){0};
}

void store_jobs_fini(struct store_jobs *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        job_unref(l->jobs[i]);
    }
    mem_free(l->jobs);
    *l = (struct store_jobs){0};
}

void store_put_job_json(struct buf *b, const struct job *j, const struct store_lines *tail,
                        uint64_t epoch)
{
    job_put_json_open(b, j, epoch);
    buf_put(b, STR(",\"log\":["));
    for (unsigned i = 0; i < tail->count; i++) {
        if (i > 0) {
            buf_putc(b, ',');
        }
        joblog_put_json(b, &tail->lines[i]);
    }
    buf_put(b, STR("]}"));
}
