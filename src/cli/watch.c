// SPDX-License-Identifier: MIT
// `clairon watch`: follows one job to its end.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "clairon/client.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/opts.h"
#include "cli/track.h"
#include "cli/view.h"
#include "def/limits.h"

enum {
    WAIT_S_DEFAULT = 60,
    TICK_MS = 1000,
    STATUS_NONE = -1, // goes on
};

struct watch {
    struct clairon_target target;
    unsigned wait_s;
    enum clairon_kind kind;
    const char *id;

    struct clairon_sub *sub;
    struct track track;
    struct view view;
    char name[32 + LIMIT_ID_BYTES]; // KIND:ID
    char said_status[32], said_step[256];
    int64_t said_attempt;
    bool said_unknown, said_trouble;
    int64_t lost_at_ms; // 0: connected
    char trouble[300];  // why not; empty
    bool refused;
    int status;
};

// ---- What comes

static void on_line(void *arg, struct str level, struct str text, uint64_t missing)
{
    struct watch *w = arg;
    if (missing > 0) {
        view_say(&w->view, "%llu lines of the log are not kept any more",
                 (unsigned long long)missing);
        return;
    }
    view_line(&w->view, level, text);
}

// Off a terminal each change is told; on one the bar shows it.
static void on_change(void *arg)
{
    struct watch *w = arg;
    const struct track *t = &w->track;
    if (t->attempt != w->said_attempt && w->said_attempt > 0) {
        view_say(&w->view, "%s: attempt %lld begins", w->name, (long long)t->attempt);
    }
    w->said_attempt = t->attempt;
    if (w->view.terminal || t->deleted ||
        (strcmp(t->status, w->said_status) == 0 && strcmp(t->step, w->said_step) == 0 &&
         !t->stalled)) {
        return;
    }
    memcpy(w->said_status, t->status, sizeof(w->said_status));
    memcpy(w->said_step, t->step, sizeof(w->said_step));
    const char *more = t->end == TRACK_FAILED && t->error[0] ? t->error : t->message;
    view_say(&w->view, "%s %s%s %d%%%s%s%s%s", w->name, t->status, t->stalled ? " (stalled)" : "",
             (int)t->progress, t->step[0] ? " " : "", t->step, more[0] ? " - " : "", more);
}

static void on_snapshot(void *arg, struct clairon_span topic, struct clairon_span data)
{
    struct watch *w = arg;
    (void)topic;
    if (data.len > 0 && data.p[0] == '{') {
        track_snapshot(&w->track, str_make(data.p, data.len));
    } else if (!w->said_unknown) {
        w->said_unknown = true;
        view_say(&w->view, "nothing has been reported on %s yet: waiting", w->name);
    }
}

static void on_event(void *arg, const struct clairon_event *e)
{
    struct watch *w = arg;
    track_event(&w->track, str_make(e->type.p, e->type.len), str_make(e->data.p, e->data.len),
                str_make(e->timestamp.p, e->timestamp.len));
    if (w->track.end != TRACK_OPEN || w->track.deleted) {
        clairon_sub_stop(w->sub);
    }
}

static void on_caught_up(void *arg, struct clairon_span topic, struct clairon_span cursor)
{
    struct watch *w = arg;
    (void)topic;
    (void)cursor;
    if (w->track.end != TRACK_OPEN) {
        clairon_sub_stop(w->sub); // it had ended before we came
    }
}

static void on_state(void *arg, enum clairon_sub_state state, const struct clairon_error *why,
                     int retry_ms)
{
    struct watch *w = arg;
    (void)retry_ms;
    if (state == CLAIRON_SUB_LIVE) {
        if (w->said_trouble) {
            view_say(&w->view, "connected");
        }
        w->said_trouble = false;
        w->lost_at_ms = 0;
        w->trouble[0] = '\0';
    } else if (state == CLAIRON_SUB_WAITING) {
        snprintf(w->trouble, sizeof(w->trouble), "%s", why->message);
        w->lost_at_ms = w->lost_at_ms ? w->lost_at_ms : clock_now().mono_ms;
        if (!w->said_trouble && !w->view.terminal) {
            w->said_trouble = true;
            view_say(&w->view, "%s; trying again", why->message);
        }
    } else if (state == CLAIRON_SUB_ENDED && why) {
        w->refused = true;
        view_say(&w->view, "%s: %s", w->name, why->message);
    }
}

