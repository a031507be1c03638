// SPDX-License-Identifier: MIT
// Tests of deadlines of one delay: order, never early, arming again, cancelling, members that go in
// their own call, thousands at once.
#include "net/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

enum { DELAY_MS = 20, FIRED_MAX = 16 };

struct member {
    int id;
    struct deadline deadline;
};

static struct {
    struct loop *loop;
    struct deadlines queue, other;
    int fired[FIRED_MAX];
    size_t count, early, other_count;
} rig;

static struct member *member_of(struct deadline *d)
{
    return CONTAINER_OF(d, struct member, deadline);
}

static void on_due(struct deadlines *q, struct deadline *d)
{
    assert_ptr_equal(q, &rig.queue);
    assert_false(deadline_armed(d));
    rig.early += clock_now().mono_ms < d->due_ms;
    if (rig.count < FIRED_MAX) {
        rig.fired[rig.count] = member_of(d)->id;
    }
    rig.count++;
}

static void on_other(struct deadlines *q, struct deadline *d)
{
    assert_ptr_equal(q, &rig.other);
    assert_false(deadline_armed(d));
    rig.other_count++;
}

static int setup(void **state)
{
    (void)state;
    if (loop_new(&rig.loop)) {
        return -1;
    }
    rig.count = rig.early = rig.other_count = 0;
    deadlines_init(&rig.queue, rig.loop, DELAY_MS, on_due);
    deadlines_init(&rig.other, rig.loop, 0, on_other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    deadlines_fini(&rig.queue);
    deadlines_fini(&rig.other);
    loop_free(rig.loop);
    return 0;
}

static void turn_until(const size_t *count, size_t value)
{
    int64_t end_ms = clock_now().mono_ms + 10000;
    while (*count < value) {
        assert_true(clock_now().mono_ms < end_ms);
        loop_turn(rig.loop, 1000);
    }
    assert_int_equal(*count, value);
}

static void make(struct member *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        m[i].id = (int)i;
        deadline_init(&m[i].deadline);
        deadline_arm(&rig.queue, &m[i].deadline);
    }
}

static void fire_in_order_and_not_early(void **state)
{
    struct member m[5];
    (void)state;
    make(m, 5);
    deadline_arm(&rig.queue, &m[1].deadline); // again: behind the others
    deadline_cancel(&m[0].deadline);          // the one the timer was armed for
    deadline_cancel(&m[0].deadline);
    assert_true(deadline_armed(&m[1].deadline));
    assert_false(deadline_armed(&m[0].deadline));
    turn_until(&rig.count, 4);
    static const int order[] = {2, 3, 4, 1};
    assert_memory_equal(rig.fired, order, sizeof(order));
    assert_int_equal(rig.early, 0);
    loop_turn(rig.loop, 2 * DELAY_MS);
    assert_int_equal(rig.count, 4); // once each
}

static void later_ones_fire_after_the_first_was_cancelled(void **state)
{
    struct member m[2];
    (void)state;
    make(m, 1);
    do { // on a busy machine the first may become due in this turn: then once more
        rig.count = 0;
        deadline_arm(&rig.queue, &m[0].deadline);
        loop_turn(rig.loop, DELAY_MS / 2);
    } while (rig.count > 0);
    deadline_init(&m[1].deadline);
    m[1].id = 1;
    deadline_arm(&rig.queue, &m[1].deadline);
    int64_t due_ms = m[1].deadline.due_ms;
    deadline_cancel(&m[0].deadline);
    turn_until(&rig.count, 1);
    assert_int_equal(rig.fired[0], 1);
    assert_true(clock_now().mono_ms >= due_ms);
}

static void moves_between_queues(void **state)
{
    struct member m[2];
    (void)state;
    make(m, 2);
    deadline_arm(&rig.other, &m[0].deadline);
    turn_until(&rig.other_count, 1);
    turn_until(&rig.count, 1);
    assert_int_equal(rig.fired[0], 1);
}

// ---- What a call does to its queue ----

static size_t calls;
static struct member *victim;

static void on_due_frees(struct deadlines *q, struct deadline *d)
{
    (void)q;
    calls++;
    if (victim && victim != member_of(d)) {
        deadline_cancel(&victim->deadline);
        mem_free(victim);
        victim = NULL;
    }
    mem_free(member_of(d));
}

static void members_may_go_in_a_call(void **state)
{
    struct deadlines q;
    (void)state;
    calls = 0;
    deadlines_init(&q, rig.loop, 0, on_due_frees);
    for (int i = 0; i < 4; i++) {
        struct member *m = mem_alloc(sizeof(*m));
        deadline_init(&m->deadline);
        deadline_arm(&q, &m->deadline);
        victim = i == 1 ? m : victim; // goes in the call of the first
    }
    turn_until(&calls, 3);
    assert_null(victim);
    deadlines_fini(&q);
}

static void on_due_again(struct deadlines *q, struct deadline *d)
{
    calls++;
    deadline_arm(q, d);
}

// Whoever arms itself as due at once doesn't hold the turn, nor do thousands.
static void a_turn_stays_bounded(void **state)
{
    enum { MANY = 20000 };
    struct deadlines q;
    struct member *m = mem_calloc(MANY, sizeof(*m));
    (void)state;
    calls = 0;
    deadlines_init(&q, rig.loop, 0, on_due_again);
    deadline_init(&m[0].deadline);
    deadline_arm(&q, &m[0].deadline);
    loop_turn(rig.loop, 0);
    assert_in_range(calls, 1, MANY / 4);
    deadline_cancel(&m[0].deadline);
    deadlines_fini(&q);

    make(m, MANY);
    while (rig.count == 0) {
        loop_turn(rig.loop, 1000);
    }
    assert_in_range(rig.count, 1, MANY / 4);
    turn_until(&rig.count, MANY);
    mem_free(m);
}

static void from_other_instants(void **state)
{
    static const int64_t back_ms[] = {0, 1000, 5, 1000, 10};
    static const int order[] = {1, 3, 4, 2, 0};
    struct member m[ARRAY_LEN(back_ms)] = {0};
    int64_t now_ms = loop_now(rig.loop).mono_ms;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(m); i++) {
        m[i].id = (int)i;
        deadline_init(&m[i].deadline);
        deadline_arm_from(&rig.queue, &m[i].deadline, now_ms - back_ms[i]);
        assert_true(m[i].deadline.due_ms == now_ms - back_ms[i] + DELAY_MS);
    }
    turn_until(&rig.count, ARRAY_LEN(m));
    assert_memory_equal(rig.fired, order, sizeof(order));
    assert_int_equal(rig.early, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(fire_in_order_and_not_early), TEST(later_ones_fire_after_the_first_was_cancelled),
        TEST(moves_between_queues),        TEST(members_may_go_in_a_call),
        TEST(a_turn_stays_bounded),        TEST(from_other_instants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
