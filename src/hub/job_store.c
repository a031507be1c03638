// SPDX-License-Identifier: MIT
// The stored form of a job: one flat JSON object, its members named by tables. A member that is
// missing reads as absent, one that is not known is skipped, so that older and newer rows can be
// read.
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/job.h"
#include "hub/job_fields.h"
#include "hub/state.h"
#include "hub/topic.h"

enum { ROW_DEPTH_MAX = 4 };
#define ROW_ARENA_BYTES                                                                            \
    ((size_t)16 << 20) // a row holds a few texts, each bounded by the data of an event

enum number_type { NUMBER_I64, NUMBER_U64, NUMBER_U32, NUMBER_BOOL };

static const struct number_field {
    const char *name;
    enum number_type type;
    size_t offset;
} number_fields[] = {
#define FIELD(type, member)                                                                        \
    {                                                                                              \
#member, type, offsetof(struct job, member)                                                \
    }
    FIELD(NUMBER_U32, attempt),
    FIELD(NUMBER_BOOL, settled),
    FIELD(NUMBER_BOOL, complete_told),
    FIELD(NUMBER_BOOL, progress_known),
    FIELD(NUMBER_I64, step_index),
    FIELD(NUMBER_I64, steps_total),
    FIELD(NUMBER_I64, iteration),
    FIELD(NUMBER_I64, exit_code),
    FIELD(NUMBER_BOOL, exit_code_known),
    FIELD(NUMBER_I64, created_ms),
    FIELD(NUMBER_I64, started_ms),
    FIELD(NUMBER_I64, updated_ms),
    FIELD(NUMBER_I64, ended_ms),
    FIELD(NUMBER_U64, cursor_id),
    FIELD(NUMBER_U32, last_line),
    FIELD(NUMBER_U32, log_first),
    FIELD(NUMBER_BOOL, cancel_requested),
    FIELD(NUMBER_BOOL, stalled),
    FIELD(NUMBER_U32, lease_s),
    FIELD(NUMBER_U64, progress_event_id),
    FIELD(NUMBER_I64, progress_event_wall_ms),
    FIELD(NUMBER_BOOL, progress_event_wide),
#undef FIELD
};

static int64_t number_load(const struct job *j, const struct number_field *f)
{
    const void *at = (const char *)j + f->offset;
    switch (f->type) {
    case NUMBER_I64:
        return *(const int64_t *)at;
    case NUMBER_U64:
        return (int64_t) * (const uint64_t *)at; // ids and sequence numbers stay below 2^63
    case NUMBER_U32:
        return *(const uint32_t *)at;
    case NUMBER_BOOL:
        return *(const bool *)at;
    }
    UNREACHABLE();
}

static bool number_save(struct job *j, const struct number_field *f, int64_t n)
{
    void *at = (char *)j + f->offset;
    switch (f->type) {
    case NUMBER_I64:
        *(int64_t *)at = n;
        return true;
    case NUMBER_U64:
        *(uint64_t *)at = (uint64_t)n;
        return n >= 0;
    case NUMBER_U32:
        *(uint32_t *)at = (uint32_t)n;
        return n >= 0 && n <= UINT32_MAX;
    case NUMBER_BOOL:
        *(bool *)at = n != 0;
        return true;
    }
    UNREACHABLE();
}

