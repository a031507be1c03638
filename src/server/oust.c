// SPDX-License-Identifier: MIT
// Ending a session somewhere.
#include "server/oust.h"

#include "base/mem.h"
#include "server/visit.h"

struct ousting {
    struct visit visit;
    uint64_t session;
};

static void look_at(struct visit *v, struct session *s)
{
    if (session_id(s) == CONTAINER_OF(v, struct ousting, visit)->session) {
        visit_end_session(v, s, SESSION_END_TAKEN);
    }
}

static void on_done(struct visit *v)
{
    mem_free(CONTAINER_OF(v, struct ousting, visit));
}

void oust_session(struct door *d, uint64_t session)
{
    struct ousting *o = mem_try_alloc(sizeof(*o));
    if (o) {
        *o = (struct ousting){.visit = {.each = look_at, .done = on_done}, .session = session};
        visit_begin(&o->visit, d);
    }
}
