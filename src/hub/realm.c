// SPDX-License-Identifier: MIT
// A realm's marks.
#include "hub/realm.h"

#include <stdio.h>

void realm_init(struct realm *r, const struct realm_init *init)
{
    *r = (struct realm){.epoch = init->epoch,
                        .key = init->key,
                        .limits = init->table ? init->table : &limits_default,
                        .retained = init->retained,
                        .retained_count = init->retained_count};
    (void)snprintf(r->name, sizeof(r->name), "default");
    atomic_init(&r->reserved_top, init->visible);
    atomic_init(&r->trimmed_max, 0);
    // Another place at each start, so that ids in old logs are nobody's.
    atomic_init(&r->sessions, siphash(&init->key, STR("sessions")) >> 1);
    r->log = memlog_new(init->visible, init->limits);
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
    return c.epoch == r->epoch &&
           c.id <= atomic_load_explicit(&r->reserved_top, memory_order_acquire);
}

bool realm_retains(const struct realm *r, struct str topic)
{
    const struct str prefix = STR("channel:");
    if (!str_starts(topic, prefix)) {
        return false;
    }
    for (unsigned i = 0; i < r->retained_count; i++) {
        if (str_eq(r->retained[i], str_from(topic, prefix.len))) {
            return true;
        }
    }
    return false;
}
