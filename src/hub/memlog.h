// SPDX-License-Identifier: MIT
// The log in memory: a linked list of reference-counted segments with one writer (the sequencer's
// thread) and any number of readers, each at its own pace. It is the mailbox of every worker. What
// is in it is visible: entries are appended only after their commit.
//
// `visible` is the highest id below which everything is committed, memory-only or a hole. It may
// move without an entry. Reading: load memlog_visible first, then take entries until there are
// none; all up to that value were seen.
#ifndef CLAIRON_HUB_MEMLOG_H
#define CLAIRON_HUB_MEMLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hub/event.h"

struct memlog;
struct memlog_segment;

// A reader's place; pins its segment while held.
struct memlog_reader {
    struct memlog_segment *segment; // NULL: holds nothing
    uint32_t index;
};

struct memlog_limits {
    size_t bytes_max;         // of events kept; older segments go first
    unsigned segment_entries; // at most LIMIT_SEGMENT_ENTRIES
    size_t segment_bytes;
};
extern const struct memlog_limits memlog_limits_default; // from def/limits.def

struct memlog *memlog_new(uint64_t visible, const struct memlog_limits *limits);
void memlog_free(struct memlog *log); // no reader may hold a place

// Writer. Takes the reference; ids must rise. -E_NO_MEMORY: nothing was appended, the reference
// stays the caller's.
int memlog_append_take(struct memlog *log, struct event *e) MUST_CHECK;
// Writer: room for `count` appends that then can't fail.
int memlog_reserve(struct memlog *log, unsigned count) MUST_CHECK;
// Writer: moves `visible` (never back) and drops old segments past the maximum.
void memlog_set_visible(struct memlog *log, uint64_t id);

// Any thread.
uint64_t memlog_visible(const struct memlog *log);
// Entries at or below this id may be gone from memory; those above are all here.
uint64_t memlog_evicted_to(const struct memlog *log);
size_t memlog_bytes(const struct memlog *log);

// Places the reader before the first entry with an id above `after`. False (holding nothing) when
// `after` is below what is still in memory. A held place is released first.
bool memlog_seek(struct memlog *log, struct memlog_reader *r, uint64_t after) MUST_CHECK;
// The next entry, borrowed until the reader's next call, or NULL at the end for now.
struct event *memlog_next(struct memlog_reader *r);
void memlog_release(struct memlog_reader *r); // idempotent

#endif
