// SPDX-License-Identifier: MIT
// The least that sending to N sockets costs: accepts WebSockets and copies each message that comes
// on `/publish` to all the others, by one system call for each or by io_uring in batches. No
// topics, no backlog, no heartbeat.
//
//   floor [--uring] [PORT]
//
// Prints `listening on http://127.0.0.1:PORT`. Ends with SIGTERM.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/http1.h"
#include "wire/ws_frame.h"
#include "wire/ws_handshake.h"

#define FDS_MAX     (1 << 16)
#define HEAD_MAX    4096
#define MESSAGE_MAX (1 << 20)
#define READ_BYTES  (1 << 16)
#define EVENTS      64
#define RING_SENDS  64

enum state { CLOSED, HEAD, SUBSCRIBER, PUBLISHER };

struct client {
    enum state state;
    unsigned place;            // in `subscribers`
    struct buf head;           // the request, while state is HEAD
    struct ws_decoder decoder; // of a publisher
};

static struct client *clients[FDS_MAX];
static int subscribers[FDS_MAX];
static unsigned subscribers_count;
static int epoll_fd;
static bool use_ring;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

// --- io_uring, as a batched send ---

static struct {
    int fd;
    unsigned *sq_tail, *sq_mask, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned waiting;
} ring;

static void ring_map(const struct io_uring_params *p)
{
    size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    size_t bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
    int flags = MAP_SHARED | MAP_POPULATE;
    char *rings = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, ring.fd, IORING_OFF_SQ_RING);
    ring.sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                     flags, ring.fd, IORING_OFF_SQES);
    if (rings == MAP_FAILED || ring.sqes == MAP_FAILED) {
        fail("mmap of the ring");
    }
    ring.sq_tail = (void *)(rings + p->sq_off.tail);
    ring.sq_mask = (void *)(rings + p->sq_off.ring_mask);
    ring.cq_head = (void *)(rings + p->cq_off.head);
    ring.cq_tail = (void *)(rings + p->cq_off.tail);
    ring.cq_mask = (void *)(rings + p->cq_off.ring_mask);
    ring.cqes = (void *)(rings + p->cq_off.cqes);
    unsigned *array = (void *)(rings + p->sq_off.array);
    for (unsigned i = 0; i < p->sq_entries; i++) {
        array[i] = i;
    }
}

static void ring_init(void)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = 2 * RING_SENDS,
    };
    ring.fd = (int)syscall(SYS_io_uring_setup, RING_SENDS, &p);
    if (ring.fd == -1) {
        fail("io_uring_setup");
    }
    ring_map(&p);
}

static void drop(int fd);

// Only what went wrong completes.
static void ring_reap(void)
{
    unsigned head = *ring.cq_head, tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++) {
        const struct io_uring_cqe *e = &ring.cqes[head & *ring.cq_mask];
        (void)fprintf(stderr, "a send gave %d\n", e->res);
        drop((int)e->user_data);
    }
    __atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
}

static void ring_submit(void)
{
    while (ring.waiting) {
        long n =
            syscall(SYS_io_uring_enter, ring.fd, ring.waiting, 0, IORING_ENTER_GETEVENTS, NULL, 0);
        if (n == -1 && errno != EINTR) {
            fail("io_uring_enter");
        }
        ring.waiting -= n > 0 ? (unsigned)n : 0;
    }
    ring_reap();
}

static void ring_send(int fd, struct str frame)
{
    unsigned tail = *ring.sq_tail;
    ring.sqes[tail & *ring.sq_mask] = (struct io_uring_sqe){
        .opcode = IORING_OP_SEND,
        .flags = IOSQE_CQE_SKIP_SUCCESS,
        .fd = fd,
        .addr = (uintptr_t)frame.p,
        .len = (unsigned)frame.len,
        .msg_flags = MSG_NOSIGNAL | MSG_WAITALL | MSG_DONTWAIT,
        .user_data = (uint64_t)fd,
    };
    __atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
    if (++ring.waiting == RING_SENDS) {
        ring_submit();
    }
}

// --- clients ---

static void leave(struct client *c)
{
    if (c->state != SUBSCRIBER) {
        return;
    }
    int last = subscribers[--subscribers_count];
    subscribers[c->place] = last;
    clients[last]->place = c->place;
}

static void drop(int fd)
{
    struct client *c = clients[fd];
    if (!c) {
        return;
    }
    leave(c);
    buf_fini(&c->head);
    ws_decoder_fini(&c->decoder);
    mem_free(c);
    clients[fd] = NULL;
    (void)close(fd);
}

