// SPDX-License-Identifier: MIT
// Ending a session whose client has come back by another connection (hub/recall.h).
#ifndef CLAIRON_SERVER_OUST_H
#define CLAIRON_SERVER_OUST_H

#include <stdint.h>

#include "server/gate.h"

// On the thread of the door's worker; the session may be on any. Without memory nothing happens: it
// holds nothing any more, and ends by its silence.
void oust_session(struct door *d, uint64_t session);

#endif
