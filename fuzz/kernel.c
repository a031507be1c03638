// SPDX-License-Identifier: MIT
// The kernel of the stateful targets. The linker sends the calls named KERNEL(x) here (--wrap);
// descriptors that are not ours go to the real ones.
#include "fuzz/kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "base/assert.h"
#include "base/rng.h"

enum { FIRST = 1000, FDS = 512, EPOCH_S = 1700000000 };

enum what { NOTHING, SOCKET, EPOLL, EVENT };

static struct file {
    enum what what;
    struct peer peer; // SOCKET
    uint64_t count;   // EVENT
    bool watched;     // by the one epoll there is
    uint32_t events;  // asked for
    epoll_data_t data;
} files[FDS];
static int next_fd;
static int64_t now_ms;
static struct rng randomness;

#define KERNEL(name) __wrap_##name
#define REAL(name)   __real_##name

ssize_t REAL(read)(int fd, void *p, size_t len);
ssize_t REAL(write)(int fd, const void *p, size_t len);
int REAL(close)(int fd);
int REAL(clock_gettime)(clockid_t id, struct timespec *ts);

int KERNEL(epoll_create1)(int flags);
int KERNEL(eventfd)(unsigned count, int flags);
int KERNEL(epoll_ctl)(int epfd, int op, int fd, struct epoll_event *e);
int KERNEL(epoll_wait)(int epfd, struct epoll_event *events, int max, int timeout);
ssize_t KERNEL(recv)(int fd, void *p, size_t len, int flags);
ssize_t KERNEL(send)(int fd, const void *p, size_t len, int flags);
ssize_t KERNEL(sendmsg)(int fd, const struct msghdr *m, int flags);
int KERNEL(shutdown)(int fd, int how);
int KERNEL(setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
int KERNEL(ioctl)(int fd, unsigned long request, ...);
ssize_t KERNEL(read)(int fd, void *p, size_t len);
ssize_t KERNEL(write)(int fd, const void *p, size_t len);
int KERNEL(close)(int fd);
int KERNEL(clock_gettime)(clockid_t id, struct timespec *ts);
ssize_t KERNEL(getrandom)(void *p, size_t len, unsigned flags);

static bool ours(int fd)
{
    return fd >= FIRST && fd < FIRST + FDS;
}

static struct file *file_of(int fd, enum what what)
{
    ASSERT(ours(fd));
    struct file *f = &files[fd - FIRST];
    ASSERT(f->what == what); // else it is closed, or something else
    return f;
}

static int open_file(enum what what)
{
    ASSERT(next_fd < FDS);
    files[next_fd] = (struct file){.what = what};
    return FIRST + next_fd++;
}

void bytes_put(struct bytes *b, const char *p, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        b->p = realloc(b->p, b->cap);
        ASSERT(b->p);
    }
    if (len > 0) {
        memcpy(b->p + b->len, p, len);
    }
    b->len += len;
}

void bytes_consume(struct bytes *b, size_t len)
{
    ASSERT(len <= b->len);
    memmove(b->p, b->p + len, b->len - len);
    b->len -= len;
}

void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}

void kernel_init(void)
{
    next_fd = 0;
    now_ms = 1000000;
    rng_init(&randomness, 1);
}

void kernel_fini(void)
{
    for (int i = 0; i < next_fd; i++) {
        ASSERT(files[i].what == NOTHING);
        if (files[i].peer.used) {
            bytes_free(&files[i].peer.in);
            bytes_free(&files[i].peer.heard);
        }
    }
}

int kernel_socket(void)
{
    int fd = open_file(SOCKET);
    struct peer *p = &files[fd - FIRST].peer;
    *p = (struct peer){.used = true, .open = true, .room = SIZE_MAX};
    return fd;
}

struct peer *kernel_peer(int fd)
{
    ASSERT(ours(fd) && files[fd - FIRST].peer.used);
    return &files[fd - FIRST].peer;
}

void kernel_pass_ms(int64_t ms)
{
    now_ms += ms;
}

unsigned kernel_open_sockets(void)
{
    unsigned count = 0;
    for (int i = 0; i < next_fd; i++) {
        count += files[i].what == SOCKET;
    }
    return count;
}

// ---- epoll

int KERNEL(epoll_create1)(int flags)
{
    (void)flags;
    return open_file(EPOLL);
}

int KERNEL(eventfd)(unsigned count, int flags)
{
    (void)flags;
    int fd = open_file(EVENT);
    files[fd - FIRST].count = count;
    return fd;
}

int KERNEL(epoll_ctl)(int epfd, int op, int fd, struct epoll_event *e)
{
    (void)file_of(epfd, EPOLL);
    ASSERT(ours(fd));
    struct file *f = &files[fd - FIRST];
    ASSERT(f->what == SOCKET || f->what == EVENT);
    ASSERT(f->watched == (op != EPOLL_CTL_ADD));
    f->watched = op != EPOLL_CTL_DEL;
    if (f->watched) {
        f->events = e->events;
        f->data = e->data;
    }
    return 0;
}

