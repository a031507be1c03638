// SPDX-License-Identifier: MIT
// Tests of the acceptor: addresses, sharing out to the least loaded, running out of descriptors.
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

enum { WORKERS = 3, FDS_MAX = 64 };

struct worker {
    struct accept_target target;
    int fds[FDS_MAX];
    size_t count;
};

struct fixture {
    struct loop *loop;         // the acceptor's
    struct loop *workers_loop; // one for all, turned by the same thread
    struct metrics_table *table;
    struct acceptor *acceptor;
    struct worker workers[WORKERS];
};

static void take(struct accept_target *t, const struct accepted *a)
{
    struct worker *w = t->ctx;
    assert_true(a->loopback_listener);
    assert_true(net_addr_is_loopback(&a->peer));
    assert_int_not_equal(a->peer.port, 0);
    assert_true(w->count < FDS_MAX);
    w->fds[w->count++] = a->fd;
}

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    struct accept_target *targets[WORKERS];
    assert_int_equal(loop_new(&f->loop), 0);
    assert_int_equal(loop_new(&f->workers_loop), 0);
    f->table = metrics_table_new(1);
    for (size_t i = 0; i < WORKERS; i++) {
        struct worker *w = &f->workers[i];
        w->target = (struct accept_target){.loop = f->workers_loop, .fn_take = take, .ctx = w};
        targets[i] = &w->target;
    }
    f->acceptor = acceptor_new(&(struct acceptor_config){.loop = f->loop,
                                                         .metrics = metrics_of(f->table, 0),
                                                         .targets = targets,
                                                         .targets_count = WORKERS,
                                                         .reserve = 4,
                                                         .pause_ms = 20});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    acceptor_free(f->acceptor);
    for (size_t i = 0; i < WORKERS; i++) {
        for (size_t k = 0; k < f->workers[i].count; k++) {
            close(f->workers[i].fds[k]);
        }
    }
    loop_free(f->loop);
    loop_free(f->workers_loop);
    metrics_table_free(f->table);
    mem_free(f);
    return 0;
}

static size_t taken(const struct fixture *f)
{
    size_t n = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        n += f->workers[i].count;
    }
    return n;
}

#define TURN_UNTIL(f, cond)                                                                        \
    do {                                                                                           \
        int64_t end_ms_ = clock_now().mono_ms + 10000;                                             \
        while (!(cond)) {                                                                          \
            assert_true(clock_now().mono_ms < end_ms_);                                            \
            loop_turn((f)->loop, 20);                                                              \
            loop_turn((f)->workers_loop, 0);                                                       \
        }                                                                                          \
    } while (0)

static void connect_to(int fd, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (void *)&a, sizeof(a)), 0);
}

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    connect_to(fd, port);
    return fd;
}

static void addresses_are_read_and_told(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *host, *told;
        bool loopback;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1:", true}, {"127.0.0.2", "127.0.0.2:", true},
        {"::1", "[::1]:", true},           {"[::1]", "[::1]:", true},
        {"0.0.0.0", "0.0.0.0:", false},    {"", "0.0.0.0:", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct listener *l;
        assert_int_equal(acceptor_listen(f->acceptor, str_of(rows[i].host), 0, &l), 0);
        assert_true(listener_port(l) != 0);
        assert_true(str_starts(str_of(listener_text(l)), str_of(rows[i].told)));
        assert_int_equal(listener_is_loopback(l), rows[i].loopback);
    }
}

static void bad_addresses_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct listener *l, *l2;
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1.5.6"), 0, &l), -E_BAD_REQUEST);
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1\0x"), 0, &l), -E_BAD_REQUEST);
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), 0, &l), 0);
    errno = 0;
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), listener_port(l), &l2), -E_IO);
    assert_int_equal(errno, EADDRINUSE);
}

static void each_connection_goes_to_the_least_loaded(void **state)
{
    struct fixture *f = *state;
    const struct listener *l;
    int clients[9];
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), 0, &l), 0);
    f->workers[1].target.load = 3;
    for (size_t i = 0; i < 9; i++) {
        clients[i] = dial(listener_port(l));
    }
    TURN_UNTIL(f, taken(f) == 9);
    assert_int_equal(f->workers[0].count, 4);
    assert_int_equal(f->workers[1].count, 1);
    assert_int_equal(f->workers[2].count, 4);
    assert_int_equal(metrics_sum(f->table, METRIC_ACCEPTED), 9);
    for (size_t i = 0; i < 9; i++) {
        close(clients[i]);
    }
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, option, &value, &len), 0);
    return value;
}

static void what_connections_need_is_inherited(void **state)
{
    struct fixture *f = *state;
    const struct listener *l;
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), 0, &l), 0);
    int client = dial(listener_port(l));
    TURN_UNTIL(f, taken(f) == 1);
    assert_int_equal(option_of(f->workers[0].fds[0], TCP_NODELAY), 1);
    assert_int_equal(option_of(f->workers[0].fds[0], TCP_NOTSENT_LOWAT), 16384);
    close(client);
}

