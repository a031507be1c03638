// SPDX-License-Identifier: MIT
// Compressed twins of variants whose frames are a WebSocket's: the same events to clients that
// agreed to compression, compressed once for all of a class. Those of WS_CLASS_LINKED have streams
// (hub/streams.h), unless they are of a family. A worker has one set of them.
#ifndef CLAIRON_DIALECT_TWINS_H
#define CLAIRON_DIALECT_TWINS_H

#include "hub/sink.h"
#include "wire/ws_compressor.h"

struct twins;

struct twins *twins_new(struct ws_compressor *compressor); // the worker's; borrowed
void twins_free(struct twins *t);                          // sessions first; accepts NULL

// The twin for clients of that class (`plain` itself for WS_CLASS_PLAIN), the same each time. It is
// `plain` in all but its number, its bytes and, where there is one, its family, which is the
// family's twin.
const struct sink_variant *twin_of(struct twins *t, const struct sink_variant *plain,
                                   enum ws_class class);

#endif
