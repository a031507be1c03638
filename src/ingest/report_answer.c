// SPDX-License-Identifier: MIT
// The answer to a report.
#include "ingest/report_answer.h"

#include "ingest/call.h"

void report_answer_put(struct buf *b, const struct submit *s)
{
    const struct submit_item *item = &s->items[s->count - 1];
    const struct job *j = s->answer.job;
    buf_putc(b, '{');
    if (item->merged) {
        buf_put(b, STR("\"merged\":true"));
    } else {
        call_put_cursor(b, "id", s, item->id);
    }
    if (j && j->attempt > 0) {
        buf_put(b, STR(",\"status\":"));
        buf_put_json(b, str_of(job_status_text(j)));
        buf_put(b, STR(",\"attempt\":"));
        buf_put_u64(b, j->attempt);
    }
    if (j && j->cancel_requested) {
        buf_put(b, STR(",\"cancel_requested\":true"));
    }
}

int report_answer_status(const struct submit *s)
{
    return s->items[s->count - 1].merged ? 202 : 200;
}
