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
    VARIANTS_MAX = 20,
};

#endif
