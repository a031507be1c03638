// SPDX-License-Identifier: MIT
// xoshiro256** (Blackman and Vigna), seeded by splitmix64; and the kernel's random bytes.
#include "base/rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        r->s[i] = splitmix(&seed);
    }
}

static uint64_t rotl(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    ASSERT(bound > 0);
    // The lowest 2^64 mod bound values would make the first remainders likelier: draw again.
    uint64_t skip = (0 - bound) % bound;
    uint64_t x;
    do {
        x = rng_next(r);
    } while (x < skip);
    return x % bound;
}

static void from_kernel(void *p, unsigned long len)
{
    char *to = p;
    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);
        ASSERT(n > 0 || (n < 0 && errno == EINTR));
        if (n > 0) {
            to += n;
            len -= (unsigned long)n;
        }
    }
}

// Small requests come out of a stock, so that naming a connection costs no system call. What was
// given out is erased.
static _Thread_local struct {
    unsigned char bytes[512];
    unsigned long left;
} stock;

void random_bytes(void *p, unsigned long len)
{
    if (len > sizeof(stock.bytes) / 8) {
        from_kernel(p, len);
        return;
    }
    if (stock.left < len) {
        from_kernel(stock.bytes, sizeof(stock.bytes));
        stock.left = sizeof(stock.bytes);
    }
    stock.left -= len;
    memcpy(p, stock.bytes + stock.left, len);
    explicit_bzero(stock.bytes + stock.left, len);
}
