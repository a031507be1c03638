// SPDX-License-Identifier: MIT
// Where a hub is: a `struct clairon_target` resolved against the environment and checked.
#ifndef CLAIRON_CLIENT_ADDRESS_H
#define CLAIRON_CLIENT_ADDRESS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "clairon/client.h"
#include "wire/url.h"

#define ADDRESS_TOKEN_MAX 8192

struct tls_context;

struct address {
    char host[URL_HOST_SIZE];          // for the resolver: an IPv6 address without its brackets
    char service[8];                   // the port
    char authority[URL_HOST_SIZE + 8]; // for Host
    char *token;                       // owned; NULL: none
    struct tls_context *tls;           // referenced; NULL: http
};

int address_init(struct address *a, const struct clairon_target *t,
                 struct clairon_error *err) MUST_CHECK;
void address_fini(struct address *a); // idempotent
// The request line and the fields that every request has: Host, User-Agent, Authorization.
void address_put_request(const struct address *a, struct buf *b, const char *method,
                         const char *path);

#endif
