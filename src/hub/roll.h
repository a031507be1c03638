// SPDX-License-Identifier: MIT
// The roll: who is on the topics that somebody wants to know of, over all workers. A topic is
// counted from the first question on, and until nobody has watched it or asked for as long as a
// grace; what nobody asks about costs nothing. A user with several connections is one; connections
// without a user are counted and not named. A user whose last connection ends stays for a grace, so
// that a reload is neither a leave nor a join. One thread; time is passed in.
//
//   (none) --ASK--> FILLING: each worker counts what it has --all did--> FULL: asks are answered,
//   joins and leaves told --idle for a grace, or pushed out by another topic--> (none)
#ifndef CLAIRON_HUB_ROLL_H
#define CLAIRON_HUB_ROLL_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/limits.h"
#include "base/siphash.h"
#include "hub/presence_mail.h"

struct roll;

#define ROLL_WORKERS_MAX 64

struct roll_config {
    unsigned workers; // numbered from 0
    struct hash_key key;
    const struct limits *limits; // borrowed
    // To a worker, which takes it.
    void (*send)(void *ctx, unsigned worker, struct presence_mail *m);
    void (*hit)(void *ctx, enum limit_row limit); // a limit stopped somebody
    void *ctx;
};

struct roll *roll_new(const struct roll_config *cfg);
void roll_free(struct roll *r); // closed, or never asked
// A worker's mail, in the order in which that worker sent its mails.
void roll_take(struct roll *r, struct presence_mail *m, int64_t mono_ms);
// What time does; when it is to be called again (mono_ms), INT64_MAX: never.
int64_t roll_tick(struct roll *r, int64_t mono_ms);
// Answers all who wait, and whoever asks later at once, with -E_UNAVAILABLE.
void roll_close(struct roll *r);

struct roll_stats {
    size_t topics, users; // counted now
};
struct roll_stats roll_stats(const struct roll *r);

#endif
