// SPDX-License-Identifier: MIT
// What a confined process can't do, tried by processes that are confined as the hub is.
#include "server/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "server/callfilter.h"
#include "server/landlock.h"

static struct metrics metrics;
static char dir[] = "/tmp/clairon-harden-XXXXXX";
static char data_dir[100], key_file[100], secret[100];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) {
        return -1;
    }
    (void)snprintf(data_dir, sizeof(data_dir), "%s/data", dir);
    (void)snprintf(key_file, sizeof(key_file), "%s/keys/key", dir);
    (void)snprintf(secret, sizeof(secret), "%s/secret", dir);
    char keys[100];
    (void)snprintf(keys, sizeof(keys), "%s/keys", dir);
    int fd = open(secret, O_WRONLY | O_CREAT, 0600);
    return mkdir(data_dir, 0700) || mkdir(keys, 0700) || fd < 0 || close(fd);
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"data/made", "data", "keys/key", "keys", "secret", ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[100];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)remove(path);
    }
    return 0;
}

// Runs `body` in a process that is confined as a hub; what wait(2) says of its end. The process
// ends with the number of the line where an expectation failed, 0 if none did.
static int confined(enum sandbox_mode mode, int (*body)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO); // its log is nothing to this test's output
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        harden_hide(mode);
        harden_confine(&(struct harden_config){.mode = mode,
                                               .user = STR("root"),
                                               .data_dir = data_dir,
                                               .files = {str_of(key_file)},
                                               .files_count = 1,
                                               .metrics = &metrics});
        _exit(body());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#define EXPECT(ok)                                                                                 \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            return __LINE__ & 0xff;                                                                \
        }                                                                                          \
    } while (0)

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

static int try_files(void)
{
    char made[120], other[120];
    (void)snprintf(made, sizeof(made), "%s/made", data_dir);
    (void)snprintf(other, sizeof(other), "%s.other", key_file);
    EXPECT(opens(made, O_RDWR | O_CREAT | O_TRUNC));
    EXPECT(unlink(made) == 0);
    EXPECT(!opens(key_file, O_RDONLY) && errno == ENOENT); // made later, as by a renewal
    EXPECT(!opens(key_file, O_WRONLY | O_CREAT) && errno == EACCES);
    EXPECT(!opens(other, O_WRONLY | O_CREAT) && errno == EACCES);
    EXPECT(!opens(secret, O_RDONLY) && errno == EACCES);
    EXPECT(!opens("/etc/passwd", O_RDONLY) && errno == EACCES);
    EXPECT(!opens("/dev/null", O_WRONLY) && errno == EACCES);
    EXPECT(opens("/dev/null", O_RDONLY));
    EXPECT(SANITIZED || (!opens("/proc/self/mem", O_RDONLY) && errno == EACCES));
    EXPECT(rename(data_dir, other) != 0);
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    struct landlock_path none[1];
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(landlock_confine(none, 0, &(struct landlock_ports){0}) > 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0) {
        print_message("no Landlock in this kernel\n");
        skip();
    }
    assert_int_equal(confined(SANDBOX_ON, try_files), 0);
}

// In the order of the hub's temptations: other programs, other processes, the network, code made of
// data, the kernel's rarer doors.
static int try_calls(void)
{
    static char *const nothing[] = {NULL};
    unsigned long before = (unsigned long)atomic_load(&metrics.value[METRIC_SANDBOX_REFUSED]);
    unsigned long tries = 0;
#define REFUSED(call) (tries++, errno = 0, (call) == -1 && errno == EPERM)
    EXPECT(REFUSED(execve("/bin/true", nothing, nothing)));
    EXPECT(REFUSED(syscall(SYS_execveat, -1, "/bin/true", nothing, nothing, 0)));
    EXPECT(REFUSED(socket(AF_INET, SOCK_STREAM, 0)));
    EXPECT(REFUSED(socket(AF_NETLINK, SOCK_RAW, 0)));
    EXPECT(REFUSED(syscall(SYS_connect, 0, NULL, 0)));
    EXPECT(REFUSED(syscall(SYS_bind, 0, NULL, 0)));
    EXPECT(REFUSED(syscall(SYS_bpf, 0, NULL, 0)));
    EXPECT(REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0)));
    EXPECT(REFUSED(syscall(SYS_userfaultfd, 0)));
    EXPECT(REFUSED(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL)));
    EXPECT(REFUSED(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)));
    EXPECT(REFUSED(syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0)));
    EXPECT(REFUSED(syscall(SYS_io_uring_setup, 1, NULL)));
    EXPECT(REFUSED(syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0)));
    EXPECT(REFUSED(syscall(SYS_unshare, 0)));
    EXPECT(REFUSED(syscall(SYS_setuid, 0)));
    EXPECT(REFUSED(kill(getpid(), 0)));
    EXPECT(REFUSED(syscall(SYS_tgkill, 1, 1, 0)));
    EXPECT(REFUSED(chmod(data_dir, 0777)));
    if (!SANITIZED) {
        EXPECT(REFUSED(fork()));
        EXPECT(REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
        EXPECT(REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
    }
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(page != MAP_FAILED);
    EXPECT(REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC)));
    EXPECT(REFUSED((long)mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    unsigned long after = (unsigned long)atomic_load(&metrics.value[METRIC_SANDBOX_REFUSED]);
    EXPECT(after - before == tries);
    char name[48];
    EXPECT(callfilter_refused(name) == tries && strcmp(name, "mmap") == 0);
    EXPECT(callfilter_refused(name) == 0);
    return 0;
}

static void test_calls(void **state)
{
    (void)state;
    assert_int_equal(confined(SANDBOX_ON, try_calls), 0);
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static void test_strict(void **state)
{
    (void)state;
    int status = confined(SANDBOX_STRICT, try_socket);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
    assert_false(WCOREDUMP(status));
    assert_int_equal(WEXITSTATUS(confined(SANDBOX_OFF, try_socket)) & 0x80, 0);
}

static void test_words(void **state)
{
    (void)state;
    enum sandbox_mode mode;
    assert_int_equal(sandbox_mode_parse(STR("on"), &mode), 0);
    assert_int_equal(mode, SANDBOX_ON);
    assert_int_equal(sandbox_mode_parse(STR("strict"), &mode), 0);
    assert_int_equal(mode, SANDBOX_STRICT);
    assert_int_equal(sandbox_mode_parse(STR("off"), &mode), 0);
    assert_int_equal(mode, SANDBOX_OFF);
    assert_true(sandbox_mode_parse(STR("On"), &mode) != 0);
    assert_true(sandbox_mode_parse(STR(""), &mode) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
