// SPDX-License-Identifier: MIT
// How much a hub takes in: 64 kept connections that publish by HTTP as fast as they are answered.
//
//   publish HOST PORT MODE SECONDS      MODE: ndjson (100 events of 300 bytes to one topic,
//   `process`),
//                                       logs (200 lines of one job), disk (one event a request,
//                                       `disk`)
//
// Prints one JSON line. For `disk` it also gives the median fdatasync of a file beside it, measured
// in the same run.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define PUBLISHERS         64
#define EVENTS_PER_REQUEST 100
#define LINES_PER_REQUEST  200
#define SYNCS              200
#define ANSWER_MAX         65536

struct publisher {
    int fd;
    size_t sent;       // of the request
    size_t got;        // of the answer
    size_t answer_len; // head and body; 0: not known yet
    char answer[ANSWER_MAX];
};

static struct buf request;
static uint64_t answered, refused;

static void put_padding(struct buf *b, size_t len)
{
    while (len--) {
        buf_putc(b, 'x');
    }
}

static unsigned make_body(const char *mode, struct buf *body, const char **path, const char **type)
{
    *type = "application/json";
    if (strcmp(mode, "ndjson") == 0) {
        *path = "/api/v1/publish?durability=process";
        *type = "application/x-ndjson";
        for (unsigned i = 0; i < EVENTS_PER_REQUEST; i++) {
            buf_put(body, STR("{\"topic\":\"bench\",\"type\":\"tick\",\"data\":{\"text\":\""));
            put_padding(body, 300 - 60);
            buf_put(body, STR("\"}}\n"));
        }
        return EVENTS_PER_REQUEST;
    }
    if (strcmp(mode, "logs") == 0) {
        *path = "/api/jobs/bench/log";
        buf_put(body, STR("{\"lines\":["));
        for (unsigned i = 0; i < LINES_PER_REQUEST; i++) {
            buf_put(body, i ? STR(",{\"message\":\"") : STR("{\"message\":\""));
            put_padding(body, 80);
            buf_put(body, STR("\"}"));
        }
        buf_put(body, STR("]}"));
        return LINES_PER_REQUEST;
    }
    if (strcmp(mode, "disk") != 0) {
        return 0;
    }
    *path = "/api/v1/publish?durability=disk";
    buf_put(body, STR("{\"topic\":\"bench\",\"type\":\"tick\",\"data\":{\"text\":\""));
    put_padding(body, 300 - 60);
    buf_put(body, STR("\"}}"));
    return 1;
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd == -1 || inet_pton(AF_INET, host, &a.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)&a, sizeof(a)) == -1) {
        perror("connect");
        exit(1);
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void send_on(struct publisher *p)
{
    while (p->sent < request.len) {
        ssize_t n = send(p->fd, request.p + p->sent, request.len - p->sent, MSG_NOSIGNAL);
        if (n == -1 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            perror("send");
            exit(1);
        }
        p->sent += (size_t)n;
    }
}

static void find_length(struct publisher *p)
{
    p->answer[p->got] = '\0';
    char *end = strstr(p->answer, "\r\n\r\n");
    char *length = strcasestr(p->answer, "content-length:");
    if (end && length) {
        p->answer_len = (size_t)(end + 4 - p->answer) + strtoul(length + 15, NULL, 10);
    }
}

static void receive(struct publisher *p)
{
    ssize_t n = recv(p->fd, p->answer + p->got, sizeof(p->answer) - 1 - p->got, 0);
    if (n == -1 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        (void)fputs("the hub closed a connection\n", stderr);
        exit(1);
    }
    p->got += (size_t)n;
    if (!p->answer_len) {
        find_length(p);
    }
    if (!p->answer_len || p->got < p->answer_len) {
        return;
    }
    if (strncmp(p->answer + 9, "200", 3) == 0 || strncmp(p->answer + 9, "201", 3) == 0) {
        answered++;
    } else if (refused++ == 0) {
        (void)fprintf(stderr, "refused: %.*s\n", (int)p->answer_len, p->answer);
    }
    p->got = p->answer_len = p->sent = 0;
    send_on(p);
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double median_fdatasync_us(void)
{
    static int64_t took[SYNCS];
    char path[] = "./fdatasync-XXXXXX", page[4096] = {0};
    int fd = mkstemp(path);
    if (fd == -1) {
        return 0;
    }
    for (unsigned i = 0; i < SYNCS; i++) {
        if (write(fd, page, sizeof(page)) != (ssize_t)sizeof(page)) {
            break;
        }
        int64_t began = clock_mono_us();
        (void)fdatasync(fd);
        took[i] = clock_mono_us() - began;
    }
    (void)close(fd);
    (void)unlink(path);
    qsort(took, SYNCS, sizeof(took[0]), by_number);
    return (double)took[(size_t)SYNCS / 2];
}

static void run(struct publisher *publishers, int epoll, double seconds)
{
    int64_t end = clock_mono_us() + (int64_t)(seconds * 1e6);
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        send_on(&publishers[i]);
    }
    while (clock_mono_us() < end) {
        struct epoll_event events[PUBLISHERS];
        int n = epoll_wait(epoll, events, PUBLISHERS, 100);
        for (int i = 0; i < n; i++) {
            struct publisher *p = events[i].data.ptr;
            if (p->sent < request.len) {
                send_on(p);
            }
            if (events[i].events & EPOLLIN) {
                receive(p);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct buf body;
    const char *path = "", *type = "";
    buf_init(&body, 1 << 20);
    buf_init(&request, 2 << 20);
    unsigned per_request = argc == 5 ? make_body(argv[3], &body, &path, &type) : 0;
    if (!per_request) {
        (void)fputs("usage: publish HOST PORT ndjson|logs|disk SECONDS\n", stderr);
        return 2;
    }
    buf_putf(
        &request,
        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
        path, type, body.len);
    buf_put(&request, buf_str(&body));
    double seconds = strtod(argv[4], NULL),
           sync_us = strcmp(argv[3], "disk") == 0 ? median_fdatasync_us() : 0;
    struct publisher *publishers = mem_calloc(PUBLISHERS, sizeof(*publishers));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        publishers[i].fd = connect_to(argv[1], argv[2]);
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &publishers[i]};
        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, publishers[i].fd, &e);
    }
    int64_t began = clock_mono_us();
    run(publishers, epoll, seconds);
    double took = (double)(clock_mono_us() - began) / 1e6;
    (void)printf("{\"mode\":\"%s\",\"publishers\":%d,\"requests_per_s\":%.0f,\"items_per_s\":%.0f,"
                 "\"refused\":%llu",
                 argv[3], PUBLISHERS, (double)answered / took,
                 (double)answered * per_request / took, (unsigned long long)refused);
    if (sync_us > 0) {
        (void)printf(",\"fdatasync_median_us\":%.0f,\"floor_per_s\":%.0f", sync_us,
                     64.0 / (2.5 * sync_us / 1e6));
    }
    (void)puts("}");
    mem_free(publishers);
    buf_fini(&body);
    buf_fini(&request);
    return refused != 0;
}
