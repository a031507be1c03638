// SPDX-License-Identifier: MIT
// `clairon run`: any command as a job. What is said about it goes to the reporter, which has a
// thread of its own; this thread only moves bytes and signals, and waits for nothing else.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "clairon/client.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/detect.h"
#include "cli/opts.h"
#include "cli/stream.h"
#include "def/limits.h"

enum {
    WAIT_S_DEFAULT = 30,
    START_MS_MAX = 2000, // for the hub to say whether a named job is free
    GRACE_MS = 5000,     // between TERM and KILL
    LINGER_MS = 250,     // for output that others than CMD hold open
    GROUP_LOOK_MS = 20,
    FLUSH_SLICE_MS = 100, // between looks at signals
    DRAIN_BYTES_MAX = 1024 * 1024,
    ID_SIZE = LIMIT_ID_BYTES + 1,
    NOT_FOUND = 127,
    NOT_RUNNABLE = 126,
};

struct run {
    struct clairon_target target;
    const char *kind_text, *id, *project;
    bool detect, pty;
    unsigned wait_s;
    char **argv;
    enum clairon_kind kind;
    char id_made[ID_SIZE], project_made[ID_SIZE];

    struct clairon_reporter *reporter;
    struct child child;
    int control_fd, signal_fd;
    sigset_t mask_before;
    struct stream out, err;
    struct lines control;
    unsigned percent; // detected last; > 100: none yet
    int own_signal;   // that ended it; 0: none
    bool cancelled, killed;
    bool input_open;                            // with --pty: what is typed goes to the command
    bool interrupted;                           // a signal of ours came
    int64_t term_at_ms, kill_at_ms, over_at_ms; // 0: not set
};

// ---- Reporting

static struct clairon_span span(struct str s)
{
    return (struct clairon_span){.p = s.p, .len = s.len};
}

static void see(void *arg, struct str text)
{
    struct run *r = arg;
    unsigned percent;
    if (r->detect && detect_progress(text, &percent) && percent != r->percent) {
        r->percent = percent;
        clairon_reporter_progress(r->reporter, percent, NULL);
    }
}

static void on_line(void *arg, struct str text, bool cont)
{
    struct run *r = arg;
    clairon_reporter_log(r->reporter, CLAIRON_INFO, span(text), cont);
    see(r, text);
}

static void on_control(void *arg, struct str text, bool cont)
{
    struct run *r = arg;
    struct control c;
    char name[CONTROL_LINE_BYTES_MAX], message[CONTROL_LINE_BYTES_MAX];
    if (cont || text.len >= CONTROL_LINE_BYTES_MAX || !control_parse(text, &c)) {
        cli_say("run", "not understood on CLAIRON_FD: %.*s", (int)utf8_prefix(text, 80), text.p);
        return;
    }
    snprintf(name, sizeof(name), "%.*s", STR_ARG(c.name));
    snprintf(message, sizeof(message), "%.*s", STR_ARG(c.message));
    const char *said = c.message.p ? message : NULL;
    if (c.type == CONTROL_STEP) {
        clairon_reporter_step(r->reporter, name, said);
    } else {
        clairon_reporter_progress(r->reporter, c.percent, said);
    }
}

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    cli_say("run", "%s", text);
}

// ---- Getting ready

static void make_id(char out[ID_SIZE])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t random;
    random_bytes(&random, sizeof(random));
    size_t len = (size_t)snprintf(out, ID_SIZE, "run-");
    for (int i = 0; i < 12; i++, random >>= 5) {
        out[len++] = digits[random & 31];
    }
    out[len] = '\0';
}

// The name of the current folder, as an id.
static void make_project(char out[ID_SIZE])
{
    char path[4096];
    const char *name = getcwd(path, sizeof(path)) ? strrchr(path, '/') + 1 : "";
    struct str s = str_of(name);
    size_t len = utf8_prefix(s, ID_SIZE - 1);
    if (len == 0 || !utf8_valid(s)) {
        snprintf(out, ID_SIZE, "default");
        return;
    }
    memcpy(out, name, len);
    out[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)out[i];
        if (c <= ' ' || c == 0x7f || c == '*') {
            out[i] = '-';
        }
    }
}

