// SPDX-License-Identifier: MIT
// The kernel's share of the memory.
#include "server/sockstat.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"

enum { FILE_BYTES_MAX = 4096 };

// The number behind `name` in the line that begins with `line`: "TCP: inuse 4 orphan 0 … mem 3".
static bool find(struct str text, struct str line, struct str name, uint64_t *ret)
{
    while (text.p) {
        struct str rest = str_cut(&text, '\n');
        if (!str_eq(str_cut(&rest, ' '), line)) {
            continue;
        }
        while (rest.p) {
            struct str word = str_cut(&rest, ' '), number = str_cut(&rest, ' ');
            if (str_eq(word, name)) {
                return number.p && str_to_u64(number, ret) == 0;
            }
        }
    }
    return false;
}

int sockstat_parse(struct str v4, struct str v6, struct sockstat *ret)
{
    uint64_t used, used6 = 0, pages;
    if (!find(v4, STR("TCP:"), STR("inuse"), &used) || !find(v4, STR("TCP:"), STR("mem"), &pages) ||
        (v6.len > 0 && !find(v6, STR("TCP6:"), STR("inuse"), &used6))) {
        return -E_BAD_REQUEST;
    }
    *ret = (struct sockstat){.sockets = used + used6,
                             .bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE)};
    return 0;
}

void sockstat_open(struct sockstat_files *f)
{
    f->v4 = open("/proc/net/sockstat", O_RDONLY | O_CLOEXEC);
    f->v6 = open("/proc/net/sockstat6", O_RDONLY | O_CLOEXEC);
}

void sockstat_close(struct sockstat_files *f)
{
    (void)close(f->v4);
    (void)close(f->v6);
}

// Read from its beginning, the file says what is the case now.
static struct str read_file(int fd, char out[FILE_BYTES_MAX])
{
    ssize_t n = pread(fd, out, FILE_BYTES_MAX, 0);
    return str_make(out, n > 0 ? (size_t)n : 0);
}

void sockstat_put_prometheus(const struct sockstat_files *f, struct buf *out)
{
    char v4[FILE_BYTES_MAX], v6[FILE_BYTES_MAX];
    struct sockstat s;
    if (sockstat_parse(read_file(f->v4, v4), read_file(f->v6, v6), &s)) {
        return;
    }
    buf_putf(out,
             "# HELP clairon_machine_tcp_memory_bytes Memory of the kernel for bytes in TCP "
             "sockets, of all processes of the machine.\n"
             "# TYPE clairon_machine_tcp_memory_bytes gauge\n"
             "clairon_machine_tcp_memory_bytes %llu\n",
             (unsigned long long)s.bytes);
    buf_putf(out,
             "# HELP clairon_namespace_tcp_sockets TCP sockets in use, of all processes of the "
             "network namespace.\n"
             "# TYPE clairon_namespace_tcp_sockets gauge\n"
             "clairon_namespace_tcp_sockets %llu\n",
             (unsigned long long)s.sockets);
}
