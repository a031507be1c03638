// SPDX-License-Identifier: MIT
// Tests of the event loop: timers, mail from other threads, stale events, hooks and tasks.
#include "net/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static int setup(void **state)
{
    struct loop *l;
    if (loop_new(&l)) {
        return -1;
    }
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    loop_free(*state);
    return 0;
}

struct tick {
    struct timer timer;
    struct loop *loop;
    int64_t due_ms, fired_ms;
    int *left;
};

static void on_tick(struct timer *t)
{
    struct tick *k = CONTAINER_OF(t, struct tick, timer);
    k->fired_ms = clock_now().mono_ms;
    if (--*k->left == 0) {
        loop_stop(k->loop);
    }
}

static void thousands_of_timers_fire_once_and_not_early(void **state)
{
    enum { COUNT = 5000 };
    struct loop *l = *state;
    static struct tick ticks[COUNT];
    int left = COUNT - 1;
    int64_t start_ms = clock_now().mono_ms;
    for (int i = 0; i < COUNT; i++) {
        ticks[i] = (struct tick){.loop = l, .due_ms = start_ms + (i * 7) % 50, .left = &left};
        timer_init(&ticks[i].timer, on_tick);
        loop_timer_at(l, &ticks[i].timer, ticks[i].due_ms);
    }
    loop_timer_cancel(l, &ticks[17].timer);
    loop_run(l);
    assert_int_equal(left, 0);
    for (int i = 0; i < COUNT; i++) {
        assert_true(i == 17 ? ticks[i].fired_ms == 0 : ticks[i].fired_ms >= ticks[i].due_ms);
    }
}

struct again {
    struct timer timer;
    struct loop *loop;
    int count;
};

static void on_again(struct timer *t)
{
    struct again *a = CONTAINER_OF(t, struct again, timer);
    a->count++;
    loop_timer_after(a->loop, t, 0);
}

static void a_timer_that_is_always_due_does_not_hold_the_turn(void **state)
{
    struct again a = {.loop = *state};
    timer_init(&a.timer, on_again);
    loop_timer_after(a.loop, &a.timer, 0);
    loop_turn(a.loop, 0);
    loop_turn(a.loop, 0);
    assert_true(a.count > 0);
    loop_timer_cancel(a.loop, &a.timer);
}

// ---- Mail ----

enum { MAILS = 2000, SENDERS = 3 };

struct letter {
    struct mail mail;
    struct loop *loop;
    int sender, number;
};

static int last_number[SENDERS];
static int letters_left;

static void on_letter(struct mail *m)
{
    struct letter *x = CONTAINER_OF(m, struct letter, mail);
    assert_int_equal(x->number, last_number[x->sender] + 1);
    last_number[x->sender] = x->number;
    if (--letters_left == 0) {
        loop_stop(x->loop);
    }
    mem_free(x);
}

struct sender {
    pthread_t thread;
    struct loop *loop;
    int index;
};

static void *send_letters(void *arg)
{
    struct sender *s = arg;
    for (int i = 1; i <= MAILS; i++) {
        struct letter *x = mem_alloc(sizeof(*x));
        *x = (struct letter){
            .mail.run = on_letter, .loop = s->loop, .sender = s->index, .number = i};
        if (!loop_post_take(s->loop, &x->mail)) {
            mem_free(x);
        }
    }
    return NULL;
}

static void mail_of_each_thread_comes_in_order(void **state)
{
    struct sender senders[SENDERS];
    letters_left = MAILS * SENDERS;
    for (int i = 0; i < SENDERS; i++) {
        last_number[i] = 0;
        senders[i] = (struct sender){.loop = *state, .index = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]), 0);
    }
    loop_run(*state);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(last_number[i], MAILS);
    }
}

static void mail_left_over_is_run_when_the_loop_goes(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new(&l), 0);
    letters_left = 2;
    last_number[0] = 0;
    struct letter *x = mem_alloc(sizeof(*x));
    *x = (struct letter){.mail.run = on_letter, .loop = l, .number = 1};
    assert_true(loop_post_take(l, &x->mail));
    loop_free(l);
    assert_int_equal(last_number[0], 1);
}

