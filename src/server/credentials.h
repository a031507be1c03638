// SPDX-License-Identifier: MIT
// Where the token of a request stands: `Authorization: Bearer` (RFC 6750 2.1), the query's `token`,
// the subprotocol `bearer.<token>`, or a cookie; the first of these that is there counts.
//
// A browser adds cookies by itself, whoever's page asks. So a cookie counts only for requests of
// our own pages and of allowed origins: what can change something must say its Origin, which was
// checked before; anything else must not come from another site's page (Sec-Fetch-Site).
#ifndef CLAIRON_SERVER_CREDENTIALS_H
#define CLAIRON_SERVER_CREDENTIALS_H

#include "base/str.h"
#include "http/request.h"

// `cookie`: its name; p = NULL: cookies don't count. p = NULL: there is no token. Borrowed from the
// request.
struct str credentials_find(const struct http_request *req, struct str cookie);

#endif
