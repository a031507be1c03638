// SPDX-License-Identifier: MIT
// Tests of turning bodies and events into reports. A report is compared as a line of text that
// names what it holds.
#include "hub/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/job.h"

static void put_text(struct buf *b, const char *name, struct str s)
{
    if (s.p) {
        buf_putf(b, "%s=%.*s ", name, STR_ARG(s));
    }
}

static void put_number(struct buf *b, const char *name, bool named, int64_t n)
{
    if (named) {
        buf_putf(b, "%s=%lld ", name, (long long)n);
    }
}

static void put_lines(struct buf *b, const struct report *r)
{
    for (unsigned i = 0; i < r->lines_count; i++) {
        const struct report_line *l = &r->lines[i];
        buf_putf(b, "%s%.*s:%.*s ", l->cont ? "+" : "", STR_ARG(l->level), STR_ARG(l->message));
    }
}

static void put_report(struct buf *b, const struct report *r)
{
    buf_putf(b, "%s%.*s%s", r->empty ? "empty " : "", STR_ARG(r->id), r->id.p ? " " : "");
    put_number(b, "attempt", r->attempt != 0, r->attempt);
    put_text(b, "producer", r->producer);
    put_number(b, "seq", r->producer.p != NULL, (int64_t)r->seq);
    put_number(b, "lease", r->lease_named, r->lease_s);
    put_number(b, "reset", r->reset_iterations, 1);
    put_text(b, "status", r->status);
    put_text(b, "phase", r->phase);
    if (r->progress_named) {
        buf_put(b, STR("progress="));
        job_put_progress(b, r->progress);
        buf_putc(b, ' ');
    }
    put_text(b, "step", r->step);
    put_number(b, "index", r->step_index_named, r->step_index);
    put_number(b, "total", r->steps_total_named, r->steps_total);
    put_number(b, "iteration", r->iteration_named, r->iteration);
    put_text(b, "message", r->message);
    put_text(b, "error", r->error);
    put_text(b, "owner", r->owner);
    put_text(b, "project", r->project);
    put_text(b, "name", r->name);
    put_text(b, "stack", r->stack_id);
    put_text(b, "target", r->target_id);
    put_text(b, "signal", r->signal);
    put_number(b, "exit", r->exit_code_named, r->exit_code);
    put_text(b, "result", r->result.raw);
    put_number(b, "append", r->append_false, 0);
    put_lines(b, r);
    if (r->extra.len > 0) {
        put_text(b, "extra", r->extra);
    }
}

// "code: sentence" after a refusal, "plain" for an event that is no report.
static void put_outcome(struct buf *b, int err, const struct report *r,
                        const struct report_fault *fault)
{
    if (err < 0) {
        buf_putf(b, "%s: %s", err_code(err), fault->text);
    } else if (err > 0) {
        buf_put(b, STR("plain"));
    } else {
        put_report(b, r);
    }
    while (b->len > 0 && b->p[b->len - 1] == ' ') {
        b->len--;
    }
    buf_putc(b, '\0');
    assert_false(b->failed);
}

static struct json_val parse(const char *text)
{
    struct json_val v = {0};
    size_t offset;
    if (text) {
        assert_int_equal(json_parse(str_of(text), LIMIT_JSON_DEPTH, &v, &offset), 0);
    }
    return v;
}

struct call_row {
    enum job_kind kind;
    enum report_verb verb;
    const char *id, *body, *want;
};

static void check_calls(const struct call_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena a;
        struct report r;
        struct report_fault fault;
        struct buf b;
        arena_init(&a, SIZE_MAX);
        buf_init(&b, 1 << 20);
        int err = report_from_call(rows[i].kind, rows[i].verb, str_of(rows[i].id),
                                   parse(rows[i].body), &a, &r, &fault);
        put_outcome(&b, err, &r, &fault);
        if (strcmp(b.p, rows[i].want) != 0) {
            print_message("row %zu: %s\n", i, rows[i].body);
        }
        assert_string_equal(b.p, rows[i].want);
        buf_fini(&b);
        arena_fini(&a);
    }
}

