// SPDX-License-Identifier: MIT
// The course of a load test, one part after the other.
#include <stdio.h>

#include "base/mem.h"
#include "load/load_int.h"

#define SLOW_TIMEOUT_S 120
#define LATE_NS        (LOAD_SECOND_NS / 5) // for what comes twice, behind the last that had to come

static int64_t seconds_ns(unsigned s)
{
    return s * LOAD_SECOND_NS;
}

static int64_t patience_ends(const struct load *l)
{
    return l->progress_ns + seconds_ns(l->cfg->timeout_s);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_until(struct load *l, int64_t until_ns)
{
    while (l->now_ns < until_ns && !load_stopped(l)) {
        load_turn(l, until_ns);
    }
}

// ---- Connecting.

void course_open_lanes(struct load *l)
{
    unsigned all = l->cfg->publish ? l->cfg->publishers : 0;
    l->progress_ns = l->now_ns;
    for (unsigned i = 0; i < all; i++) {
        lane_start(&l->lanes[i]);
    }
    while (l->lanes_up + l->lanes_gone < all && !load_stopped(l) && !load_stalled(l)) {
        load_turn(l, patience_ends(l));
    }
    if (l->lanes_up < all) {
        load_problem(l, "the publishers got no answer in %u s", l->cfg->timeout_s);
        l->broken = true;
    }
}

// When the next subscriber is to connect.
static int64_t connect_due(const struct load *l, unsigned next, int64_t first_ns)
{
    if (l->storm && l->cfg->rate > 0) {
        return first_ns + (int64_t)(next * 1e9 / l->cfg->rate);
    }
    return l->connecting < l->cfg->parallel ? l->now_ns : INT64_MAX;
}

static void give_up(struct load *l)
{
    for (unsigned i = 0; i < l->cfg->clients && l->connecting > 0; i++) {
        struct client *c = &l->clients[i];
        if (c->state > CLIENT_NONE && c->state < CLIENT_READY) {
            client_lost(c, load_stopped(l) ? "the run was ended" : "no answer in time");
        }
    }
}

void course_connect(struct load *l)
{
    const unsigned all = l->cfg->clients;
    int64_t first_ns = l->now_ns;
    unsigned next = 0;
    l->progress_ns = l->now_ns;
    while ((next < all || l->connecting > 0) && !load_stopped(l)) {
        int64_t due = INT64_MAX;
        while (next < all && (due = connect_due(l, next, first_ns)) <= l->now_ns && !l->broken) {
            client_start(&l->clients[next++], due);
            // Nobody is let in: there is no sense in trying with all.
            l->broken = l->result->ready == 0 && l->result->failed >= l->cfg->parallel;
        }
        if (l->connecting > 0 && load_stalled(l)) {
            break;
        }
        load_turn(l, earlier(due, patience_ends(l)));
    }
    give_up(l);
    l->result->failed += all - next;
    l->broken |= l->result->ready == 0;
}

void course_settle(struct load *l)
{
    wait_until(l, l->now_ns + seconds_ns(l->cfg->settle_s));
}

// ---- Publishing.

void course_serial(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    int64_t measured_ns = l->now_ns + seconds_ns(cfg->warmup_s);
    int64_t end_ns = measured_ns + seconds_ns(cfg->duration_s);
    l->progress_ns = l->now_ns;
    for (uint64_t burst = 0; !load_stopped(l); burst++) {
        struct lane *n = &l->lanes[burst % cfg->publishers];
        l->now_ns = pump_clock_ns();
        if (!l->measuring && l->now_ns >= measured_ns) {
            l->seq_measured = burst * cfg->burst;
            load_measure_begin(l);
        }
        if (l->now_ns >= end_ns || n->state != LANE_IDLE) {
            break;
        }
        lane_publish(n, burst, l->now_ns);
        while ((l->outstanding > 0 || n->state == LANE_BUSY) && !l->broken && l->interrupts < 2 &&
               !load_stalled(l)) {
            load_turn(l, patience_ends(l));
        }
        if (l->outstanding > 0 || n->state != LANE_IDLE) {
            l->result->cut_short = true;
            break;
        }
    }
    load_measure_end(l);
}

// Of a rate: what is due when, and how far it is.
struct schedule {
    int64_t first_ns;
    double interval_ns;
    uint64_t bursts, sent;
};

static int64_t due_ns(const struct schedule *s, uint64_t burst)
{
    return s->first_ns + (int64_t)((double)burst * s->interval_ns);
}

// Sends what is due on the publishers that are free; returns when the next will be due.
static int64_t send_due(struct load *l, struct schedule *s)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < l->cfg->publishers; i++) {
        struct lane *n = &l->lanes[i];
        while (n->state == LANE_IDLE && n->next_burst < s->bursts) {
            int64_t due = due_ns(s, n->next_burst);
            if (due > l->now_ns) {
                next = earlier(next, due);
                break;
            }
            lane_publish(n, n->next_burst, due);
            n->next_burst += l->cfg->publishers;
            s->sent++;
        }
    }
    return next;
}