static void publish(struct str message)
{
    static char frame[WS_HEAD_MAX + MESSAGE_MAX];
    size_t head = ws_put_head((uint8_t *)frame, WS_OP_TEXT, message.len, NULL);
    memcpy(frame + head, message.p, message.len);
    struct str bytes = str_make(frame, head + message.len);
    for (unsigned i = subscribers_count; i-- > 0;) {
        int fd = subscribers[i];
        if (use_ring) {
            ring_send(fd, bytes);
        } else if (send(fd, bytes.p, bytes.len, MSG_NOSIGNAL) != (ssize_t)bytes.len) {
            perror("send");
            drop(fd);
        }
    }
    if (use_ring) {
        ring_submit();
    }
}

static void read_messages(int fd, char *p, size_t len)
{
    struct client *c = clients[fd];
    struct ws_event e;
    int err;
    while ((err = ws_decoder_next(&c->decoder, &p, &len, &e)) == 0) {
        if (e.type == WS_TEXT && c->state == PUBLISHER) {
            publish(e.data);
        } else if (e.type == WS_CLOSE) {
            drop(fd);
            return;
        }
    }
    if (err != -E_AGAIN) {
        drop(fd);
    }
}

static bool answer(int fd, struct str key)
{
    char accept_text[WS_ACCEPT_TEXT_SIZE], text[256];
    ws_accept(key, accept_text);
    int n =
        snprintf(text, sizeof(text),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept_text);
    return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

// The request is `head`; what came behind it in the same read are messages already.
static void greet(int fd, struct http1_request *r)
{
    struct client *c = clients[fd];
    struct str key;
    const char *why;
    if (ws_server_check(r, &key, &why) != 0 || !answer(fd, key)) {
        drop(fd);
        return;
    }
    ws_decoder_init(&c->decoder, WS_SERVER, MESSAGE_MAX);
    c->state = str_eq(r->path, STR("/publish")) ? PUBLISHER : SUBSCRIBER;
    if (c->state == SUBSCRIBER) {
        c->place = subscribers_count;
        subscribers[subscribers_count++] = fd;
    }
    struct buf head = c->head;
    buf_init(&c->head, HEAD_MAX);
    read_messages(fd, head.p + r->head.bytes, head.len - r->head.bytes);
    buf_fini(&head);
}

static void read_head(int fd, const char *p, size_t len)
{
    struct client *c = clients[fd];
    struct http1_parser parser;
    struct http1_request r;
    buf_put_mem(&c->head, p, len);
    http1_parser_init(&parser);
    int err = http1_parse_request(&parser, buf_str(&c->head), &http1_limits_default, &r);
    if (err == 0) {
        greet(fd, &r);
    } else if (err != -E_AGAIN || c->head.failed) {
        drop(fd);
    }
}

static void on_readable(int fd)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            drop(fd);
        }
    } else if (clients[fd]->state == HEAD) {
        read_head(fd, bytes, (size_t)n);
    } else {
        read_messages(fd, bytes, (size_t)n);
    }
}

static void on_connection(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
        if (fd >= FDS_MAX) {
            (void)close(fd);
            continue;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        clients[fd] = mem_alloc(sizeof(*clients[fd]));
        clients[fd]->state = HEAD;
        buf_init(&clients[fd]->head, HEAD_MAX);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1) {
            fail("epoll_ctl");
        }
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t a_len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1 ||
        bind(fd, (const struct sockaddr *)&a, sizeof(a)) == -1 || listen(fd, 4096) == -1 ||
        getsockname(fd, (struct sockaddr *)&a, &a_len) == -1) {
        fail("listen");
    }
    (void)printf("listening on http://127.0.0.1:%u\n", ntohs(a.sin_port));
    (void)fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    int word = 1;
    if (argc > word && strcmp(argv[word], "--uring") == 0) {
        use_ring = true;
        ring_init();
        word++;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on((uint16_t)(argc > word ? strtoul(argv[word], NULL, 10) : 0));
    struct epoll_event ready[EVENTS], e = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_fd == -1 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e) == -1) {
        fail("epoll");
    }
    for (;;) {
        int n = epoll_wait(epoll_fd, ready, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener) {
                on_connection(listener);
            } else if (clients[ready[i].data.fd]) {
                on_readable(ready[i].data.fd);
            }
        }
    }
}
