// SPDX-License-Identifier: MIT
#include "base/mailbox.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

enum { POSTERS = 4, EACH = 20000 };

struct letter {
    struct mail mail;
    struct desk *desk;
    int poster, number;
};

// The owner: sleeps on a semaphore that `wake` raises.
struct desk {
    struct mailbox box;
    sem_t bell;
    size_t rings;          // by posters, under the mailbox's lock
    int next[POSTERS + 1]; // the number expected of each
    size_t got;
};

static void ring(void *arg)
{
    struct desk *d = arg;
    d->rings++;
    sem_post(&d->bell);
}

static void desk_init(struct desk *d)
{
    *d = (struct desk){0};
    sem_init(&d->bell, 0, 0);
    mailbox_init(&d->box, ring, d);
}

static void desk_fini(struct desk *d)
{
    mailbox_fini(&d->box);
    sem_destroy(&d->bell);
}

static void read_letter(struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    assert_int_equal(l->number, l->desk->next[l->poster]++);
    l->desk->got++;
    mem_free(l);
}

static struct letter *new_letter(struct desk *d, int poster, int number)
{
    struct letter *l = mem_alloc(sizeof(*l));
    *l = (struct letter){{.run = read_letter}, d, poster, number};
    return l;
}

static void test_order_and_wakes(void **state)
{
    (void)state;
    struct desk d;
    desk_init(&d);
    assert_int_equal(mailbox_run(&d.box), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(mailbox_post_take(&d.box, &new_letter(&d, 0, i)->mail));
    }
    assert_int_equal(d.rings, 1); // once until the owner comes
    assert_int_equal(mailbox_run(&d.box), 3);
    assert_int_equal(d.got, 3);
    assert_true(mailbox_post_take(&d.box, &new_letter(&d, 0, 3)->mail));
    assert_int_equal(d.rings, 2);
    struct list out; // taken behind what is already there
    struct letter *first = new_letter(&d, 0, 0);
    list_init(&out);
    list_push_back(&out, &first->mail.node);
    mailbox_take(&d.box, &out);
    mailbox_take(&d.box, &out);
    assert_ptr_equal(list_pop_front(&out), &first->mail.node);
    mem_free(first);
    struct list *node = list_pop_front(&out);
    read_letter(LIST_ENTRY(node, struct mail, node));
    assert_true(list_empty(&out));
    desk_fini(&d);
}

static void test_close(void **state)
{
    (void)state;
    struct desk d;
    desk_init(&d);
    assert_true(mailbox_post_take(&d.box, &new_letter(&d, 0, 0)->mail));
    mailbox_close(&d.box);
    struct letter *late = new_letter(&d, 0, 1);
    assert_false(mailbox_post_take(&d.box, &late->mail));
    mem_free(late); // still the poster's
    assert_int_equal(mailbox_run(&d.box), 1);
    assert_int_equal(mailbox_run(&d.box), 0);
    desk_fini(&d);
}

// A mail that posts another while it runs: the next run gets it.
static void post_again(struct mail *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, mail);
    assert_true(mailbox_post_take(&l->desk->box, &new_letter(l->desk, 0, 0)->mail));
    mem_free(l);
}

static void test_post_from_within(void **state)
{
    (void)state;
    struct desk d;
    desk_init(&d);
    struct letter *l = new_letter(&d, 0, 0);
    l->mail.run = post_again;
    assert_true(mailbox_post_take(&d.box, &l->mail));
    assert_int_equal(mailbox_run(&d.box), 1);
    assert_int_equal(d.got, 0);
    assert_int_equal(mailbox_run(&d.box), 1);
    assert_int_equal(d.got, 1);
    desk_fini(&d);
}

struct poster {
    struct desk *desk;
    int index;
};

static void *post_all(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < EACH; i++) {
        struct letter *l = new_letter(p->desk, p->index, i);
        if (!mailbox_post_take(&p->desk->box, &l->mail)) {
            mem_free(l);
        }
    }
    return NULL;
}

// Many threads post, one sleeps and reads: nothing is lost, and each poster's mails stay in order.
static void test_threads(void **state)
{
    (void)state;
    struct desk d;
    pthread_t threads[POSTERS];
    struct poster posters[POSTERS];
    desk_init(&d);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&d, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    while (d.got < POSTERS * EACH) {
        while (sem_wait(&d.bell) != 0) {
        }
        mailbox_run(&d.box);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(d.next[i], EACH);
    }
    assert_true(d.rings <= POSTERS * EACH);
    desk_fini(&d);
}

// Closing while others post: each mail either arrives or stays its poster's (the leak checker
// watches).
static void test_close_among_threads(void **state)
{
    (void)state;
    struct desk d;
    pthread_t threads[POSTERS];
    struct poster posters[POSTERS];
    desk_init(&d);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&d, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    while (d.got < EACH) {
        while (sem_wait(&d.bell) != 0) {
        }
        mailbox_run(&d.box);
    }
    mailbox_close(&d.box);
    mailbox_run(&d.box);
    size_t got = d.got;
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(mailbox_run(&d.box), 0);
    assert_int_equal(d.got, got);
    desk_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wakes),     cmocka_unit_test(test_close),
        cmocka_unit_test(test_post_from_within),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_close_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
