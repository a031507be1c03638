// SPDX-License-Identifier: MIT
// Giving up rights.
#include "server/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/callfilter.h"
#include "server/landlock.h"

int sandbox_mode_parse(struct str text, enum sandbox_mode *ret)
{
    static const char *const names[] = {
        [SANDBOX_ON] = "on", [SANDBOX_STRICT] = "strict", [SANDBOX_OFF] = "off"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_is(text, names[i])) {
            *ret = (enum sandbox_mode)i;
            return 0;
        }
    }
    return -E_BAD_REQUEST;
}

void harden_begin(void)
{
    // A file opened as descriptor 2 would be written into by every log record.
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    (void)umask(077);
    // Also the leave to install a filter of system calls without being root.
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void harden_hide(enum sandbox_mode mode)
{
    if (mode == SANDBOX_OFF) {
        return;
    }
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    // No core by a pipe either, no ptrace, and /proc/PID/mem and environ belong to root. The search
    // for leaks of a sanitizer build makes itself traceable while it runs.
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// --- users and capabilities ---

#define BIT(cap) (UINT64_C(1) << (cap))

// Keeps of the capabilities it has those of `wanted`. 0 or -errno.
static int keep_capabilities(uint64_t wanted)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &head, sets) != 0) {
        return -errno;
    }
    for (unsigned i = 0; i < 2; i++) {
        sets[i].permitted &= (uint32_t)(wanted >> (32 * i));
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, sets) == 0 ? 0 : -errno;
}

static int fault_set(struct harden_fault *fault, struct str user, const char *what)
{
    (void)snprintf(fault->text, sizeof(fault->text), "server.user: \"%.*s\" %s",
                   (int)(user.len > 80 ? 80 : user.len), user.p, what);
    return -E_BAD_REQUEST;
}

static int switch_user(const struct passwd *pw)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || initgroups(pw->pw_name, pw->pw_gid) != 0 ||
        setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0 ||
        keep_capabilities(BIT(CAP_NET_BIND_SERVICE)) != 0) {
        return -E_IO;
    }
    // There must be no way back.
    return setresuid(0, 0, 0) == -1 && setresgid(0, 0, 0) == -1 ? 0 : -E_IO;
}

int harden_become(struct str user, const char *data_dir, struct harden_fault *fault)
{
    if (!user.len) {
        return 0;
    }
    char name[100];
    (void)snprintf(name, sizeof(name), "%.*s", (int)(user.len > 99 ? 99 : user.len), user.p);
    // cppcheck-suppress getpwnamCalled; there is no other thread yet
    const struct passwd *pw = getpwnam(name);
    if (!pw) {
        return fault_set(fault, user, "is no user of this machine");
    }
    if (pw->pw_uid == geteuid()) {
        return 0;
    }
    if (geteuid() != 0) {
        return fault_set(fault, user, "can only be become by a hub that root starts");
    }
    // Where root can make a folder its user often can't. One that is there is whose it is.
    if (mkdir(data_dir, 0700) == 0 && chown(data_dir, pw->pw_uid, pw->pw_gid) != 0) {
        return fault_set(fault, user, "can't be given the data directory");
    }
    return switch_user(pw) == 0 ? 0 : fault_set(fault, user, "can't be become");
}

// --- the sandbox ---

struct paths {
    struct landlock_path rows[2 * HARDEN_FILES_MAX + 20];
    unsigned count;
    char *texts[2 * HARDEN_FILES_MAX];
    unsigned texts_count;
};

static void add_path(struct paths *p, const char *path, enum landlock_right right)
{
    p->rows[p->count++] = (struct landlock_path){.path = path, .right = right};
}

static void add_folder_of(struct paths *p, struct str file)
{
    ptrdiff_t slash = -1;
    for (ptrdiff_t at = str_chr(file, '/', 0); at >= 0; at = str_chr(file, '/', (size_t)at + 1)) {
        slash = at;
    }
    struct str folder = slash < 0    ? STR(".")
                        : slash == 0 ? STR("/")
                                     : str_make(file.p, (size_t)slash);
    char *text = mem_strdup(folder);
    p->texts[p->texts_count++] = text;
    add_path(p, text, LANDLOCK_READ);
}

