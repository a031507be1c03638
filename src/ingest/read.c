// SPDX-License-Identifier: MIT
// What reads of jobs have in common.
#include "ingest/read.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/owner.h"
#include "hub/state.h"
#include "hub/topic.h"

struct str read_topic(enum job_kind kind, struct str id, char out[LIMIT_TOPIC_BYTES + 1])
{
    int len = snprintf(out, LIMIT_TOPIC_BYTES + 1, "%s%.*s", kind_prefix(kind), STR_ARG(id));
    ASSERT(len > 0 && len <= LIMIT_TOPIC_BYTES);
    return str_make(out, (size_t)len);
}

// A request that waits to be allowed.
struct waiting {
    struct http_request *req; // one reference
    struct hub_worker *hub;
    enum job_kind kind;
    void (*handle)(struct http_request *req, struct hub_worker *hub, enum job_kind kind);
};

static void on_allowed(void *ctx, int err)
{
    struct waiting *w = ctx;
    if (err) {
        http_reply_error(w->req, err, NULL);
    } else {
        w->handle(w->req, w->hub, w->kind);
    }
    http_request_unref(w->req);
    mem_free(w);
}

void read_if_allowed(struct http_request *req, struct hub_worker *hub, enum job_kind kind,
                     void (*handle)(struct http_request *req, struct hub_worker *hub,
                                    enum job_kind kind))
{
    char topic[LIMIT_TOPIC_BYTES + 1];
    struct str id = http_param(req, "id");
    if (!topic_id_valid(id)) {
        http_reply_error(req, -E_NOT_FOUND, NULL);
        return;
    }
    struct waiting *w = mem_try_alloc(sizeof(*w));
    if (!w) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    *w = (struct waiting){.req = http_request_ref(req), .hub = hub, .kind = kind, .handle = handle};
    struct owner_asker asker = {.done = on_allowed, .ctx = w};
    int err =
        owner_ask_may_read(hub->ask, http_principal(req), read_topic(kind, id, topic), &asker);
    if (err != -E_AGAIN) {
        on_allowed(w, err);
    }
}

struct str read_status(enum job_kind kind, struct str text)
{
    enum job_status s = state_parse(kind, text);
    return s == STATUS_NONE ? STR_NONE : str_of(state_text(s));
}
