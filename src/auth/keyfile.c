// SPDX-License-Identifier: MIT
// Reading a key file.
#include "auth/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

int key_fault(struct key_fault *fault, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(fault->text, sizeof(fault->text), fmt, args);
    va_end(args);
    return -E_BAD_REQUEST;
}

static int check(const char *path, enum keyfile_rule rule, const struct stat *st,
                 struct key_fault *fault)
{
    if (!S_ISREG(st->st_mode)) {
        return key_fault(fault, "%s: is no file", path);
    }
    if (st->st_mode & S_IWOTH) {
        return key_fault(fault, "%s: everyone can write it: chmod o-w %s", path, path);
    }
    if (rule == KEYFILE_OWN && st->st_uid != geteuid()) {
        return key_fault(fault, "%s: belongs to another user: use a key of your own", path);
    }
    if (rule == KEYFILE_OWN && (st->st_mode & (S_IRWXG | S_IRWXO))) {
        return key_fault(fault, "%s: others can read it: chmod 600 %s", path, path);
    }
    if (st->st_size == 0) {
        return key_fault(fault, "%s: is empty", path);
    }
    if (st->st_size > KEYFILE_BYTES_MAX) {
        return key_fault(fault, "%s: is larger than %d bytes", path, KEYFILE_BYTES_MAX);
    }
    return 0;
}

// Into memory taken once, so that no copy of a secret is left where a buffer grew.
static int read_all(int fd, size_t bytes, struct keyfile *f)
{
    f->bytes = mem_alloc(bytes + 1);
    f->len = 0;
    while (f->len < bytes) {
        ssize_t n = read(fd, f->bytes + f->len, bytes - f->len);
        if (n > 0) {
            f->len += (size_t)n;
        } else if (n == 0) {
            break;
        } else if (errno != EINTR) {
            return -E_IO;
        }
    }
    return 0;
}

int keyfile_read(const char *path, enum keyfile_rule rule, struct keyfile *ret,
                 struct key_fault *fault)
{
    struct keyfile f = {0};
    struct stat st;
    // Not blocking: the name may be that of a pipe that nobody writes to.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        (void)key_fault(fault, "%s: %s", path, strerror(errno));
        return -E_IO;
    }
    int rc = fstat(fd, &st) ? -E_IO : check(path, rule, &st, fault);
    if (rc == 0) {
        f.readable_by_all = st.st_mode & S_IROTH;
        rc = read_all(fd, (size_t)st.st_size, &f);
    }
    if (rc == -E_IO) {
        (void)key_fault(fault, "%s: can't be read", path);
    }
    close(fd);
    if (rc) {
        keyfile_fini(&f);
        return rc;
    }
    *ret = f;
    return 0;
}

void keyfile_fini(struct keyfile *f)
{
    if (f->bytes) {
        explicit_bzero(f->bytes, f->len);
    }
    mem_free(f->bytes);
    *f = (struct keyfile){0};
}
