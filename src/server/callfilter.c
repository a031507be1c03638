// SPDX-License-Identifier: MIT
// The system calls of a serving hub. A call that is not in the table raises SIGSYS, whose handler
// counts it and lets it fail with EPERM, so that what is refused in the field can be seen; a strict
// hub ends there. No handler could give the call back: it was not made.
#include "server/callfilter.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/sched.h>

#include "base/mem.h"
#include "base/str.h"

enum when {
    ALWAYS,
    URING,     // rings are in use
    OUTBOUND,  // names are looked up, and servers connected to
    SANITIZER, // reports, and the search for leaks by a thread that traces the others
};

// Names and not numbers, since not every architecture has all of them. No socket, connect or bind
// without responders: the ports are open by now. No execve, and no clone that is not a thread.
static const struct {
    enum when when;
    const char *names;
} calls[] = {
    // connections, and waiting
    {ALWAYS, "accept4 recvfrom recvmsg sendto sendmsg shutdown setsockopt getsockopt getsockname "
             "getpeername epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll"},
    {URING, "io_uring_enter"},
    // bind: to the kernel itself, of which addresses there are; TCP ports are Landlock's matter
    {OUTBOUND, "connect bind socketpair sendmmsg recvmmsg pipe pipe2 eventfd2"},
    // files: Landlock says which
    {ALWAYS, "read readv pread64 preadv write writev pwrite64 pwritev close lseek open openat stat "
             "fstat lstat newfstatat statx access faccessat faccessat2 fcntl flock ftruncate "
             "fallocate fsync fdatasync unlink unlinkat readlink readlinkat getcwd"},
    // memory
    {ALWAYS, "brk munmap mremap madvise membarrier"},
    // threads and signals
    {ALWAYS, "futex set_robust_list rseq set_tid_address sched_yield sched_getaffinity exit "
             "exit_group rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall gettid getpid"},
    // clocks, randomness, and what libraries ask of the system
    {ALWAYS, "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday getrandom uname "
             "sysinfo getuid geteuid getgid getegid getrusage"},
    {SANITIZER, "clone ptrace wait4 prctl sigaltstack getppid getdents getdents64"},
};

#define NEVER_SET(n, bits) SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, (uint64_t)(bits), 0)
#define IS(n, value)       SCMP_CMP64(n, SCMP_CMP_EQ, (uint64_t)(value))

static struct metrics *counted_in;
static bool kills;
static atomic_ulong refused_count;
static _Atomic(int) refused_last;
static unsigned long refused_told; // of the one thread that asks

static int allow(scmp_filter_ctx filter, const char *name, unsigned args_count,
                 const struct scmp_arg_cmp *args)
{
    int nr = seccomp_syscall_resolve_name(name);
    if (nr < 0) {
        return 0; // this architecture, or this version of libseccomp, has no such call
    }
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, nr, args_count, args);
}

// The calls whose arguments matter.
static int allow_some(scmp_filter_ctx filter, const struct callfilter_config *cfg)
{
    int enable_rings = 12; // IORING_REGISTER_ENABLE_RINGS
    const struct row {
        const char *name;
        struct scmp_arg_cmp arg;
        bool wanted;
    } rows[] = {
        {"mmap", NEVER_SET(2, PROT_EXEC), true},
        {"mprotect", NEVER_SET(2, PROT_EXEC), true},
        // A thread, not a process.
        {"clone", SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD), !SANITIZED},
        {"prctl", IS(0, PR_SET_NAME), !SANITIZED},
        {"prlimit64", IS(2, 0), true}, // asks and does not set
        {"tgkill", IS(0, getpid()), true},
        {"ioctl", IS(1, 0x894B /* SIOCOUTQNSD */), true},
        {"ioctl", IS(1, 0x5401 /* TCGETS: is it a terminal? */), true},
        {"ioctl", IS(1, 0x541B /* FIONREAD */), cfg->outbound},
        {"socket", IS(0, AF_INET), cfg->outbound},
        {"socket", IS(0, AF_INET6), cfg->outbound},
        {"socket", IS(0, AF_UNIX), cfg->outbound},
        {"socket", IS(0, AF_NETLINK), cfg->outbound},
        {"io_uring_register", IS(1, enable_rings), cfg->uring},
    };
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows) && !err; i++) {
        err = rows[i].wanted ? allow(filter, rows[i].name, 1, &rows[i].arg) : 0;
    }
    // Its flags lie in memory, where no filter sees them; without it libc takes clone.
    int nr = seccomp_syscall_resolve_name("clone3");
    return err || nr < 0 ? err : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
}

static int fill(scmp_filter_ctx filter, const struct callfilter_config *cfg)
{
    int err = allow_some(filter, cfg);
    for (size_t i = 0; i < ARRAY_LEN(calls) && !err; i++) {
        enum when when = calls[i].when;
        struct str names = str_of(calls[i].names);
        bool wanted = when == ALWAYS || (when == URING      ? cfg->uring
                                         : when == OUTBOUND ? cfg->outbound
                                                            : SANITIZED);
        while (wanted && names.p && !err) {
            struct str word = str_cut(&names, ' ');
            char name[40];
            (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(word));
            err = allow(filter, name, 0, NULL);
        }
    }
    return err;
}

static void fail_call(void *context)
{
    ucontext_t *uc = context;
#if defined(__x86_64__)
    uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    uc->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
    (void)uc;
#endif
}

// Runs in the place of the call. Whatever the thread holds it may hold here: nothing but atomics
// and system calls.
static void on_refused(int signal_number, siginfo_t *info, void *context)
{
    int saved = errno;
    atomic_store(&refused_last, info->si_syscall);
    atomic_fetch_add(&refused_count, 1);
    metrics_add(counted_in, METRIC_SANDBOX_REFUSED, 1);
    if (kills) {
        char text[100];
        int n = snprintf(text, sizeof(text), "error sandbox.refused system call %d: ending\n",
                         info->si_syscall);
        ssize_t written = write(STDERR_FILENO, text, (size_t)n);
        (void)written;
        (void)sigaction(signal_number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        (void)raise(signal_number); // when the handler returns
    }
    fail_call(context);
    errno = saved;
}

int callfilter_confine(const struct callfilter_config *cfg)
{
#if defined(__x86_64__) || defined(__aarch64__)
    uint32_t otherwise = SCMP_ACT_TRAP;
#else
    uint32_t otherwise = cfg->kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM);
#endif
    scmp_filter_ctx filter = seccomp_init(otherwise);
    if (!filter) {
        return -ENOMEM;
    }
    counted_in = cfg->metrics;
    kills = cfg->kill;
    struct sigaction on_sys = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
    int err = sigaction(SIGSYS, &on_sys, NULL) == 0 ? 0 : -errno;
    // Calls of another architecture are never by mistake.
    err = err ? err : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    err = err ? err : fill(filter, cfg);
    err = err ? err : seccomp_load(filter);
    seccomp_release(filter);
    return err;
}

unsigned long callfilter_refused(char name[48])
{
    unsigned long now = atomic_load(&refused_count), before = refused_told;
    refused_told = now;
    if (now > before) {
        char *text = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, atomic_load(&refused_last));
        (void)snprintf(name, 48, "%s", text ? text : "?");
        mem_free(text);
    }
    return now - before;
}
