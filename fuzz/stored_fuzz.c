// SPDX-License-Identifier: MIT
// What a damaged database may hold, by the first byte: `c` a chunk as it came, `s` a chunk with the
// checksum made right, `k` chunks of a job's log, likewise, `j` a job's row, `l` the data of a log
// event, `m` where a list of jobs goes on. Records are taken whole or not at all, what is taken is
// written the same again, and what it becomes towards clients is JSON on one line.
#include "store/chunk.h"

#include <math.h>

#include "base/err.h"
#include "fuzz/fuzz.h"
#include "hub/job.h"
#include "hub/joblog.h"
#include "hub/store.h"
#include "store/lines.h"
#include "store/page.h"
#include "wire/json.h"

static const struct hash_key key = {1, 2};

static void check_json(const struct buf *b)
{
    struct json_val v;
    size_t offset;
    int rc = json_parse(buf_str(b), 2 * LIMIT_JSON_DEPTH, &v, &offset);
    ASSERT(!b->failed && rc == 0 && v.type == JSON_OBJECT);
    ASSERT(str_chr(buf_str(b), '\n', 0) < 0);
}

static void check_event(const struct event *e)
{
    struct json_val v;
    struct buf b;
    size_t offset;
    buf_init(&b, SIZE_MAX);
    ASSERT(e->topics_count > 0 && e->topics_count <= LIMIT_TOPICS_PER_EVENT && e->data.len > 0);
    event_put_json(&b, e, 1);
    // Data is not looked at when it is read: its checksum is, or SQLite's.
    if (json_parse(e->data, LIMIT_JSON_DEPTH, &v, &offset) == 0 && str_chr(e->data, '\n', 0) < 0 &&
        json_parse(e->type, 1, &v, &offset) != 0) {
        check_json(&b);
    }
    buf_fini(&b);
}

// The records before the first bad one, written again, are the same bytes.
static void read_chunk(struct str bytes, const struct event_init *base, bool must_open)
{
    struct chunk_iter it;
    struct buf again;
    size_t taken = sizeof(uint64_t);
    int rc = 0;
    bool whole = true; // all were written again
    if (!chunk_open(&it, bytes)) {
        ASSERT(!must_open);
        return;
    }
    buf_init(&again, SIZE_MAX);
    chunk_begin(&again);
    for (;;) {
        struct event_init init = *base;
        rc = chunk_next(&it, &init);
        if (rc != 1) {
            break;
        }
        taken = (size_t)(it.p - bytes.p);
        if (!event_init_valid(&init)) {
            whole = false;
            continue;
        }
        struct event *e = event_try_new(&init, &key);
        ASSERT(e);
        check_event(e);
        chunk_put(&again, e);
        event_unref(e);
    }
    ASSERT(rc == 0 || rc == -E_IO);
    if (whole && base->kind == KIND_NONE) {
        ASSERT(again.len == taken);
        ASSERT(memcmp(again.p + sizeof(uint64_t), bytes.p + sizeof(uint64_t),
                      taken - sizeof(uint64_t)) == 0);
    }
    buf_fini(&again);
}

static void read_sealed(struct str body, const struct event_init *base)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    chunk_begin(&b);
    buf_put(&b, body);
    chunk_end(&b);
    char *copy = fuzz_copy(buf_str(&b));
    struct str bytes = str_make(copy, b.len);
    read_chunk(bytes, base, true);
    if (body.len > 0) { // any bit that differs is noticed
        copy[sizeof(uint64_t) + body.len / 2] ^= 1;
        struct chunk_iter it;
        ASSERT(!chunk_open(&it, bytes));
    }
    free(copy);
    buf_fini(&b);
}

