// SPDX-License-Identifier: MIT
// Counters and gauges of def/metrics.def: one array per thread, so that counting touches nobody
// else's cache line; a reader adds them up. Counting: any thread, relaxed atomics. The table
// outlives its users.
#ifndef CLAIRON_NET_METRICS_H
#define CLAIRON_NET_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/limits.h"

enum metric {
#define METRIC(name, kind, text, help) METRIC_##name,
#include "def/metrics.def"
#undef METRIC
    METRIC_NR
};

// What one thread counts into.
struct metrics {
    _Alignas(64) _Atomic(int64_t) value[METRIC_NR];
    _Atomic(int64_t) hits[LIMIT_ROWS]; // how often a limit stopped somebody
};

struct metrics_table;

struct metrics_table *metrics_table_new(size_t threads);
void metrics_table_free(struct metrics_table *t);                   // accepts NULL
struct metrics *metrics_of(struct metrics_table *t, size_t thread); // borrowed

static inline void metrics_add(struct metrics *m, enum metric which, int64_t n)
{
    atomic_fetch_add_explicit(&m->value[which], n, memory_order_relaxed);
}
static inline void metrics_hit(struct metrics *m, enum limit_row limit)
{
    atomic_fetch_add_explicit(&m->hits[limit], 1, memory_order_relaxed);
}
// For gauges that one thread owns.
static inline void metrics_set(struct metrics *m, enum metric which, int64_t n)
{
    atomic_store_explicit(&m->value[which], n, memory_order_relaxed);
}

int64_t metrics_sum(const struct metrics_table *t, enum metric which);
int64_t metrics_hits(const struct metrics_table *t, enum limit_row limit);
// Appends all of them as Prometheus text (version 0.0.4): HELP, TYPE and value of each. Hits of
// limits are one metric with the limit as its label.
void metrics_put_prometheus(const struct metrics_table *t, struct buf *out);

#endif
