// SPDX-License-Identifier: MIT
// A realm's marks.
#include "hub/realm.h"

#include <stdio.h>

void realm_init(struct realm *r, uint64_t epoch, uint64_t visible, const struct hash_key *key)
{
    *r = (struct realm){.epoch = epoch, .key = *key};
    (void)snprintf(r->name, sizeof(r->name), "default");
    atomic_init(&r->reserved_top, visible);
    atomic_init(&r->trimmed_max, 0);
    atomic_init(&r->sessions, 0);
    r->log = memlog_new(visible, LIMIT_MEMLOG_BYTES);
}

void realm_fini(struct realm *r)
{
    memlog_free(r->log);
    r->log = NULL;
}

struct cursor realm_cursor(const struct realm *r, uint64_t id)
{
    return (struct cursor){.epoch = r->epoch, .id = id};
}

bool realm_cursor_known(struct realm *r, struct cursor c)
{
    return c.epoch == r->epoch && c.id <= atomic_load_explicit(&r->reserved_top, memory_order_acquire);
}
