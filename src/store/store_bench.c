// SPDX-License-Identifier: MIT
// How long the store on disk takes: commits of the shapes a busy hub makes, pages read back, and a
// sync. One argument names a folder to work in (default: a new one below /var/tmp). The figures go
// to standard output.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite.h"

struct bench {
    struct store *store;
    struct store_reader *reader;
    struct hash_key key;
    uint64_t id;
    uint32_t line;
    int64_t wall_ms;
    struct buf out;
};

struct shape {
    const char *name;
    unsigned events; // per commit
    unsigned commits;
    unsigned spread; // topics or jobs they go to
    enum { SHAPE_TOPIC, SHAPE_LOG, SHAPE_STATUS } what;
};

static const struct shape shapes[] = {
    {"500 events of 300 bytes, one topic", 500, 300, 1, SHAPE_TOPIC},
    {"2000 events of 300 bytes, one topic", 2000, 100, 1, SHAPE_TOPIC},
    {"500 events of 300 bytes, 1000 topics", 500, 200, 1000, SHAPE_TOPIC},
    {"64 events, 1000 topics", 64, 1000, 1000, SHAPE_TOPIC},
    {"1 event, one topic", 1, 2000, 1, SHAPE_TOPIC},
    {"500 log reports of one line, one job", 500, 300, 1, SHAPE_LOG},
    {"20 log reports of 100 lines, one job", 20, 300, 1, SHAPE_LOG},
    {"500 log reports of one line, 500 jobs", 500, 100, 500, SHAPE_LOG},
    {"64 statuses with rows, 1000 jobs", 64, 500, 1000, SHAPE_STATUS},
    {"500 statuses with rows, 1000 jobs", 500, 100, 1000, SHAPE_STATUS},
};

static struct event *topic_event(struct bench *b, const struct shape *s, unsigned n)
{
    char name[64], data[400];
    (void)snprintf(name, sizeof(name), "channel:bench-%u", n % s->spread);
    int len = snprintf(data, sizeof(data), "{\"n\":%llu,\"text\":\"%0270u\"}",
                       (unsigned long long)b->id, n);
    struct event_init init = {.id = ++b->id,
                              .wall_ms = b->wall_ms,
                              .flags = EVENT_CHANNEL,
                              .type = STR("message"),
                              .data = str_make(data, (size_t)len),
                              .kind = KIND_NONE,
                              .topics_count = 1};
    init.topics[0] = str_of(name);
    return event_try_new(&init, &b->key);
}

static struct event *log_event(struct bench *b, const struct shape *s, unsigned n)
{
    unsigned lines = s->events == 20 ? 100 : 1;
    char id[32];
    (void)snprintf(id, sizeof(id), "log-%u", n % s->spread);
    struct buf data;
    buf_init(&data, 1 << 20);
    buf_put(&data, STR("{\"jobId\":\"log\",\"level\":\"info\",\"message\":\""));
    for (unsigned i = 0; i < lines; i++) {
        buf_putf(&data,
                 "%sline %u of the output of a compiler, of about a hundred bytes, as they are in "
                 "practice, mostly",
                 i ? "\\n" : "", b->line + i);
    }
    buf_putf(&data, "\",\"line\":%u,\"lines\":%u}", b->line, lines);
    struct event_init init = {.id = ++b->id,
                              .wall_ms = b->wall_ms,
                              .flags = EVENT_LOG,
                              .type = STR("JOB_LOG"),
                              .data = buf_str(&data),
                              .kind = KIND_BUILD,
                              .attempt = 1,
                              .job_id = str_of(id),
                              .project = STR("site"),
                              .line = b->line,
                              .lines = lines,
                              .scope = 3};
    b->line += lines;
    struct event *e = event_try_new(&init, &b->key);
    buf_fini(&data);
    return e;
}

static struct event *status_event(struct bench *b, const struct shape *s, unsigned n)
{
    char id[32], data[400];
    (void)snprintf(id, sizeof(id), "deployment-%u", n % s->spread);
    int len =
        snprintf(data, sizeof(data),
                 "{\"deployment_id\":\"%s\",\"status\":\"running\",\"text\":\"%0200u\"}", id, n);
    struct event_init init = {.id = ++b->id,
                              .wall_ms = b->wall_ms,
                              .type = STR("DEPLOYMENT_STATUS_CHANGED"),
                              .data = str_make(data, (size_t)len),
                              .kind = KIND_DEPLOYMENT,
                              .attempt = 1,
                              .job_id = str_of(id),
                              .owner = STR("alice"),
                              .scope = 3};
    return event_try_new(&init, &b->key);
}