// ---- The end

static int exit_status(struct watch *w)
{
    const struct track *t = &w->track;
    if (w->refused) {
        return EXIT_HUB_LOST;
    }
    if (t->deleted) {
        view_say(&w->view, "%s was deleted", w->name);
        return EXIT_FAILED;
    }
    switch (t->end) {
    case TRACK_WELL:
        return EXIT_OK;
    case TRACK_FAILED:
        return EXIT_FAILED;
    case TRACK_CANCELLED:
        return EXIT_CANCELLED;
    case TRACK_OPEN:
        break;
    }
    return EXIT_HUB_LOST;
}

// On a terminal the bar goes, and one line says how it ended.
static void say_end(struct watch *w)
{
    const struct track *t = &w->track;
    view_hide_bar(&w->view);
    if (w->view.terminal && t->end != TRACK_OPEN) {
        const char *more = t->end == TRACK_FAILED && t->error[0] ? t->error : t->message;
        buf_putf(&w->view.out, "%s %s after ", w->name, t->status);
        view_put_elapsed(&w->view.out, t->ended_wall_ms - t->started_wall_ms);
        buf_put(&w->view.out, more[0] ? STR(" - ") : STR(""));
        view_put_safe(&w->view.out, str_of(more));
        buf_putc(&w->view.out, '\n');
    }
    (void)!view_flush(&w->view);
}

// ---- The loop

static bool is_lost(const struct watch *w)
{
    return w->lost_at_ms > 0 && clock_now().mono_ms - w->lost_at_ms >= (int64_t)w->wait_s * 1000;
}

// Nothing more will come over the session; what is missing of the log may have to be asked for
// again.
static bool is_over(struct watch *w)
{
    if (clairon_sub_state(w->sub) != CLAIRON_SUB_ENDED) {
        return false;
    }
    if (w->refused || w->track.deleted || track_catch_up(&w->track) ||
        !track_is_behind(&w->track)) {
        return true;
    }
    w->lost_at_ms = w->lost_at_ms ? w->lost_at_ms : clock_now().mono_ms;
    return false;
}

// What the signals ask for: an exit status, or STATUS_NONE.
static int take_signals(struct watch *w, int fd)
{
    int sig;
    while ((sig = interrupt_next(fd)) != 0) {
        if (sig != SIGWINCH) {
            return 128 + sig;
        }
        view_resize(&w->view);
    }
    return STATUS_NONE;
}

static int step(struct watch *w, int signal_fd)
{
    int timeout_ms = clairon_sub_timeout_ms(w->sub);
    if (clairon_sub_state(w->sub) == CLAIRON_SUB_ENDED || timeout_ms > TICK_MS) {
        timeout_ms = TICK_MS;
    }
    struct pollfd p[] = {{.fd = clairon_sub_fd(w->sub), .events = clairon_sub_events(w->sub)},
                         {.fd = signal_fd, .events = POLLIN}};
    (void)poll(p, 2, timeout_ms);
    int status = take_signals(w, signal_fd);
    if (status != STATUS_NONE) {
        return status;
    }
    if (clairon_sub_step(w->sub) != CLAIRON_SUB_ENDED && track_is_behind(&w->track) &&
        w->lost_at_ms == 0) {
        (void)track_catch_up(&w->track);
    }
    if (is_over(w)) {
        return exit_status(w);
    }
    if (is_lost(w)) {
        view_say(&w->view, "the hub is lost: %s",
                 w->trouble[0] ? w->trouble : "it does not answer any more");
        return EXIT_HUB_LOST;
    }
    view_bar(&w->view, &w->track, w->trouble[0] ? w->trouble : NULL, clock_now().wall_ms);
    return view_flush(&w->view) ? STATUS_NONE : 128 + SIGPIPE;
}

