// SPDX-License-Identifier: MIT
// A job: an entity tracked by reducing the reports about it. Jobs are immutable once committed and
// shared by reference (atomic count); the sequencer changes a private copy (job_copy) and swaps it
// in at the commit.
#ifndef CLAIRON_HUB_JOB_H
#define CLAIRON_HUB_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "def/limits.h"
#include "hub/event.h"
#include "hub/kind.h"
#include "wire/json.h"

// One numbering for the three machines; see def/states.def for what each kind allows.
enum job_status {
#define STATE(kind, name, text, rank, ends) STATUS_##kind##_##name,
#include "def/states.def"
#undef STATE
    STATUS_NR,
    STATUS_NONE = STATUS_NR // attempt 0: nobody has reported on it
};

struct job_producer {
    char *name; // owned
    uint64_t seq;
    uint64_t id; // of the last event that report made
};

struct job {
    atomic_uint refs;
    enum job_kind kind;
    char *id;
    uint32_t attempt; // from 1; 0: never reported on
    enum job_status status;
    bool settled;       // deployment: running after deploying
    bool complete_told; // deployment: DEPLOYMENT_COMPLETE of this attempt is out
    double progress;    // 0..100
    bool progress_known;
    // All strings are owned and NUL-terminated; NULL when absent.
    char *phase, *step, *message, *error, *owner, *project, *name;
    char *stack_id, *target_id;
    char *result;                    // raw JSON
    int64_t step_index, steps_total; // -1 when unknown
    int64_t iteration;               // -1 when unknown
    int64_t exit_code;
    bool exit_code_known;
    char *signal;
    int64_t created_ms, started_ms, updated_ms, ended_ms; // wall; 0 when not yet
    uint64_t cursor_id;                                   // of the last event about it
    uint32_t last_line;                                   // lines of this attempt's log so far
    uint32_t log_first; // number of the first line of the log as it stands: append:false moves it
    bool cancel_requested;
    bool stalled;
    // Lease: seconds (0 = none) and, in the clock of this process, when it is missed; of a stalled
    // job, when that was noticed.
    uint32_t lease_s;
    int64_t lease_until_mono_ms;
    int64_t cancel_until_mono_ms; // 0 = none
    // Progress merging. `pending`: a value waits to become an event.
    bool progress_pending, wide_pending;
    int64_t progress_next_mono_ms,
        wide_next_mono_ms; // earliest time of the next event on narrow / wide topics
    int64_t saved_mono_ms;
    bool dirty; // changed since it was last saved (progress only)
    // The last progress event, as a bracket without snapshot repeats it. 0 = none.
    uint64_t progress_event_id;
    int64_t progress_event_wall_ms;
    bool progress_event_wide; // it went to the wide topics too
    char *progress_event_data;
    unsigned producers_count; // least recently used first
    struct job_producer producers[LIMIT_PRODUCERS_PER_JOB];
};

struct job *job_new(enum job_kind kind,
                    struct str id) MUST_CHECK; // one reference, attempt 0; NULL without memory
struct job *job_copy(const struct job *j) MUST_CHECK; // one reference, private; NULL without memory
struct job *job_ref(struct job *j);
void job_unref(struct job *j); // accepts NULL

const char *
job_status_text(const struct job *j);   // as written on the wire; "" for STATUS_NONE (attempt 0)
bool job_is_open(const struct job *j);  // an attempt is under way: not ended, not settled, not IDLE
bool job_is_ended(const struct job *j); // terminal status
// Earliest mono_ms at which job_timer has something to do; INT64_MAX when never.
int64_t job_next_deadline(const struct job *j);

// The stored form (JSON, private to this module; unknown members are kept out). Time marks of this
// process are not stored: after a load a lease starts anew. *ret: one reference, not yet shared.
void job_encode(struct buf *b, const struct job *j);
int job_decode(struct str text, struct job **ret) MUST_CHECK; // -E_BAD_JSON, -E_NO_MEMORY

// The JOB object of the API with its opening brace and every member but "log", left open: the
// caller adds
// `,"log":[…]}` or `}`.
void job_put_json_open(struct buf *b, const struct job *j, uint64_t epoch);

// A progress as JSON: 50, 33.3
void job_put_progress(struct buf *b, double progress);

// For the reducer, on a private copy. Sets one of its strings; p = NULL clears it. NUL bytes, which
// a C string can't hold, become U+FFFD. -E_NO_MEMORY.
int job_set_text(char **field, struct str s) MUST_CHECK;
// Would job_set_text(field, s) change anything?
bool job_text_differs(const char *field, struct str s);

#endif
