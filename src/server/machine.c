// SPDX-License-Identifier: MIT
// Cores and descriptors.
#include "server/machine.h"

#include <sched.h>
#include <sys/resource.h>

unsigned machine_cores(unsigned most)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : (unsigned)n > most ? most : (unsigned)n;
}

void machine_raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}
