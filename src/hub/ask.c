// SPDX-License-Identifier: MIT
// Questions to other threads: their life, and the reading itself.
#include "hub/ask.h"

#include "base/assert.h"
#include "base/mem.h"

// A question names at most a session's topics or a page's worth of ids.
#define QUESTION_ARENA_BYTES ((size_t)1 << 20)

struct snapshot_req *snapshot_req_new(unsigned count)
{
    struct snapshot_req *r = mem_try_alloc(sizeof(*r));
    if (!r) {
        return NULL;
    }
    arena_init(&r->arena, QUESTION_ARENA_BYTES);
    list_init(&r->node);
    r->count = count;
    r->keys = arena_try_alloc(&r->arena, count * sizeof(*r->keys));
    r->jobs = arena_try_alloc(&r->arena, count * sizeof(struct job *));
    if (!r->keys || !r->jobs) {
        r->count = 0;
        snapshot_req_free(r);
        return NULL;
    }
    return r;
}

int snapshot_req_set(struct snapshot_req *r, unsigned index, enum job_kind kind, struct str id)
{
    ASSERT(index < r->count);
    struct str copy = arena_try_copy(&r->arena, id);
    if (!copy.p) {
        return -E_NO_MEMORY;
    }
    r->keys[index] = (struct snapshot_key){.kind = kind, .id = copy};
    return 0;
}

void snapshot_req_free(struct snapshot_req *r)
{
    if (!r) {
        return;
    }
    for (unsigned i = 0; i < r->count; i++) {
        job_unref(r->jobs[i]);
    }
    arena_fini(&r->arena);
    mem_free(r);
}

struct read_req *read_req_new(enum read_what what)
{
    struct read_req *r = mem_try_alloc(sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->what = what;
    arena_init(&r->arena, QUESTION_ARENA_BYTES);
    store_page_init(&r->page);
    store_lines_init(&r->lines);
    return r;
}

void read_req_free(struct read_req *r)
{
    if (!r) {
        return;
    }
    store_page_fini(&r->page);
    store_lines_fini(&r->lines);
    store_jobs_fini(&r->jobs);
    job_unref(r->job);
    arena_fini(&r->arena);
    mem_free(r);
}

static bool keep_revocation(void *ctx, const struct store_revocation *row)
{
    struct read_req *r = ctx;
    if (r->revocations.count == r->revocations_query.limit) {
        r->revocations.more = true;
        return false;
    }
    struct store_revocation *kept = &r->revocations.list[r->revocations.count];
    *kept = *row;
    kept->name = arena_try_copy(&r->arena, row->name);
    r->err = kept->name.p ? 0 : -E_NO_MEMORY;
    r->revocations.count += kept->name.p != NULL;
    return r->err == 0;
}

static void read_revocations(struct read_req *r, struct store_reader *reader)
{
    ASSERT(r->revocations_query.limit <= READ_REVOCATIONS_MAX);
    r->revocations.list =
        arena_try_alloc(&r->arena, r->revocations_query.limit * sizeof(*r->revocations.list));
    if (!r->revocations.list) {
        r->err = -E_NO_MEMORY;
        return;
    }
    int err = reader->store->ops->read_revocations(
        reader, r->revocations_query.after, r->revocations_query.wall_ms, keep_revocation, r);
    r->err = err ? err : r->err;
}

void read_req_run(struct read_req *r, struct store_reader *reader)
{
    const struct store_ops *ops = reader->store->ops;
    switch (r->what) {
    case READ_PAGE:
        r->err = ops->read(reader, &r->query, &r->page);
        return;
    case READ_GAPS:
        r->err = ops->read_gaps(reader, &r->query, &r->page);
        return;
    case READ_LINES:
        r->err = ops->read_lines(reader, &r->lines_query, &r->lines);
        return;
    case READ_JOBS:
        r->err = ops->read_jobs(reader, &r->jobs_query, &r->jobs);
        return;
    case READ_JOB:
        r->err = ops->read_job(reader, r->kind, r->id, r->attempt, &r->job);
        return;
    case READ_REVOCATIONS:
        read_revocations(r, reader);
        return;
    }
    UNREACHABLE();
}