#define D KIND_DEPLOYMENT
#define T KIND_TICKET
#define B KIND_BUILD

static void test_deployment_calls(void **state)
{
    (void)state;
    static const struct call_row rows[] = {
        // Creating.
        {D, REPORT_CREATE, NULL, "{\"stack_id\":\"s\",\"target_id\":\"t\"}", "stack=s target=t"},
        {D, REPORT_CREATE, "made", "{\"stack_id\":\"s\",\"target_id\":\"t\"}",
         "made stack=s target=t"},
        {D, REPORT_CREATE, "made",
         "{\"stack_id\":1,\"target_id\":2,\"id\":\"own\",\"name\":\"n\",\"user_id\":3}",
         "own owner=3 name=n stack=1 target=2"},
        {D, REPORT_CREATE, NULL, "{\"stack_id\":\"s\",\"target_id\":\"t\",\"deployment_id\":42}",
         "42 stack=s target=t"},
        {D, REPORT_CREATE, NULL,
         "{\"stack_id\":\"s\",\"target_id\":\"t\",\"variables\":{\"secret\":1},\"workflow\":false,"
         "\"x\": [1, 1.10]}",
         "stack=s target=t extra=\"x\":[1,1.10]"},
        {D, REPORT_CREATE, NULL, "{\"target_id\":\"t\"}", "bad_request: `stack_id` is missing."},
        {D, REPORT_CREATE, NULL, "{\"stack_id\":\"s\",\"target_id\":null}",
         "bad_request: `target_id` is missing."},
        {D, REPORT_CREATE, NULL, "{\"stack_id\":\"s\",\"target_id\":\"t\",\"status\":\"success\"}",
         "bad_request: `status` can't be success here."},
        {D, REPORT_CREATE, NULL, "{\"stack_id\":\"s\",\"target_id\":\"t\",\"id\":\"a b\"}",
         "bad_request: `id` must have 1 to 128 bytes and no `/`, space, control character or `*`."},
        {D, REPORT_CREATE, NULL, "{\"stack_id\":{},\"target_id\":\"t\"}",
         "bad_request: `stack_id` must be a string."},
        // Status.
        {D, REPORT_STATUS, "d",
         "{\"status\":\"Running\",\"old_status\":\"deploying\",\"message\":\"m\"}",
         "d status=Running message=m"},
        {D, REPORT_STATUS, "d",
         "{\"status\":\"failed\",\"error_message\":\"e\",\"user_id\":\"u\",\"name\":\"n\",\"a\":{"
         "\"b\" : null}}",
         "d status=failed error=e owner=u name=n extra=\"a\":{\"b\":null}"},
        {D, REPORT_STATUS, "d", "{\"status\":\"failed\",\"error\":\"e\"}",
         "d status=failed error=e extra=\"error\":\"e\""},
        {D, REPORT_STATUS, "d",
         "{\"status\":\"failed\",\"error_message\":null,\"message\":null,\"user_id\":\"\"}",
         "d status=failed"},
        {D, REPORT_STATUS, "d",
         "{\"status\":\"running\",\"logs\":\"a\\nb\\n\",\"level\":\"error\"}",
         "d status=running error:a error:b extra=\"level\":\"error\""},
        {D, REPORT_STATUS, "d", "{\"logs\":\"a\"}", "d info:a"},
        {D, REPORT_STATUS, "d", "{\"logs\":\"\"}", "empty d"},
        {D, REPORT_STATUS, "d", "{\"lease\":30}", "empty d lease=30"},
        {D, REPORT_STATUS, "d", "{\"message\":\"m\"}", "bad_request: `status` is missing."},
        {D, REPORT_STATUS, "d", "{\"x\":1}", "bad_request: `status` is missing."},
        {D, REPORT_STATUS, "d", "{}", "bad_request: The report says nothing."},
        {D, REPORT_STATUS, "d", "{\"status\":\"completed\"}",
         "bad_request: `status` must be one of pending, deploying, running, success, failed or "
         "cancelled."},
        {D, REPORT_STATUS, "d", "{\"status\":true}", "bad_request: `status` must be a string."},
        {D, REPORT_STATUS, "d", "[]", "bad_request: The body must be a JSON object."},
        {D, REPORT_STATUS, "d", NULL, "bad_request: The body must be a JSON object."},
        {D, REPORT_STATUS, "a/b", "{\"status\":\"failed\"}",
         "bad_request: The id in the path is not one."},
        {D, REPORT_STATUS, "d",
         "{\"status\":\"failed\",\"deployment_id\":\"d\",\"deploymentId\":\"d\"}",
         "d status=failed"},
        {D, REPORT_STATUS, "d", "{\"status\":\"failed\",\"deploymentId\":\"e\"}",
         "bad_request: The report names two different ids."},
        // Of repeated names the last counts; escapes in names mean the same name.
        {D, REPORT_STATUS, "d", "{\"status\":\"failed\",\"status\":\"running\"}",
         "d status=running"},
        {D, REPORT_STATUS, "d", "{\"st\\u0061tus\":\"failed\"}", "d status=failed"},
        // Progress.
        {D, REPORT_PROGRESS, "d",
         "{\"progress\":33.3,\"step\":\"s\",\"current_step\":2,\"total_steps\":9}",
         "d progress=33.3 step=s index=2 total=9"},
        {D, REPORT_PROGRESS, "d", "{\"progress\":1,\"current_step\":\"text\",\"total_steps\":100}",
         "d progress=1 step=text total=100"},
        {D, REPORT_PROGRESS, "d", "{\"progress\":1,\"current_step\":\"text\",\"step\":4}",
         "d progress=1 step=text index=4"},
        {D, REPORT_PROGRESS, "d", "{\"progress\":1,\"step\":\"s\",\"step_index\":7}",
         "d progress=1 step=s index=7"},
        {D, REPORT_PROGRESS, "d", "{\"progress\":0,\"user_id\":\"u\",\"eta\":3}",
         "d progress=0 owner=u extra=\"eta\":3"},
        {D, REPORT_PROGRESS, "d", "{\"progress\":-0.0}", "d progress=0"},
        {D, REPORT_PROGRESS, "d", "{\"step\":\"s\"}", "d step=s"},
        {D, REPORT_PROGRESS, "d", "{\"eta\":3}", "bad_request: `progress` is missing."},
        {D, REPORT_PROGRESS, "d", "{}", "bad_request: The report says nothing."},
        {D, REPORT_PROGRESS, "d", "{\"progress\":100.1}",
         "bad_request: `progress` must be a number from 0 to 100."},
        {D, REPORT_PROGRESS, "d", "{\"progress\":-1}",
         "bad_request: `progress` must be a number from 0 to 100."},
        {D, REPORT_PROGRESS, "d", "{\"progress\":1e999}",
         "bad_request: `progress` must be a number from 0 to 100."},
        {D, REPORT_PROGRESS, "d", "{\"progress\":\"5\"}",
         "bad_request: `progress` must be a number from 0 to 100."},
        {D, REPORT_PROGRESS, "d", "{\"progress\":1,\"total_steps\":-1}",
         "bad_request: `total_steps` must be a whole number from 0 to 9223372036854775807."},
        {D, REPORT_PROGRESS, "d", "{\"progress\":1,\"current_step\":1.5}",
         "bad_request: `current_step` must be a whole number from 0 to 9223372036854775807."},
        // The end.
        {D, REPORT_COMPLETE, "d",
         "{\"status\":\"success\",\"message\":\"m\",\"result\":{\"a\": 1}}",
         "d status=success message=m result={\"a\": 1}"},
        {D, REPORT_COMPLETE, "d", "{\"status\":\"failed\",\"exit_code\":-2,\"signal\":9}",
         "d status=failed signal=9 exit=-2"},
        {D, REPORT_COMPLETE, "d", "{\"message\":\"m\"}", "bad_request: `status` is missing."},
        {D, REPORT_COMPLETE, "d", "{\"status\":\"running\"}",
         "bad_request: `status` can't be running here."},
        {D, REPORT_CANCEL, "d", NULL, "d"},
        {D, REPORT_CANCEL, "d", "{\"reason\":\"r\"}", "d extra=\"reason\":\"r\""},
        {D, REPORT_CANCEL, "d", "7", "bad_request: The body must be a JSON object."},
        {D, REPORT_DELETE, "d", NULL, "d"},
    };
    check_calls(rows, ARRAY_LEN(rows));
}

