// SPDX-License-Identifier: MIT
// Virtual producers: reports with producer and seq, sent again with the same seq until they are
// answered; and plain publishes.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "sim.h"
#include "wire/json.h"

static void write_ids(struct producer *p, char *out, size_t size)
{
    (void)snprintf(out, size, "\"producer\":\"p%u\",\"seq\":%llu", p->number,
                   (unsigned long long)p->seq);
}

static const char *pick(struct world *w, const char *const *from, unsigned count)
{
    return from[below(w, count)];
}

static void deployment_report(struct producer *p, const char *ids)
{
    static const char *const states[] = {"pending", "deploying", "running", "success",
                                         "failed",  "cancelled", "RUNNING"};
    struct world *w = p->w;
    switch (below(w, 6)) {
    case 0:
        p->verb = REPORT_CREATE;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"stack_id\":\"s\",\"target_id\":\"t\"}",
                       ids);
        return;
    case 1:
        p->verb = REPORT_LOG;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"logs\":\"one %u\\ntwo\\n\"}", ids,
                       below(w, 1000));
        return;
    case 2:
        p->verb = REPORT_COMPLETE;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"status\":\"%s\"}", ids,
                       pick(w, states + 3, 3));
        return;
    case 3:
        p->verb = REPORT_STATUS;
        (void)snprintf(p->body, sizeof(p->body),
                       "{%s,\"status\":\"%s\",\"user_id\":\"u\",\"logs\":\"with %u\"%s}", ids,
                       pick(w, states, ARRAY_LEN(states)), below(w, 1000),
                       chance(w, 20) ? ",\"lease\":2" : "");
        return;
    default:
        p->verb = REPORT_PROGRESS;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"progress\":%u}", ids, below(w, 101));
    }
}

static void ticket_report(struct producer *p, const char *ids)
{
    static const char *const states[] = {"PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "idle"};
    struct world *w = p->w;
    switch (below(w, 5)) {
    case 0:
        p->verb = REPORT_START;
        (void)snprintf(p->body, sizeof(p->body), "{%s}", ids);
        return;
    case 1:
        p->verb = REPORT_LOG;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"message\":\"line %u\",\"level\":\"INFO\"}",
                       ids, below(w, 1000));
        return;
    default:
        p->verb = REPORT_STATUS;
        (void)snprintf(p->body, sizeof(p->body),
                       "{%s,\"status\":\"%s\",\"progress\":%u,\"message\":\"m\"}", ids,
                       pick(w, states, chance(w, 60) ? 2 : ARRAY_LEN(states)), below(w, 101));
    }
}

static void build_report(struct producer *p, const char *ids)
{
    struct world *w = p->w;
    switch (below(w, 7)) {
    case 0:
        p->verb = REPORT_CREATE;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"projectId\":\"p\"}", ids);
        return;
    case 1:
    case 2:
        p->verb = REPORT_LOG;
        (void)snprintf(
            p->body, sizeof(p->body),
            "{%s,\"lines\":[{\"message\":\"a %u\"},{\"message\":\"b\",\"level\":\"error\"}]}", ids,
            below(w, 1000));
        return;
    case 3:
        p->verb = chance(w, 50) ? REPORT_COMPLETE : REPORT_ERROR;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"message\":\"over\"}", ids);
        return;
    case 4:
        p->verb = REPORT_PROGRESS;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"phase\":\"installing\"}", ids);
        return;
    default:
        p->verb = REPORT_PROGRESS;
        (void)snprintf(p->body, sizeof(p->body), "{%s,\"progress\":%u}", ids, below(w, 101));
    }
}

static void new_report(struct producer *p)
{
    static const char letter[] = {'d', 't', 'j'};
    struct world *w = p->w;
    char ids[64];
    p->seq++;
    write_ids(p, ids, sizeof(ids));
    p->kind = (enum job_kind)below(w, KIND_NR);
    (void)snprintf(p->job_id, sizeof(p->job_id), "%c%u", letter[p->kind], below(w, JOBS));
    if (p->kind == KIND_DEPLOYMENT) {
        deployment_report(p, ids);
    } else if (p->kind == KIND_TICKET) {
        ticket_report(p, ids);
    } else {
        build_report(p, ids);
    }
}

