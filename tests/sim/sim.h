// SPDX-License-Identifier: MIT
// The simulation: hub, model store and virtual clients in one process and one thread, with time,
// faults and the order of everything drawn from a seed. The ledger watches what is acknowledged and
// what is delivered.
#ifndef CLAIRON_TESTS_SIM_H
#define CLAIRON_TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "hub/fanout.h"
#include "hub/intake.h"
#include "hub/sequencer.h"
#include "hub/session.h"
#include "hub/store.h"

// A bug put in on purpose, to see the ledger find it.
enum plant {
    PLANT_NONE,
    PLANT_SKIP,     // an event is not delivered
    PLANT_DOUBLE,   // one is delivered twice
    PLANT_REORDER,  // two change places
    PLANT_REUSE,    // after a crash ids are given again
    PLANT_TERMINAL, // a job's end is acknowledged and not stored
    PLANT_LEAK,     // a live event comes inside a bracket
    PLANT_NR
};
const char *plant_name(enum plant p);

#define WORKERS           2
#define CLIENTS           5
#define TOPICS_PER_CLIENT 4
#define JOBS              3 // of each kind
#define PRODUCERS         3

struct world;

// --- ledger.c ---

// One event that became visible: the truth that everything else is compared to.
struct truth {
    uint64_t epoch, id, hash, origin;
    uint32_t flags;
    enum job_kind kind;
    uint32_t attempt, line, lines;
    char job_id[16];
    char status[16]; // of a job's status event, else empty
    bool ends;       // a terminal status
    bool lost;       // with the power: it never was
    unsigned topics_count;
    char topics[LIMIT_TOPICS_PER_EVENT][40];
};

struct ledger {
    struct truth *truths; // in the order they became visible
    size_t count, cap;
    struct {
        uint64_t id;
        enum durability level;
    } * acks;
    size_t acks_count, acks_cap;
    uint64_t deliveries;
    bool failed;
    char fault[400];
};

void ledger_init(struct ledger *l);
void ledger_fini(struct ledger *l);
void ledger_fail(struct ledger *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
uint64_t ledger_hash(const struct event *e);
void ledger_visible(struct ledger *l, uint64_t epoch, const struct event *e);
void ledger_ack(struct ledger *l, uint64_t id, enum durability level);
const struct truth *ledger_find(const struct ledger *l, uint64_t id);
bool truth_has_topic(const struct truth *t, const char *topic);
// At a start: what was committed in the moment of a crash and never shown before is there all the
// same; and what the power took is lost, unless it was acknowledged at `disk`, which is a fault.
void ledger_restart(struct ledger *l, struct world *w, bool power_loss);
// At the end, with everything at rest: the store holds what was acknowledged and what was shown.
void ledger_check_store(struct ledger *l, struct world *w);

// --- client.c ---

// One topic of a client, from when on it is owed events.
struct owed {
    char topic[40];
    bool joined;   // caught_up came
    uint64_t from; // events above this are owed
};

// An event as the clients' variant shows it.
struct frame {
    uint64_t id, hash;
    uint32_t flags;
    bool in_bracket;
    unsigned topics_count;
    char topics[LIMIT_TOPICS_PER_EVENT][40];
};

struct client {
    struct world *w;
    unsigned number;
    struct fanout *fanout;
    struct session *session; // NULL: away
    unsigned owed_count;
    struct owed owed[TOPICS_PER_CLIENT];
    uint64_t epoch, cursor; // what it resumes with; epoch 0: nothing yet
    bool can_resume;
    uint64_t last_live; // highest id outside brackets
    bool in_bracket;
    uint64_t bracket_c, bracket_last;
    uint64_t *got; // ids delivered on this connection
    size_t got_count, got_cap;
    unsigned room;   // deliveries until its socket takes no more
    bool full, told; // and its session was told so
    bool holds;      // PLANT_REORDER: `held` is delivered after the next
    struct frame held;
};

void client_init(struct client *c, struct world *w, unsigned number);
void client_connect(struct client *c);
void client_disconnect(struct client *c); // checks that it got all it was owed
void client_lose(struct client *c);       // the hub is gone
void client_subscribe(struct client *c);
void client_unsubscribe(struct client *c);
void client_hold(struct client *c);  // after sending: tells the session if its socket is full
void client_drain(struct client *c); // its socket takes bytes again
void client_fini(struct client *c);

// --- producer.c ---

struct producer {
    struct world *w;
    unsigned number;
    uint64_t seq;
    // One request under way, or to be sent again because its answer never came.
    char body[600];
    enum job_kind kind;
    enum report_verb verb;
    char job_id[16];
    bool waiting, again;
    uint64_t answered_id; // of the last one answered, and its seq, for a duplicate sent on purpose
};

void producer_step(struct producer *p);
void producer_lose(struct producer *p);
void publish_step(struct world *w); // an event on explicit topics

// --- world.c ---

enum action_what { ACT_LOAD, ACT_COMMIT, ACT_SYNC, ACT_RESERVE, ACT_READ, ACT_SNAPSHOT, ACT_TASKS };

// A question under way: first it is carried out, later its answer arrives; a crash may come
// between.
struct action {
    enum action_what what;
    bool done;
    int err;
    void *arg;
    uint64_t top;
};

struct sim_worker {
    struct world *w;
    struct ask ask;
    struct fanout *fanout;
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct now now;
    enum plant plant;
    bool planted; // it had its chance
    bool dead;    // crashed: what still happens is nobody's
    struct store *store;
    struct store_reader *reader;
    struct store_info info;
    struct hash_key key;
    struct realm realm;
    struct principal *principal;
    struct sequencer *sequencer;
    struct intake intake;
    struct sim_worker workers[WORKERS];
    struct client clients[CLIENTS];
    struct producer producers[PRODUCERS];
    struct memlog_reader watch; // the ledger's own place in the log
    struct action actions[256];
    unsigned actions_count;
    unsigned submits; // handed in and not answered
    unsigned faults;  // chance of a store fault, in 1/1000
    struct ledger ledger;
    uint64_t steps, crashes;
};

bool chance(struct world *w, unsigned percent);
unsigned below(struct world *w, unsigned bound);
void world_submit_take(struct world *w, struct submit *s);

// Runs one schedule. Returns NULL when all held, else what broke (static until the next call).
const char *sim_run(uint64_t seed, enum plant plant, struct world *stats);

#endif
