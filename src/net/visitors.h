// SPDX-License-Identifier: MIT
// How many connections each address has, and how fast new ones come: looked at before anything is
// spent on a connection. What is counted hangs on the descriptor, so that it is given back wherever
// that is closed, and a connection needs no memory for it. IPv6 is counted by /64. Any thread.
#ifndef CLAIRON_NET_VISITORS_H
#define CLAIRON_NET_VISITORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/limits.h"
#include "base/siphash.h"
#include "net/addr.h"

struct visitors;

struct visitors_config {
    const struct limits *limits;
    struct net_blocks exempt, proxies; // both are not counted; borrowed
    struct hash_key key;
};

struct visitors *visitors_new(const struct visitors_config *cfg);
void visitors_free(struct visitors *v); // every descriptor left; accepts NULL

struct visitor {
    int fd;
    const struct net_addr *from;
    // Nobody knows it yet: it counts among those of its address that have not asked for anything,
    // until visitors_welcome.
    bool newcomer;
};
// May it come in? False: *ret_limit is the one that stops it. One that is counted already stays as
// it is.
bool visitors_enter(struct visitors *v, const struct visitor *visit, int64_t now_ms,
                    enum limit_row *ret_limit) MUST_CHECK;
// It asked for something it may have.
void visitors_welcome(struct visitors *v, int fd);
// Before each close of a descriptor that may have entered. Accepts NULL.
void visitors_leave(struct visitors *v, int fd);

#endif