static bool usage(const char *what, const char *text)
{
    cli_say("run", "%s %s (see clairon run --help)", what, text);
    return false;
}

static bool parse(struct run *r, int argc, char **argv, int *ret_status)
{
    const struct opt table[] = {
        {"server", OPT_TEXT, &r->target.server, "URL", "the hub (default: $CLAIRON_SERVER)"},
        {"token", OPT_SECRET, &r->target.token, "TOKEN", "who reports (default: $CLAIRON_TOKEN)"},
        {"ca", OPT_TEXT, &r->target.ca, "FILE",
         "certificates to trust for https (default: $CLAIRON_CA, else the system's)"},
        {"kind", OPT_TEXT, &r->kind_text, "KIND",
         "build (the default; also: job), deployment, ticket"},
        {"id", OPT_TEXT, &r->id, "ID", "the job's id (default: a new one, told on standard error)"},
        {"project", OPT_TEXT, &r->project, "P", "the job's project (default: the current folder)"},
        {"detect-progress", OPT_FLAG, &r->detect, NULL,
         "read progress off the output: [n/m] and N%"},
        {"pty", OPT_FLAG, &r->pty, NULL,
         "run CMD on a pseudo-terminal, so that it does not hold output back"},
        {"wait", OPT_UINT, &r->wait_s, "SECONDS",
         "wait so long for the hub after CMD ended (default 30)"},
    };
    const struct opts opts = {
        .command = "run",
        .words = "-- CMD [ARG]...",
        .about =
            "Runs CMD as a job: its output, by lines, becomes the job's log and is passed through; "
            "its\n"
            "end is the job's end. Returns CMD's status, 128+N when signal N ended it. While the "
            "hub\n"
            "is away CMD goes on, and what there is to tell is told later, in order and once.\n\n"
            "CMD reports progress by lines `progress N [message]` and `step NAME [message]` on "
            "the\n"
            "descriptor named by CLAIRON_FD, or by `clairon progress` and `clairon step`. Its\n"
            "environment also has CLAIRON_JOB (KIND:ID) and CLAIRON_SERVER.",
        .table = table,
        .count = ARRAY_LEN(table),
        .words_min = 1,
        .words_max = -1,
        .words_last = true,
    };
    int words;
    if (!opts_parse(&opts, argc, argv, &words, ret_status)) {
        return false;
    }
    r->argv = argv + 1;
    *ret_status = EXIT_USAGE;
    if (!clairon_kind_parse(r->kind_text, &r->kind)) {
        return usage("unknown kind", r->kind_text);
    }
    if (r->id && !clairon_id_valid(r->id)) {
        return usage("not an id:", r->id);
    }
    if (r->project && !clairon_id_valid(r->project)) {
        return usage("not a project:", r->project);
    }
    return true;
}

