// SPDX-License-Identifier: MIT
// What the model store holds, as plain arrays, and what a batch does to it. Only the model's own
// files include this. Memory: aborts when there is none.
#ifndef CLAIRON_STORE_MODEL_STATE_H
#define CLAIRON_STORE_MODEL_STATE_H

#include "hub/store.h"
#include "store/page.h"

struct model_gap {
    struct str topic; // owned
    struct gap_row row;
};

struct model_idem {
    struct store_idem row; // its spans are owned
};

struct model_revocation {
    struct store_revocation row; // its name is owned
};

struct model_state {
    struct hash_key key;
    struct event **events; // by id, one reference each
    size_t events_count, events_cap;
    struct job **rows; // one of each attempt, in the order in which they were first written
    size_t rows_count, rows_cap;
    struct model_idem *idems;
    size_t idems_count, idems_cap;
    struct model_revocation *revocations; // by row
    size_t revocations_count, revocations_cap;
    uint64_t revocations_row;     // the last one given
    struct store_recall *recalls; // their spans are owned
    size_t recalls_count, recalls_cap;
    struct model_gap *gaps;
    size_t gaps_count, gaps_cap;
    uint64_t trimmed_max;
};

enum model_task_what {
    MODEL_TASK_AGE,
    MODEL_TASK_QUOTA,
    MODEL_TASK_ROWS,
    MODEL_TASK_IDEMS,
    MODEL_TASK_REVOCATIONS
};

struct model_task {
    struct store_task base;
    enum model_task_what what;
    int64_t cutoff_ms;                 // all but QUOTA
    uint64_t bytes;                    // QUOTA
    uint64_t kept[STORE_RETAINED_MAX]; // AGE: events that stay
    unsigned kept_count;
    enum job_kind kind;
    uint32_t attempt;
    char id[LIMIT_ID_BYTES + 1];
};

// A batch with everything in it copied.
struct model_batch {
    struct store_batch batch;
    struct arena arena;
};

void model_state_init(struct model_state *st, const struct hash_key *key);
void model_state_fini(struct model_state *st);
void model_state_copy(struct model_state *to, const struct model_state *from); // `to`: not in use
// Returns the highest id removed; 0 = none.
uint64_t model_state_apply(struct model_state *st, const struct store_batch *b);
// The row of an attempt, or of the latest (0); borrowed, NULL when there is none.
struct job *model_state_row(const struct model_state *st, enum job_kind kind, struct str id,
                            uint32_t attempt);
bool model_state_is_log_of(const struct event *e, enum job_kind kind, struct str id,
                           uint32_t attempt);

// Does a task of AGE remove the event?
bool model_task_takes(const struct model_task *t, const struct event *e);

struct model_batch *model_batch_new(const struct store_batch *b, const struct hash_key *key);
void model_batch_free(struct model_batch *mb); // accepts NULL

void model_state_each_open(const struct model_state *st,
                           bool (*fn)(void *ctx, struct job *borrowed), void *ctx);
void model_state_each_revocation(const struct model_state *st, uint64_t after, int64_t wall_ms,
                                 bool (*fn)(void *ctx, const struct store_revocation *borrowed),
                                 void *ctx);
void model_state_each_recall(const struct model_state *st,
                             bool (*fn)(void *ctx, const struct store_recall *borrowed), void *ctx);

#endif
