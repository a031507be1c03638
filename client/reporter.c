// SPDX-License-Identifier: MIT
// The reporter: the user's thread puts reports in the queue, the thread of the reporter takes
// them out and delivers one at a time. What they share is under `lock`; `changed` tells both.
//
//   OPENING -> OPEN -> DELIVERED
//      `---------`---> REFUSED      (conflict, no right to report, or not a hub: nothing more goes
//      out)
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "clairon/client.h"
#include "client/error.h"
#include "client/queue.h"
#include "client/report.h"
#include "wire/json.h"

enum {
    LEASE_S = 30,
    RENEW_MS = 10000,
    ANSWER_MS = 10000,
    RETRY_MS_MIN = 200,
    RETRY_MS_MAX = 5000,
    RETRY_MS_MAX_AT_END = 1000, // while somebody waits for the last reports
    TRIES_BEFORE_WARNING = 3,
    BODY_BYTES_MAX = BATCH_BYTES_MAX + SPOOL_RECORD_BYTES_MAX,
};

#define SPOOL_BYTES_DEFAULT (256ull * 1024 * 1024)

enum phase { OPENING, OPEN, DELIVERED, REFUSED };

struct clairon_reporter {
    enum clairon_kind kind;
    char *id, *project, *name; // owned; name may be NULL
    void (*on_warning)(void *arg, const char *text);
    void *arg;
    int cancel_fd;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum phase phase;
    struct queue queue;
    struct clairon_error why; // of REFUSED, or of the last failed try
    bool tried;               // a try to reach the hub has failed
    bool unheard;             // the user no longer waits for the answer to the start
    bool flushing;            // the user waits for the end
    bool stopping;

    // The thread's own.
    struct clairon_http *http;
    struct rng rng;
    char producer[24];
    uint64_t seq;
    int64_t attempt; // 0: not told yet
    int64_t renew_at_ms;
    size_t batch_bytes_max;
    struct buf body;
    bool warned_refusal, warned_away, cancel_told;
};

// What an answer to a report says.
struct answer {
    int64_t attempt; // 0: nothing
    bool cancel_requested;
};

static void warn(struct clairon_reporter *r, const char *text)
{
    if (r->on_warning) {
        r->on_warning(r->arg, text);
    }
}

