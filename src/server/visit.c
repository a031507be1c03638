// SPDX-License-Identifier: MIT
// Going round all workers.
#include "server/visit.h"

#include "base/assert.h"
#include "server/gate_int.h"

static void post(struct door *d, struct visit *v, void (*run)(struct mail *m))
{
    v->mail.run = run;
    bool taken = loop_post_take(d->cfg.loop, &v->mail);
    ASSERT(taken); // a worker waits for its visits before its loop ends
}

static void arrive_home(struct mail *m)
{
    struct visit *v = CONTAINER_OF(m, struct visit, mail);
    door_leave(v->home);
    v->done(v);
}

static void arrive(struct mail *m);

// From the door it is at, which it leaves; NULL: from the start. `v` may be gone afterwards.
static void go_on(struct visit *v)
{
    struct gate *g = v->home->cfg.gate;
    pthread_mutex_lock(&g->lock);
    struct list *node = v->at ? v->at->node.next : g->doors.next;
    while (node != &g->doors && LIST_ENTRY(node, struct door, node)->closed) {
        node = node->next;
    }
    if (v->at) {
        v->at->visits--;
    }
    v->at = node == &g->doors ? NULL : LIST_ENTRY(node, struct door, node);
    if (v->at) {
        v->at->visits++;
        post(v->at, v, arrive);
    } else {
        post(v->home, v, arrive_home);
    }
    pthread_mutex_unlock(&g->lock);
}

static void look_at(void *ctx, struct session *s)
{
    struct visit *v = ctx;
    v->each(v, s);
}

static void arrive(struct mail *m)
{
    struct visit *v = CONTAINER_OF(m, struct visit, mail);
    fanout_each(v->at->cfg.fanout, look_at, v);
    go_on(v);
}

void visit_begin(struct visit *v, struct door *home)
{
    v->home = home;
    v->at = NULL;
    door_enter(home);
    go_on(v);
}

void door_enter(struct door *d)
{
    d->under_way++;
}

void door_leave(struct door *d)
{
    ASSERT(d->under_way > 0);
    d->under_way--;
}

void visit_end_session(struct visit *v, struct session *s, enum session_end why)
{
    session_tell_end(s, why);
    metrics_add(v->at->cfg.metrics, METRIC_SESSIONS_ENDED, 1);
}
