// SPDX-License-Identifier: MIT
// What one deployment's page is sent: flat messages made from events, snapshots and gaps. Pure.
#ifndef CLAIRON_DIALECT_DEPLOYMENT_VIEW_H
#define CLAIRON_DIALECT_DEPLOYMENT_VIEW_H

#include "dialect/frames.h"
#include "hub/event.h"
#include "hub/sink.h"

void deployment_put_connected(struct frames *f, struct str id);
// The messages of one event; several lines of log are several, of which the last carries the id.
void deployment_put_event(struct frames *f, const struct event *e, uint64_t epoch);
// Late comers: the log's tail, the last progress, one status, all marked `snapshot`. Nothing for an
// unknown one.
void deployment_put_snapshot(struct frames *f, const struct sink_snapshot *s, uint64_t epoch);
void deployment_put_gap(struct frames *f, const struct flat_gap *g);

#endif
