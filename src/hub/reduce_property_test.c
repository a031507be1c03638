// SPDX-License-Identifier: MIT
// Random reports and random time, and what must hold all the same:
//
//   one end per attempt, and nothing but lines after it; statuses only move forward; attempts count
//   by one lines are numbered without a hole, from 1 in each attempt mere progress keeps its two
//   rates, and the last value always reaches both kinds of topics a refused report and a duplicate
//   change nothing; a stored job reads back the same
#include "hub/reduce_world.h"

#include "base/rng.h"
#include "hub/state.h"

enum { RUNS = 300, STEPS = 150 };

static const char *const words[KIND_NR][8] = {
    [KIND_DEPLOYMENT] = {"pending", "deploying", "running", "running", "deploying", "success",
                         "failed", "cancelled"},
    [KIND_TICKET] = {"IDLE", "PENDING", "IN_PROGRESS", "IN_PROGRESS", "PENDING", "COMPLETED",
                     "FAILED", "CANCELLED"},
    [KIND_BUILD] = {"queued", "preparing", "installing", "building", "completed", "completed",
                    "failed", "cancelled"},
};

// What a follower of the events knows.
struct follower {
    uint32_t attempt;
    unsigned ends, completes;
    enum job_status status;
    uint32_t last_line;
    double narrow, wide; // last progress seen on the job's own topics, on the others
    int64_t narrow_ms, wide_ms;
};

struct run {
    struct world w;
    struct rng rng;
    struct follower f;
    unsigned seq;
    char body[512];
};

static unsigned pick(struct run *r, unsigned below)
{
    return (unsigned)rng_below(&r->rng, below);
}

static void add(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct run *r, const char *fmt, ...)
{
    size_t len = strlen(r->body);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(r->body + len, sizeof(r->body) - len, fmt, args);
    va_end(args);
}

static void add_members(struct run *r, enum job_kind kind)
{
    if (pick(r, 2)) {
        add(r, ",\"progress\":%u", pick(r, 101));
    }
    if (pick(r, 3) == 0) {
        add(r, ",\"message\":\"m%u\"", pick(r, 3));
    }
    if (pick(r, 6) == 0) {
        add(r, ",\"step\":\"s%u\"", pick(r, 3));
    }
    if (pick(r, 12) == 0) {
        add(r, ",\"extra\":[%u]", pick(r, 9));
    }
    if (pick(r, 12) == 0) {
        add(r, ",\"logs\":\"a\\nb\"");
    }
    if (kind == KIND_TICKET && pick(r, 8) == 0) {
        add(r, ",\"iteration\":%u", pick(r, 5));
    }
}

static enum report_verb make_report(struct run *r)
{
    enum job_kind kind = r->w.j->kind;
    (void)snprintf(r->body, sizeof(r->body),
                   "{"); // members bring a comma each; the first is cut in the end
    if (pick(r, 3) == 0) {
        add(r, ",\"producer\":\"p%u\",\"seq\":%u", pick(r, 20),
            pick(r, 4) ? ++r->seq : pick(r, r->seq + 1));
    }
    if (pick(r, 6) == 0) {
        add(r, ",\"lease\":%u", pick(r, 40));
    }
    if (pick(r, 20) == 0) {
        add(r, ",\"attempt\":%u", r->w.j->attempt + pick(r, 3));
    }
    enum report_verb verb = REPORT_PROGRESS;
    unsigned what = pick(r, 100);
    if (what < 60) {
        add_members(r, kind);
    } else if (what < 75) {
        verb = REPORT_STATUS;
        add(r, ",\"status\":\"%s\"", words[kind][pick(r, pick(r, 3) ? 5 : 8)]);
        add_members(r, kind);
    } else if (what < 88) {
        verb = REPORT_LOG;
        add(r, pick(r, 2) ? ",\"message\":\"x\""
                          : ",\"lines\":[\"a\",{\"message\":\"b\",\"level\":\"error\"}]");
    } else if (what < 93) {
        verb = pick(r, 2) ? REPORT_COMPLETE : REPORT_ERROR;
        add(r, ",\"status\":\"%s\"", words[kind][5 + pick(r, 3)]);
    } else if (what < 98) {
        verb = REPORT_CREATE;
        add(r, ",\"projectId\":\"P\",\"stack_id\":\"s\",\"target_id\":\"t\"");
    } else {
        verb = REPORT_CANCEL;
    }
    add(r, "}");
    if (r->body[1] == ',') {
        memmove(r->body + 1, r->body + 2, strlen(r->body + 1));
    }
    return verb;
}

