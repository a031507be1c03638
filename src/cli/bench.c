// SPDX-License-Identifier: MIT
// `clairon bench`: a load test of any hub.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/opts.h"
#include "load/choice.h"
#include "load/load.h"
#include "load/template.h"

#define UNSET              UINT_MAX
#define MEMBERSHIPS_MAX    100000000 // subscribers times topics
#define LEDGERS_MAX        100000000 // subscribers times publishers
#define PUBLISHED_MODES    (1u << LOAD_SERIAL | 1u << LOAD_RATE)
#define JSON_TO_STDOUT(to) ((to) && strcmp((to), "-") == 0)

static struct load_config cfg = {.topic_prefix = "bench:", .interrupt_fd = -1};
static struct {
    const char *mode, *server_pid, *json;
    unsigned server_core;
} words = {.mode = "serial", .server_core = UNSET};

// Numbers: what they are when not told, from where to where they go, and in which modes.
static const struct number {
    const char *option;
    unsigned *to;
    unsigned otherwise, min, max;
    unsigned modes; // 0: all
} numbers[] = {
    {"clients", &cfg.clients, 100, 1, 1000000, 0},
    {"topics", &cfg.topics, 1, 1, 1000000, 0},
    {"topics-per-client", &cfg.topics_per_client, 1, 1, CHOICE_PER_CLIENT_MAX, 0},
    {"topics-per-event", &cfg.topics_per_event, 1, 1, CHOICE_PER_EVENT_MAX, PUBLISHED_MODES},
    {"topics-extra", &cfg.topics_extra, 0, 0, CHOICE_PER_CLIENT_MAX, 0},
    {"publishers", &cfg.publishers, 1, 1, 1000, PUBLISHED_MODES},
    {"size", &cfg.size_bytes, 512, 1, 1000000, PUBLISHED_MODES},
    {"burst", &cfg.burst, 1, 1, 10000, PUBLISHED_MODES},
    {"rate", &cfg.rate, 0, 0, 1000000, 1u << LOAD_RATE | 1u << LOAD_CONNECT},
    {"warmup", &cfg.warmup_s, 1, 0, 86400, PUBLISHED_MODES},
    {"duration", &cfg.duration_s, 10, 1, 86400, PUBLISHED_MODES},
    {"parallel", &cfg.parallel, 100, 1, 100000, 0},
    {"settle", &cfg.settle_s, 0, 0, 86400, 0},
    {"timeout", &cfg.timeout_s, 10, 1, 86400, 0},
    {"inflate", &cfg.inflate, UINT_MAX - 1, 1, UINT_MAX - 1, 0},
    {"slow", &cfg.slow, 0, 0, 1000000, PUBLISHED_MODES},
};

static const struct opt table[] = {
    {"subscribe", OPT_TEXT, &cfg.subscribe, "URL",
     "ws://, sse+http://, poll+http://, socketio+ws:// or socketio+http:// (polling), with TLS "
     "wss:// and so on"},
    {"ca", OPT_TEXT, &cfg.ca, "FILE",
     "certificates to trust (default: $CLAIRON_CA, else the system's)"},
    {"clients", OPT_UINT, &cfg.clients, "N", "subscribers (100)"},
    {"on-open", OPT_TEXT, &cfg.on_open, "TEXT", "what each says first (as Clairon takes it)"},
    {"ready", OPT_TEXT, &cfg.ready, "TEXT", "in each message that tells it is on a topic"},
    {"mode", OPT_TEXT, &words.mode, "MODE", "serial, rate, connect or idle (serial)"},
    {"publish", OPT_TEXT, &cfg.publish, "URL", "http:// or ws://, or none"},
    {"publish-body", OPT_TEXT, &cfg.publish_body, "TEXT", "of a request, or a message"},
    {"publish-item", OPT_TEXT, &cfg.publish_item, "TEXT", "each event in the %b of the body"},
    {"publishers", OPT_UINT, &cfg.publishers, "N", "connections that publish in turn (1)"},
    {"size", OPT_UINT, &cfg.size_bytes, "BYTES", "of an event's payload (512)"},
    {"words", OPT_FLAG, &cfg.words, NULL, "payloads of words, which compress as events do"},
    {"burst", OPT_UINT, &cfg.burst, "N", "events at a time (1)"},
    {"rate", OPT_UINT, &cfg.rate, "N", "events, or connections, per second"},
    {"warmup", OPT_UINT, &cfg.warmup_s, "S", "seconds that are not measured (1)"},
    {"duration", OPT_UINT, &cfg.duration_s, "S", "seconds that are (10)"},
    {"topics", OPT_UINT, &cfg.topics, "N", "topics that get events (1)"},
    {"topics-per-client", OPT_UINT, &cfg.topics_per_client, "N", "of these (1)"},
    {"topics-per-event", OPT_UINT, &cfg.topics_per_event, "N", "of these (1)"},
    {"topics-extra", OPT_UINT, &cfg.topics_extra, "N", "a client's own quiet topics (0)"},
    {"topic-prefix", OPT_TEXT, &cfg.topic_prefix, "TEXT", "of all their names (bench:)"},
    {"slow", OPT_UINT, &cfg.slow, "N", "subscribers that never read (0)"},
    {"slow-resume", OPT_FLAG, &cfg.slow_resume, NULL, "they read on at the end, to the last event"},
    {"deflate", OPT_FLAG, &cfg.deflate, NULL,
     "subscribers ask for compressed messages, and insist"},
    {"inflate", OPT_UINT, &cfg.inflate, "N", "so many inflate them, the others count (all)"},
    {"spin", OPT_FLAG, &cfg.spin, NULL, "never sleep: waking the generator costs the server"},
    {"parallel", OPT_UINT, &cfg.parallel, "N", "connecting at the same time (100)"},
    {"settle", OPT_UINT, &cfg.settle_s, "S", "wait when all are ready (idle: 3, else 0)"},
    {"timeout", OPT_UINT, &cfg.timeout_s, "S", "without progress: give up what is awaited (10)"},
    {"server-pid", OPT_TEXT, &words.server_pid, "PID", "read this process's memory and CPU time"},
    {"server-cpu", OPT_UINT, &words.server_core, "N", "read this core's CPU time"},
    {"json", OPT_TEXT, &words.json, "FILE", "the result as JSON; - for standard output"},
    {"label", OPT_TEXT, &cfg.label, "TEXT", "is put into the result"},
};

