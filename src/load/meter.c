// SPDX-License-Identifier: MIT
// What the system says about the server.
#include "load/meter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The beginning of a file as text; empty when it can't be read. /proc/stat begins with the cores.
static void read_text(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, to, size - 1) : -1;
    to[n > 0 ? n : 0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

// The n-th number, from 0, of a line; -1.
static int64_t number_at(const char *line, unsigned n)
{
    for (char *end;; line = end, n--) {
        int64_t number = strtoll(line, &end, 10);
        if (end == line) {
            return -1;
        }
        if (n == 0) {
            return number;
        }
    }
}

int64_t meter_core_ticks(int core)
{
    char text[32768], name[32];
    if (core < 0) {
        return -1;
    }
    read_text("/proc/stat", text, sizeof(text));
    snprintf(name, sizeof(name), "\ncpu%d ", core);
    const char *line = strstr(text, name);
    if (!line) {
        return -1;
    }
    line += strlen(name);
    // user nice system idle iowait irq softirq
    return number_at(line, 0) + number_at(line, 1) + number_at(line, 2) + number_at(line, 5) +
           number_at(line, 6);
}

int64_t meter_process_ticks(unsigned pid)
{
    char text[1024], path[64];
    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    read_text(path, text, sizeof(text));
    const char *at = strrchr(text, ')'); // the name before it may hold anything
    if (pid == 0 || !at || strlen(at) < 4) {
        return -1;
    }
    at += 4; // over the state: ppid is next, utime and stime are the 11th and 12th from there
    return number_at(at, 10) + number_at(at, 11);
}

int64_t meter_own_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

double meter_seconds(int64_t ticks)
{
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

struct load_memory meter_memory(unsigned pid)
{
    char text[1024], path[64];
    struct load_memory m = {.rss = -1, .kernel_tcp = -1};
    int64_t page = sysconf(_SC_PAGESIZE);
    if (pid > 0) {
        snprintf(path, sizeof(path), "/proc/%u/statm", pid);
        read_text(path, text, sizeof(text));
        int64_t pages = number_at(text, 1);
        m.rss = pages < 0 ? -1 : pages * page;
    }
    read_text("/proc/net/sockstat", text, sizeof(text));
    const char *tcp = strstr(text, "\nTCP: ");
    const char *mem = tcp ? strstr(tcp, " mem ") : NULL;
    int64_t pages = mem ? number_at(mem + 5, 0) : -1;
    m.kernel_tcp = pages < 0 ? -1 : pages * page;
    return m;
}

void meter_raise(struct load_memory *peak, struct load_memory m)
{
    peak->rss = m.rss > peak->rss ? m.rss : peak->rss;
    peak->kernel_tcp = m.kernel_tcp > peak->kernel_tcp ? m.kernel_tcp : peak->kernel_tcp;
}
