// SPDX-License-Identifier: MIT
// What every store must do, tested over each of them: a fixture that opens either, and makers of
// what goes in.
#ifndef CLAIRON_STORE_CONTRACT_H
#define CLAIRON_STORE_CONTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "hub/store.h"

enum contract_end {
    END_CLEAN, // save_clean at the last id
    END_CRASH, // of the process
    END_POWER, // of the machine: unsynced commits may go
};

struct contract_backend {
    const char *name;
    bool sqlite;
};

// A store under test with one reader, and a batch being put together.
struct contract {
    const struct contract_backend *backend;
    struct hash_key key;
    struct store *store;
    struct store_reader *reader;
    struct store_info info;
    char dir[64];     // SQLite's
    char boot_id[16]; // SQLite's
    struct rng rng;
    uint64_t id; // last one given
    int64_t wall_ms;
    struct store_batch batch; // empty between commits; owns its events and jobs
    struct store_revocation *revocations;
    unsigned events_cap, jobs_cap;
};

// cmocka's: *state is a const struct contract_backend * before, a struct contract * after.
int contract_setup(void **state);
int contract_teardown(void **state);
// Ends the store in one of three ways and opens it again.
void contract_reopen(struct contract *c, enum contract_end how);

// Runs tests over both stores; the answer is main's. `tests` is an array of struct CMUnitTest.
struct CMUnitTest;
int contract_run(const char *name, const struct CMUnitTest *tests, unsigned count);

// --- makers: everything is added to the batch; ids and times rise by themselves ---

struct contract_job {
    enum job_kind kind;
    const char *id, *owner, *project; // NULL: none
    uint32_t attempt;
};

// With explicit topics, separated by spaces.
struct event *contract_put(struct contract *c, const char *topics, const char *type,
                           const char *data);
struct event *contract_put_status(struct contract *c, const struct contract_job *j,
                                  const char *type, const char *data);
// One log report of some lines, joined by newlines, the first being number `line`.
struct event *contract_put_log(struct contract *c, const struct contract_job *j, uint32_t line,
                               const char *text);
// A row; returns it, owned by the batch, to be filled further.
struct job *contract_put_job(struct contract *c, const struct contract_job *j,
                             enum job_status status);
void contract_put_idem(struct contract *c, const char *key, int64_t expires_wall_ms);
// `name` lives until the commit.
void contract_put_revocation(struct contract *c, unsigned what, const char *name, int64_t before_ms,
                             int64_t until_ms);
void contract_remove(struct contract *c, enum job_kind kind, const char *id);
// Commits the batch, which is empty afterwards.
int contract_try_commit(struct contract *c);
void contract_commit(struct contract *c); // must succeed
// Carries out upkeep until there is none left; returns how many batches it took.
unsigned contract_upkeep(struct contract *c, const struct store_policy *policy);

// --- readers ---

// A page of topics separated by spaces, checked for what every page must be. store_page_fini is the
// caller's.
void contract_read(struct contract *c, const char *topics, uint64_t after, struct store_page *page);
void contract_assert_same(const struct event *a, const struct event *b);
struct job *contract_read_job(struct contract *c, enum job_kind kind, const char *id,
                              uint32_t attempt);

// Up to `max` words of a text, as spans into it; returns their number.
unsigned contract_words(const char *text, struct str *words, unsigned max);

#endif