static const struct opts opts = {
    .command = "bench",
    .words = "",
    .about = "Many subscribers and a few publishers against any hub: counts what came, what came\n"
             "twice, late or not at all, and measures how long it took and what the hub spent.\n"
             "\n"
             "Modes: serial sends the next burst when all have the last; rate sends at fixed\n"
             "times and measures from these; connect measures a storm of connections; idle\n"
             "measures the memory of connections at rest.\n"
             "\n"
             "In texts and URLs: %t the first topic, %n the same without PREFIX:, %T all topics\n"
             "as JSON, %q as a query (topic=A&topic=B), %c the client's number, %p the payload,\n"
             "%b a JSON array of the burst's events, %s the event's number, %% a percent sign.\n"
             "\n"
             "Exit status: 0 all came up and got each event once and in order, 1 otherwise.\n"
             "docs/bench.md says more.",
    .table = table,
    .count = ARRAY_LEN(table),
};

static bool wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);

static bool wrong(const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cli_say("bench", "%s (see clairon bench --help)", text);
    return false;
}

static bool take_mode(void)
{
    static const char *const names[] = {[LOAD_SERIAL] = "serial",
                                        [LOAD_RATE] = "rate",
                                        [LOAD_CONNECT] = "connect",
                                        [LOAD_IDLE] = "idle"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(words.mode, names[i]) == 0) {
            cfg.mode = (enum load_mode)i;
            return true;
        }
    }
    return wrong("--mode is serial, rate, connect or idle, not %s", words.mode);
}

static bool take_numbers(void)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const struct number *n = &numbers[i];
        if (*n->to == UNSET) {
            *n->to = n->otherwise;
        } else if (n->modes && !(n->modes & 1u << cfg.mode)) {
            return wrong("--%s has no meaning with --mode %s", n->option, words.mode);
        } else if (*n->to < n->min || *n->to > n->max) {
            return wrong("--%s goes from %u to %u", n->option, n->min, n->max);
        }
    }
    return true;
}

static bool take_server(void)
{
    uint64_t pid;
    if (words.server_pid) {
        if (str_to_u64(str_of(words.server_pid), &pid) || pid == 0 || pid > INT_MAX) {
            return wrong("--server-pid takes the number of a process, not %s", words.server_pid);
        }
        cfg.server_pid = (unsigned)pid;
    }
    cfg.server_core = words.server_core == UNSET ? -1 : (int)words.server_core;
    return true;
}

static bool check_publishing(void)
{
    const char *body = cfg.publish_body, *item = cfg.publish_item;
    bool publishes = PUBLISHED_MODES & 1u << cfg.mode;
    if (cfg.publish && strcmp(cfg.publish, "none") == 0) {
        cfg.publish = NULL;
    }
    if (publishes && !cfg.publish) {
        return wrong("--mode %s publishes: say --publish URL", words.mode);
    }
    if (!publishes && (cfg.publish || body || item || cfg.slow_resume)) {
        return wrong("--mode %s publishes nothing: leave out --publish, --publish-body, "
                     "--publish-item and --slow-resume",
                     words.mode);
    }
    if (body && !template_has(body, 'p') && !template_has(body, 'b')) {
        return wrong("--publish-body needs %%p or %%b, where the payload goes");
    }
    if (item && body && !template_has(body, 'b')) {
        return wrong("--publish-item goes where --publish-body has %%b, and it has none");
    }
    if (item && !template_has(item, 'p')) {
        return wrong("--publish-item needs %%p, where the payload goes");
    }
    return true;
}

