// SPDX-License-Identifier: MIT
// For tests of reports and the reducer only: one job, a clock, and what came of the last report as
// one line of text.
//
//   DEPLOYMENT_PROGRESS~n{"progress":5,…}  ~: memory, n / w: narrow or wide topics only; ids and
//   time left out | … | disk save                        effect; then save, merged, duplicate,
//   remove where it is so conflict: sentence                     an error
#ifndef CLAIRON_HUB_REDUCE_WORLD_H
#define CLAIRON_HUB_REDUCE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/job.h"
#include "hub/reduce.h"
#include "hub/report.h"

#define WORLD_WALL_MS INT64_C(1732833000000) // 2024-11-28T22:30:00.000Z

struct world {
    struct job *j;
    struct now now;
    uint64_t next_id;
    struct arena arena;
    struct reduction red;
    uint64_t ids[REDUCTION_DRAFTS_MAX];
    struct buf text;
};

static inline void world_init(struct world *w, enum job_kind kind)
{
    *w = (struct world){.now = {WORLD_WALL_MS, 1000000}, .next_id = 100};
    w->j = job_new(kind, STR("X"));
    assert_non_null(w->j);
    buf_init(&w->text, 1 << 24);
    arena_init(&w->arena, SIZE_MAX);
}

static inline void world_fini(struct world *w)
{
    job_unref(w->j);
    buf_fini(&w->text);
    arena_fini(&w->arena);
}

static inline void world_wait(struct world *w, int64_t ms)
{
    w->now.wall_ms += ms;
    w->now.mono_ms += ms;
}

static inline struct json_val world_json(const char *text)
{
    struct json_val v = {0};
    size_t offset;
    if (text) {
        assert_int_equal(json_parse(str_of(text), LIMIT_JSON_DEPTH, &v, &offset), 0);
    }
    return v;
}

static inline bool world_is_plain(struct json_val key)
{
    static const char *const left_out[] = {"deployment_id", "deploymentId", "ticket_id", "jobId",
                                           "timestamp"};
    for (size_t i = 0; i < ARRAY_LEN(left_out); i++) {
        if (json_string_is(key, str_of(left_out[i]))) {
            return false;
        }
    }
    return true;
}

static inline void world_put_data(struct buf *b, struct str data)
{
    struct json_val object, key, val;
    size_t offset;
    assert_int_equal(json_parse(data, LIMIT_JSON_DEPTH, &object, &offset), 0);
    struct json_iter it = json_iter(object);
    bool first = true;
    while (json_next(&it, &key, &val)) {
        if (world_is_plain(key)) {
            buf_putc(b, first ? '{' : ',');
            buf_put(b, key.raw);
            buf_putc(b, ':');
            buf_put(b, val.raw);
            first = false;
        }
    }
    buf_putc(b, '}');
}

static inline void world_put_outcome(struct world *w, int err)
{
    const struct reduction *red = &w->red;
    struct buf *b = &w->text;
    buf_clear(b);
    if (err) {
        buf_putf(b, "%s: %s", err_code(err), red->fault);
    } else {
        for (unsigned i = 0; i < red->count; i++) {
            const struct event_draft *d = &red->drafts[i];
            buf_put(b, d->type);
            buf_put(b, d->flags & EVENT_MEMORY ? STR("~") : STR(""));
            buf_put(b, d->scope == SCOPE_ALL    ? STR("")
                       : d->scope == SCOPE_WIDE ? STR("w")
                                                : STR("n"));
            world_put_data(b, d->data);
            buf_put(b, STR(" | "));
        }
        buf_putf(b, "%s%s%s%s%s", durability_name(red->effect), red->save ? " save" : "",
                 red->merged ? " merged" : "", red->duplicate ? " duplicate" : "",
                 red->remove ? " remove" : "");
    }
    buf_putc(b, '\0');
    assert_false(b->failed);
}

// The copy becomes the job when the reduction went well, as at a commit.
static inline void world_take(struct world *w, struct job *copy, const struct report *r, int err)
{
    if (err) {
        job_unref(copy);
        return;
    }
    for (unsigned i = 0; i < w->red.count; i++) {
        w->ids[i] = w->next_id++;
    }
    reduce_set_ids(copy, r, &w->red, w->ids, w->now.wall_ms);
    copy->dirty = copy->dirty && !w->red.save;
    job_unref(w->j);
    w->j = w->red.remove ? job_new(copy->kind, str_of(copy->id)) : copy;
    if (w->red.remove) {
        job_unref(copy);
    }
}

static inline int world_reduce(struct world *w, const struct report *r)
{
    struct job *copy = job_copy(w->j);
    assert_non_null(copy);
    int err = reduce_report(copy, r, w->now, &w->arena, &w->red);
    world_take(w, copy, r, err);
    return err;
}

// What the reduction leaves lies in the arena until the next one.
static inline int world_call(struct world *w, enum report_verb verb, const char *body)
{
    struct report r;
    struct report_fault fault;
    arena_fini(&w->arena);
    int err = report_from_call(w->j->kind, verb, str_of(w->j->id), world_json(body), &w->arena, &r,
                               &fault);
    w->red = (struct reduction){0};
    if (err) {
        (void)snprintf(w->red.fault, sizeof(w->red.fault), "%s", fault.text);
    } else {
        err = world_reduce(w, &r);
    }
    world_put_outcome(w, err);
    return err;
}

static inline void world_timer(struct world *w)
{
    struct job *copy = job_copy(w->j);
    arena_fini(&w->arena);
    int err = reduce_timer(copy, w->now, &w->arena, &w->red);
    assert_int_equal(err, 0);
    world_take(w, copy, NULL, err);
    world_put_outcome(w, err);
}

#define WORLD_TIMER -1 // as a verb: what time does

// One step of a scenario.
struct world_step {
    int64_t wait_ms; // before it
    int verb;        // enum report_verb, or WORLD_TIMER
    const char *body;
    const char *want;
};

static inline void world_play(struct world *w, const struct world_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_wait(w, steps[i].wait_ms);
        if (steps[i].verb == WORLD_TIMER) {
            world_timer(w);
        } else {
            (void)world_call(w, (enum report_verb)steps[i].verb, steps[i].body);
        }
        if (strcmp(w->text.p, steps[i].want) != 0) {
            print_message("step %zu: %s\n", i, steps[i].body ? steps[i].body : "");
        }
        assert_string_equal(w->text.p, steps[i].want);
    }
}

#define WORLD_PLAY(kind, steps)                                                                    \
    do {                                                                                           \
        struct world w_;                                                                           \
        world_init(&w_, kind);                                                                     \
        world_play(&w_, steps, ARRAY_LEN(steps));                                                  \
        world_fini(&w_);                                                                           \
    } while (0)

#endif
