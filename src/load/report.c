// SPDX-License-Identifier: MIT
// The result of a load test, for programs and for people.
#include <stdio.h>

#include "load/load.h"

static const char *const modes[] = {[LOAD_SERIAL] = "serial",
                                    [LOAD_RATE] = "rate",
                                    [LOAD_CONNECT] = "connect",
                                    [LOAD_IDLE] = "idle"};

// What follows from the numbers; -1: not known.
struct derived {
    double events_per_s, deliveries_per_s, connections_per_s;
    double core_share, own_share;
    double us_per_delivery, us_per_connection, bytes_per_delivery;
    double rss_per_client, kernel_per_client;
};

static double per(double what, double of)
{
    return what >= 0 && of > 0 ? what / of : -1;
}

static double grown(int64_t from, int64_t to, unsigned by)
{
    return from < 0 || to < 0 || by == 0 ? -1 : (double)(to - from) / by;
}

static struct derived derive(const struct load_config *cfg, const struct load_result *r)
{
    double cpu_s = r->core_s >= 0 ? r->core_s : r->process_s;
    bool storm = cfg->mode == LOAD_CONNECT;
    return (struct derived){
        .events_per_s = per((double)r->events, r->seconds),
        .deliveries_per_s = per((double)r->deliveries_in, r->seconds),
        .connections_per_s = storm ? per(r->ready, r->seconds) : -1,
        .core_share = per(r->core_s, r->seconds),
        .own_share = per(r->own_s, r->seconds),
        .us_per_delivery = per(cpu_s * 1e6, (double)r->deliveries_in),
        .us_per_connection = storm ? per(cpu_s * 1e6, r->ready) : -1,
        .bytes_per_delivery = per((double)r->bytes_in_span, (double)r->deliveries_in),
        .rss_per_client = grown(r->before.rss, r->at_ready.rss, r->ready),
        .kernel_per_client = grown(r->before.kernel_tcp, r->at_ready.kernel_tcp, r->ready),
    };
}

// ---- JSON.

static void put_name(struct buf *b, const char *name)
{
    buf_putf(b, "%s\"%s\":", b->len > 0 && b->p[b->len - 1] != '{' ? "," : "", name);
}

static void put_count(struct buf *b, const char *name, uint64_t n)
{
    put_name(b, name);
    buf_put_u64(b, n);
}

static void put_bytes(struct buf *b, const char *name, int64_t n)
{
    put_name(b, name);
    if (n < 0) {
        buf_put(b, STR("null"));
    } else {
        buf_put_i64(b, n);
    }
}

static void put_real(struct buf *b, const char *name, double d)
{
    put_name(b, name);
    if (d < 0) {
        buf_put(b, STR("null"));
    } else {
        buf_putf(b, "%.4f", d);
    }
}

// May have become smaller.
static void put_growth(struct buf *b, const char *name, int64_t from, int64_t to, unsigned by)
{
    put_name(b, name);
    if (from < 0 || to < 0 || by == 0) {
        buf_put(b, STR("null"));
    } else {
        buf_putf(b, "%.1f", grown(from, to, by));
    }
}

static void put_text(struct buf *b, const char *name, const char *text)
{
    put_name(b, name);
    if (text && text[0]) {
        buf_put_json(b, str_of(text));
    } else {
        buf_put(b, STR("null"));
    }
}

static void put_json_ledger(struct buf *b, const struct load_config *cfg,
                            const struct load_result *r)
{
    put_text(b, "label", cfg->label);
    put_text(b, "mode", modes[cfg->mode]);
    put_count(b, "clients", cfg->clients);
    put_count(b, "ready", r->ready);
    put_count(b, "clients_failed", (uint64_t)r->failed + r->gone);
    put_count(b, "events", r->events);
    put_count(b, "deliveries", r->deliveries);
    put_count(b, "expected", r->expected);
    put_count(b, "lost", r->lost);
    put_count(b, "doubled", r->doubled);
    put_count(b, "out_of_order", r->out_of_order);
    put_count(b, "unexpected", r->unexpected);
    put_count(b, "publish_errors", r->publish_errors);
    put_count(b, "slow", cfg->slow);
    put_count(b, "slow_completed", r->slow_completed);
    put_count(b, "slow_lost", r->slow_lost);
    put_name(b, "cut_short");
    buf_put(b, r->cut_short ? STR("true") : STR("false"));
    put_text(b, "problem", r->problem);
}

static void put_json_memory(struct buf *b, const struct load_result *r)
{
    put_bytes(b, "rss_before", r->before.rss);
    put_bytes(b, "rss_ready", r->at_ready.rss);
    put_bytes(b, "rss_end", r->end.rss);
    put_bytes(b, "rss_peak", r->peak.rss);
    put_growth(b, "rss_per_client", r->before.rss, r->at_ready.rss, r->ready);
    put_bytes(b, "kernel_tcp_before", r->before.kernel_tcp);
    put_bytes(b, "kernel_tcp_ready", r->at_ready.kernel_tcp);
    put_bytes(b, "kernel_tcp_peak", r->peak.kernel_tcp);
    put_bytes(b, "kernel_tcp_end", r->end.kernel_tcp);
    put_growth(b, "kernel_per_client", r->before.kernel_tcp, r->at_ready.kernel_tcp, r->ready);
}

