// SPDX-License-Identifier: MIT
// Landlock by system calls. The numbers stand here because the headers of the system may be older
// than its kernel: Documentation/userspace-api/landlock.rst has them.
#include "server/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_UP_TO(last)  (((last) << 1) - 1)
#define FS_TRUNCATE     (UINT64_C(1) << 14) // version 3
#define FS_IOCTL_DEV    (UINT64_C(1) << 15) // version 5
#define NET_BIND_TCP    (UINT64_C(1) << 0)  // version 4
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define RULE_NET_PORT   2 // LANDLOCK_RULE_NET_PORT
#define PORT_DNS        53
#define SCOPE_ABSTRACT  (UINT64_C(1) << 0) // version 6
#define SCOPE_SIGNAL    (UINT64_C(1) << 1)

#define READ_RIGHTS ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define STORE_RIGHTS                                                                               \
    (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                \
     LANDLOCK_ACCESS_FS_MAKE_REG | FS_TRUNCATE)
#define FILE_RIGHTS                                                                                \
    ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

// As the kernel reads it; an older one takes a shorter one.
struct ruleset {
    uint64_t fs, net, scoped;
};

// All that this version knows is refused unless a rule allows it.
static struct ruleset ruleset_of(int version, size_t *ret_size)
{
    struct ruleset r = {.fs = FS_UP_TO((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM)};
    r.fs |= version >= 2 ? (uint64_t)LANDLOCK_ACCESS_FS_REFER : 0;
    r.fs |= version >= 3 ? FS_TRUNCATE : 0;
    r.fs |= version >= 5 ? FS_IOCTL_DEV : 0;
    // The ports are bound by now: no rule for that.
    r.net = version >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
    r.scoped = version >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0;
    *ret_size = version >= 6 ? sizeof(r) : version >= 4 ? 16 : 8;
    return r;
}

static int add_path(int ruleset, uint64_t known, const struct landlock_path *p)
{
    struct stat st;
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }
    uint64_t rights = p->right == LANDLOCK_STORE ? STORE_RIGHTS : READ_RIGHTS;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        rights &= FILE_RIGHTS;
    }
    struct landlock_path_beneath_attr beneath = {.allowed_access = rights & known, .parent_fd = fd};
    long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    int err = rc == 0 ? 0 : -errno;
    (void)close(fd);
    return err;
}

// Older kernels know no ports, and let all through.
static int add_port(int ruleset, const struct ruleset *r, uint16_t port)
{
    const struct {
        uint64_t allowed, port;
    } rule = {.allowed = NET_CONNECT_TCP, .port = port};
    if (!(r->net & NET_CONNECT_TCP)) {
        return 0;
    }
    long rc = syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0);
    return rc == 0 ? 0 : -errno;
}

static int add_ports(int ruleset, const struct ruleset *r, const struct landlock_ports *ports)
{
    int err = ports->count ? add_port(ruleset, r, PORT_DNS) : 0;
    for (unsigned i = 0; i < ports->count && !err; i++) {
        err = add_port(ruleset, r, ports->connect[i]);
    }
    return err;
}

int landlock_confine(const struct landlock_path *paths, unsigned count,
                     const struct landlock_ports *ports)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) {
        return -errno;
    }
    size_t size;
    struct ruleset r = ruleset_of((int)version, &size);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
    if (fd < 0) {
        return -errno;
    }
    int err = 0;
    for (unsigned i = 0; i < count && !err; i++) {
        err = add_path(fd, r.fs, &paths[i]);
    }
    err = err ? err : add_ports(fd, &r, ports);
    if (!err && syscall(SYS_landlock_restrict_self, fd, 0) != 0) {
        err = -errno;
    }
    (void)close(fd);
    return err ? err : (int)version;
}
