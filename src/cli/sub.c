// SPDX-License-Identifier: MIT
// `clairon sub`: prints the events of topics as JSON lines, as they are received.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "clairon/client.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/opts.h"

enum { OUT_BYTES_MAX = 64 * 1024 * 1024 };

struct sub {
    struct clairon_sub *sub;
    struct buf out;
    unsigned count_max, count; // 0: any number
    bool was_lost;
    bool refused;
    int status;
};

static void on_event(void *arg, const struct clairon_event *e)
{
    struct sub *s = arg;
    buf_put_mem(&s->out, e->text.p, e->text.len);
    buf_putc(&s->out, '\n');
    s->count++;
    if (s->out.failed || (s->count_max > 0 && s->count >= s->count_max)) {
        clairon_sub_stop(s->sub);
    }
}

static void on_gap(void *arg, const struct clairon_gap *g)
{
    (void)arg;
    char count[32] = "events";
    if (g->count >= 0) {
        snprintf(count, sizeof(count), "%lld events", (long long)g->count);
    }
    if (g->reason.len == 5 && memcmp(g->reason.p, "epoch", 5) == 0) {
        cli_say("sub", "%.*s: the hub does not know the cursor: events may be missing (epoch)",
                (int)g->topic.len, g->topic.p);
    } else {
        cli_say("sub", "%.*s: %s are missing after %.*s up to %.*s (%.*s)", (int)g->topic.len,
                g->topic.p, count, (int)g->from.len, g->from.p, (int)g->to.len, g->to.p,
                (int)g->reason.len, g->reason.p);
    }
}

static void on_state(void *arg, enum clairon_sub_state state, const struct clairon_error *why,
                     int retry_ms)
{
    struct sub *s = arg;
    if (state == CLAIRON_SUB_WAITING) {
        cli_say("sub", "%s; trying again in %d.%d s", why->message, retry_ms / 1000,
                retry_ms % 1000 / 100);
        s->was_lost = true;
    } else if (state == CLAIRON_SUB_LIVE && s->was_lost) {
        cli_say("sub", "connected");
        s->was_lost = false;
    } else if (state == CLAIRON_SUB_ENDED) {
        if (!s->refused) {
            cli_say("sub", "%s", why->message);
        }
        s->status = EXIT_FAILED;
    }
}

static void on_refused(void *arg, struct clairon_span topic, const struct clairon_error *why)
{
    struct sub *s = arg;
    s->refused = true;
    cli_say("sub", "%.*s%s%s", (int)topic.len, topic.p, topic.len > 0 ? ": " : "", why->message);
}

// Writes what was received. False when nobody reads it any more, or we were interrupted.
static bool print(struct sub *s, int interrupt_fd)
{
    size_t at = 0;
    bool good = true;
    while (good && at < s->out.len) {
        struct pollfd p[] = {{.fd = STDOUT_FILENO, .events = POLLOUT},
                             {.fd = interrupt_fd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR) {
            good = false;
        } else if (p[1].revents) {
            good = false;
        } else {
            size_t len = s->out.len - at;
            ssize_t n = write(STDOUT_FILENO, s->out.p + at, len < 4096 ? len : 4096);
            at += n > 0 ? (size_t)n : 0;
            good = n >= 0 || errno == EINTR || errno == EAGAIN;
        }
    }
    buf_clear(&s->out);
    return good;
}

static void follow(struct sub *s, int interrupt_fd)
{
    bool go_on = true;
    while (go_on && clairon_sub_state(s->sub) != CLAIRON_SUB_ENDED) {
        struct pollfd p[] = {
            {.fd = clairon_sub_fd(s->sub), .events = clairon_sub_events(s->sub)},
            {.fd = interrupt_fd, .events = POLLIN},
            {.fd = STDOUT_FILENO, .events = 0}, // tells when its reader has gone
        };
        (void)poll(p, 3, clairon_sub_timeout_ms(s->sub));
        if (p[1].revents || (p[2].revents & (POLLERR | POLLNVAL))) {
            return;
        }
        (void)clairon_sub_step(s->sub);
        go_on = print(s, interrupt_fd);
    }
}

static int subscribe(struct sub *s, struct clairon_sub_options *o)
{
    struct clairon_error err;
    o->arg = s;
    o->handlers = (struct clairon_sub_handlers){
        .on_event = on_event, .on_gap = on_gap, .on_state = on_state, .on_refused = on_refused};
    if (clairon_sub_new(o, &s->sub, &err)) {
        cli_say("sub", "%s", err.message);
        return EXIT_USAGE;
    }
    int interrupt_fd = interrupt_watch(false);
    if (interrupt_fd < 0) {
        cli_say("sub", "no descriptor: %s", strerror(errno));
        clairon_sub_free(s->sub);
        return EXIT_FAILED;
    }
    buf_init(&s->out, OUT_BYTES_MAX);
    follow(s, interrupt_fd);
    buf_fini(&s->out);
    clairon_sub_free(s->sub);
    close(interrupt_fd);
    return s->status;
}

int cmd_sub(int argc, char **argv)
{
    struct sub s = {0};
    struct clairon_sub_options o = {0};
    const struct opt table[] = {
        {"server", OPT_TEXT, &o.target.server, "URL", "the hub (default: $CLAIRON_SERVER)"},
        {"token", OPT_SECRET, &o.target.token, "TOKEN", "who asks (default: $CLAIRON_TOKEN)"},
        {"ca", OPT_TEXT, &o.target.ca, "FILE",
         "certificates to trust for https (default: $CLAIRON_CA, else the system's)"},
        {"since", OPT_TEXT, &o.since, "CURSOR", "begin behind the event of this id"},
        {"count", OPT_UINT, &s.count_max, "N", "end after N events"},
    };
    const struct opts opts = {
        .command = "sub",
        .words = "TOPIC...",
        .about =
            "Prints the events of TOPICs on standard output, one JSON object a line, each once "
            "and\n"
            "in order, also through restarts of the hub. Gaps and reconnects are told on standard\n"
            "error.",
        .table = table,
        .count = ARRAY_LEN(table),
        .words_min = 1,
        .words_max = -1,
    };
    int words, status;
    if (!opts_parse(&opts, argc, argv, &words, &status)) {
        return status;
    }
    o.topics = (const char *const *)(argv + 1);
    o.topics_count = (size_t)words;
    return subscribe(&s, &o);
}
