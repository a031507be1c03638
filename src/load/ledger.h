// SPDX-License-Identifier: MIT
// What one client got of one publisher's events: tells a new event from one that came twice or
// late. It looks back over 64 numbers; what lies further back counts as late.
#ifndef CLAIRON_LOAD_LEDGER_H
#define CLAIRON_LOAD_LEDGER_H

#include <stdint.h>

struct ledger {    // zeroed: nothing came yet
    uint64_t next; // the highest number that came, and one
    uint64_t seen; // bit i: number next - 1 - i came
};

enum ledger_verdict { LEDGER_NEW, LEDGER_DOUBLED, LEDGER_LATE };

enum ledger_verdict ledger_take(struct ledger *l, uint64_t number);

#endif
