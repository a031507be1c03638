// SPDX-License-Identifier: MIT
// Which Host names and which Origins are let in. Built at start, then only read, by any thread.
//
// Host: a listener on loopback takes localhost, 127.0.0.1, [::1] and the configured names; any
// other listener takes the configured names, or everything when there are none. Ports in Host don't
// matter. Origin: absent is allowed, `null` never. Configured `*`: every one. A list: those on it,
// and the same origin where the Host is known to be ours. Nothing configured: the same origin, and
// on loopback listeners every port of localhost, 127.0.0.1 and [::1].
#ifndef CLAIRON_HTTP_ORIGIN_H
#define CLAIRON_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/str.h"

struct origin_config {
    struct str allowed; // one origin, a comma list, or `*`; p = NULL or empty: not configured
    const struct str *hosts;
    size_t hosts_count;
};

struct origin_policy;

// -E_BAD_REQUEST: an entry is no origin or no host name; *ret_bad is that entry.
int origin_policy_new(const struct origin_config *cfg, struct origin_policy **ret,
                      struct str *ret_bad) MUST_CHECK;
void origin_policy_free(struct origin_policy *p); // accepts NULL

// `host` as it came (p = NULL on HTTP/1.0 without one). 0 or -E_FORBIDDEN.
int origin_check_host(const struct origin_policy *p, struct str host, bool loopback) MUST_CHECK;
// `origin`: p = NULL when absent. `host` passed origin_check_host. 0 or -E_FORBIDDEN.
int origin_check(const struct origin_policy *p, struct str origin, struct str host,
                 bool loopback) MUST_CHECK;

#endif