static void test_ticket_and_build_calls(void **state)
{
    (void)state;
    static const struct call_row rows[] = {
        {T, REPORT_START, NULL, "{\"ticket_id\":\"t\"}", "t"},
        {T, REPORT_START, NULL, "{\"ticket_id\":7,\"reset_iterations\":true,\"message\":\"m\"}",
         "7 reset=1 message=m"},
        {T, REPORT_START, NULL, "{\"ticket_id\":\"t\",\"status\":\"PENDING\"}", "t status=PENDING"},
        {T, REPORT_START, NULL, "{\"ticket_id\":\"t\",\"status\":\"IDLE\"}",
         "bad_request: `status` can't be IDLE here."},
        {T, REPORT_START, NULL, "{}", "bad_request: `ticket_id` is missing."},
        {T, REPORT_START, NULL, "{\"ticket_id\":null}", "bad_request: `ticket_id` is missing."},
        {T, REPORT_START, NULL, "{\"ticket_id\":true}",
         "bad_request: `ticket_id` must be a string."},
        {T, REPORT_START, NULL, "{\"ticket_id\":\"\"}",
         "bad_request: `ticket_id` must have 1 to 128 bytes and no `/`, space, control character "
         "or `*`."},
        {T, REPORT_STATUS, "t",
         "{\"status\":\"in_progress\",\"step\":\"s\",\"progress\":5,\"iteration\":2}",
         "t status=in_progress progress=5 step=s iteration=2"},
        {T, REPORT_STATUS, "t", "{\"progress\":5}", "t progress=5"},
        {T, REPORT_STATUS, "t", "{\"status\":\"FAILED\",\"error\":{\"code\":1}}",
         "t status=FAILED error={\"code\":1}"},
        {T, REPORT_STATUS, "t", "{\"status\":\"FAILED\",\"error_message\":\"e\"}",
         "t status=FAILED error=e extra=\"error_message\":\"e\""},
        {T, REPORT_STATUS, "t", "{\"status\":\"FAILED\",\"phase\":\"x\",\"current_step\":1}",
         "t status=FAILED extra=\"phase\":\"x\",\"current_step\":1"},
        {T, REPORT_STATUS, "t", "{\"status\":\"DONE\"}",
         "bad_request: `status` must be one of IDLE, PENDING, IN_PROGRESS, COMPLETED, FAILED or "
         "CANCELLED."},
        {T, REPORT_STATUS, "t", "{\"iteration\":-1}",
         "bad_request: `iteration` must be a whole number from 0 to 9223372036854775807."},
        {T, REPORT_STATUS, "t", "{}", "bad_request: The report says nothing."},
        {T, REPORT_STATUS, "t", "{\"attempt\":2,\"lease\":0,\"progress\":1}",
         "t attempt=2 lease=0 progress=1"},
        {T, REPORT_STATUS, "t", "{\"message\":\"a\\u0000b\"}", "t message=a"},
        {B, REPORT_CREATE, NULL, "{\"projectId\":\"p\"}", "project=p"},
        {B, REPORT_CREATE, NULL, "{\"projectId\":9,\"jobId\":8}", "8 project=9"},
        {B, REPORT_CREATE, NULL, "{\"jobId\":\"j\"}", "bad_request: `projectId` is missing."},
        {B, REPORT_CREATE, NULL, "{\"projectId\":\"a b\"}",
         "bad_request: `projectId` must have 1 to 128 bytes and no `/`, space, control character "
         "or `*`."},
        {B, REPORT_CREATE, NULL, "{\"projectId\":\"p\",\"status\":\"building\"}",
         "bad_request: `status` can't be building here."},
        {B, REPORT_PROGRESS, "j",
         "{\"phase\":\"Installing\",\"status\":\"installing\",\"progress\":35}",
         "j status=installing phase=Installing progress=35"},
        {B, REPORT_PROGRESS, "j", "{\"phase\":\"testing\"}",
         "bad_request: `phase` must be one of queued, preparing, installing, building or "
         "completed."},
        {B, REPORT_PROGRESS, "j", "{\"phase\":\"failed\"}",
         "bad_request: `phase` must be one of queued, preparing, installing, building or "
         "completed."},
        {B, REPORT_COMPLETE, "j", "{}", "j"},
        {B, REPORT_COMPLETE, "j", "{\"status\":\"failed\"}",
         "bad_request: `status` can't be failed here."},
        {B, REPORT_ERROR, "j", "{\"error\":\"e\",\"status\":\"cancelled\"}",
         "j status=cancelled error=e"},
        {B, REPORT_ERROR, "j", "{\"status\":\"completed\"}",
         "bad_request: `status` can't be completed here."},
    };
    check_calls(rows, ARRAY_LEN(rows));
}