static void on_its_own_loop_a_connection_is_taken_without_a_mail(void **state)
{
    struct fixture *f = *state;
    const struct listener *l;
    for (size_t i = 0; i < WORKERS; i++) {
        f->workers[i].target.loop = f->loop;
    }
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), 0, &l), 0);
    int client = dial(listener_port(l));
    mem_fail_nth(1); // none is needed
    loop_turn(f->loop, 1000);
    mem_fail_nth(0);
    assert_int_equal(taken(f), 1);
    assert_int_equal(
        f->workers[0].target.load + f->workers[1].target.load + f->workers[2].target.load, 1);
    assert_int_equal(metrics_sum(f->table, METRIC_ACCEPTED), 1);
    close(client);
}

static void without_memory_a_connection_is_dropped(void **state)
{
    struct fixture *f = *state;
    const struct listener *l;
    char c;
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), 0, &l), 0);
    int first = dial(listener_port(l)), second = dial(listener_port(l));
    mem_fail_nth(1);
    TURN_UNTIL(f, taken(f) == 1);
    mem_fail_nth(0);
    assert_int_equal(recv(first, &c, 1, 0), 0);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(f->workers[i].target.load, f->workers[i].count);
    }
    close(first);
    close(second);
}

static void out_of_descriptors_it_pauses_and_recovers(void **state)
{
    struct fixture *f = *state;
    const struct listener *l;
    struct rlimit old, low;
    int clients[8], filler[256], filled = 0;
    assert_int_equal(acceptor_listen(f->acceptor, STR("127.0.0.1"), 0, &l), 0);
    for (size_t i = 0; i < 8; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((filler[filled] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        filled++;
    }
    for (size_t i = 0; i < 8; i++) {
        connect_to(clients[i], listener_port(l));
    }
    TURN_UNTIL(f, metrics_sum(f->table, METRIC_ACCEPT_PAUSED) > 0);
    assert_int_equal(taken(f), 0);
    // What was held back is there for others now, and accepting leaves it alone.
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(spare >= 0);
    int64_t pauses = metrics_sum(f->table, METRIC_ACCEPT_PAUSED);
    int64_t end_ms = clock_now().mono_ms + 100;
    while (clock_now().mono_ms < end_ms) {
        loop_turn(f->loop, 10);
        loop_turn(f->workers_loop, 0);
    }
    assert_int_equal(metrics_sum(f->table, METRIC_ACCEPT_PAUSED), pauses);
    assert_int_equal(taken(f), 0);
    close(spare);
    while (filled > 0) {
        close(filler[--filled]);
    }
    TURN_UNTIL(f, taken(f) == 8);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (size_t i = 0; i < 8; i++) {
        close(clients[i]);
    }
}

// ---- Workers on threads of their own ----

struct threaded {
    pthread_t thread;
    struct accept_target target;
    atomic_uint taken;
};

static void take_and_close(struct accept_target *t, const struct accepted *a)
{
    struct threaded *w = t->ctx;
    close(a->fd);
    w->taken++;
    atomic_fetch_sub(&t->load, 1);
}

static void *work(void *arg)
{
    struct threaded *w = arg;
    loop_run(w->target.loop);
    return NULL;
}

static void connections_cross_to_other_threads(void **state)
{
    enum { CLIENTS = 200 };
    struct threaded workers[WORKERS] = {0};
    struct accept_target *targets[WORKERS];
    struct fixture *f = *state;
    const struct listener *l;
    for (size_t i = 0; i < WORKERS; i++) {
        struct threaded *w = &workers[i];
        w->target.fn_take = take_and_close;
        w->target.ctx = w;
        assert_int_equal(loop_new(&w->target.loop), 0);
        assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
        targets[i] = &w->target;
    }
    struct acceptor *a = acceptor_new(&(struct acceptor_config){.loop = f->loop,
                                                                .metrics = metrics_of(f->table, 0),
                                                                .targets = targets,
                                                                .targets_count = WORKERS,
                                                                .pause_ms = 20});
    assert_int_equal(acceptor_listen(a, STR("::1"), 0, &l), 0);
    uint16_t port6 = listener_port(l);
    assert_int_equal(acceptor_listen(a, STR("127.0.0.1"), 0, &l), 0);
    assert_true(port6 != 0);
    for (int i = 0; i < CLIENTS; i++) {
        close(dial(listener_port(l)));
    }
    TURN_UNTIL(f, workers[0].taken + workers[1].taken + workers[2].taken == CLIENTS);
    acceptor_free(a);
    for (size_t i = 0; i < WORKERS; i++) {
        loop_stop(workers[i].target.loop);
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].taken > 0);
        assert_int_equal(workers[i].target.load, 0);
        loop_free(workers[i].target.loop);
    }
}

int main(void)
{
#define ACCEPTOR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        ACCEPTOR_TEST(addresses_are_read_and_told),
        ACCEPTOR_TEST(bad_addresses_are_refused),
        ACCEPTOR_TEST(connections_cross_to_other_threads),
        ACCEPTOR_TEST(each_connection_goes_to_the_least_loaded),
        ACCEPTOR_TEST(what_connections_need_is_inherited),
        ACCEPTOR_TEST(on_its_own_loop_a_connection_is_taken_without_a_mail),
        ACCEPTOR_TEST(without_memory_a_connection_is_dropped),
        ACCEPTOR_TEST(out_of_descriptors_it_pauses_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