// A report of mere progress makes an event that survives nothing, while the job's row keeps the
// value and the seq: sent again after a crash it is a duplicate, and the event may never have been
// shown.
static bool may_be_memory(const struct submit_item *item)
{
    const struct report *r = &item->report;
    return item->is_report &&
           (r->verb == REPORT_PROGRESS || (r->verb == REPORT_STATUS && r->kind == KIND_TICKET));
}

static void acknowledged(struct world *w, const struct submit *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        uint64_t id = s->items[i].id;
        const struct job *j = s->answer.job;
        bool progress = (j && id == j->progress_event_id) ||
                        (s->answer.duplicate && may_be_memory(&s->items[i]));
        bool unseen = w->crashes && progress && !ledger_find(&w->ledger, id);
        if (id && !w->dead && !unseen) {
            ledger_ack(&w->ledger, id, s->answer.reached);
        }
    }
}

static bool may_be_sent_again(int err)
{
    return err == -E_IO || err == -E_UNAVAILABLE || err == -E_STORAGE_FULL || err == -E_NO_MEMORY;
}

static void on_report_answer(struct submit *s)
{
    struct producer *p = s->ctx;
    struct world *w = CONTAINER_OF(s->realm, struct world, realm);
    if (!w->dead) {
        p->waiting = false;
        p->again = may_be_sent_again(s->answer.err);
        if (s->answer.err == 0) {
            acknowledged(w, s);
        } else if (!p->again && s->answer.err != -E_CONFLICT) {
            ledger_fail(&w->ledger, "a good report was refused: %s: %s", p->body, s->answer.text);
        }
    }
    submit_free(s);
}

void producer_step(struct producer *p)
{
    struct world *w = p->w;
    if (p->waiting) {
        return;
    }
    // Now and then one that was answered is sent again: its answer was lost on the way.
    bool same = p->again || (p->seq && chance(w, 10));
    if (!same) {
        new_report(p);
    }
    p->again = false;
    p->waiting = true;
    struct json_val body;
    struct report_fault fault = {""};
    size_t offset;
    int err = json_parse(str_of(p->body), LIMIT_JSON_DEPTH, &body, &offset);
    struct submit *s = submit_new(&w->realm, w->principal);
    ASSERT(err == 0 && s);
    err = submit_add_call(s, p->kind, p->verb, str_of(p->job_id), body, &fault);
    if (err) {
        ledger_fail(&w->ledger, "a good report was not understood: %s: %s", p->body, fault.text);
        p->waiting = false;
        submit_free(s);
        return;
    }
    s->done = on_report_answer;
    s->ctx = p;
    world_submit_take(w, s);
}

void producer_lose(struct producer *p)
{
    p->again = p->again || p->waiting;
    p->waiting = false;
}

static void on_publish_answer(struct submit *s)
{
    struct world *w = CONTAINER_OF(s->realm, struct world, realm);
    if (s->answer.err == 0) {
        acknowledged(w, s);
    }
    submit_free(s);
}

void publish_step(struct world *w)
{
    static const char *const texts[] = {
        "{\"topic\":\"x:a\",\"type\":\"free\",\"data\":{\"n\":%u}}",
        "{\"topics\":[\"x:a\",\"x:b\"],\"type\":\"free\",\"data\":{\"n\":%u}}",
        "{\"topic\":\"job:j1\",\"type\":\"aside\",\"data\":{\"n\":%u}}",
        "{\"user\":\"u\",\"type\":\"free\",\"data\":{\"n\":%u}}",
    };
    struct submit *s = submit_new(&w->realm, w->principal);
    ASSERT(s);
    for (unsigned i = 0, count = 1 + below(w, 3); i < count; i++) {
        char text[200];
        struct json_val object;
        struct report_fault fault;
        size_t offset;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(text, sizeof(text), texts[below(w, ARRAY_LEN(texts))], below(w, 100000));
#pragma GCC diagnostic pop
        int err = json_parse(str_of(text), LIMIT_JSON_DEPTH, &object, &offset);
        ASSERT(err == 0);
        err = submit_add_publish(s, object, &fault);
        ASSERT(err == 0);
    }
    s->want = chance(w, 20) ? DURABILITY_DISK : DURABILITY_MEMORY;
    s->done = on_publish_answer;
    world_submit_take(w, s);
}