void job_encode(struct buf *b, const struct job *j)
{
    buf_putf(b, "{\"kind\":\"%s\",\"status\":\"%s\",\"progress\":%.17g", kind_name(j->kind),
             job_status_text(j), j->progress);
    for (unsigned i = 0; i < JOB_TEXTS; i++) {
        const char *text =
            *(char *const *)(const void *)((const char *)j + job_text_fields[i].offset);
        if (text) {
            buf_putf(b, ",\"%s\":", job_text_fields[i].name);
            buf_put_json(b, str_of(text));
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(number_fields); i++) {
        int64_t n = number_load(j, &number_fields[i]);
        if (n != 0) {
            buf_putf(b, ",\"%s\":", number_fields[i].name);
            buf_put_i64(b, n);
        }
    }
    buf_put(b, STR(",\"producers\":["));
    for (unsigned i = 0; i < j->producers_count; i++) {
        const struct job_producer *p = &j->producers[i];
        buf_put(b, i > 0 ? STR(",[") : STR("["));
        buf_put_json(b, str_of(p->name));
        buf_putc(b, ',');
        buf_put_u64(b, p->seq);
        buf_putc(b, ',');
        buf_put_u64(b, p->id);
        buf_putc(b, ']');
    }
    buf_put(b, STR("]}"));
}

static int read_producer(struct job *j, struct json_val row, struct arena *a)
{
    struct json_val name = {0}, seq = {0}, id = {0};
    struct json_iter it = json_iter(row);
    int64_t seq_n = 0, id_n = 0;
    bool ok = j->producers_count < LIMIT_PRODUCERS_PER_JOB && json_next(&it, NULL, &name) &&
              json_next(&it, NULL, &seq) && json_next(&it, NULL, &id) && name.type == JSON_STRING &&
              json_int(seq, &seq_n) == 0 && json_int(id, &id_n) == 0;
    if (!ok || seq_n < 0 || id_n < 0) {
        return -E_BAD_JSON;
    }
    struct str text = json_string(name, a);
    char *owned = text.p ? mem_try_strdup(text) : NULL;
    if (!owned) {
        return -E_NO_MEMORY;
    }
    j->producers[j->producers_count++] =
        (struct job_producer){.name = owned, .seq = (uint64_t)seq_n, .id = (uint64_t)id_n};
    return 0;
}

static int read_producers(struct job *j, struct json_val rows, struct arena *a)
{
    struct json_iter it = json_iter(rows);
    struct json_val row;
    while (json_next(&it, NULL, &row)) {
        int err = read_producer(j, row, a);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int read_status(struct job *j, struct json_val val, struct arena *a)
{
    if (val.type != JSON_STRING) {
        return -E_BAD_JSON;
    }
    struct str text = json_string(val, a);
    if (!text.p) {
        return -E_NO_MEMORY;
    }
    j->status = state_parse(j->kind, text);
    return j->status == STATUS_NONE && text.len > 0 ? -E_BAD_JSON : 0;
}

// One member of the stored object.
static int read_member(struct job *j, struct json_val key, struct json_val val, struct arena *a)
{
    if (json_string_is(key, STR("status"))) {
        return read_status(j, val, a);
    }
    if (json_string_is(key, STR("progress"))) {
        return json_double(val, &j->progress) == 0 ? 0 : -E_BAD_JSON;
    }
    if (json_string_is(key, STR("producers"))) {
        return read_producers(j, val, a);
    }
    for (unsigned i = 0; i < JOB_TEXTS; i++) {
        if (json_string_is(key, str_of(job_text_fields[i].name))) {
            if (val.type != JSON_STRING) {
                return -E_BAD_JSON;
            }
            struct str text = json_string(val, a);
            return text.p ? job_set_text(job_text_at(j, i), text) : -E_NO_MEMORY;
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(number_fields); i++) {
        if (json_string_is(key, str_of(number_fields[i].name))) {
            int64_t n;
            bool ok = json_int(val, &n) == 0 && number_save(j, &number_fields[i], n);
            return ok ? 0 : -E_BAD_JSON;
        }
    }
    return 0;
}

static bool is_json(const char *text)
{
    struct json_val v;
    size_t offset;
    return !text || json_parse(str_of(text), LIMIT_JSON_DEPTH, &v, &offset) == 0;
}

static bool is_id(const char *text)
{
    return !text || topic_id_valid(str_of(text));
}

// What everybody who handles a job relies on; a damaged row may say anything.
static bool is_valid(const struct job *j)
{
    return is_id(j->id) && is_id(j->owner) && is_id(j->project) && is_json(j->result) &&
           is_json(j->progress_event_data) && j->progress >= 0 && j->progress <= 100 &&
           (j->attempt == 0 || j->status != STATUS_NONE);
}

static int read_row(struct json_val row, struct arena *a, struct job **ret)
{
    struct json_val kind = json_get(row, "kind"), id = json_get(row, "id");
    if (kind.type != JSON_STRING || id.type != JSON_STRING) {
        return -E_BAD_JSON;
    }
    struct str kind_text = json_string(kind, a), id_text = json_string(id, a);
    if (!kind_text.p || !id_text.p) {
        return -E_NO_MEMORY;
    }
    enum job_kind k = kind_parse(kind_text);
    if (k == KIND_NONE) {
        return -E_BAD_JSON;
    }
    struct job *j = job_new(k, id_text);
    if (!j) {
        return -E_NO_MEMORY;
    }
    // Numbers that are 0 are not written.
    j->step_index = j->steps_total = j->iteration = 0;
    struct json_iter it = json_iter(row);
    struct json_val key, val;
    int err = 0;
    while (!err && json_next(&it, &key, &val)) {
        err = read_member(j, key, val, a);
    }
    if (!err && !is_valid(j)) {
        err = -E_BAD_JSON;
    }
    if (err) {
        job_unref(j);
        return err;
    }
    *ret = j;
    return 0;
}

int job_decode(struct str text, struct job **ret)
{
    struct json_val row;
    size_t offset;
    int err = json_parse(text, ROW_DEPTH_MAX, &row, &offset);
    if (err) {
        return err;
    }
    struct arena a;
    arena_init(&a, ROW_ARENA_BYTES);
    err = read_row(row, &a, ret);
    arena_fini(&a);
    return err;
}
