// SPDX-License-Identifier: MIT
// Connections of a user.
#include "dialect/place.h"

#include "base/err.h"
#include "net/metrics.h"

int place_take(struct hub_worker *hub, struct http_request *req, struct quota **ret)
{
    return place_take_for(hub, http_principal(req), http_metrics(req), http_now(req).mono_ms, ret);
}

int place_take_for(struct hub_worker *hub, const struct principal *p, struct metrics *metrics,
                   int64_t mono_ms, struct quota **ret)
{
    struct str user = principal_user_id(p);
    *ret = NULL;
    // What was asked of others since the request came took its time.
    if (hub->checker && !hub->checker->stands(hub->checker, p)) {
        return -E_UNAUTHORIZED;
    }
    if (!hub->users || !user.p || user.len > QUOTA_KEY_MAX) {
        return 0;
    }
    struct quota_rule rule = {
        .places = {(uint32_t)LIMIT_OF(hub->realm->limits, CONNECTIONS_PER_USER)}};
    if (quotas_take(hub->users, user, &rule, mono_ms, ret) == QUOTA_TAKEN) {
        return 0;
    }
    metrics_hit(metrics, LIMIT_ROW_CONNECTIONS_PER_USER);
    return -E_LIMIT;
}

void place_give(struct hub_worker *hub, struct quota *place)
{
    if (place) {
        quotas_give(hub->users, place, 0);
    }
}