// ---- Descriptors ----

struct pipe_watch {
    struct loop_watch watch;
    struct loop *loop;
    struct pipe_watch **other; // closed and freed by whoever comes first
    int *handled;
};

static void on_pipe(struct loop_watch *w, uint32_t events)
{
    struct pipe_watch *p = CONTAINER_OF(w, struct pipe_watch, watch);
    (void)events;
    ++*p->handled;
    struct pipe_watch *other = *p->other;
    if (other) {
        loop_watch_del(p->loop, &other->watch);
        close(other->watch.fd);
        mem_free(other);
        *p->other = NULL;
    }
}

static void events_of_what_was_closed_in_the_same_turn_are_dropped(void **state)
{
    struct loop *l = *state;
    int handled = 0, fds[2][2];
    struct pipe_watch *w[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(fds[i], O_NONBLOCK), 0);
        assert_int_equal(write(fds[i][1], "x", 1), 1);
        w[i] = mem_alloc(sizeof(*w[i]));
    }
    // Whichever event comes first frees the other watch.
    *w[0] = (struct pipe_watch){
        .watch = {.fd = fds[0][0], .fn = on_pipe}, .loop = l, .other = &w[1], .handled = &handled};
    *w[1] = (struct pipe_watch){
        .watch = {.fd = fds[1][0], .fn = on_pipe}, .loop = l, .other = &w[0], .handled = &handled};
    assert_int_equal(loop_watch_add(l, &w[0]->watch, EPOLLIN), 0);
    assert_int_equal(loop_watch_add(l, &w[1]->watch, EPOLLIN), 0);
    loop_turn(l, 1000);
    assert_int_equal(handled, 1);
    struct pipe_watch *left = w[0] ? w[0] : w[1];
    assert_non_null(left);
    loop_watch_del(l, &left->watch);
    close(left->watch.fd);
    mem_free(left);
    close(fds[0][1]);
    close(fds[1][1]);
}

// ---- The end of the turn ----

static char trace[32];
static size_t trace_len;

struct noted {
    struct loop_task task;
    struct loop_hook hook;
    struct loop *loop;
    char mark;
    bool again;
};

static void on_noted_task(struct loop_task *t)
{
    struct noted *n = CONTAINER_OF(t, struct noted, task);
    trace[trace_len++] = n->mark;
    if (n->again) {
        n->again = false;
        loop_task_defer(n->loop, t);
    }
}

static void on_noted_hook(struct loop_hook *h)
{
    struct noted *n = CONTAINER_OF(h, struct noted, hook);
    trace[trace_len++] = 'h';
    loop_task_defer(n->loop, &n->task);
}

static void hooks_then_tasks_and_what_tasks_put_off_waits(void **state)
{
    struct loop *l = *state;
    struct noted a = {.loop = l, .mark = 'a', .again = true}, b = {.loop = l, .mark = 'b'};
    a.hook.fn = on_noted_hook;
    trace_len = 0;
    loop_task_init(&a.task, on_noted_task);
    loop_task_init(&b.task, on_noted_task);
    loop_task_defer(l, &b.task);
    loop_task_defer(l, &b.task);
    loop_hook_add(l, &a.hook);
    loop_turn(l, 0);
    loop_hook_del(&a.hook);
    assert_int_equal(trace_len, 3);
    assert_memory_equal(trace, "hba", 3);
    loop_turn(l, -1); // does not wait: `a` is put off
    assert_int_equal(trace_len, 4);
    loop_task_defer(l, &b.task);
    loop_task_cancel(&b.task);
    loop_turn(l, 0);
    assert_int_equal(trace_len, 4);
}

int main(void)
{
#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOOP_TEST(thousands_of_timers_fire_once_and_not_early),
        LOOP_TEST(a_timer_that_is_always_due_does_not_hold_the_turn),
        LOOP_TEST(mail_of_each_thread_comes_in_order),
        cmocka_unit_test(mail_left_over_is_run_when_the_loop_goes),
        LOOP_TEST(events_of_what_was_closed_in_the_same_turn_are_dropped),
        LOOP_TEST(hooks_then_tasks_and_what_tasks_put_off_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
