// SPDX-License-Identifier: MIT
// Numbers of the variants (hub/sink.h) of all dialects. Those behind them are for their compressed
// twins (dialect/twins.h).
#ifndef CLAIRON_DIALECT_VARIANTS_H
#define CLAIRON_DIALECT_VARIANTS_H

enum variant {
    VARIANT_NATIVE,
    VARIANT_DEPLOYMENT,
    VARIANT_TICKET,
    VARIANT_TICKETS,
    VARIANT_SSE,
    VARIANT_SSE_UNNAMED,
    VARIANT_POLL,
    VARIANT_CHEF, // and one for each set of looks
    VARIANT_CHEF_LAST = VARIANT_CHEF + 7,
    VARIANTS_MAX = 16, // twins follow
    // Behind the twins: one that has none.
    VARIANT_CHEF_POLLING = 56,
    VARIANT_CHEF_POLLING_LAST = VARIANT_CHEF_POLLING + 7,
};

#endif
