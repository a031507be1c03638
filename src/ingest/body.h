// SPDX-License-Identifier: MIT
// Bodies of requests, as JSON in UTF-8 whatever they call themselves.
#ifndef CLAIRON_INGEST_BODY_H
#define CLAIRON_INGEST_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "http/request.h"
#include "wire/json.h"

// Is the body of this media type?
bool body_has_type(const struct http_request *req, const char *type);
// The body as one JSON text. False: 400 is answered.
bool body_json(struct http_request *req, struct json_val *ret) MUST_CHECK;
// "The body is not JSON ... at byte N"; `index`: of the event in it, NULL: none.
void body_refuse_json(struct http_request *req, size_t offset, const size_t *index);

#endif
