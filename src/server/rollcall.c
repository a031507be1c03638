// SPDX-License-Identifier: MIT
// The roll's thread.
#include "server/rollcall.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "hub/roll.h"
#include "server/actor.h"

struct rollcall {
    struct rollcall_config cfg;
    struct actor actor;
    struct roll *roll;
    struct mail close_mail;
};

static void on_mail(struct mail *mail)
{
    struct presence_mail *m = CONTAINER_OF(mail, struct presence_mail, mail);
    struct rollcall *r = m->carrier;
    roll_take(r->roll, m, clock_now().mono_ms);
}

static void on_close(struct mail *m)
{
    roll_close(CONTAINER_OF(m, struct rollcall, close_mail)->roll);
}

static int64_t on_tick(void *ctx)
{
    struct rollcall *r = ctx;
    int64_t next = roll_tick(r->roll, clock_now().mono_ms);
    struct roll_stats stats = roll_stats(r->roll);
    metrics_set(r->cfg.metrics, METRIC_PRESENCE_TOPICS, (int64_t)stats.topics);
    metrics_set(r->cfg.metrics, METRIC_PRESENCE_USERS, (int64_t)stats.users);
    return next;
}

static void on_send(void *ctx, unsigned worker, struct presence_mail *m)
{
    struct rollcall *r = ctx;
    r->cfg.send(r->cfg.ctx, worker, m);
}

static void on_hit(void *ctx, enum limit_row limit)
{
    struct rollcall *r = ctx;
    metrics_hit(r->cfg.metrics, limit);
}

struct rollcall *rollcall_new(const struct rollcall_config *cfg)
{
    struct rollcall *r = mem_alloc(sizeof(*r));
    r->cfg = *cfg;
    struct roll_config roll = {
        .workers = cfg->workers, .limits = cfg->limits, .send = on_send, .hit = on_hit, .ctx = r};
    random_bytes(&roll.key, sizeof(roll.key));
    r->roll = roll_new(&roll);
    actor_init(&r->actor, on_tick, r);
    return r;
}

void rollcall_start(struct rollcall *r)
{
    actor_start(&r->actor, "roll");
}

void rollcall_post(struct rollcall *r, struct presence_mail *m)
{
    m->carrier = r;
    actor_post(&r->actor, &m->mail, on_mail);
}

void rollcall_close(struct rollcall *r)
{
    actor_post(&r->actor, &r->close_mail, on_close);
}

void rollcall_stop(struct rollcall *r)
{
    actor_stop(&r->actor);
}

void rollcall_free(struct rollcall *r)
{
    if (!r) {
        return;
    }
    actor_fini(&r->actor);
    roll_free(r->roll);
    mem_free(r);
}
