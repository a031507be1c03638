// SPDX-License-Identifier: MIT
// A kernel made of arrays: sockets, epoll, eventfd, both clocks and random bytes, put in the place
// of the real calls when a target is linked. It sees every misuse: a call on a descriptor that is
// closed, one watched twice, one closed while it is watched. Nothing ever waits. One thread.
#ifndef CLAIRON_FUZZ_KERNEL_H
#define CLAIRON_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

// Not base/buf.h: what a target lets fail is the server's memory, not the kernel's.
struct bytes {
    char *p;
    size_t len, cap;
};
void bytes_put(struct bytes *b, const char *p, size_t len);
void bytes_consume(struct bytes *b, size_t len);
void bytes_free(struct bytes *b);
static inline struct str bytes_str(const struct bytes *b)
{
    return str_make(b->p, b->len);
}

// The peer of a socket of ours.
struct peer {
    bool used;
    bool open;          // our side has it
    struct bytes in;    // said by the peer and not yet read by us
    size_t in_piece;    // one read gives at most so much; 0: no bound
    bool fin, reset;    // of the peer
    bool shut;          // we shut our side
    size_t room;        // what the socket still takes
    struct bytes heard; // taken from us
};

void kernel_init(void); // everything as after boot, clocks and random bytes too
void kernel_fini(void); // asserts that nothing is open

int kernel_socket(void); // a new one of ours, connected
struct peer *kernel_peer(int fd);
void kernel_pass_ms(int64_t ms);
unsigned kernel_open_sockets(void);

#endif
