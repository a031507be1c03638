// SPDX-License-Identifier: MIT
// What one client got of one publisher's events.
#include "load/ledger.h"

enum ledger_verdict ledger_take(struct ledger *l, uint64_t number)
{
    if (number >= l->next) {
        uint64_t by = number + 1 - l->next;
        l->seen = by < 64 ? l->seen << by | 1 : 1;
        l->next = number + 1;
        return LEDGER_NEW;
    }
    uint64_t back = l->next - 1 - number;
    if (back >= 64) {
        return LEDGER_LATE;
    }
    uint64_t bit = UINT64_C(1) << back;
    if (l->seen & bit) {
        return LEDGER_DOUBLED;
    }
    l->seen |= bit;
    return LEDGER_LATE;
}