static struct timespec deadline_of(int64_t mono_ms)
{
    return (struct timespec){.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
}

// Under the lock. False when the time is over.
static bool wait_until(struct clairon_reporter *r, int64_t mono_ms)
{
    struct timespec t = deadline_of(mono_ms);
    return pthread_cond_timedwait(&r->changed, &r->lock, &t) != ETIMEDOUT;
}

static bool is_temporary(int status)
{
    return status == 408 || status == 425 || status == 429 ||
           (status >= 500 && status != 501 && status != 505);
}

static void read_answer(struct str body, struct answer *ret)
{
    struct json_val v;
    size_t offset;
    *ret = (struct answer){0};
    if (json_parse(body, 64, &v, &offset)) {
        return;
    }
    ret->cancel_requested = json_is_true(json_get(v, "cancel_requested"));
    if (json_int(json_get(v, "attempt"), &ret->attempt) || ret->attempt < 0) {
        ret->attempt = 0;
    }
}

static void tell_cancel(struct clairon_reporter *r)
{
    if (!r->cancel_told) {
        r->cancel_told = true;
        uint64_t one = 1;
        ssize_t n = write(r->cancel_fd, &one, sizeof(one));
        (void)n; // can't fail: it is written once
    }
}

// A try failed for now. Waits before the next one; false when stopped meanwhile.
static bool pause_after(struct clairon_reporter *r, unsigned tries, int retry_after_s,
                        const struct clairon_error *why)
{
    pthread_mutex_lock(&r->lock);
    bool opening = r->phase == OPENING;
    r->tried = true;
    r->why = *why;
    pthread_cond_broadcast(&r->changed);
    int64_t max_ms = tries < 5 ? (int64_t)RETRY_MS_MIN << tries : RETRY_MS_MAX;
    int64_t cap_ms = r->flushing ? RETRY_MS_MAX_AT_END : RETRY_MS_MAX;
    max_ms = max_ms < cap_ms ? max_ms : cap_ms;
    int64_t ms = RETRY_MS_MIN / 2 + (int64_t)rng_below(&r->rng, (uint64_t)max_ms);
    if (retry_after_s > 0 && ms < retry_after_s * 1000) {
        ms = retry_after_s * 1000 < cap_ms ? retry_after_s * 1000 : cap_ms;
    }
    int64_t until_ms = clock_now().mono_ms + ms;
    bool flushing = r->flushing;
    pthread_mutex_unlock(&r->lock);
    if (!r->warned_away && (opening || tries >= TRIES_BEFORE_WARNING)) {
        r->warned_away = true;
        char text[400];
        snprintf(text, sizeof(text), "%s; the reports wait until the hub is back", why->message);
        warn(r, text);
    }
    pthread_mutex_lock(&r->lock);
    while (!r->stopping && r->flushing == flushing && wait_until(r, until_ms)) {
    }
    bool go_on = !r->stopping;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

// Sends r->body until it is answered. 0: the hub took it, now or before. -CLAIRON_REFUSED (see
// err->http_status), -CLAIRON_STOPPED.
static int deliver(struct clairon_reporter *r, const char *path, struct answer *ret,
                   struct clairon_error *err)
{
    const struct clairon_request req = {.method = "POST",
                                        .path = path,
                                        .body = str_span(buf_str(&r->body)),
                                        .timeout_ms = ANSWER_MS,
                                        .repeatable = true};
    for (unsigned tries = 0;; tries++) {
        struct clairon_response res = {.retry_after_s = -1};
        int e = clairon_http_request(r->http, &req, &res, err);
        if (e == -CLAIRON_STOPPED) {
            return e;
        }
        if (e == 0 && res.status < 300) {
            read_answer(span_str(res.body), ret);
            r->warned_away = false;
            if (ret->cancel_requested) {
                tell_cancel(r);
            }
            return 0;
        }
        if (e == 0) {
            e = clairon_http_refusal(&res, err);
            if (!is_temporary(res.status)) {
                return e;
            }
        }
        if (!pause_after(r, tries, res.retry_after_s, err)) {
            return client_fail(err, CLAIRON_STOPPED, "stopped");
        }
    }
}

// Begins the next report: the caller adds its members to r->body and calls end_report.
static void begin_report(struct clairon_reporter *r)
{
    buf_clear(&r->body);
    buf_putf(&r->body, "{\"producer\":\"%s\",\"seq\":%" PRIu64, r->producer, ++r->seq);
    if (r->attempt > 0) {
        buf_putf(&r->body, ",\"attempt\":%" PRId64, r->attempt);
    }
}

// As deliver.
static int end_report(struct clairon_reporter *r, enum report_type type,
                      enum clairon_outcome_type outcome, struct answer *ret,
                      struct clairon_error *err)
{
    buf_putc(&r->body, '}');
    ASSERT(!r->body.failed);
    char path[REPORT_PATH_SIZE];
    report_path(r->kind, r->id, type, outcome, path);
    return deliver(r, path, ret, err);
}

static void set_phase(struct clairon_reporter *r, enum phase phase)
{
    pthread_mutex_lock(&r->lock);
    r->phase = phase;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void give_up(struct clairon_reporter *r, const struct clairon_error *why)
{
    pthread_mutex_lock(&r->lock);
    bool late = r->unheard || why->status != CLAIRON_CONFLICT;
    r->phase = REFUSED;
    r->why = *why;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (late) {
        char text[400];
        snprintf(text, sizeof(text), "reporting stops: %s", why->message);
        warn(r, text);
    }
}

// A report the hub does not want. Whether others may go on.
static bool survive(struct clairon_reporter *r, const struct clairon_error *why)
{
    int status = why->http_status;
    if (status != 400 && status != 409 && status != 413) {
        give_up(r, why);
        return false;
    }
    if (!r->warned_refusal) {
        r->warned_refusal = true;
        char text[400];
        snprintf(text, sizeof(text), "the hub refused a report: %s", why->message);
        warn(r, text);
    }
    return true;
}

// The start of the job, and that it is under way. False when nothing more is to be reported.
static bool open_job(struct clairon_reporter *r)
{
    struct clairon_error why;
    struct answer answer = {0};
    const struct report_start start = {
        .id = r->id, .project = r->project, .name = r->name, .lease_s = LEASE_S};
    begin_report(r);
    report_put_start(&r->body, r->kind, &start);
    int e = end_report(r, REPORT_START, CLAIRON_SUCCEEDED, &answer, &why);
    if (e) {
        if (e == -CLAIRON_REFUSED && why.http_status == 409) {
            why.status = CLAIRON_CONFLICT;
        }
        if (e == -CLAIRON_REFUSED) {
            give_up(r, &why);
        }
        return false;
    }
    r->attempt = answer.attempt;
    r->renew_at_ms = clock_now().mono_ms + RENEW_MS;
    set_phase(r, OPEN);
    begin_report(r);
    report_put_begin(&r->body, r->kind);
    e = end_report(r, REPORT_BEGIN, CLAIRON_SUCCEEDED, &answer, &why);
    return e == 0 || (e == -CLAIRON_REFUSED && survive(r, &why));
}

static bool renew(struct clairon_reporter *r)
{
    struct clairon_error why;
    struct answer answer = {0};
    begin_report(r);
    report_put_lease(&r->body, LEASE_S);
    int e = end_report(r, REPORT_LEASE, CLAIRON_SUCCEEDED, &answer, &why);
    r->renew_at_ms = clock_now().mono_ms + RENEW_MS;
    return e == 0 || (e == -CLAIRON_REFUSED && survive(r, &why));
}

// Delivers a batch, in smaller parts when the hub finds it too large.
static bool deliver_batch(struct clairon_reporter *r, const struct batch *b)
{
    unsigned at = 0;
    unsigned count = b->lines;
    do {
        struct clairon_error why;
        struct answer answer = {0};
        count = count < b->lines - at ? count : b->lines - at;
        begin_report(r);
        size_t head = r->body.len;
        batch_put_body(b, at, count, &r->body);
        size_t bytes = r->body.len - head;
        int e = end_report(r, b->type, b->outcome, &answer, &why);
        if (e == -CLAIRON_REFUSED && why.http_status == 413 && count > 1) {
            count = (count + 1) / 2;
            r->batch_bytes_max = bytes / 2;
            continue;
        }
        if (e && (e != -CLAIRON_REFUSED || !survive(r, &why))) {
            return false;
        }
        at += count;
    } while (at < b->lines);
    return true;
}

// Waits for something to do. False when stopped; *ret_have: a batch was taken.
static bool next_batch(struct clairon_reporter *r, struct batch *b, bool *ret_have)
{
    pthread_mutex_lock(&r->lock);
    while (!r->stopping && queue_is_empty(&r->queue) && wait_until(r, r->renew_at_ms)) {
    }
    bool go_on = !r->stopping;
    bool due = clock_now().mono_ms >= r->renew_at_ms;
    *ret_have = go_on && !due && batch_take(b, &r->queue, r->batch_bytes_max);
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct clairon_reporter *r = arg;
    struct batch *b = mem_alloc(sizeof(*b));
    batch_init(b);
    bool go_on = open_job(r);
    while (go_on) {
        bool have = false;
        go_on = next_batch(r, b, &have);
        if (have) {
            go_on = deliver_batch(r, b);
        } else if (go_on && clock_now().mono_ms >= r->renew_at_ms) {
            go_on = renew(r);
        }
        if (go_on && have && b->type == REPORT_END) {
            set_phase(r, DELIVERED);
            go_on = false;
        }
    }
    batch_fini(b);
    mem_free(b);
    return NULL;
}

static int start_thread(struct clairon_reporter *r, struct clairon_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return e ? client_fail(err, CLAIRON_NO_MEMORY, "no thread: %s", strerror(e)) : 0;
}

static void reporter_free(struct clairon_reporter *r)
{
    clairon_http_free(r->http);
    if (r->cancel_fd >= 0) {
        close(r->cancel_fd);
    }
    queue_fini(&r->queue);
    buf_fini(&r->body);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    mem_free(r->id);
    mem_free(r->project);
    mem_free(r->name);
    mem_free(r);
}

static void init_lock(struct clairon_reporter *r)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
}

int clairon_reporter_new(const struct clairon_reporter_options *o, struct clairon_reporter **ret,
                         struct clairon_error *err)
{
    if (!o->id || !clairon_id_valid(o->id)) {
        return client_fail(err, CLAIRON_BAD_ARGUMENT,
                           "not an id: 1 to 128 bytes of UTF-8 without '/', '*' and blanks");
    }
    struct clairon_reporter *r = mem_alloc(sizeof(*r));
    r->kind = o->kind;
    r->id = mem_strdup(str_of(o->id));
    r->project = mem_strdup(o->project ? str_of(o->project) : STR("default"));
    r->name = o->name ? mem_strdup(str_of(o->name)) : NULL;
    r->on_warning = o->on_warning;
    r->arg = o->arg;
    r->batch_bytes_max = BATCH_BYTES_MAX;
    init_lock(r);
    queue_init(&r->queue, o->kind, o->spool_bytes_max ? o->spool_bytes_max : SPOOL_BYTES_DEFAULT);
    buf_init(&r->body, BODY_BYTES_MAX);
    uint64_t random[2];
    random_bytes(random, sizeof(random));
    rng_init(&r->rng, random[0]);
    snprintf(r->producer, sizeof(r->producer), "r-%016" PRIx64, random[1]);
    r->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = r->cancel_fd < 0
                ? client_fail(err, CLAIRON_NO_MEMORY, "no descriptor: %s", strerror(errno))
                : clairon_http_new(&o->target, &r->http, err);
    if (e == 0) {
        e = start_thread(r, err);
    }
    if (e) {
        reporter_free(r);
        return e;
    }
    *ret = r;
    return 0;
}

int clairon_reporter_opened(struct clairon_reporter *r, int timeout_ms, struct clairon_error *err)
{
    int64_t until_ms = clock_now().mono_ms + timeout_ms;
    pthread_mutex_lock(&r->lock);
    while (r->phase == OPENING && !r->tried && wait_until(r, until_ms)) {
    }
    int e = 0;
    if (r->phase == REFUSED || (r->phase == OPENING && r->tried)) {
        e = -(int)r->why.status;
        if (err) {
            *err = r->why;
        }
    } else if (r->phase == OPENING) {
        e = client_fail(err, CLAIRON_TIMED_OUT, "the hub has not answered yet");
    }
    r->unheard = r->phase == OPENING;
    pthread_mutex_unlock(&r->lock);
    return e;
}

// Under the lock from here to put_done.
static bool put_begin(struct clairon_reporter *r)
{
    pthread_mutex_lock(&r->lock);
    return r->phase != REFUSED;
}

static void put_done(struct clairon_reporter *r)
{
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void clairon_reporter_log(struct clairon_reporter *r, enum clairon_level level,
                          struct clairon_span line, bool cont)
{
    if (put_begin(r)) {
        queue_log(&r->queue, level, span_str(line), cont);
    }
    put_done(r);
}

void clairon_reporter_progress(struct clairon_reporter *r, double percent, const char *message)
{
    if (put_begin(r)) {
        queue_progress(&r->queue, percent, message);
    }
    put_done(r);
}

void clairon_reporter_step(struct clairon_reporter *r, const char *name, const char *message)
{
    if (put_begin(r)) {
        queue_step(&r->queue, name, message);
    }
    put_done(r);
}

void clairon_reporter_end(struct clairon_reporter *r, const struct clairon_outcome *outcome)
{
    if (put_begin(r)) {
        queue_end(&r->queue, outcome);
    }
    put_done(r);
}

int clairon_reporter_cancel_fd(const struct clairon_reporter *r)
{
    return r->cancel_fd;
}

int clairon_reporter_flush(struct clairon_reporter *r, int timeout_ms, struct clairon_error *err)
{
    int64_t until_ms = clock_now().mono_ms + timeout_ms;
    pthread_mutex_lock(&r->lock);
    r->flushing = true;
    pthread_cond_broadcast(&r->changed);
    while (r->phase != DELIVERED && r->phase != REFUSED && wait_until(r, until_ms)) {
    }
    int e = 0;
    if (r->phase != DELIVERED && r->phase != REFUSED) {
        e = client_fail(err, CLAIRON_TIMED_OUT, "%s",
                        r->tried ? r->why.message : "the hub has not taken everything yet");
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

void clairon_reporter_free(struct clairon_reporter *r)
{
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    clairon_http_stop(r->http);
    pthread_join(r->thread, NULL);
    reporter_free(r);
}
