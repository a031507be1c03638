// SPDX-License-Identifier: MIT
// Tests of the ring on the kernel at hand: short sends come back short, it can do nothing but
// send, and each way of not having one is an error.
#include "net/uring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "net/syscall_deny.h"
#include "net/tcp_pair.h"

enum { BYTES = 1 << 20 };

static void need_uring(void)
{
    int e = uring_check();
    if (e == -EPERM || e == -ENOSYS) {
        print_message("no io_uring here: %s\n", strerrordesc_np(-e));
        skip();
    }
    assert_int_equal(e, 0);
}

// What `fn` returns in a process of its own.
static int in_child(int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fn());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char *counting(size_t len)
{
    char *p = mem_alloc(len);
    for (size_t i = 0; i < len; i++) {
        p[i] = (char)(i * 2654435761U >> 24);
    }
    return p;
}

// Reads what came, and compares it with `bytes`.
static size_t take_and_compare(int fd, const char *bytes)
{
    size_t total = 0;
    ssize_t n;
    static char room[65536];
    while ((n = recv(fd, room, sizeof(room), MSG_DONTWAIT)) > 0) {
        assert_memory_equal(room, bytes + total, n);
        total += (size_t)n;
    }
    return total;
}

static void a_full_socket_takes_some_and_then_nothing(void **state)
{
    (void)state;
    need_uring();
    struct uring *u;
    assert_int_equal(uring_new(&u), 0);
    char *bytes = counting(BYTES);
    int fds[2];
    tcp_pair(fds, 4096);
    struct uring_send sends[] = {{.fd = fds[1], .bytes = str_make(bytes, BYTES)},
                                 {.fd = fds[1], .bytes = str_make(bytes, BYTES)}};
    assert_int_equal(uring_send(u, sends, 2), 2);
    assert_in_range(sends[0].n, 1, BYTES - 1);
    assert_int_equal(sends[1].n, -EAGAIN);
    // No more than it says goes out, now or later, however the socket drains.
    size_t got = 0;
    while (got < (size_t)sends[0].n) {
        got += take_and_compare(fds[0], bytes + got);
    }
    assert_int_equal(uring_send(u, NULL, 0), 0);
    assert_int_equal(got, sends[0].n);
    close(fds[1]);
    assert_int_equal(recv(fds[0], bytes, 1, 0), 0);
    close(fds[0]);
    mem_free(bytes);
    uring_free(u);
}

static void each_send_of_a_batch_has_its_own_outcome(void **state)
{
    (void)state;
    need_uring();
    struct uring *u;
    assert_int_equal(uring_new(&u), 0);
    char *bytes = counting(BYTES);
    int good[2], full[2], gone[2];
    tcp_pair(good, 0);
    tcp_pair(full, 4096);
    tcp_pair(gone, 0);
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(setsockopt(gone[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(gone[0]);
    for (int round = 0; round < 3; round++) {
        struct uring_send sends[URING_BATCH];
        for (unsigned i = 0; i < URING_BATCH; i++) {
            sends[i] = (struct uring_send){.fd = good[1], .bytes = str_make(bytes + i, 1)};
        }
        sends[7] = (struct uring_send){.fd = full[1], .bytes = str_make(bytes, BYTES)};
        sends[8] = (struct uring_send){.fd = gone[1], .bytes = str_make(bytes, 10)};
        sends[9] = (struct uring_send){.fd = -1, .bytes = str_make(bytes, 10)};
        assert_int_equal(uring_send(u, sends, URING_BATCH), URING_BATCH);
        assert_int_equal(sends[0].n, 1);
        assert_int_equal(sends[63].n, 1);
        assert_true(round == 0 ? sends[7].n > 0 && sends[7].n < BYTES : sends[7].n == -EAGAIN);
        assert_true(sends[8].n == -EPIPE || sends[8].n == -ECONNRESET);
        assert_int_equal(sends[9].n, -EBADF);
        char got[URING_BATCH];
        assert_int_equal(recv(good[0], got, URING_BATCH - 3, MSG_WAITALL), URING_BATCH - 3);
        assert_memory_equal(got, bytes, 7);
        assert_memory_equal(got + 7, bytes + 10, URING_BATCH - 10);
    }
    const int fds[] = {good[0], good[1], full[0], full[1], gone[1]};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    mem_free(bytes);
    uring_free(u);
}

static void it_can_do_nothing_but_send(void **state)
{
    (void)state;
    need_uring();
    struct uring *u;
    struct uring_send s = {.fd = -1, .bytes = STR("x")};
    assert_int_equal(uring_new(&u), 0);
    assert_int_equal(uring_send(u, &s, 1), 1);
    struct io_uring *ring = (struct io_uring *)u; // its first member
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_openat(sqe, AT_FDCWD, "/dev/null", 0, 0);
    assert_int_equal(io_uring_submit(ring), 1);
    struct io_uring_cqe *cqe;
    assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
    assert_int_equal(cqe->res, -EACCES);
    io_uring_cqe_seen(ring, cqe);
    uring_free(u);
}

// ---- Not to be had ----

static int without_setup(void)
{
    struct uring *u;
    return syscall_deny(__NR_io_uring_setup, EPERM) ? 1 : uring_new(&u) != -EPERM;
}

static int without_register(void)
{
    struct uring *u;
    return syscall_deny(__NR_io_uring_register, ENOSYS) ? 1 : uring_new(&u) != -ENOSYS;
}

static int without_descriptors(void)
{
    struct uring *u;
    struct rlimit none = {0};
    return setrlimit(RLIMIT_NOFILE, &none) != 0 ? 1 : uring_new(&u) != -EMFILE;
}

// A kernel that has no memory for submissions.
static int without_enter(void)
{
    struct uring *u;
    struct uring_send s = {.fd = -1, .bytes = STR("x")};
    if (uring_new(&u) != 0 || syscall_deny(__NR_io_uring_enter, EAGAIN) != 0) {
        return 1;
    }
    int wrong = uring_send(u, &s, 1) != 0;
    uring_free(u);
    return wrong;
}

static void without_one_there_is_an_error(void **state)
{
    (void)state;
    need_uring();
    assert_int_equal(in_child(without_setup), 0);
    assert_int_equal(in_child(without_register), 0);
    assert_int_equal(in_child(without_descriptors), 0);
    assert_int_equal(in_child(without_enter), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_socket_takes_some_and_then_nothing),
        cmocka_unit_test(each_send_of_a_batch_has_its_own_outcome),
        cmocka_unit_test(it_can_do_nothing_but_send),
        cmocka_unit_test(without_one_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
