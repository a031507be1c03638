// SPDX-License-Identifier: MIT
// What a report is answered with, whichever call brought it. Pure.
#ifndef CLAIRON_INGEST_REPORT_ANSWER_H
#define CLAIRON_INGEST_REPORT_ANSWER_H

#include "base/buf.h"
#include "hub/intake.h"

// {"id":CURSOR,"status":…,"attempt":… or {"merged":true, and "cancel_requested":true where that is
// so; left open.
void report_answer_put(struct buf *b, const struct submit *s);
int report_answer_status(const struct submit *s); // 202 for a merged one, else 200

#endif
