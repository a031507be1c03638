// SPDX-License-Identifier: MIT
// A load test from its beginning to its end: what it needs, in which order it goes, what is
// counted.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "load/load_int.h"
#include "wire/tls.h"

#define SAMPLE_NS   (LOAD_SECOND_NS / 10)
#define OTHER_FILES 32 // besides connections

#define CLAIRON_ON_OPEN "{\"type\":\"subscribe\",\"topics\":%T}"
#define CLAIRON_READY   "caught_up"
#define SOCKETIO_OPEN   "[\"subscribe\",\"%t\"]"
#define CLAIRON_PATH    "/api/v1/publish"
#define CLAIRON_BODY    "{\"events\":%b}"
#define CLAIRON_ITEM    "{\"topics\":%T,\"type\":\"BENCH\",\"data\":{\"p\":\"%p\"}}"
#define CLAIRON_WS_BODY "{\"channel\":\"%n\",\"data\":{\"p\":\"%p\"}}"

void load_problem(struct load *l, const char *fmt, ...)
{
    va_list args;
    if (l->result->problem[0]) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(l->result->problem, sizeof(l->result->problem), fmt, args);
    va_end(args);
}

bool load_stopped(const struct load *l)
{
    return l->broken || l->interrupts > 0;
}

bool load_stalled(const struct load *l)
{
    return l->now_ns - l->progress_ns >= l->cfg->timeout_s * LOAD_SECOND_NS;
}

void load_turn(struct load *l, int64_t until_ns)
{
    struct meter *m = &l->meter;
    pump_turn(l, until_ns < m->next_sample_ns ? until_ns : m->next_sample_ns);
    if (l->now_ns >= m->next_sample_ns) {
        meter_raise(&l->result->peak, meter_memory(m->pid));
        m->next_sample_ns = l->now_ns + SAMPLE_NS;
    }
}

static struct load_memory read_memory(struct load *l)
{
    struct load_memory m = meter_memory(l->meter.pid);
    meter_raise(&l->result->peak, m);
    return m;
}

// ---- The measured span.

void load_measure_begin(struct load *l)
{
    struct meter *m = &l->meter;
    l->measuring = true;
    l->seq_measured_end = UINT64_MAX;
    m->from_ns = pump_clock_ns();
    m->core_ticks = meter_core_ticks(m->core);
    m->process_ticks = meter_process_ticks(m->pid);
    m->own_ns = meter_own_ns() - l->spun_ns;
    m->from_deliveries = l->deliveries;
    m->from_bytes = l->result->bytes_in;
}

void load_measure_end(struct load *l)
{
    const struct meter *m = &l->meter;
    struct load_result *r = l->result;
    if (!l->measuring) {
        return;
    }
    l->measuring = false;
    int64_t core = meter_core_ticks(m->core);
    int64_t process = meter_process_ticks(m->pid);
    r->seconds = (double)(pump_clock_ns() - m->from_ns) / 1e9;
    r->core_s = core < 0 ? -1 : meter_seconds(core - m->core_ticks);
    r->process_s = process < 0 ? -1 : meter_seconds(process - m->process_ticks);
    r->own_s = (double)(meter_own_ns() - l->spun_ns - m->own_ns) / 1e9;
    r->deliveries_in = l->deliveries - m->from_deliveries;
    r->bytes_in_span = r->bytes_in - m->from_bytes;
}

static void take_latency(struct load *l)
{
    const struct hist *h = &l->latency;
    l->result->latency = (struct load_latency){
        .count = h->count,
        .p50_ms = (double)hist_at(h, 0.5) / 1e6,
        .p90_ms = (double)hist_at(h, 0.9) / 1e6,
        .p99_ms = (double)hist_at(h, 0.99) / 1e6,
        .p999_ms = (double)hist_at(h, 0.999) / 1e6,
        .max_ms = (double)h->max / 1e6,
        .mean_ms = hist_mean(h) / 1e6,
    };
}

// ---- Setting up.

static int secure(struct load *l, struct target *t)
{
    struct tls_context *tls;
    struct tls_fault fault;
    if (tls_client_new(l->cfg->ca, &tls, &fault)) {
        load_problem(l, "%s: %s", l->cfg->ca ? l->cfg->ca : "the system's certificates",
                     fault.text);
        return -E_BAD_REQUEST;
    }
    target_secure(t, tls);
    tls_context_unref(tls);
    return 0;
}

static int parse_target(struct load *l, const char *option, const char *url, struct target *ret)
{
    const char *why;
    if (target_parse(str_of(url), ret, &why)) {
        load_problem(l, "--%s %s %s", option, url, why);
        return -E_BAD_REQUEST;
    }
    bool subscribes = ret == &l->sub;
    if (subscribes ? ret->kind == TARGET_HTTP : ret->kind > TARGET_HTTP) {
        load_problem(l, "--%s takes %s, not %s", option,
                     subscribes ? "ws://, sse+http://, poll+http://, socketio+ws:// and "
                                  "socketio+http://"
                                : "http:// and ws://",
                     url);
        return -E_BAD_REQUEST;
    }
    return target_is_secure(ret) ? secure(l, ret) : 0;
}