static void read_job(struct str text)
{
    struct job *j, *back;
    int rc = job_decode(text, &j);
    ASSERT(rc == 0 || rc == -E_BAD_JSON || rc == -E_NO_MEMORY);
    if (rc) {
        return;
    }
    ASSERT(j->progress >= 0 && j->progress <= 100);
    struct buf once, twice, shown;
    buf_init(&once, SIZE_MAX);
    buf_init(&twice, SIZE_MAX);
    buf_init(&shown, SIZE_MAX);
    job_encode(&once, j);
    rc = job_decode(buf_str(&once), &back);
    ASSERT(rc == 0);
    job_encode(&twice, back);
    ASSERT(str_eq(buf_str(&once), buf_str(&twice)));
    job_put_json_open(&shown, j, 1);
    buf_putc(&shown, '}');
    ASSERT(!shown.failed);
    ASSERT(job_is_open(j) == job_is_open(back) && job_is_ended(j) == job_is_ended(back));
    struct jobs_mark mark;
    struct store_jobs list = {0};
    jobs_mark_put(&list, j);
    if (j->created_ms >= 0) {
        rc = jobs_mark_parse(str_of(list.next), &mark);
        ASSERT(rc == 0 && mark.created_ms == j->created_ms && str_is(mark.id, j->id));
        ASSERT(!jobs_mark_before(&mark, j));
    }
    if (!j->result) { // which comes as it is
        check_json(&shown);
    }
    buf_fini(&once);
    buf_fini(&twice);
    buf_fini(&shown);
    job_unref(j);
    job_unref(back);
}

static bool check_line(void *ctx, const struct joblog_line *line)
{
    uint32_t *next = ctx;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    ASSERT(*next == 0 || line->line == *next);
    ASSERT(str_chr(line->message, '\n', 0) < 0 && joblog_level(line->level).p);
    joblog_put_json(&b, line);
    check_json(&b);
    buf_fini(&b);
    *next = line->line + 1;
    return true;
}

// Bytes: the type, how the query is made, then the data.
static void read_log(struct str text)
{
    static const char *const types[] = {"DEPLOYMENT_LOGS_UPDATE", "TICKET_LOG", "JOB_LOG", "X"};
    unsigned how = text.len > 0 ? (unsigned char)text.p[0] : 0;
    struct str type = str_of(types[how & 3]), data = str_from(text, 1);
    struct arena a;
    uint32_t next = 0;
    arena_init(&a, 10000000);
    int rc = joblog_each(type, data, 0, &a, check_line, &next);
    ASSERT(rc == 0 || rc == -E_BAD_JSON || rc == -E_NO_MEMORY);
    arena_fini(&a);
    struct store_lines_query q = {.from = (int64_t)(how >> 2 & 7) - 4,
                                  .count_max = 1 + (how >> 5 & 3),
                                  .bytes_max = 20,
                                  .tail = how >> 7};
    struct store_lines lines = {.first_kept = 1, .last = 6, .attempt = 1};
    struct lines_fill fill;
    arena_init(&lines.arena, 10000000);
    rc = lines_start(&fill, &q, &lines);
    ASSERT(rc == 0);
    for (int i = 0; i < 2 && !fill.full && rc == 0; i++) { // a damaged log may say it twice
        rc = lines_put(&fill, type, data, 0);
    }
    ASSERT(lines.count <= q.count_max);
    arena_fini(&lines.arena);
}

static void read_mark(struct str text)
{
    struct jobs_mark mark;
    if (jobs_mark_parse(text, &mark) == 0) {
        ASSERT(mark.any && mark.created_ms >= 0 && mark.id.len < text.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct event_init plain = {.kind = KIND_NONE};
    const struct event_init log = {
        .kind = KIND_DEPLOYMENT, .attempt = 1, .job_id = STR("D"), .owner = STR("U"), .scope = 3};
    struct str text = fuzz_input(data, size), rest = str_from(text, 1);
    switch (text.len > 0 ? text.p[0] : '\0') {
    case 'c': {
        char *copy = fuzz_copy(rest);
        read_chunk(str_make(copy, rest.len), &plain, false);
        free(copy);
        break;
    }
    case 's':
        read_sealed(rest, &plain);
        break;
    case 'k':
        read_sealed(rest, &log);
        break;
    case 'j':
        read_job(rest);
        break;
    case 'l':
        read_log(rest);
        break;
    default:
        read_mark(rest);
        break;
    }
    return 0;
}
