// SPDX-License-Identifier: MIT
// Rights that follow from owning a job.
#include "hub/owner.h"

#include "base/mem.h"
#include "hub/topic.h"

struct asking {
    struct principal *principal; // one reference
    struct owner_asker asker;
};

bool owner_may_matter(const struct principal *p, struct str topic, enum job_kind *ret_kind,
                      struct str *ret_id)
{
    if (!principal_user_id(p).p) {
        return false;
    }
    *ret_kind = topic_one_job(topic, ret_id);
    return *ret_kind != KIND_NONE;
}

static void on_job(struct snapshot_req *r)
{
    struct asking *a = r->ctx;
    struct owner_asker asker = a->asker;
    int err = r->err;
    if (!err) {
        const struct job *j = r->jobs[0];
        err = j && principal_is_user(a->principal, j->owner) ? 0 : -E_FORBIDDEN;
    }
    principal_unref(a->principal);
    mem_free(a);
    snapshot_req_free(r);
    asker.done(asker.ctx, err);
}

int owner_ask_may_read(struct ask *ask, struct principal *p, struct str topic,
                       const struct owner_asker *asker)
{
    enum job_kind kind;
    struct str id;
    if (principal_may(p, RIGHT_SUBSCRIBE, topic)) {
        return 0;
    }
    if (!owner_may_matter(p, topic, &kind, &id)) {
        return -E_FORBIDDEN;
    }
    struct asking *a = mem_try_alloc(sizeof(*a));
    struct snapshot_req *r = snapshot_req_new(1);
    if (!a || !r || snapshot_req_set(r, 0, kind, id) != 0) {
        mem_free(a);
        snapshot_req_free(r);
        return -E_NO_MEMORY;
    }
    a->principal = principal_ref(p);
    a->asker = *asker;
    r->done = on_job;
    r->ctx = a;
    ask->snapshot(ask, r);
    return -E_AGAIN;
}