void course_rate(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    double bursts_per_s = (double)cfg->rate / cfg->burst;
    uint64_t warmup = (uint64_t)(bursts_per_s * cfg->warmup_s);
    struct schedule s = {.first_ns = pump_clock_ns(), .interval_ns = 1e9 / bursts_per_s};
    s.bursts = warmup + (uint64_t)(bursts_per_s * cfg->duration_s);
    l->seq_measured = warmup * cfg->burst;
    int64_t measured_ns = due_ns(&s, warmup);
    int64_t end_ns = measured_ns + seconds_ns(cfg->duration_s);
    bool begun = false;
    l->now_ns = l->progress_ns = s.first_ns;
    // What was due has to go out, also when the hub was too slow to take it in time.
    while (!load_stopped(l) && (l->now_ns < end_ns || (s.sent < s.bursts && !load_stalled(l)))) {
        if (!begun && l->now_ns >= measured_ns) {
            begun = true;
            load_measure_begin(l);
        }
        int64_t next = send_due(l, &s);
        next = earlier(next, begun ? end_ns : measured_ns);
        load_turn(l, l->now_ns < end_ns ? next : patience_ends(l));
        if (l->now_ns >= end_ns) {
            load_measure_end(l);
        }
    }
    load_measure_end(l);
    if (s.sent < s.bursts && !l->interrupts) {
        unsigned long long events = s.bursts * cfg->burst, sent = s.sent * cfg->burst;
        load_problem(l, "of %llu events only %llu could be sent", events, sent);
        l->result->cut_short = true;
    }
}

void course_drain(struct load *l)
{
    bool busy = true;
    while (busy && l->interrupts < 2 && !load_stalled(l)) {
        busy = l->outstanding > 0;
        for (unsigned i = 0; i < l->cfg->publishers; i++) {
            busy |= l->lanes[i].state == LANE_BUSY;
        }
        if (busy) {
            load_turn(l, patience_ends(l));
        }
    }
    int64_t end_ns = l->now_ns + LATE_NS;
    while (l->now_ns < end_ns && l->interrupts < 2) {
        load_turn(l, end_ns);
    }
}

// ---- Those that did not read.

static uint64_t wanted(struct load *l, unsigned client)
{
    uint64_t n = 0;
    for (uint64_t seq = 0; seq < l->seq_sent; seq++) {
        bool refused = seq < l->refused_cap && l->refused[seq];
        n += !refused && choice_wants(&l->choice, client, seq);
    }
    return n;
}

void course_slow(struct load *l)
{
    const struct load_config *cfg = l->cfg;
    int64_t end_ns = l->now_ns + seconds_ns(SLOW_TIMEOUT_S);
    for (unsigned i = 0; i < cfg->clients; i++) {
        struct client *c = &l->clients[i];
        if (c->slow && c->state == CLIENT_READY) {
            c->wanted = wanted(l, i);
            l->slow_reading += c->got < c->wanted;
            client_read_on(c);
        }
    }
    while (l->slow_reading > 0 && l->now_ns < end_ns && l->interrupts < 2) {
        load_turn(l, end_ns);
    }
    for (unsigned i = 0; i < cfg->clients; i++) {
        const struct client *c = &l->clients[i];
        if (c->slow && c->got < c->wanted) {
            l->result->slow_lost += c->wanted - c->got;
        } else if (c->slow && c->state == CLIENT_READY) {
            l->result->slow_completed++;
        }
    }
}