static bool check_together(void)
{
    const char *ca = getenv("CLAIRON_CA");
    if (!cfg.ca && ca && ca[0]) {
        cfg.ca = ca;
    }
    if (!cfg.subscribe) {
        return wrong("--subscribe URL is missing");
    }
    if (!template_prefix_valid(cfg.topic_prefix)) {
        return wrong("--topic-prefix takes 64 characters that need no escape in JSON or a URL");
    }
    if (cfg.topics_per_client > cfg.topics || cfg.topics_per_event > cfg.topics) {
        return wrong("there are only %u topics for --topics-per-client and --topics-per-event",
                     cfg.topics);
    }
    if ((uint64_t)cfg.clients * cfg.topics_per_client > MEMBERSHIPS_MAX ||
        (uint64_t)cfg.clients * cfg.publishers > LEDGERS_MAX) {
        return wrong(
            "that many subscribers with so many topics or publishers take too much memory");
    }
    if (cfg.mode == LOAD_RATE && cfg.rate == 0) {
        return wrong("--mode rate needs --rate N");
    }
    if (cfg.mode == LOAD_RATE && (uint64_t)cfg.rate * cfg.duration_s < cfg.burst) {
        return wrong("at --rate %u a burst of %u is not due within %u s", cfg.rate, cfg.burst,
                     cfg.duration_s);
    }
    if (cfg.inflate < cfg.clients && !cfg.deflate) {
        return wrong("--inflate needs --deflate");
    }
    if (cfg.inflate < cfg.clients && (cfg.topics > 1 || cfg.slow > 0)) {
        return wrong("who only counts can tell nothing of several topics or of --slow: leave out "
                     "--inflate");
    }
    if (cfg.slow >= cfg.clients) {
        return wrong("--slow leaves no subscriber that reads");
    }
    if (cfg.slow_resume && cfg.slow == 0) {
        return wrong("--slow-resume needs --slow N");
    }
    if (cfg.spin && cfg.mode == LOAD_IDLE) {
        return wrong("--mode idle measures no time: leave out --spin");
    }
    return true;
}

static bool write_all(FILE *f, const struct buf *b)
{
    return fwrite(b->p, 1, b->len, f) == b->len && fflush(f) == 0;
}

// `json` is NULL when it is not asked for.
static int report(const struct load_result *r, FILE *json)
{
    struct buf b;
    bool good = load_is_good(&cfg, r);
    bool written = true;
    buf_init(&b, 65536);
    if (json) {
        load_put_json(&b, &cfg, r);
        written = write_all(json, &b);
        buf_clear(&b);
    }
    if (!JSON_TO_STDOUT(words.json)) {
        load_put_table(&b, &cfg, r);
        written &= write_all(stdout, &b);
    }
    buf_fini(&b);
    if (!good && r->problem[0]) {
        cli_say("bench", "%s", r->problem);
    }
    if (!written) {
        cli_say("bench", "the result could not be written: %s", strerror(errno));
    }
    return good && written ? EXIT_OK : EXIT_FAILED;
}

static int run(FILE *json)
{
    struct load_result result;
    int status;
    cfg.interrupt_fd = interrupt_watch(false);
    if (load_run(&cfg, &result)) {
        cli_say("bench", "%s", result.problem);
        status = EXIT_USAGE;
    } else {
        status = report(&result, json);
    }
    if (cfg.interrupt_fd >= 0) {
        close(cfg.interrupt_fd);
    }
    return status;
}

int cmd_bench(int argc, char **argv)
{
    int count, status;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        *numbers[i].to = UNSET;
    }
    if (!opts_parse(&opts, argc, argv, &count, &status)) {
        return status;
    }
    if (!take_mode() || !take_numbers() || !take_server() || !check_publishing() ||
        !check_together()) {
        return EXIT_USAGE;
    }
    if (cfg.mode == LOAD_IDLE && cfg.settle_s == 0) {
        cfg.settle_s = 3;
    }
    FILE *json = NULL;
    if (words.json) {
        json = JSON_TO_STDOUT(words.json) ? stdout : fopen(words.json, "we");
        if (!json) {
            wrong("--json %s: %s", words.json, strerror(errno));
            return EXIT_USAGE;
        }
    }
    status = run(json);
    if (json && json != stdout && fclose(json) != 0) {
        status = EXIT_FAILED;
    }
    return status;
}