static bool block_signals(struct run *r)
{
    static const int always[] = {SIGTERM, SIGCHLD, SIGWINCH};
    static const int unless_ignored[] = {SIGINT, SIGQUIT, SIGHUP}; // nohup, or a shell's `&`
    sigset_t watched;
    sigemptyset(&watched);
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        sigaddset(&watched, always[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(unless_ignored); i++) {
        struct sigaction now;
        if (sigaction(unless_ignored[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            sigaddset(&watched, unless_ignored[i]);
        }
    }
    sigset_t blocked = watched;
    sigaddset(&blocked, SIGTTOU); // else taking our terminal back would stop us
    sigprocmask(SIG_BLOCK, &blocked, &r->mask_before);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    r->signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signal_fd >= 0;
}

static bool get_ready(struct run *r)
{
    // Nothing that we open may take the place of a standard descriptor.
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) {
            return false;
        }
    }
    if (child_reserve_control(&r->child, &r->control_fd) || !block_signals(r)) {
        cli_say("run", "no descriptor: %s", strerror(errno));
        return false;
    }
    if (!r->id) {
        make_id(r->id_made);
    }
    if (!r->project) {
        make_project(r->project_made);
    }
    char url[512], text[64 + ID_SIZE];
    clairon_target_url(&r->target, url, sizeof(url));
    snprintf(text, sizeof(text), "%d", r->control_fd);
    setenv("CLAIRON_FD", text, 1);
    setenv("CLAIRON_SERVER", url, 1);
    snprintf(text, sizeof(text), "%s:%s", clairon_kind_name(r->kind), r->id ? r->id : r->id_made);
    setenv("CLAIRON_JOB", text, 1);
    return true;
}

// Whether CMD may start.
static bool open_job(struct run *r)
{
    const char *slash = strrchr(r->argv[0], '/');
    const struct clairon_reporter_options o = {
        .target = r->target,
        .kind = r->kind,
        .id = r->id ? r->id : r->id_made,
        .project = r->project ? r->project : r->project_made,
        .name = slash && slash[1] ? slash + 1 : r->argv[0], // arguments may hold secrets
        .on_warning = on_warning,
    };
    struct clairon_error err;
    if (clairon_reporter_new(&o, &r->reporter, &err)) {
        cli_say("run", "%s", err.message);
        return false;
    }
    if (!r->id) {
        char url[512];
        clairon_target_url(&r->target, url, sizeof(url));
        cli_say("run", "%s:%s at %s/jobs/%s/%s", clairon_kind_name(r->kind), o.id, url,
                clairon_kind_name(r->kind), o.id);
    }
    // A new id is free: there is nothing to wait for.
    if (r->id && clairon_reporter_opened(r->reporter, START_MS_MAX, &err) == -CLAIRON_CONFLICT) {
        cli_say("run", "%s:%s: %s", clairon_kind_name(r->kind), r->id, err.message);
        return false;
    }
    return true;
}

// ---- While CMD runs

static void end_group(struct run *r)
{
    r->cancelled = true;
    if (r->kill_at_ms == 0 && !r->child.exited) {
        r->kill_at_ms = clock_now().mono_ms + GRACE_MS;
        (void)child_signal(&r->child, SIGTERM);
    }
}

// One of ours: the command gets it too. A shell may miss an interrupt that comes just as it starts
// something; it is told again, as a request to end.
static void take_own_signal(struct run *r, int sig)
{
    r->interrupted = true;
    if (!r->child.exited) {
        r->own_signal = sig;
        r->cancelled = true;
        (void)child_signal(&r->child, sig);
        if (sig != SIGTERM && r->term_at_ms == 0) {
            r->term_at_ms = clock_now().mono_ms + GRACE_MS;
        }
    }
}

static void take_signals(struct run *r)
{
    struct signalfd_siginfo info;
    while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        int sig = (int)info.ssi_signo;
        if (sig == SIGCHLD) {
            child_reap(&r->child);
        } else if (sig == SIGWINCH) {
            child_resize(&r->child);
        } else {
            take_own_signal(r, sig);
        }
    }
    if (r->child.exited && r->over_at_ms == 0) {
        r->over_at_ms = clock_now().mono_ms + LINGER_MS;
    }
}

static void read_control(struct run *r)
{
    char bytes[CONTROL_LINE_BYTES_MAX];
    ssize_t n;
    while (r->child.control >= 0 && (n = read(r->child.control, bytes, sizeof(bytes))) >= 0) {
        if (n == 0) {
            lines_end(&r->control);
            close(r->child.control);
            r->child.control = -1;
            return;
        }
        lines_feed(&r->control, str_make(bytes, (size_t)n));
    }
}

// With --pty: what is typed goes to the command; its end as the terminal's own end-of-file
// character.
static void read_input(struct run *r)
{
    static const char end_of_file = 4;
    char bytes[1024];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (n > 0) {
        ssize_t taken = write(r->child.out, bytes, (size_t)n);
        (void)taken; // a command that reads nothing loses what is typed ahead
    } else if (n == 0) {
        ssize_t taken = write(r->child.out, &end_of_file, 1);
        (void)taken;
    } else if (errno != EAGAIN && errno != EINTR) {
        r->input_open = false;
    }
}