static uint32_t ready(const struct file *f)
{
    const struct peer *p = &f->peer;
    if (f->what == EVENT) {
        return f->count > 0 ? EPOLLIN : 0;
    }
    uint32_t events = p->in.len > 0 || p->fin || p->reset ? EPOLLIN : 0;
    events |= p->fin || p->reset ? EPOLLRDHUP : 0;
    events |= p->room > 0 || p->reset ? EPOLLOUT : 0;
    events |= p->reset ? EPOLLERR | EPOLLHUP : 0;
    events |= p->fin && p->shut ? EPOLLHUP : 0;
    return events & (f->events | EPOLLERR | EPOLLHUP);
}

int KERNEL(epoll_wait)(int epfd, struct epoll_event *events, int max, int timeout)
{
    int count = 0;
    (void)timeout;
    (void)file_of(epfd, EPOLL);
    for (int i = 0; i < next_fd && count < max; i++) {
        struct file *f = &files[i];
        uint32_t now = f->watched ? ready(f) : 0;
        if (now) {
            events[count++] = (struct epoll_event){.events = now, .data = f->data};
        }
    }
    return count;
}

// ---- sockets

ssize_t KERNEL(recv)(int fd, void *out, size_t len, int flags)
{
    struct peer *p = &file_of(fd, SOCKET)->peer;
    (void)flags;
    ASSERT(len > 0);
    if (p->reset) {
        errno = ECONNRESET;
        return -1;
    }
    if (p->in.len == 0) {
        errno = EAGAIN;
        return p->fin ? 0 : -1;
    }
    size_t n = p->in.len < len ? p->in.len : len;
    n = p->in_piece > 0 && p->in_piece < n ? p->in_piece : n;
    memcpy(out, p->in.p, n);
    bytes_consume(&p->in, n);
    return (ssize_t)n;
}

static ssize_t take(struct peer *p, const char *bytes, size_t len)
{
    ASSERT(!p->shut); // nothing is sent behind the end
    if (p->reset) {
        errno = EPIPE;
        return -1;
    }
    size_t n = len < p->room ? len : p->room;
    if (n == 0 && len > 0) {
        errno = EAGAIN;
        return -1;
    }
    bytes_put(&p->heard, bytes, n);
    p->room -= p->room == SIZE_MAX ? 0 : n;
    return (ssize_t)n;
}

ssize_t KERNEL(send)(int fd, const void *bytes, size_t len, int flags)
{
    ASSERT(flags & MSG_NOSIGNAL);
    return take(&file_of(fd, SOCKET)->peer, bytes, len);
}

ssize_t KERNEL(sendmsg)(int fd, const struct msghdr *m, int flags)
{
    struct peer *p = &file_of(fd, SOCKET)->peer;
    ssize_t sum = 0;
    ASSERT(flags & MSG_NOSIGNAL);
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        size_t len = m->msg_iov[i].iov_len;
        ssize_t n = take(p, m->msg_iov[i].iov_base, len);
        if (n < 0) {
            return sum > 0 ? sum : n;
        }
        sum += n;
        if ((size_t)n < len) {
            break;
        }
    }
    return sum;
}

int KERNEL(shutdown)(int fd, int how)
{
    struct peer *p = &file_of(fd, SOCKET)->peer;
    ASSERT(how == SHUT_WR);
    if (p->reset) {
        errno = ENOTCONN;
        return -1;
    }
    p->shut = true;
    return 0;
}

int KERNEL(setsockopt)(int fd, int level, int name, const void *value, socklen_t len)
{
    (void)file_of(fd, SOCKET);
    (void)level;
    (void)name;
    (void)value;
    (void)len;
    return 0;
}

int KERNEL(ioctl)(int fd, unsigned long request, ...)
{
    (void)file_of(fd, SOCKET);
    (void)request;
    errno = EINVAL;
    return -1;
}

// ---- those that the program around us calls too

ssize_t KERNEL(read)(int fd, void *p, size_t len)
{
    if (!ours(fd)) {
        return REAL(read)(fd, p, len);
    }
    struct file *f = file_of(fd, EVENT);
    ASSERT(len == sizeof(f->count));
    memcpy(p, &f->count, len);
    f->count = 0;
    return (ssize_t)len;
}

ssize_t KERNEL(write)(int fd, const void *p, size_t len)
{
    uint64_t add;
    if (!ours(fd)) {
        return REAL(write)(fd, p, len);
    }
    ASSERT(len == sizeof(add));
    memcpy(&add, p, len);
    file_of(fd, EVENT)->count += add;
    return (ssize_t)len;
}

int KERNEL(close)(int fd)
{
    if (!ours(fd)) {
        return REAL(close)(fd);
    }
    struct file *f = &files[fd - FIRST];
    ASSERT(f->what != NOTHING);
    ASSERT(f->what != SOCKET || !f->watched);
    f->what = NOTHING;
    f->watched = false;
    f->peer.open = false;
    return 0;
}

int KERNEL(clock_gettime)(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME) {
        return REAL(clock_gettime)(id, ts);
    }
    *ts = (struct timespec){.tv_sec = now_ms / 1000 + (id == CLOCK_REALTIME ? EPOCH_S : 0),
                            .tv_nsec = now_ms % 1000 * 1000000};
    return 0;
}

ssize_t KERNEL(getrandom)(void *p, size_t len, unsigned flags)
{
    unsigned char *to = p;
    (void)flags;
    for (size_t i = 0; i < len; i++) {
        to[i] = (unsigned char)rng_next(&randomness);
    }
    return (ssize_t)len;
}