// Files that are read again are found by name and are mostly replaced by renaming, so it is their
// folder that must stay readable; also the one that a symbolic link leads to.
static void add_files(struct paths *p, const struct harden_config *cfg)
{
    for (unsigned i = 0; i < cfg->files_count; i++) {
        char *path = mem_strdup(cfg->files[i]), real[PATH_MAX];
        add_folder_of(p, cfg->files[i]);
        if (realpath(path, real)) {
            add_folder_of(p, str_of(real));
        }
        mem_free(path);
    }
}

// What looking up a name and checking a certificate read.
static void add_resolver(struct paths *p)
{
    static const char *const paths[] = {"/etc/hosts",           "/etc/resolv.conf",
                                        "/run/systemd/resolve", "/etc/nsswitch.conf",
                                        "/etc/host.conf",       "/etc/gai.conf",
                                        "/etc/services",        "/etc/ssl",
                                        "/usr/lib/ssl",         "/usr/share/ca-certificates"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        add_path(p, paths[i], LANDLOCK_READ);
    }
}

// The version in force or -errno.
static int confine_paths(const struct harden_config *cfg)
{
    struct paths p = {0};
    add_path(&p, cfg->data_dir, LANDLOCK_STORE);
    add_path(&p, "/dev/null", LANDLOCK_READ);    // stands in for descriptors held in reserve
    add_path(&p, "/dev/urandom", LANDLOCK_READ); // SQLite's
    if (SANITIZED) {                             // its own maps, and line numbers for reports
        add_path(&p, "/proc", LANDLOCK_READ);
        add_path(&p, "/proc/self/exe", LANDLOCK_READ);
        add_path(&p, "/usr", LANDLOCK_READ);
        add_path(&p, "/lib", LANDLOCK_READ);
    }
    add_files(&p, cfg);
    struct landlock_ports ports = {.connect = cfg->ports, .count = cfg->ports_count};
    if (cfg->outbound) {
        add_resolver(&p);
    }
    int version = landlock_confine(p.rows, p.count, &ports);
    for (unsigned i = 0; i < p.texts_count; i++) {
        mem_free(p.texts[i]);
    }
    return version;
}

// No secret that came in it stays to be read in /proc. Nothing here looks at it any more: what
// libraries want of it they have read, and no program is ever started.
static void wipe_environment(void)
{
    extern char **environ;
    for (char **e = environ; e && *e; e++) {
        explicit_bzero(*e, strlen(*e));
    }
    environ = NULL;
}

static void warn_of_root(const struct harden_config *cfg)
{
    if (geteuid() == 0 && !cfg->user.len) {
        log_warn("server.root", "running as root; server.user names a user to become");
    }
}

void harden_confine(const struct harden_config *cfg)
{
    warn_of_root(cfg);
    wipe_environment();
    // A hub that stays root keeps the leave to use files of others, as root is used to.
    uint64_t kept = geteuid() == 0 ? BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) : 0;
    int err = keep_capabilities(kept);
    if (err) {
        log_warn("sandbox.capabilities", "capabilities can't be given up: %s",
                 strerrordesc_np(-err));
    }
    if (cfg->mode == SANDBOX_OFF) {
        log_warn("sandbox.off", "server.sandbox is off: the hub can do all that its user can");
        return;
    }
    int landlock = confine_paths(cfg);
    if (landlock < 0) {
        log_warn("sandbox.landlock", "no Landlock here, files are guarded by their permissions: %s",
                 strerrordesc_np(-landlock));
    }
    err = callfilter_confine(&(struct callfilter_config){.kill = cfg->mode == SANDBOX_STRICT,
                                                         .uring = cfg->uring,
                                                         .outbound = cfg->outbound,
                                                         .metrics = cfg->metrics});
    if (err) {
        log_warn("sandbox.seccomp", "no filter of system calls here: %s", strerrordesc_np(-err));
    }
    log_info("server.confined", "rights given up: landlock=%d seccomp=%d uid=%u",
             landlock < 0 ? 0 : landlock, err ? 0 : 1, geteuid());
}

void harden_tell_refused(void)
{
    char name[48];
    unsigned long count = callfilter_refused(name);
    if (count) {
        log_warn("sandbox.refused",
                 "system calls that serving does not need were refused: count=%lu last=%s", count,
                 name);
    }
}
