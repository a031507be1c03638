// SPDX-License-Identifier: MIT
// Whose request a proxy brings: X-Forwarded-For, or Forwarded (RFC 7239) where that is absent.
// Pure; any thread.
#ifndef CLAIRON_HTTP_FORWARDED_H
#define CLAIRON_HTTP_FORWARDED_H

#include "net/addr.h"
#include "wire/http1.h"

// The address of the client. A peer that is not trusted is the client, whatever it says. Otherwise
// the list is walked from its end, where the nearest proxy wrote, past those that are trusted too:
// the first that is not is the client, and what stands before it is only hearsay. At something that
// is no address (malformed, `unknown`, a made-up name) the walk ends with the last address that was
// one.
struct net_addr forwarded_client(const struct http1_head *head, const struct net_addr *peer,
                                 const struct net_blocks *trusted);

#endif