static struct str encoded(struct buf *b, const struct job *j)
{
    buf_clear(b);
    job_encode(b, j);
    assert_false(b->failed);
    return buf_str(b);
}

static void check_stored_form(const struct job *j)
{
    struct buf a, b;
    struct job *back;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    assert_int_equal(job_decode(encoded(&a, j), &back), 0);
    assert_true(str_eq(buf_str(&a), encoded(&b, back)));
    job_unref(back);
    buf_fini(&a);
    buf_fini(&b);
}

static void follow_progress(struct run *r, const struct event_draft *d, struct json_val data,
                            bool alone)
{
    struct follower *f = &r->f;
    struct json_val progress = json_get(data, "progress");
    int64_t now = r->w.now.mono_ms;
    bool mere = d->flags & EVENT_MEMORY;
    double value;
    if (progress.type == JSON_NONE) {
        return;
    }
    assert_int_equal(json_double(progress, &value), 0);
    if (d->scope & SCOPE_NARROW) {
        f->narrow = value;
        assert_true(!mere || !alone || now - f->narrow_ms >= LIMIT_PROGRESS_MS);
        f->narrow_ms = mere ? now : f->narrow_ms;
    }
    if (d->scope & SCOPE_WIDE) {
        f->wide = value;
        assert_true(!mere || !alone || now - f->wide_ms >= LIMIT_PROGRESS_WIDE_MS);
        f->wide_ms = mere ? now : f->wide_ms;
    }
}

static void follow_status(struct run *r, const struct event_draft *d, struct json_val data)
{
    struct follower *f = &r->f;
    enum job_kind kind = r->w.j->kind;
    struct json_val text = json_get(data, "status");
    if (text.type != JSON_STRING) {
        return;
    }
    enum job_status status = state_parse(kind, str_make(text.raw.p + 1, text.raw.len - 2));
    assert_int_not_equal(status, STATUS_NONE);
    if (f->status != STATUS_NONE && status != f->status) {
        assert_true(state_may_follow(f->status, status));
    }
    f->status = status;
    bool progress_of_end =
        kind == KIND_BUILD && str_is(d->type, "JOB_PROGRESS"); // JOB_COMPLETED follows
    if (str_is(d->type, "DEPLOYMENT_COMPLETE")) {
        assert_int_equal(f->ends, 1);
        assert_int_equal(++f->completes, 1);
    } else if (state_ends(status) && !progress_of_end) {
        assert_int_equal(++f->ends, 1);
    }
}

static void follow_event(struct run *r, const struct event_draft *d, bool alone)
{
    struct follower *f = &r->f;
    struct json_val data;
    size_t offset;
    int64_t n;
    assert_int_equal(json_parse(d->data, LIMIT_JSON_DEPTH, &data, &offset), 0);
    assert_true(d->data.len <= LIMIT_DATA_BYTES);
    assert_int_equal(json_int(json_get(data, "attempt"), &n), 0);
    assert_int_equal(n, d->attempt);
    assert_true(d->attempt == f->attempt || d->attempt == f->attempt + 1);
    if (d->attempt > f->attempt) {
        *f = (struct follower){.attempt = d->attempt,
                               .status = STATUS_NONE,
                               .narrow_ms = INT64_MIN / 2,
                               .wide_ms = INT64_MIN / 2};
    }
    if (d->flags & EVENT_LOG) {
        assert_int_equal(d->line, f->last_line + 1);
        assert_true(d->lines > 0);
        f->last_line += d->lines;
        return;
    }
    bool ended = f->ends > 0;
    follow_status(r, d, data);
    follow_progress(r, d, data, alone);
    assert_true(!ended ||
                str_is(d->type, "DEPLOYMENT_COMPLETE")); // nothing else comes after the end
}

