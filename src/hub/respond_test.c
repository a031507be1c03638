// SPDX-License-Identifier: MIT
// Calls to responders: their life, and that nudges don't pile up.
#include "hub/respond.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct rig {
    struct responders responders;
    unsigned asked, nudged;
};

static void on_ask(struct responders *r, struct respond_call *c)
{
    (void)respond_call_ref(c);
    CONTAINER_OF(r, struct rig, responders)->asked++;
}

static void on_nudge(struct responders *r, struct respond_call *c)
{
    (void)c;
    CONTAINER_OF(r, struct rig, responders)->nudged++;
}

static void test_call(void **state)
{
    (void)state;
    struct rig rig = {.responders = {.ask = on_ask, .nudge = on_nudge}};
    char body[] = "{\"data\":1}";
    const struct respond_question q = {
        .responder = 3, .channel = STR("chat"), .ref = STR("7"), .body = str_of(body)};
    struct respond_call *c = respond_call_try_new(&q);
    assert_non_null(c);
    body[0] = 'x'; // it has its own
    assert_true(str_is(c->body, "{\"data\":1}"));
    assert_true(str_is(c->channel, "chat") && str_is(c->ref, "7") && !c->user.p);
    respond_ask(&rig.responders, c);
    assert_int_equal(rig.asked, 1);
    atomic_fetch_add(&c->unread, 100);
    respond_taken(c, 60);
    respond_taken(c, 40);
    respond_cancel(c);
    respond_cancel(c);
    assert_int_equal(rig.nudged, 1); // the first says it all
    atomic_store(&c->nudging, false);
    respond_cancel(c);
    assert_int_equal(rig.nudged, 1);
    assert_true(atomic_load(&c->cancelled) && atomic_load(&c->unread) == 0);
    respond_call_unref(c);
    respond_call_unref(c);
    mem_fail_nth(1);
    assert_null(respond_call_try_new(&q));
    mem_fail_nth(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