static int next_timeout_ms(const struct run *r)
{
    int64_t now_ms = clock_now().mono_ms;
    int64_t at_ms = r->kill_at_ms > 0 && !r->killed ? r->kill_at_ms : INT64_MAX;
    if (r->over_at_ms > 0 && r->over_at_ms < at_ms && now_ms < r->over_at_ms) {
        at_ms = r->over_at_ms;
    }
    if (r->term_at_ms > 0 && r->term_at_ms < at_ms && !r->child.exited) {
        at_ms = r->term_at_ms;
    }
    if (r->child.exited && r->kill_at_ms > 0 && at_ms > now_ms + GROUP_LOOK_MS) {
        at_ms = now_ms + GROUP_LOOK_MS; // nothing tells when the last of a group is gone
    }
    if (at_ms == INT64_MAX) {
        return -1;
    }
    return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}

static bool is_over(const struct run *r)
{
    if (!r->child.exited) {
        return false;
    }
    int64_t now_ms = clock_now().mono_ms;
    if (!(stream_done(&r->out) && stream_done(&r->err)) && now_ms < r->over_at_ms) {
        return false;
    }
    // Of a cancelled group nobody stays: those who are left have until the end of the grace.
    return r->kill_at_ms == 0 || !child_signal(&r->child, 0) || now_ms >= r->kill_at_ms + LINGER_MS;
}

// What is due because the command has not ended yet.
static void urge(struct run *r)
{
    int64_t now_ms = clock_now().mono_ms;
    if (r->term_at_ms > 0 && now_ms >= r->term_at_ms) {
        r->term_at_ms = INT64_MAX;
        (void)child_signal(&r->child, SIGTERM);
    }
    if (r->kill_at_ms > 0 && !r->killed && now_ms >= r->kill_at_ms) {
        r->killed = true;
        (void)child_signal(&r->child, SIGKILL);
    }
}

static void step(struct run *r)
{
    enum { SIGNALS, CANCEL, CONTROL, OUT, ERR, INPUT, ALL };
    struct pollfd p[ALL] = {
        [SIGNALS] = {.fd = r->signal_fd, .events = POLLIN},
        [CANCEL] = {.fd = r->kill_at_ms ? -1 : clairon_reporter_cancel_fd(r->reporter),
                    .events = POLLIN},
        [CONTROL] = {.fd = r->child.control, .events = POLLIN},
        [OUT] = stream_poll(&r->out),
        [ERR] = stream_poll(&r->err),
        [INPUT] = {.fd = r->input_open && r->child.out >= 0 ? STDIN_FILENO : -1, .events = POLLIN},
    };
    (void)poll(p, ALL, next_timeout_ms(r));
    take_signals(r);
    if (p[CANCEL].revents) {
        end_group(r);
    }
    urge(r);
    if (p[CONTROL].revents) {
        read_control(r);
    }
    if (p[OUT].revents) {
        stream_step(&r->out);
    }
    if (p[ERR].revents) {
        stream_step(&r->err);
    }
    if (p[INPUT].revents) {
        read_input(r);
    }
}

static void follow(struct run *r)
{
    r->input_open = r->pty && isatty(STDIN_FILENO);
    while (!is_over(r)) {
        step(r);
    }
    read_control(r);
    stream_drain(&r->out, DRAIN_BYTES_MAX);
    stream_drain(&r->err, DRAIN_BYTES_MAX);
    lines_end(&r->control);
}

// ---- The end

struct signal_name {
    char text[32];
};

static struct signal_name signal_name(int sig)
{
    struct signal_name name;
    const char *known = sigabbrev_np(sig);
    if (known) {
        snprintf(name.text, sizeof(name.text), "SIG%s", known);
    } else {
        snprintf(name.text, sizeof(name.text), "SIG%d", sig);
    }
    return name;
}

