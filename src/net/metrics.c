// SPDX-License-Identifier: MIT
// Counters per thread, summed when read.
#include "net/metrics.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

enum metric_kind { COUNTER, GAUGE };

static const struct {
    enum metric_kind kind;
    const char *name, *help;
} about[METRIC_NR] = {
#define METRIC(id, kind_, text, help_) [METRIC_##id] = {.kind = kind_, .name = text, .help = help_},
#include "def/metrics.def"
#undef METRIC
};

struct metrics_table {
    size_t threads;
    void *memory;         // as it was allocated
    struct metrics *each; // in it, on a cache line's boundary
};

struct metrics_table *metrics_table_new(size_t threads)
{
    ASSERT(threads > 0);
    const size_t align = _Alignof(struct metrics);
    struct metrics_table *t = mem_alloc(sizeof(*t));
    t->threads = threads;
    t->memory = mem_calloc(threads + 1, sizeof(struct metrics));
    size_t past = (uintptr_t)t->memory % align;
    t->each = (void *)((char *)t->memory + (past ? align - past : 0));
    return t;
}

void metrics_table_free(struct metrics_table *t)
{
    if (t) {
        mem_free(t->memory);
        mem_free(t);
    }
}

struct metrics *metrics_of(struct metrics_table *t, size_t thread)
{
    ASSERT(thread < t->threads);
    return &t->each[thread];
}

int64_t metrics_sum(const struct metrics_table *t, enum metric which)
{
    int64_t sum = 0;
    for (size_t i = 0; i < t->threads; i++) {
        sum += atomic_load_explicit(&t->each[i].value[which], memory_order_relaxed);
    }
    return sum;
}

int64_t metrics_hits(const struct metrics_table *t, enum limit_row limit)
{
    int64_t sum = 0;
    for (size_t i = 0; i < t->threads; i++) {
        sum += atomic_load_explicit(&t->each[i].hits[limit], memory_order_relaxed);
    }
    return sum;
}

static void put_hits(const struct metrics_table *t, struct buf *out)
{
    buf_putf(out, "# HELP clairon_limit_hits_total Times a limit stopped somebody.\n"
                  "# TYPE clairon_limit_hits_total counter\n");
    for (int i = 0; i < LIMIT_ROWS; i++) {
        char key[LIMIT_KEY_BYTES];
        if (limits_about[i].answer[0]) {
            limit_put_key((enum limit_row)i, key);
            buf_putf(out, "clairon_limit_hits_total{limit=\"%s\"} %lld\n", key,
                     (long long)metrics_hits(t, (enum limit_row)i));
        }
    }
}

void metrics_put_prometheus(const struct metrics_table *t, struct buf *out)
{
    for (size_t i = 0; i < METRIC_NR; i++) {
        buf_putf(out, "# HELP %s %s\n", about[i].name, about[i].help);
        buf_putf(out, "# TYPE %s %s\n", about[i].name,
                 about[i].kind == COUNTER ? "counter" : "gauge");
        buf_putf(out, "%s ", about[i].name);
        buf_put_i64(out, metrics_sum(t, (enum metric)i));
        buf_putc(out, '\n');
    }
    put_hits(t, out);
}
