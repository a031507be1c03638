// SPDX-License-Identifier: MIT
// Tests of principals and of the rights that follow from owning a job.
#include "hub/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

static int freed;

// Grants what its text names, and nothing else.
static bool may_one(const void *ctx, enum right right, struct str topic)
{
    return right == RIGHT_SUBSCRIBE && str_eq(topic, str_of(ctx));
}

static bool covers_same(const void *ctx, const void *other)
{
    return str_eq(str_of(ctx), str_of(other));
}

static void count_free(void *ctx)
{
    (void)ctx;
    freed++;
}

static const struct principal_ops one_topic = {
    .may = may_one, .covers = covers_same, .free = count_free};

static struct principal *user_with(const char *user, const char *topic)
{
    struct principal_init init = {.user_id = user ? str_of(user) : STR_NONE,
                                  .expires_wall_ms = 1000,
                                  .ops = &one_topic,
                                  .ctx = (void *)(uintptr_t)topic};
    struct principal *p = principal_try_new_take(&init);
    assert_non_null(p);
    return p;
}

static void a_principal_says_what_its_maker_knows(void **state)
{
    (void)state;
    freed = 0;
    struct principal *p = user_with("ann", "tickets"), *q = user_with("ann", "jobs");
    assert_true(principal_may(p, RIGHT_SUBSCRIBE, STR("tickets")));
    assert_false(principal_may(p, RIGHT_PUBLISH, STR("tickets")));
    assert_false(principal_may(p, RIGHT_SUBSCRIBE, STR("jobs")));
    assert_true(principal_covers(p, p));
    assert_false(principal_covers(p, q));
    assert_true(principal_is_user(p, "ann"));
    assert_false(principal_is_user(p, "bob"));
    assert_false(principal_is_user(p, NULL));
    assert_int_equal(principal_expires_wall_ms(p), 1000);
    assert_ptr_equal(principal_ctx(p), principal_ctx(principal_ref(p)));
    principal_unref(p);
    assert_int_equal(freed, 0);
    principal_unref(p);
    principal_unref(q);
    principal_unref(NULL);
    assert_int_equal(freed, 2);
}

static void anyone_may_everything_and_is_nobody(void **state)
{
    (void)state;
    struct principal *p = principal_new_anyone(false), *admin = principal_new_anyone(true);
    assert_true(principal_may(p, RIGHT_PUBLISH, STR("job:1")));
    assert_true(principal_covers(p, admin));
    assert_null(principal_user_id(p).p);
    assert_false(principal_is_user(p, NULL));
    assert_false(principal_is_admin(p));
    assert_true(principal_is_admin(admin));
    assert_true(principal_expires_wall_ms(p) == PRINCIPAL_FOR_EVER);
    principal_unref(p);
    principal_unref(admin);
}

// --- owners ---

// A sequencer that knows one job, job:1 of ann's.
struct world {
    struct ask ask;
    int fails, asked;
    bool answered;
    int err;
};

static void answer(struct ask *ask, struct snapshot_req *r)
{
    struct world *w = CONTAINER_OF(ask, struct world, ask);
    w->asked++;
    r->err = w->fails;
    if (!w->fails && str_is(r->keys[0].id, "1") && r->keys[0].kind == KIND_BUILD) {
        r->jobs[0] = job_new(KIND_BUILD, STR("1"));
        r->jobs[0]->owner = mem_strdup(STR("ann"));
    }
    r->done(r);
}

static void on_answer(void *ctx, int err)
{
    struct world *w = ctx;
    w->answered = true;
    w->err = err;
}

static void an_owner_may_read(void **state)
{
    (void)state;
    static const struct {
        const char *user, *topic;
        int fails, result;
        bool asks;
    } rows[] = {
        {"ann", "tickets", 0, 0, false}, // granted by name
        {"ann", "job:1", 0, 0, true},
        {"bob", "job:1", 0, -E_FORBIDDEN, true},
        {"ann", "job:2", 0, -E_FORBIDDEN, true}, // not there
        {"ann", "job:1", -E_NO_MEMORY, -E_NO_MEMORY, true},
        {"ann", "jobs", 0, -E_FORBIDDEN, false}, // of many
        {NULL, "job:1", 0, -E_FORBIDDEN, false}, // nobody owns nothing
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w = {.ask = {.snapshot = answer}, .fails = rows[i].fails};
        struct principal *p = user_with(rows[i].user, "tickets");
        struct owner_asker asker = {.done = on_answer, .ctx = &w};
        int err = owner_ask_may_read(&w.ask, p, str_of(rows[i].topic), &asker);
        assert_int_equal(err, rows[i].asks ? -E_AGAIN : rows[i].result);
        assert_int_equal(w.asked, rows[i].asks);
        assert_int_equal(w.answered, rows[i].asks);
        assert_int_equal(w.err, rows[i].asks ? rows[i].result : 0);
        principal_unref(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_principal_says_what_its_maker_knows),
        cmocka_unit_test(anyone_may_everything_and_is_nobody),
        cmocka_unit_test(an_owner_may_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