static void test_control(void **state)
{
    (void)state;
    static const struct call_row rows[] = {
        {T, REPORT_STATUS, "t",
         "{\"progress\":1,\"producer\":\"p\",\"seq\":0,\"durability\":\"disk\",\"timestamp\":1}",
         "t producer=p seq=0 progress=1"},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"producer\":\"p\",\"seq\":9223372036854775807}",
         "t producer=p seq=9223372036854775807 progress=1"},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"producer\":\"p\",\"seq\":9223372036854775808}",
         "bad_request: `seq` must be a whole number from 0 to 9223372036854775807."},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"producer\":\"p\"}",
         "bad_request: `producer` and `seq` go together."},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"seq\":1}",
         "bad_request: `producer` and `seq` go together."},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"producer\":\"a b\",\"seq\":1}",
         "bad_request: `producer` must have 1 to 128 bytes and no `/`, space, control character or "
         "`*`."},
        {T, REPORT_STATUS, "t", "{\"producer\":\"p\",\"seq\":1}",
         "bad_request: The report says nothing."},
        {T, REPORT_STATUS, "t", "{\"producer\":\"p\",\"seq\":1,\"lease\":5}",
         "empty t producer=p seq=1 lease=5"},
        {T, REPORT_STATUS, "t", "{\"lease\":86401}",
         "bad_request: `lease` must be a whole number from 0 to 86400."},
        {T, REPORT_STATUS, "t", "{\"lease\":-1}",
         "bad_request: `lease` must be a whole number from 0 to 86400."},
        {T, REPORT_STATUS, "t", "{\"lease\":1.5}",
         "bad_request: `lease` must be a whole number from 0 to 86400."},
        {T, REPORT_STATUS, "t", "{\"lease\":\"5\"}",
         "bad_request: `lease` must be a whole number from 0 to 86400."},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"attempt\":0}",
         "bad_request: `attempt` must be a whole number from 1 to 4294967295."},
        {T, REPORT_STATUS, "t", "{\"progress\":1,\"attempt\":4294967296}",
         "bad_request: `attempt` must be a whole number from 1 to 4294967295."},
    };
    check_calls(rows, ARRAY_LEN(rows));
}