static void follow(struct run *r)
{
    const struct reduction *red = &r->w.red;
    for (unsigned i = 0; i < red->count; i++) {
        follow_event(r, &red->drafts[i], red->count == 1);
    }
    const struct job *j = r->w.j;
    assert_int_equal(j->attempt, r->f.attempt);
    assert_int_equal(j->last_line, r->f.last_line);
    if (r->f.status != STATUS_NONE) {
        assert_int_equal(j->status, r->f.status);
    }
    assert_int_equal(job_is_ended(j), r->f.ends == 1);
    for (unsigned i = 0; i < red->count; i++) {
        const struct event_draft *d = &red->drafts[i];
        bool saved = red->save || d->flags & EVENT_MEMORY;
        assert_true(saved);
        assert_true(red->effect > DURABILITY_MEMORY || d->flags & EVENT_MEMORY);
    }
    check_stored_form(j);
}

static void report(struct run *r)
{
    enum report_verb verb = make_report(r);
    struct buf before, after;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    (void)encoded(&before, r->w.j);
    int err = world_call(&r->w, verb, r->body);
    if (err || r->w.red.duplicate) {
        assert_true(!err || err == -E_CONFLICT || err == -E_NOT_FOUND || err == -E_BAD_REQUEST);
        assert_true(!err || r->w.red.fault[0] != '\0');
        assert_true(str_eq(buf_str(&before), encoded(&after, r->w.j)));
    } else {
        follow(r);
    }
    buf_fini(&before);
    buf_fini(&after);
}

static void pass_time(struct run *r, int64_t ms)
{
    int64_t until = r->w.now.mono_ms + ms;
    for (int64_t next; (next = job_next_deadline(r->w.j)) <= until;) {
        world_wait(&r->w, next > r->w.now.mono_ms ? next - r->w.now.mono_ms : 0);
        world_timer(&r->w);
        follow(r);
        assert_true(job_next_deadline(r->w.j) > r->w.now.mono_ms); // what was due is done
    }
    world_wait(&r->w, until - r->w.now.mono_ms);
}

// When all is quiet everyone has the job's progress.
static void settle(struct run *r)
{
    pass_time(r, LIMIT_PROGRESS_WIDE_MS + LIMIT_PROGRESS_MS);
    const struct job *j = r->w.j;
    assert_false(j->progress_pending || j->wide_pending);
    if (j->attempt > 0 && !job_is_ended(j)) {
        assert_true(r->f.narrow >= j->progress && r->f.narrow <= j->progress);
        assert_true(r->f.wide >= j->progress && r->f.wide <= j->progress);
    }
}

static void run(enum job_kind kind, uint64_t seed)
{
    struct run r = {
        .f = {.status = STATUS_NONE, .narrow_ms = INT64_MIN / 2, .wide_ms = INT64_MIN / 2}};
    rng_init(&r.rng, seed);
    world_init(&r.w, kind);
    for (unsigned i = 0; i < STEPS; i++) {
        report(&r);
        unsigned how = pick(&r, 20);
        pass_time(&r, how == 0   ? pick(&r, 60000)
                      : how < 4  ? pick(&r, 2000)
                      : how < 12 ? pick(&r, 60)
                                 : 0);
        if (how == 5) {
            settle(&r);
        }
    }
    settle(&r);
    world_fini(&r.w);
}

static void test_property(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        run((enum job_kind)(seed % KIND_NR), seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_property)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