static int follow(struct watch *w)
{
    int signal_fd = interrupt_watch(true);
    if (signal_fd < 0) {
        cli_say("watch", "no descriptor: %s", strerror(errno));
        return EXIT_FAILED;
    }
    view_init(&w->view);
    w->lost_at_ms = clock_now().mono_ms;
    int status = STATUS_NONE;
    while (status == STATUS_NONE) {
        status = step(w, signal_fd);
    }
    say_end(w);
    view_fini(&w->view);
    close(signal_fd);
    return status;
}

static int connect_and_follow(struct watch *w)
{
    char topic[300];
    clairon_job_topic(w->kind, w->id, topic, sizeof(topic));
    const char *topics[] = {topic};
    const struct clairon_sub_options o = {
        .target = w->target,
        .topics = topics,
        .topics_count = 1,
        .handlers = {.on_event = on_event,
                     .on_snapshot = on_snapshot,
                     .on_caught_up = on_caught_up,
                     .on_state = on_state},
        .arg = w,
    };
    struct clairon_error err;
    struct clairon_http *http;
    if (clairon_http_new(&w->target, &http, &err)) {
        cli_say("watch", "%s", err.message);
        return EXIT_USAGE;
    }
    int status = EXIT_USAGE;
    if (clairon_sub_new(&o, &w->sub, &err)) {
        cli_say("watch", "%s", err.message);
    } else {
        w->track = (struct track){.kind = w->kind,
                                  .id = w->id,
                                  .http = http,
                                  .on_line = on_line,
                                  .on_change = on_change,
                                  .arg = w};
        track_init(&w->track);
        status = follow(w);
        clairon_sub_free(w->sub);
    }
    clairon_http_free(http);
    return status;
}

int cmd_watch(int argc, char **argv)
{
    struct watch w = {.wait_s = WAIT_S_DEFAULT};
    const struct opt table[] = {
        {"server", OPT_TEXT, &w.target.server, "URL", "the hub (default: $CLAIRON_SERVER)"},
        {"token", OPT_SECRET, &w.target.token, "TOKEN", "who asks (default: $CLAIRON_TOKEN)"},
        {"ca", OPT_TEXT, &w.target.ca, "FILE",
         "certificates to trust for https (default: $CLAIRON_CA, else the system's)"},
        {"wait", OPT_UINT, &w.wait_s, "SECONDS",
         "give up after so long without the hub (default 60)"},
    };
    const struct opts opts = {
        .command = "watch",
        .words = "KIND:ID",
        .about =
            "Follows one job to its end: on a terminal a live bar below its log, elsewhere plain\n"
            "lines, the log on standard output and changes of status on standard error. KIND is\n"
            "build (or job), deployment or ticket. Exits 0 when it ended well or settled, 1 when "
            "it\n"
            "failed, 3 when it was cancelled, 4 when the hub was lost.",
        .table = table,
        .count = ARRAY_LEN(table),
        .words_min = 1,
        .words_max = 1,
    };
    int words, status;
    if (!opts_parse(&opts, argc, argv, &words, &status)) {
        return status;
    }
    char *colon = strchr(argv[1], ':');
    if (colon) {
        *colon = '\0';
    }
    if (!colon || !clairon_kind_parse(argv[1], &w.kind) || !clairon_id_valid(colon + 1)) {
        cli_say("watch", "it takes KIND:ID with KIND one of build, deployment, ticket");
        return EXIT_USAGE;
    }
    w.id = colon + 1;
    snprintf(w.name, sizeof(w.name), "%s:%s", clairon_kind_name(w.kind), w.id);
    return connect_and_follow(&w);
}