static void test_log_calls(void **state)
{
    (void)state;
    static const struct call_row rows[] = {
        {D, REPORT_LOG, "d", "{\"logs\":\"a\\nb\"}", "d info:a info:b"},
        {D, REPORT_LOG, "d", "{\"logs\":\"a\\nb\\n\"}", "d info:a info:b"},
        {D, REPORT_LOG, "d", "{\"logs\":\"\\na\\n\\n\"}", "d info: info:a info:"},
        {D, REPORT_LOG, "d", "{\"logs\":\"\\n\"}", "d info:"},
        {D, REPORT_LOG, "d", "{\"logs\":\"\"}", "empty d"},
        {D, REPORT_LOG, "d", "{\"logs\":\"\",\"append\":false}", "d append=0"},
        {D, REPORT_LOG, "d", "{\"logs\":\"a\",\"append\":true,\"user_id\":\"u\"}",
         "d owner=u info:a extra=\"user_id\":\"u\""},
        {D, REPORT_LOG, "d", "{\"append\":false}", "d append=0"},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"level\":\"ERROR\"}", "d error:a"},
        {D, REPORT_LOG, "d", "{\"message\":\"\"}", "d info:"},
        {D, REPORT_LOG, "d", "{\"message\":\"a\\nb\\n\"}", "d info:a info:b"},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"level\":\"Warn\"}", "d warning:a"},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"level\":null}", "d info:a"},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"status\":\"s\",\"source\":\"x\"}",
         "d info:a extra=\"status\":\"s\",\"source\":\"x\""},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"line\":7,\"levels\":[],\"cont\":[1]}",
         "d info:a"},
        {D, REPORT_LOG, "d",
         "{\"lines\":[{\"message\":\"a\"},{\"message\":\"b\",\"level\":\"debug\"},\"c\"]}",
         "d info:a debug:b info:c"},
        {D, REPORT_LOG, "d",
         "{\"lines\":[{\"message\":\"a\\nb\",\"level\":\"success\"},\"\"],\"level\":\"error\"}",
         "d success:a success:b error:"},
        // A piece of a line that its sender has cut.
        {D, REPORT_LOG, "d",
         "{\"lines\":[{\"message\":\"a\"},{\"message\":\"b\\nc\",\"cont\":true}]}",
         "d info:a +info:b info:c"},
        {D, REPORT_LOG, "d", "{\"lines\":[]}", "empty d"},
        {D, REPORT_LOG, "d", "{\"logs\":\"a\",\"lines\":3}", "d info:a"},
        {D, REPORT_LOG, "d", "{\"lease\":9}", "empty d lease=9"},
        {D, REPORT_LOG, "d", "{}", "bad_request: `logs`, `lines` or `message` is missing."},
        {D, REPORT_LOG, "d", "{\"lines\":3}",
         "bad_request: `logs`, `lines` or `message` is missing."},
        {D, REPORT_LOG, "d", "{\"x\":3,\"lease\":9}",
         "bad_request: `logs`, `lines` or `message` is missing."},
        {D, REPORT_LOG, "d", "{\"logs\":[\"a\"]}", "bad_request: `logs` must be a string."},
        {D, REPORT_LOG, "d", "{\"message\":7}", "bad_request: `message` must be a string."},
        {D, REPORT_LOG, "d", "{\"lines\":{}}", "bad_request: `lines` must be an array."},
        {D, REPORT_LOG, "d", "{\"lines\":[1]}",
         "bad_request: Each of `lines` must be {\"message\":string,\"level\"?:string}."},
        {D, REPORT_LOG, "d", "{\"lines\":[{\"level\":\"info\"}]}",
         "bad_request: Each of `lines` must be {\"message\":string,\"level\"?:string}."},
        {D, REPORT_LOG, "d", "{\"lines\":[{\"message\":\"a\",\"level\":\"loud\"}]}",
         "bad_request: `level` must be one of debug, info, success, warning or error."},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"level\":3}",
         "bad_request: `level` must be one of debug, info, success, warning or error."},
        {D, REPORT_LOG, "d", "{\"message\":\"a\",\"logs\":\"b\"}",
         "bad_request: Give one of `logs`, `lines` and `message`."},
        {D, REPORT_LOG, "d", "{\"logs\":\"b\",\"append\":0}",
         "bad_request: `append` must be true or false."},
        {T, REPORT_LOG, "t", "{\"ticket_id\":\"t\",\"level\":\"INFO\",\"message\":\"m\"}",
         "t info:m"},
        {B, REPORT_LOG, "j", "{\"message\":\"m\",\"projectId\":\"p\"}", "j project=p info:m"},
    };
    check_calls(rows, ARRAY_LEN(rows));
}

