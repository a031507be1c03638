// SPDX-License-Identifier: MIT
// An immutable, reference-counted run of bytes, shared between connections and threads (the count
// is atomic). Filled once by its maker before it is shared.
#ifndef CLAIRON_BASE_RCBUF_H
#define CLAIRON_BASE_RCBUF_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

struct rcbuf;

// One reference, owned by the caller. NULL without memory.
struct rcbuf *rcbuf_try_new(struct str bytes) MUST_CHECK;
// The same with `len` bytes that the caller fills, at *ret, before anyone else sees it.
struct rcbuf *rcbuf_try_alloc(size_t len, char **ret) MUST_CHECK;
// Keeps the first `len` bytes, before anyone else sees it.
void rcbuf_shorten(struct rcbuf *b, size_t len);
struct rcbuf *rcbuf_ref(struct rcbuf *b);
void rcbuf_unref(struct rcbuf *b); // accepts NULL
struct str rcbuf_str(const struct rcbuf *b);

#endif
