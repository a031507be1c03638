// SPDX-License-Identifier: MIT
// What the system says about the server: processor time of its core and of its process, its memory
// and that of the kernel's TCP. All from /proc; what can't be read is -1.
#ifndef CLAIRON_LOAD_METER_H
#define CLAIRON_LOAD_METER_H

#include <stdint.h>

#include "load/load.h"

struct meter {
    unsigned pid; // 0: unknown
    int core;     // -1: unknown
    int64_t next_sample_ns;
    // When the measured span began.
    int64_t from_ns, core_ticks, process_ticks, own_ns;
    uint64_t from_deliveries, from_bytes;
};

// Busy time of one core: user, nice, system, irq, softirq. In ticks of the system.
int64_t meter_core_ticks(int core);
int64_t meter_process_ticks(unsigned pid);
int64_t meter_own_ns(void);
double meter_seconds(int64_t ticks);
struct load_memory meter_memory(unsigned pid);
// Raises what is lower in *peak.
void meter_raise(struct load_memory *peak, struct load_memory m);

#endif
