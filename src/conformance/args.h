// SPDX-License-Identifier: MIT
// What the Socket.IO servers of the suites share: ids, and arguments that are sent back.
#ifndef CLAIRON_CONFORMANCE_ARGS_H
#define CLAIRON_CONFORMANCE_ARGS_H

#include "base/buf.h"
#include "sio/sio.h"

#define ARGS_ID_BYTES 21 // 20 characters of base64url and a NUL

void args_make_id(char out[static ARGS_ID_BYTES]);
// The arguments of an event with their attachments: as an event of that name, or as its answer.
void args_emit_back(struct sio_socket *s, const char *name, const struct sio_event *e);
void args_answer_back(struct sio_socket *s, const struct sio_event *e);

#endif
