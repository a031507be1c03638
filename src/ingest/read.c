// SPDX-License-Identifier: MIT
// What reads of jobs have in common.
#include "ingest/read.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "hub/principal.h"
#include "hub/state.h"
#include "hub/topic.h"

struct str read_topic(enum job_kind kind, struct str id, char out[LIMIT_TOPIC_BYTES + 1])
{
    int len = snprintf(out, LIMIT_TOPIC_BYTES + 1, "%s%.*s", kind_prefix(kind), STR_ARG(id));
    ASSERT(len > 0 && len <= LIMIT_TOPIC_BYTES);
    return str_make(out, (size_t)len);
}

bool read_may(struct http_request *req, enum job_kind kind, struct str id)
{
    char topic[LIMIT_TOPIC_BYTES + 1];
    if (!topic_id_valid(id)) {
        http_reply_error(req, -E_NOT_FOUND, NULL);
        return false;
    }
    if (!principal_may_subscribe(http_principal(req), read_topic(kind, id, topic))) {
        http_reply_error(req, -E_FORBIDDEN, NULL);
        return false;
    }
    return true;
}

struct str read_status(enum job_kind kind, struct str text)
{
    enum job_status s = state_parse(kind, text);
    return s == STATUS_NONE ? STR_NONE : str_of(state_text(s));
}
