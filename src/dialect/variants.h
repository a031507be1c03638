// SPDX-License-Identifier: MIT
// Numbers of the variants (hub/sink.h) of all dialects; below SINK_VARIANTS_MAX.
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
};

#endif