static void put_json_latency(struct buf *b, const struct load_latency *t)
{
    put_name(b, "latency_ms");
    if (t->count == 0) {
        buf_put(b, STR("null"));
        return;
    }
    buf_putc(b, '{');
    put_real(b, "p50", t->p50_ms);
    put_real(b, "p90", t->p90_ms);
    put_real(b, "p99", t->p99_ms);
    put_real(b, "p99.9", t->p999_ms);
    put_real(b, "max", t->max_ms);
    put_real(b, "mean", t->mean_ms);
    buf_putc(b, '}');
}

void load_put_json(struct buf *b, const struct load_config *cfg, const struct load_result *r)
{
    struct derived d = derive(cfg, r);
    buf_putc(b, '{');
    put_json_ledger(b, cfg, r);
    put_real(b, "seconds", r->seconds);
    put_real(b, "events_per_s", d.events_per_s);
    put_real(b, "deliveries_per_s", d.deliveries_per_s);
    put_real(b, "connections_per_s", d.connections_per_s);
    put_real(b, "cpu_core_s", r->core_s);
    put_real(b, "cpu_core_share", d.core_share);
    put_real(b, "cpu_process_s", r->process_s);
    put_real(b, "us_per_delivery", d.us_per_delivery);
    put_real(b, "us_per_connection", d.us_per_connection);
    put_real(b, "generator_share", d.own_share);
    put_json_latency(b, &r->latency);
    put_count(b, "bytes_in", r->bytes_in);
    put_real(b, "bytes_per_delivery", d.bytes_per_delivery);
    put_json_memory(b, r);
    buf_put(b, STR("}\n"));
}

// ---- A table.

static void line(struct buf *b, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void line(struct buf *b, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_putf(b, "%-16s%s\n", name, text);
}

#define LLU(n) ((unsigned long long)(n))

static void put_table_ledger(struct buf *b, const struct load_config *cfg,
                             const struct load_result *r)
{
    line(b, "mode", "%s%s%s%s%s", modes[cfg->mode], cfg->label ? ", " : "",
         cfg->label ? cfg->label : "", r->cut_short ? ", cut short" : "",
         load_is_good(cfg, r) ? "" : ", NOT GOOD");
    line(b, "subscribers", "%u of %u came up, %u went away", r->ready, cfg->clients, r->gone);
    if (cfg->publish) {
        line(b, "events", "%llu, %llu of %llu deliveries", LLU(r->events), LLU(r->deliveries),
             LLU(r->expected));
        line(b, "ledger", "%llu lost, %llu doubled, %llu out of order, %llu unexpected, %llu %s",
             LLU(r->lost), LLU(r->doubled), LLU(r->out_of_order), LLU(r->unexpected),
             LLU(r->publish_errors), "refused");
    }
    if (cfg->slow_resume) {
        line(b, "slow", "%u of %u got everything, %llu lost", r->slow_completed, cfg->slow,
             LLU(r->slow_lost));
    }
    if (r->problem[0]) {
        line(b, "first problem", "%s", r->problem);
    }
}

static void put_table_cpu(struct buf *b, const struct load_result *r, const struct derived *d)
{
    if (r->core_s >= 0) {
        line(b, "CPU of the core", "%.2f s, %.0f %% of it", r->core_s, 100 * d->core_share);
    }
    if (r->process_s >= 0) {
        line(b, "CPU of process", "%.2f s", r->process_s);
    }
    const char *whose = r->core_s >= 0 ? "of the core" : "of the process";
    if (d->us_per_delivery >= 0) {
        line(b, "a delivery", "%.3f us %s", d->us_per_delivery, whose);
    }
    if (d->bytes_per_delivery >= 0) {
        line(b, "its bytes", "%.1f on the wire", d->bytes_per_delivery);
    }
    if (d->us_per_connection >= 0) {
        line(b, "a connection", "%.1f us %s", d->us_per_connection, whose);
    }
    if (d->own_share > 0.9) {
        line(b, "careful", "the generator itself was busy %.0f %% of the time", 100 * d->own_share);
    }
}

static double mib(int64_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

static void put_table_memory(struct buf *b, const struct load_result *r, const struct derived *d)
{
    if (r->before.rss >= 0) {
        line(b, "memory", "%.1f MiB before, %.1f ready, %.1f at most, %.1f at the end; %.0f B each",
             mib(r->before.rss), mib(r->at_ready.rss), mib(r->peak.rss), mib(r->end.rss),
             d->rss_per_client);
    }
    if (r->before.kernel_tcp >= 0) {
        line(b, "kernel's TCP",
             "%.1f MiB before, %.1f ready, %.1f at most, %.1f at the end; %.0f B each",
             mib(r->before.kernel_tcp), mib(r->at_ready.kernel_tcp), mib(r->peak.kernel_tcp),
             mib(r->end.kernel_tcp), d->kernel_per_client);
    }
}

void load_put_table(struct buf *b, const struct load_config *cfg, const struct load_result *r)
{
    const struct load_latency *t = &r->latency;
    struct derived d = derive(cfg, r);
    put_table_ledger(b, cfg, r);
    if (cfg->publish && r->seconds > 0) {
        line(b, "throughput", "%.0f events/s, %.0f deliveries/s over %.1f s", d.events_per_s,
             d.deliveries_per_s, r->seconds);
    }
    if (d.connections_per_s >= 0) {
        line(b, "connections", "%.0f/s over %.2f s", d.connections_per_s, r->seconds);
    }
    if (t->count > 0) {
        line(b, "latency, ms", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f  mean %.2f",
             t->p50_ms, t->p90_ms, t->p99_ms, t->p999_ms, t->max_ms, t->mean_ms);
    }
    put_table_cpu(b, r, &d);
    put_table_memory(b, r, &d);
}