struct event_row {
    enum event_type type;
    const char *data, *want;
};

static void test_events(void **state)
{
    (void)state;
    static const struct event_row rows[] = {
        {EVENT_TYPE_DEPLOYMENT_CREATED, "{\"deployment_id\":\"d\",\"name\":\"n\"}", "d name=n"},
        {EVENT_TYPE_DEPLOYMENT_CREATED, "{\"id\":\"d\",\"name\":\"n\"}", "plain"},
        {EVENT_TYPE_DEPLOYMENT_DELETED, "{\"deploymentId\":\"d\",\"by\":1}", "d extra=\"by\":1"},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "{\"deploymentId\":\"d\",\"status\":\"running\"}",
         "d status=running"},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "{\"status\":\"running\"}", "plain"},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "{\"deploymentId\":null}", "plain"},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "{\"ticket_id\":\"t\"}", "plain"},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "[]", "plain"},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "{\"deployment_id\":\"d\"}",
         "bad_request: The report says nothing."},
        {EVENT_TYPE_DEPLOYMENT_STATUS_CHANGED, "{\"deployment_id\":[]}",
         "bad_request: `deployment_id` must be a string."},
        {EVENT_TYPE_DEPLOYMENT_LOGS_UPDATE,
         "{\"deployment_id\":5,\"logs\":\"x\\n\",\"append\":true,\"timestamp\":\"t\",\"line\":1,"
         "\"lines\":1,\"attempt\":1}",
         "5 attempt=1 info:x"},
        {EVENT_TYPE_DEPLOYMENT_PROGRESS,
         "{\"deployment_id\":\"d\",\"progress\":75,\"current_step\":\"s\"}",
         "d progress=75 step=s"},
        {EVENT_TYPE_DEPLOYMENT_COMPLETE, "{\"deployment_id\":\"d\",\"status\":\"failed\"}",
         "d status=failed"},
        {EVENT_TYPE_TICKET_STATUS_CHANGED, "{\"ticketId\":\"t\",\"status\":\"FAILED\"}",
         "t status=FAILED"},
        {EVENT_TYPE_TICKET_LOG, "{\"ticket_id\":\"t\",\"level\":\"INFO\",\"message\":\"m\"}",
         "t info:m"},
        {EVENT_TYPE_JOB_PROGRESS, "{\"jobId\":\"j\",\"projectId\":\"p\",\"phase\":\"queued\"}",
         "j phase=queued project=p"},
        {EVENT_TYPE_JOB_LOG, "{\"job_id\":\"j\",\"message\":\"m\"}", "j info:m"},
        {EVENT_TYPE_JOB_COMPLETED,
         "{\"jobId\":\"j\",\"status\":\"completed\",\"progress\":100,\"result\":null}",
         "j status=completed progress=100"},
        {EVENT_TYPE_JOB_ERROR, "{\"jobId\":\"j\",\"error\":\"e\"}", "j error=e"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct report r;
        struct report_fault fault;
        struct buf b;
        arena_init(&a, SIZE_MAX);
        buf_init(&b, 1 << 20);
        int err = report_from_event(rows[i].type, parse(rows[i].data), &a, &r, &fault);
        put_outcome(&b, err, &r, &fault);
        assert_string_equal(b.p, rows[i].want);
        buf_fini(&b);
        arena_fini(&a);
    }
}