static struct job *status_row(struct bench *b, const struct event *e)
{
    struct job *j = job_new(KIND_DEPLOYMENT, e->job_id);
    ASSERT(j);
    j->attempt = 1;
    j->status = STATUS_DEPLOYMENT_RUNNING;
    j->message = mem_strdup(STR("All is well so far."));
    j->owner = mem_strdup(STR("alice"));
    j->created_ms = j->started_ms = j->updated_ms = b->wall_ms;
    j->cursor_id = e->id;
    return j;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t commit_one(struct bench *b, const struct shape *s, unsigned round)
{
    struct store_batch batch = {.wall_ms = b->wall_ms};
    batch.events = mem_calloc(s->events, sizeof(struct event *));
    batch.jobs = mem_calloc(s->events, sizeof(struct job *));
    for (unsigned i = 0; i < s->events; i++) {
        unsigned n = round * s->events + i;
        struct event *e = s->what == SHAPE_TOPIC ? topic_event(b, s, n)
                          : s->what == SHAPE_LOG ? log_event(b, s, n)
                                                 : status_event(b, s, n);
        ASSERT(e);
        batch.events[batch.events_count++] = e;
        if (s->what == SHAPE_STATUS) {
            batch.jobs[batch.jobs_count++] = status_row(b, e);
        }
    }
    b->wall_ms++;
    int64_t start = clock_mono_us();
    int err = b->store->ops->commit(b->store, &batch);
    int64_t us = clock_mono_us() - start;
    ASSERT(err == 0);
    for (unsigned i = 0; i < batch.events_count; i++) {
        event_unref(batch.events[i]);
    }
    for (unsigned i = 0; i < batch.jobs_count; i++) {
        job_unref(batch.jobs[i]);
    }
    mem_free(batch.events);
    mem_free(batch.jobs);
    return us;
}

static void run_shape(struct bench *b, const struct shape *s)
{
    int64_t *commits = mem_calloc(s->commits, sizeof(int64_t)),
            *syncs = mem_calloc(s->commits, sizeof(int64_t));
    int64_t sum = 0;
    for (unsigned i = 0; i < s->commits; i++) {
        sum += commits[i] = commit_one(b, s, i);
        int64_t start = clock_mono_us();
        int err = b->store->ops->sync(b->store);
        ASSERT(err == 0);
        syncs[i] = clock_mono_us() - start;
        if (i % 50 == 0) {
            err = b->store->ops->checkpoint(b->reader);
            ASSERT(err == 0);
        }
    }
    qsort(commits, s->commits, sizeof(int64_t), by_number);
    qsort(syncs, s->commits, sizeof(int64_t), by_number);
    buf_putf(&b->out,
             "%-40s %8.2f us/event  commit p50 %6lld p99 %6lld us  fdatasync p50 %6lld us\n",
             s->name, (double)sum / (s->events * s->commits), (long long)commits[s->commits / 2],
             (long long)commits[s->commits * 99 / 100], (long long)syncs[s->commits / 2]);
    mem_free(commits);
    mem_free(syncs);
}

static void read_topic(struct bench *b, const char *topic)
{
    struct str name = str_of(topic);
    uint64_t after = 0;
    unsigned pages = 0, events = 0;
    int64_t start = clock_mono_us(), worst = 0;
    while (after < b->id) {
        struct store_query q = {.topics = &name,
                                .topics_count = 1,
                                .after = after,
                                .upto = b->id,
                                .count_max = 1000,
                                .bytes_max = LIMIT_PAGE_BYTES};
        struct store_page page;
        store_page_init(&page);
        int64_t begin = clock_mono_us();
        int err = b->reader->store->ops->read(b->reader, &q, &page);
        int64_t us = clock_mono_us() - begin;
        ASSERT(err == 0 && page.examined > after);
        worst = us > worst ? us : worst;
        after = page.examined;
        events += page.count;
        pages++;
        store_page_fini(&page);
    }
    buf_putf(&b->out, "%-40s %8.2f us/event  %u events in %u pages, worst %lld us\n", topic,
             (double)(clock_mono_us() - start) / (events ? events : 1), events, pages,
             (long long)worst);
}

int main(int argc, char **argv)
{
    char made[] = "/var/tmp/clairon-bench-XXXXXX";
    const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    char fault[256];
    struct bench b = {.key = {1, 2}, .line = 1, .wall_ms = clock_now().wall_ms};
    struct store_sqlite_options o = {.key = b.key, .now = clock_now()};
    struct store_info info;
    buf_init(&b.out, 1 << 20);
    if (!dir || store_sqlite_open(dir, &o, &b.store, &info, fault) != 0) {
        return 1;
    }
    b.id = info.visible;
    b.reader = b.store->ops->reader_new(b.store);
    ASSERT(b.reader);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        run_shape(&b, &shapes[i]);
    }
    read_topic(&b, "channel:bench-0");
    read_topic(&b, "channel:bench-7");
    read_topic(&b, "job:log-0");
    read_topic(&b, "deployment:deployment-5");
    read_topic(&b, "deployment_events");
    read_topic(&b, "user:alice");
    read_topic(&b, "event:JOB_LOG");
    b.store->ops->reader_free(b.reader);
    b.store->ops->free(b.store);
    bool written = write(STDOUT_FILENO, b.out.p, b.out.len) == (ssize_t)b.out.len;
    buf_fini(&b.out);
    return written ? 0 : 1;
}
