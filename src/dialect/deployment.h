// SPDX-License-Identifier: MIT
// The flat deployment dialect: one deployment's page, `/ws/deployment/{id}`.
#ifndef CLAIRON_DIALECT_DEPLOYMENT_H
#define CLAIRON_DIALECT_DEPLOYMENT_H

#include "http/route.h"
#include "hub/worker.h"

// Adds its routes; `hub` is the worker's and outlives the router.
void deployment_routes(struct router *r, struct hub_worker *hub);

#endif