// What was not told is as it fits Clairon.
static int fill_in_publishing(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    bool ws = l->pub.kind == TARGET_WS;
    l->body = cfg->publish_body ? cfg->publish_body : ws ? CLAIRON_WS_BODY : CLAIRON_BODY;
    l->item = cfg->publish_item ? cfg->publish_item : CLAIRON_ITEM;
    if (!cfg->publish_body && ws &&
        (strncmp(cfg->topic_prefix, "channel:", 8) != 0 || cfg->topics_per_event != 1)) {
        load_problem(l, "without --publish-body, ws:// publishes to channels, one an event: it "
                        "takes --topic-prefix channel:...");
        return -E_BAD_REQUEST;
    }
    if (!cfg->publish_body && !ws && strcmp(l->pub.path, "/") == 0) {
        mem_free(l->pub.path);
        l->pub.path = mem_strdup(STR(CLAIRON_PATH));
    }
    return 0;
}

static int fill_in(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    int rc = parse_target(l, "subscribe", cfg->subscribe, &l->sub);
    if (rc) {
        return rc;
    }
    bool ws = l->sub.kind == TARGET_WS;
    bool native = target_is_native(&l->sub);
    bool socketio = target_is_socketio(&l->sub);
    if ((!ws && !socketio && cfg->on_open) || (!ws && cfg->ready)) {
        load_problem(l, "--on-open and --ready are for ws://");
        return -E_BAD_REQUEST;
    }
    if (!ws && cfg->deflate) {
        load_problem(l, "--deflate is for ws://");
        return -E_BAD_REQUEST;
    }
    l->on_open = cfg->on_open ? cfg->on_open
                 : native     ? CLAIRON_ON_OPEN
                 : socketio   ? SOCKETIO_OPEN
                              : "";
    l->ready = cfg->ready ? cfg->ready : native && !cfg->on_open ? CLAIRON_READY : "";
    if (!cfg->publish) {
        return 0;
    }
    rc = parse_target(l, "publish", cfg->publish, &l->pub);
    return rc ? rc : fill_in_publishing(l);
}

static int raise_files(struct load *l)
{
    struct rlimit files;
    rlim_t needed = (rlim_t)l->cfg->clients + l->cfg->publishers + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
        return 0;
    }
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < needed) {
        load_problem(l,
                     "%u subscribers need %llu open files and the limit of this process is %llu "
                     "(see ulimit -Hn)",
                     l->cfg->clients, (unsigned long long)needed,
                     (unsigned long long)files.rlim_max);
        return -E_BAD_REQUEST;
    }
    return 0;
}

static int check_server(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    if (cfg->server_pid > 0 && meter_process_ticks(cfg->server_pid) < 0) {
        load_problem(l, "--server-pid %u: there is no such process", cfg->server_pid);
        return -E_BAD_REQUEST;
    }
    if (cfg->server_core >= 0 && meter_core_ticks(cfg->server_core) < 0) {
        load_problem(l, "--server-cpu %d: there is no such core", cfg->server_core);
        return -E_BAD_REQUEST;
    }
    return 0;
}

static int make_inflater(struct load *l)
{
    l->inflater = ws_inflater_try_new(WS_DEFLATE_BITS_MAX, false);
    if (!l->inflater) {
        load_problem(l, "no memory for inflating");
        return -E_BAD_REQUEST;
    }
    return 0;
}

static void on_interrupt(struct watch *w, uint32_t events)
{
    struct load *l = CONTAINER_OF(w, struct load, interrupt);
    char info[512];
    (void)events;
    while (read(w->fd, info, sizeof(info)) > 0) {
        l->interrupts++;
        l->result->cut_short = true;
    }
}

// Is this one of `few`, spread over all?
static bool is_one_of(unsigned i, unsigned few, unsigned all)
{
    return (uint64_t)i * few / all != (uint64_t)(i + 1) * few / all;
}

static void set_up(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    uint8_t nonce[WS_NONCE_BYTES];
    random_bytes(nonce, sizeof(nonce));
    ws_key(nonce, l->key);
    (void)prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0); // wake when it is due, not 50 us later
    l->memory = mem_alloc(FRAME_MAX + 2 * LOAD_READ_BYTES);
    buf_init(&l->payload, SIZE_MAX / 2);
    buf_init(&l->events, SIZE_MAX / 2);
    buf_init(&l->text, SIZE_MAX / 2);
    buf_init(&l->inflated, FRAME_PAYLOAD_MAX);
    choice_init(&l->choice, cfg->topics, cfg->clients, cfg->topics_per_client,
                cfg->topics_per_event);
    l->ledgers = mem_calloc((size_t)cfg->clients * cfg->publishers, sizeof(*l->ledgers));
    l->clients = mem_calloc(cfg->clients, sizeof(*l->clients));
    for (unsigned i = 0; i < cfg->clients; i++) {
        l->clients[i].peer = (struct peer){.watch.fd = -1, .load = l};
        l->clients[i].number = i;
        l->clients[i].slow = is_one_of(i, cfg->slow, cfg->clients);
        l->clients[i].counts = cfg->deflate && !is_one_of(i, cfg->inflate, cfg->clients);
    }
    l->lanes = mem_calloc(cfg->publishers, sizeof(*l->lanes));
    for (unsigned i = 0; i < cfg->publishers; i++) {
        l->lanes[i].peer = (struct peer){.watch.fd = -1, .load = l};
        l->lanes[i].number = i;
    }
    if (cfg->interrupt_fd >= 0) {
        l->interrupt = (struct watch){.fd = cfg->interrupt_fd, .fn = on_interrupt};
        if (!pump_add(l, &l->interrupt, EPOLLIN)) {
            load_problem(l, "epoll: %s", strerror(errno));
        }
    }
    l->now_ns = pump_clock_ns();
    l->begun_ns = l->now_ns;
}

