// SPDX-License-Identifier: MIT
// Inside the responders' client: shared by upstream.c (the thread and its calls),
// upstream_transfer.c (one question and its answer) and upstream_config.c (where they go). Nobody
// else includes this.
#ifndef CLAIRON_SERVER_UPSTREAM_INT_H
#define CLAIRON_SERVER_UPSTREAM_INT_H

#include <curl/curl.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "server/upstream.h"
#include "wire/pieces.h"

struct responder {
    struct str channel;
    char *url;     // owned
    uint16_t port; // of it
    bool shown;    // what is said is shown on the channel too
};

struct upstream {
    const struct config *config;
    struct responder responders[CONFIG_LIST_MAX];
    unsigned responders_count;
    struct curl_slist *headers; // of every question
    CURLM *multi;
    struct metrics *metrics;
    pthread_t thread;
    bool started;
    struct mailbox mailbox;
    atomic_bool stopping;
    struct list transfers;
    unsigned transfers_count;
};

struct transfer {
    struct list node; // in upstream.transfers
    struct upstream *upstream;
    struct respond_call *call; // one reference
    CURL *easy;
    struct pieces pieces;
    struct buf type;    // Content-Type
    bool begun, paused; // begun: the head was found good
    size_t head_bytes, body_bytes;
    int64_t since_mono_ms; // the last that was heard of it
    int err;               // 0: nothing is wrong so far
    char text[160];
};

// upstream_config.c
int upstream_read_config(struct upstream *u, struct config_fault *fault) MUST_CHECK;

// upstream_transfer.c
// NULL without memory.
struct transfer *transfer_try_new(struct upstream *u, struct respond_call *c,
                                  int64_t mono_ms) MUST_CHECK;
// Ends it, with what is known by now, and tells the asker.
void transfer_end(struct transfer *t);
// libcurl is done with it.
void transfer_done(struct transfer *t, CURLcode code);
// Has it taken too long? Ends it then, true.
bool transfer_late(struct transfer *t, int64_t mono_ms);
// The mono_ms at which it will have.
int64_t transfer_due(const struct transfer *t);
// The asker has taken some of it, or does not want it any more.
void transfer_nudged(struct transfer *t, int64_t mono_ms);

// upstream.c: a mail to the asker's worker.
void upstream_home(const struct respond_call *c, struct mail *m, void (*run)(struct mail *m));
// The last mail of a call; drops the carrier's reference.
void upstream_end_call(struct respond_call *c, int err, const char *text);

#endif