// Every type of a job family has a verb, or report_from_event would abort.
static void test_every_type(void **state)
{
    (void)state;
    for (int t = 0; t < EVENT_TYPE_NR; t++) {
        if (event_type_family((enum event_type)t) == KIND_NONE) {
            continue;
        }
        struct arena a;
        struct report r;
        struct report_fault fault;
        arena_init(&a, SIZE_MAX);
        int err = report_from_event(
            (enum event_type)t,
            parse("{\"deployment_id\":\"x\",\"ticket_id\":\"x\",\"jobId\":\"x\"}"), &a, &r, &fault);
        assert_true(err == 0 || err == -E_BAD_REQUEST);
        arena_fini(&a);
    }
}

static int parse_big(const char *before, size_t count, const char *unit, const char *after,
                     struct report *r, struct arena *a)
{
    struct buf b;
    struct report_fault fault;
    buf_init(&b, 1 << 24);
    buf_put(&b, str_of(before));
    for (size_t i = 0; i < count; i++) {
        buf_put(&b, str_of(unit));
    }
    buf_put(&b, str_of(after));
    struct json_val v;
    size_t offset;
    assert_int_equal(json_parse(buf_str(&b), LIMIT_JSON_DEPTH, &v, &offset), 0);
    v.raw = arena_try_copy(a, v.raw);
    buf_fini(&b);
    return report_from_call(KIND_DEPLOYMENT, REPORT_LOG, STR("d"), v, a, r, &fault);
}

