// SPDX-License-Identifier: MIT
// A chunk: several events as one run of bytes, as the database keeps logs and explicit topics.
// Little-endian:
//   u64 checksum of all that follows; then per event
//   u64 id, i64 time, u32 line, u32 lines, u32 flags, u32 type length, u32 data length, u32 topics,
//   the type, the data, and for each topic a u32 length and its bytes.
#ifndef CLAIRON_STORE_CHUNK_H
#define CLAIRON_STORE_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "hub/event.h"

void chunk_begin(struct buf *b);
// Topics are kept only of events that no job explains.
void chunk_put(struct buf *b, const struct event *e);
void chunk_end(struct buf *b);

struct chunk_iter {
    const char *p, *end;
};
// False: damaged.
bool chunk_open(struct chunk_iter *it, struct str bytes) MUST_CHECK;
// 1: one event, its spans into the chunk, kind and job as the caller had set them. 0: the end.
// -E_IO: damaged.
int chunk_next(struct chunk_iter *it, struct event_init *ret) MUST_CHECK;

#endif