static int report_end(struct run *r)
{
    struct signal_name name;
    char message[128];
    struct clairon_outcome o = {.exit_code = -1, .message = message};
    int status = r->child.status;
    bool by_signal = WIFSIGNALED(status);
    int code = by_signal ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (by_signal) {
        name = signal_name(WTERMSIG(status));
        o.signal = name.text;
        snprintf(message, sizeof(message), "killed by %s", name.text);
    } else {
        o.exit_code = code;
        snprintf(message, sizeof(message), "exit status %d", code);
    }
    // A terminal that was lent to CMD sends Ctrl-C to it alone.
    if (r->child.own_terminal && by_signal && WTERMSIG(status) == SIGINT) {
        r->cancelled = true;
        r->own_signal = SIGINT;
    }
    if (r->cancelled && r->own_signal) {
        snprintf(message, sizeof(message), "cancelled by %s", signal_name(r->own_signal).text);
    } else if (r->cancelled) {
        snprintf(message, sizeof(message), "cancelled as asked");
    }
    o.type = r->cancelled ? CLAIRON_CANCELLED : code ? CLAIRON_FAILED : CLAIRON_SUCCEEDED;
    if (o.type == CLAIRON_SUCCEEDED) {
        o.message = NULL;
    }
    clairon_reporter_end(r->reporter, &o);
    return code;
}

static int report_no_start(struct run *r, int e)
{
    char message[256];
    const struct clairon_outcome o = {.type = CLAIRON_FAILED,
                                      .exit_code = e == ENOENT ? NOT_FOUND : NOT_RUNNABLE,
                                      .message = message};
    snprintf(message, sizeof(message), "%.200s: %s", r->argv[0],
             e == ENOENT && !strchr(r->argv[0], '/') ? "command not found" : strerror(e));
    cli_say("run", "%s", message);
    clairon_reporter_end(r->reporter, &o);
    return o.exit_code;
}

// Waits for the last reports to arrive, unless one of our own signals says otherwise.
static void deliver(struct run *r)
{
    int64_t until_ms = clock_now().mono_ms + (int64_t)r->wait_s * 1000;
    struct clairon_error err;
    int e;
    r->child.pid = -1; // signals are for us alone now
    r->interrupted = false;
    while ((e = clairon_reporter_flush(r->reporter, FLUSH_SLICE_MS, &err)) != 0 &&
           clock_now().mono_ms < until_ms && !r->interrupted) {
        take_signals(r);
    }
    if (!e) { // nothing is left to wait for: because all of it arrived, or the hub wants no more
        e = clairon_reporter_opened(r->reporter, 0, &err);
    }
    if (e) {
        cli_say("run", "not everything was reported: %s", err.message);
    }
}

int cmd_run(int argc, char **argv)
{
    static struct run r = {
        .kind_text = "build", .wait_s = WAIT_S_DEFAULT, .percent = 101, .signal_fd = -1};
    int status;
    if (!parse(&r, argc, argv, &status)) {
        return status;
    }
    if (!get_ready(&r)) {
        return EXIT_FAILED;
    }
    if (!open_job(&r)) {
        clairon_reporter_free(r.reporter);
        return EXIT_USAGE;
    }
    stream_init(&r.out, &r.child.out, STDOUT_FILENO);
    stream_init(&r.err, &r.child.err, STDERR_FILENO);
    lines_init(&r.control);
    r.out.lines.on_line = r.err.lines.on_line = on_line;
    r.out.lines.on_partial = r.err.lines.on_partial = see;
    r.out.lines.arg = r.err.lines.arg = r.control.arg = &r;
    r.control.on_line = on_control;
    int e = child_start(&r.child, r.argv, r.pty, &r.mask_before, r.control_fd);
    if (e) {
        status = report_no_start(&r, e);
    } else {
        follow(&r);
        status = report_end(&r);
    }
    child_fini(&r.child);
    deliver(&r);
    clairon_reporter_free(r.reporter);
    stream_fini(&r.out);
    stream_fini(&r.err);
    lines_fini(&r.control);
    close(r.signal_fd);
    return status;
}