static void tear_down(struct load *l)
{
    for (unsigned i = 0; l->clients && i < l->cfg->clients; i++) {
        client_fini(&l->clients[i]);
    }
    for (unsigned i = 0; l->lanes && i < l->cfg->publishers; i++) {
        lane_fini(&l->lanes[i]);
    }
    mem_free(l->clients);
    mem_free(l->lanes);
    mem_free(l->ledgers);
    mem_free(l->refused);
    mem_free(l->memory);
    choice_fini(&l->choice);
    buf_fini(&l->payload);
    buf_fini(&l->events);
    buf_fini(&l->text);
    buf_fini(&l->inflated);
    ws_inflater_free(l->inflater);
    target_fini(&l->sub);
    target_fini(&l->pub);
    if (l->epoll_fd >= 0) {
        close(l->epoll_fd);
    }
    mem_free(l);
}

// ---- The order of things.

// From now on events are expected by those that are up and read.
static void count_clients(struct load *l)
{
    uint8_t *counted = mem_alloc(l->cfg->clients + 1);
    for (unsigned i = 0; i < l->cfg->clients; i++) {
        counted[i] = l->clients[i].state == CLIENT_READY && !l->clients[i].slow;
    }
    choice_count(&l->choice, counted);
    mem_free(counted);
}

static void publish(struct load *l)
{
    count_clients(l);
    if (l->cfg->mode == LOAD_SERIAL) {
        course_serial(l);
    } else {
        course_rate(l);
    }
    l->seq_measured_end = l->seq_measured_end ? l->seq_sent : 0;
    course_drain(l);
    l->result->lost = l->outstanding > 0 ? (uint64_t)l->outstanding : 0;
    if (l->result->lost > 0) {
        load_problem(l, "%lld deliveries did not come, the last that did %.0f s ago",
                     (long long)l->outstanding, (double)(l->now_ns - l->progress_ns) / 1e9);
    }
    if (l->cfg->slow_resume) {
        course_slow(l);
    }
}

static void run(struct load *l)
{
    enum load_mode mode = l->cfg->mode;
    struct load_result *r = l->result;
    course_open_lanes(l);
    r->before = read_memory(l);
    if (!load_stopped(l)) {
        l->storm = mode == LOAD_CONNECT;
        if (l->storm) {
            load_measure_begin(l);
        }
        course_connect(l);
        load_measure_end(l);
        if (mode == LOAD_IDLE) {
            load_measure_begin(l);
        }
        course_settle(l);
        load_measure_end(l);
    }
    r->at_ready = read_memory(l);
    if (!load_stopped(l) && l->cfg->publish) {
        publish(l);
    }
    r->end = read_memory(l);
    take_latency(l);
}

int load_run(const struct load_config *cfg, struct load_result *ret)
{
    struct load *l = mem_alloc(sizeof(*l)); // its histogram is large
    *ret = (struct load_result){.core_s = -1, .process_s = -1};
    ret->before = ret->at_ready = ret->end = ret->peak = (struct load_memory){-1, -1};
    l->cfg = cfg;
    l->result = ret;
    l->meter.pid = cfg->server_pid;
    l->meter.core = cfg->server_core;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = l->epoll_fd < 0 ? -E_BAD_REQUEST : fill_in(l);
    if (rc == 0) {
        rc = raise_files(l);
    }
    if (rc == 0) {
        rc = check_server(l);
    }
    if (rc == 0 && cfg->deflate) {
        rc = make_inflater(l);
    }
    if (rc == 0) {
        set_up(l);
        run(l);
    } else if (l->epoll_fd < 0) {
        load_problem(l, "epoll: %s", strerror(errno));
    }
    tear_down(l);
    return rc;
}

bool load_is_good(const struct load_config *cfg, const struct load_result *r)
{
    return r->ready == cfg->clients && r->gone == 0 && r->lost == 0 && r->doubled == 0 &&
           r->out_of_order == 0 && r->unexpected == 0 && r->publish_errors == 0 &&
           r->slow_lost == 0 && r->problem[0] == '\0' &&
           (!cfg->slow_resume || r->slow_completed == cfg->slow);
}
