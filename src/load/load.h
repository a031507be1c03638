// SPDX-License-Identifier: MIT
// A load generator: many subscribers and a few publishers in one thread, against any hub that
// speaks WebSocket, text/event-stream, long polling or Socket.IO. It counts what came, twice, late
// and not at all, and measures how long it took and what the server spent on it.
#ifndef CLAIRON_LOAD_LOAD_H
#define CLAIRON_LOAD_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

enum load_mode {
    LOAD_SERIAL,  // the next burst goes when all have the last
    LOAD_RATE,    // open loop: bursts are due at fixed times
    LOAD_CONNECT, // a storm of connections
    LOAD_IDLE,    // connections at rest
};

// All texts are borrowed. What each does is told in docs/bench.md.
struct load_config {
    enum load_mode mode;
    const char *label;                       // NULL: none
    const char *subscribe;                   // URL
    const char *ca;                          // whom to trust; NULL: whom the system trusts
    const char *on_open;                     // NULL: what fits Clairon; "": nothing
    const char *ready;                       // NULL: what fits Clairon; "": after the handshake
    const char *publish;                     // URL; NULL: nobody publishes
    const char *publish_body, *publish_item; // NULL: what fits Clairon
    const char *topic_prefix;
    unsigned clients, parallel; // parallel: connecting at the same time
    unsigned topics, topics_per_client, topics_per_event, topics_extra;
    unsigned publishers;
    unsigned size_bytes;
    bool words; // payloads of words, which compress as events do
    unsigned burst;
    unsigned rate; // events per second; connections per second in LOAD_CONNECT, 0: no limit
    unsigned warmup_s, duration_s, settle_s;
    unsigned timeout_s; // without any progress: what is still awaited is given up
    unsigned slow;
    bool slow_resume;
    bool deflate;        // subscribers offer permessage-deflate and insist on it
    unsigned inflate;    // so many inflate and check what they get, the others count their messages
    bool spin;           // never sleep: a core for the generator alone
    unsigned server_pid; // 0: unknown
    int server_core;     // -1: unknown
    int interrupt_fd;    // readable: end early, twice: at once; -1: none
};

struct load_latency {
    uint64_t count;
    double p50_ms, p90_ms, p99_ms, p999_ms, max_ms, mean_ms;
};

// At one moment. Bytes; -1: not known.
struct load_memory {
    int64_t rss;
    int64_t kernel_tcp;
};

struct load_result {
    unsigned ready, failed, gone;  // subscribers: came up, did not, went away later
    uint64_t events;               // published in the measured span
    uint64_t deliveries, expected; // of those events
    // Of all events, those of the warm-up too.
    uint64_t lost, doubled, out_of_order;
    uint64_t unexpected; // on no topic of the client's, or never published
    uint64_t publish_errors;
    double seconds;         // of the measured span
    uint64_t deliveries_in; // within it
    uint64_t bytes_in_span; // came to the generator within it
    double core_s;          // CPU time of the server's core within it, -1: not known
    double process_s;       // CPU time of the server, -1: not known
    double own_s;           // CPU time of the generator
    struct load_latency latency;
    uint64_t bytes_in;
    struct load_memory before, at_ready, end, peak;
    unsigned slow_completed;
    uint64_t slow_lost;
    bool cut_short;    // ended before its time
    char problem[256]; // the first thing that went wrong; empty: nothing did
};

// Runs to its end. The numbers of `cfg` must make sense (cli/bench.c sees to that).
// -E_BAD_REQUEST: a URL or a limit of this system is in the way, ret->problem says which, and
// nothing was done. Otherwise *ret is filled.
int load_run(const struct load_config *cfg, struct load_result *ret) MUST_CHECK;
// Did all clients come up and get each event once and in order?
bool load_is_good(const struct load_config *cfg, const struct load_result *r);

// Appends the result as one JSON object and a newline, or as a table for people.
void load_put_json(struct buf *b, const struct load_config *cfg, const struct load_result *r);
void load_put_table(struct buf *b, const struct load_config *cfg, const struct load_result *r);

#endif
