// SPDX-License-Identifier: MIT
// A first-in first-out queue of small records: in memory while it is short, then in an unlinked
// temporary file used as a ring. Not thread-safe; the reporter guards it by its lock.
#ifndef CLAIRON_CLIENT_SPOOL_H
#define CLAIRON_CLIENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"

#define SPOOL_RECORD_BYTES_MAX (1024 * 1024)

struct spool_record {
    uint8_t type, flags; // the owner's
    struct str text;
};

struct spool {
    struct buf front; // the oldest records; those before `front_at` are gone
    size_t front_at;
    size_t memory_bytes_max;
    int fd;      // of the file, whose records are younger than those in front; -1: none yet
    bool broken; // the file can't be had: memory is all there is
    uint64_t file_bytes_max;
    uint64_t head, tail; // counted from the file's first byte on; the place is the remainder
    uint64_t records;    // in all
    uint64_t file_records;
    uint64_t lost; // records that were taken but could not be read back
};

void spool_init(struct spool *s, size_t memory_bytes_max, uint64_t file_bytes_max);
void spool_fini(struct spool *s); // idempotent
// False when there is no room, leaving `keep_free` bytes of the file for more important records.
bool spool_put(struct spool *s, struct spool_record r, uint64_t keep_free) MUST_CHECK;
// The oldest record; false when empty. Its text holds until the next call of spool_*.
bool spool_peek(struct spool *s, struct spool_record *ret) MUST_CHECK;
void spool_drop(struct spool *s); // the one that spool_peek gave
// Bytes in the file; 0 when all fits in memory.
static inline uint64_t spool_file_bytes(const struct spool *s)
{
    return s->tail - s->head;
}

#endif