// A line over the limit is cut at a code point and goes on in the next.
static void test_long_lines(void **state)
{
    (void)state;
    struct arena a;
    struct report r;
    arena_init(&a, SIZE_MAX);
    // 16383 bytes, a two-byte letter across the limit, then two more.
    assert_int_equal(
        parse_big("{\"message\":\"", LIMIT_LINE_BYTES - 1, "x", "\xc3\xa9yz\\nnext\"}", &r, &a), 0);
    assert_int_equal(r.lines_count, 3);
    assert_int_equal(r.lines[0].message.len, LIMIT_LINE_BYTES - 1);
    assert_false(r.lines[0].cont);
    assert_true(str_is(r.lines[1].message, "\xc3\xa9yz"));
    assert_true(r.lines[1].cont);
    assert_true(str_is(r.lines[2].message, "next"));
    assert_false(r.lines[2].cont);
    // Exactly the limit is one line; twice the limit two.
    assert_int_equal(parse_big("{\"logs\":\"", LIMIT_LINE_BYTES, "x", "\"}", &r, &a), 0);
    assert_int_equal(r.lines_count, 1);
    assert_int_equal(parse_big("{\"logs\":\"", 2 * LIMIT_LINE_BYTES, "x", "\\n\"}", &r, &a), 0);
    assert_int_equal(r.lines_count, 2);
    assert_true(r.lines[1].cont);
    arena_fini(&a);
}

static void test_limits(void **state)
{
    (void)state;
    struct arena a;
    struct report r;
    arena_init(&a, SIZE_MAX);
    assert_int_equal(
        parse_big("{\"lines\":[", LIMIT_LOG_LINES_PER_REPORT - 1, "\"x\",", "\"x\"]}", &r, &a), 0);
    assert_int_equal(r.lines_count, LIMIT_LOG_LINES_PER_REPORT);
    assert_int_equal(
        parse_big("{\"lines\":[", LIMIT_LOG_LINES_PER_REPORT, "\"x\",", "\"x\"]}", &r, &a),
        -E_TOO_LARGE);
    assert_int_equal(parse_big("{\"message\":\"m\",\"a\":\"", LIMIT_DATA_BYTES, "x", "\"}", &r, &a),
                     -E_TOO_LARGE);
    assert_int_equal(
        parse_big("{\"message\":\"m\",\"a\":\"", LIMIT_DATA_BYTES - 16, "x", "\"}", &r, &a), 0);
    arena_fini(&a);
}

static void test_no_memory(void **state)
{
    (void)state;
    const char *body =
        "{\"status\":\"run\\u006eing\",\"m\\u0061rk\":[1],\"message\":\"\\u0061\",\"logs\":"
        "\"a\\nb\","
        "\"producer\":\"\\u0070\",\"seq\":1,\"name\":\"\\u006e\",\"error\":\"\\u0065\"}";
    struct report r;
    unsigned long n = 0;
    int err;
    do {
        struct report_fault fault;
        struct arena a;
        arena_init(&a, SIZE_MAX);
        mem_fail_nth(++n);
        err =
            report_from_call(KIND_DEPLOYMENT, REPORT_STATUS, STR("d"), parse(body), &a, &r, &fault);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -E_NO_MEMORY);
        arena_fini(&a);
    } while (err);
    assert_true(n > 1);
    // Also when the arena is full at any point.
    for (size_t max = 0; max < 512; max += 16) {
        struct report_fault fault;
        struct arena a;
        arena_init(&a, max);
        err =
            report_from_call(KIND_DEPLOYMENT, REPORT_STATUS, STR("d"), parse(body), &a, &r, &fault);
        assert_true(err == 0 || err == -E_NO_MEMORY);
        arena_fini(&a);
    }
    assert_int_equal(err, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deployment_calls), cmocka_unit_test(test_ticket_and_build_calls),
        cmocka_unit_test(test_control),          cmocka_unit_test(test_log_calls),
        cmocka_unit_test(test_events),           cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_long_lines),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
