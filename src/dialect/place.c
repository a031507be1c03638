// SPDX-License-Identifier: MIT
// Connections of a user.
#include "dialect/place.h"

#include "base/err.h"
#include "net/metrics.h"

int place_take(struct hub_worker *hub, struct http_request *req, struct quota **ret)
{
    struct str user = principal_user_id(http_principal(req));
    *ret = NULL;
    // What was asked of others since the request came took its time.
    if (hub->checker && !hub->checker->stands(hub->checker, http_principal(req))) {
        return -E_UNAUTHORIZED;
    }
    if (!hub->users || !user.p || user.len > QUOTA_KEY_MAX) {
        return 0;
    }
    struct quota_rule rule = {
        .places = {(uint32_t)LIMIT_OF(hub->realm->limits, CONNECTIONS_PER_USER)}};
    if (quotas_take(hub->users, user, &rule, http_now(req).mono_ms, ret) == QUOTA_TAKEN) {
        return 0;
    }
    metrics_hit(http_metrics(req), LIMIT_ROW_CONNECTIONS_PER_USER);
    return -E_LIMIT;
}

void place_give(struct hub_worker *hub, struct quota *place)
{
    if (place) {
        quotas_give(hub->users, place, 0);
    }
}
