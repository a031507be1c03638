// SPDX-License-Identifier: MIT
// What followers of tickets are sent: flat messages made from events, snapshots and gaps. Pure.
#ifndef CLAIRON_DIALECT_TICKET_VIEW_H
#define CLAIRON_DIALECT_TICKET_VIEW_H

#include "dialect/frames.h"
#include "hub/event.h"
#include "hub/sink.h"

void ticket_put_connected(struct frames *f, struct str id); // p = NULL: all tickets
// The messages of one event; several lines of log are several, of which the last carries the id.
void ticket_put_event(struct frames *f, const struct event *e, uint64_t epoch);
// Where a ticket stands: one status_update, marked `snapshot`, with `cursor` as its id (0: none).
void ticket_put_update(struct frames *f, const struct job *j, uint64_t epoch, uint64_t cursor);
// Late comers: the log's tail and one status_update. Nothing for an unknown ticket.
void ticket_put_snapshot(struct frames *f, const struct sink_snapshot *s, uint64_t epoch);
void ticket_put_gap(struct frames *f, const struct flat_gap *g);

#endif
