// SPDX-License-Identifier: MIT
// With MSG_DONTWAIT a send is over when the submission is: the kernel neither waits for the socket
// nor hands it to a thread. With MSG_WAITALL a short one counts as failed, so that it reports
// although successes are skipped; its result is still the number of bytes taken.
#include "net/uring.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"

enum {
    TRIES = 8, // of a submission that the kernel has no memory for
    CHECK_BYTES = 1 << 20,
};

struct uring {
    struct io_uring ring; // as many entries as a batch has, twice as many completions
    bool enabled;
};

// Debian 12 forgot to export io_uring_register_restrictions and io_uring_enable_rings.
static int restrict_to_sends(const struct io_uring *ring)
{
    struct io_uring_restriction only[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_CQE_SKIP_SUCCESS},
    };
    return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, only,
                             ARRAY_LEN(only));
}

int uring_new(struct uring **ret)
{
    struct uring *u = mem_alloc(sizeof(*u));
    int e = io_uring_queue_init(URING_BATCH, &u->ring,
                                IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                                    IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL);
    if (e) {
        mem_free(u);
        return e;
    }
    e = restrict_to_sends(&u->ring);
    if (e) {
        uring_free(u);
        return e;
    }
    *ret = u;
    return 0;
}

void uring_free(struct uring *u)
{
    if (u) {
        io_uring_queue_exit(&u->ring);
        mem_free(u);
    }
}

static void take_results(struct uring *u, struct uring_send *sends, unsigned count)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        ASSERT(cqe->user_data < count);
        sends[cqe->user_data].n = cqe->res;
        seen++;
    }
    io_uring_cq_advance(&u->ring, seen);
}

static bool enable(struct uring *u)
{
    if (!u->enabled) { // here, because the thread that does it is the one that may submit
        u->enabled = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS,
                                       NULL, 0) == 0;
    }
    return u->enabled;
}

unsigned uring_send(struct uring *u, struct uring_send *sends, unsigned count)
{
    ASSERT(count <= URING_BATCH);
    if (!enable(u)) {
        return 0;
    }
    for (unsigned i = 0; i < count; i++) {
        struct uring_send *s = &sends[i];
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
        ASSERT(sqe && s->bytes.len > 0 && s->bytes.len <= INT32_MAX);
        io_uring_prep_send(sqe, s->fd, s->bytes.p, s->bytes.len,
                           MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
        io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
        io_uring_sqe_set_data64(sqe, i);
        s->n = (ssize_t)s->bytes.len; // a success says nothing
    }
    unsigned made = 0;
    for (int i = 0; i < TRIES && made < count; i++) {
        int n = io_uring_submit(&u->ring);
        made += n > 0 ? (unsigned)n : 0;
        take_results(u, sends, count);
    }
    return made;
}

// ---- Does this kernel do as is said above? ----

static size_t read_all(int fd, char *room)
{
    size_t total = 0;
    ssize_t n;
    while ((n = recv(fd, room, CHECK_BYTES, MSG_DONTWAIT)) > 0) {
        total += (size_t)n;
    }
    return total;
}

static bool is_as_said(struct uring *u, const int fds[2], char *bytes)
{
    struct uring_send sends[3] = {{.fd = fds[0], .bytes = str_make(bytes, 1)},
                                  {.fd = fds[0], .bytes = str_make(bytes, CHECK_BYTES)},
                                  {.fd = fds[0], .bytes = str_make(bytes, CHECK_BYTES)}};
    if (uring_send(u, sends, 3) != 3) {
        return false;
    }
    return sends[0].n == 1 && sends[1].n > 0 && sends[1].n < CHECK_BYTES && sends[2].n == -EAGAIN &&
           read_all(fds[1], bytes) == 1 + (size_t)sends[1].n;
}

int uring_check(void)
{
    struct uring *u;
    int fds[2];
    int e = uring_new(&u);
    if (e) {
        return e;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        e = -errno;
        uring_free(u);
        return e;
    }
    char *bytes = mem_alloc(CHECK_BYTES);
    e = is_as_said(u, fds, bytes) ? 0 : -ENOTSUP;
    mem_free(bytes);
    close(fds[0]);
    close(fds[1]);
    uring_free(u);
    return e;
}
