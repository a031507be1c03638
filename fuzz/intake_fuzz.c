// SPDX-License-Identifier: MIT
// From bodies and messages to submits, through the only door. The first byte says by which: a call
// of a job API (its kind and verb), an event of the publish API, a client's event, a client's
// message on a channel. What is taken keeps every bound that the rest of the hub relies on; what is
// refused says why, in one line; and the same text is taken the same way twice.
#include "hub/intake.h"

#include "base/err.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "hub/joblog.h"
#include "hub/realm.h"
#include "hub/state.h"
#include "hub/topic.h"

static struct realm realm;
static struct principal *anyone;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    realm_init(&realm, &(struct realm_init){.epoch = 1, .limits = &memlog_limits_default});
    anyone = principal_new_anyone(true);
    return 0;
}

static void check_lines(const struct report *r)
{
    ASSERT(r->lines_count <= LIMIT_LOG_LINES_PER_REPORT);
    for (unsigned i = 0; i < r->lines_count; i++) {
        const struct report_line *l = &r->lines[i];
        ASSERT(l->message.len <= LIMIT_LINE_BYTES && utf8_valid(l->message));
        ASSERT(str_chr(l->message, '\n', 0) < 0 && str_eq(joblog_level(l->level), l->level));
    }
}

// The members that go into the event as they came.
static void check_extra(struct str extra)
{
    struct buf b;
    struct json_val v;
    size_t offset;
    buf_init(&b, SIZE_MAX);
    buf_putc(&b, '{');
    buf_put(&b, extra);
    buf_putc(&b, '}');
    int rc = json_parse(buf_str(&b), LIMIT_JSON_DEPTH, &v, &offset);
    ASSERT(rc == 0 && str_chr(extra, '\n', 0) < 0);
    buf_fini(&b);
}

static void check_report(const struct report *r)
{
    ASSERT(r->kind < KIND_NR && r->verb <= REPORT_DELETE);
    ASSERT(topic_id_valid(r->id));
    ASSERT(!r->owner.p || topic_id_valid(r->owner));
    ASSERT(!r->project.p || topic_id_valid(r->project));
    ASSERT(!r->progress_named || (r->progress >= 0 && r->progress <= 100));
    ASSERT(!r->status.p || state_parse(r->kind, r->status) != STATUS_NONE);
    ASSERT(!r->phase.p || state_parse(KIND_BUILD, r->phase) != STATUS_NONE);
    ASSERT(r->seq <= INT64_MAX && r->step_index >= 0 && r->steps_total >= 0 && r->iteration >= 0);
    check_lines(r);
    check_extra(r->extra);
}

static void check_event(const struct submit_event *e)
{
    struct json_val v;
    size_t offset;
    unsigned channels = 0;
    ASSERT(e->topics_count > 0 && e->topics_count <= LIMIT_TOPICS_PER_EVENT);
    for (unsigned i = 0; i < e->topics_count; i++) {
        ASSERT(topic_valid(e->topics[i]));
        channels += str_starts(e->topics[i], STR("channel:"));
        for (unsigned k = 0; k < i; k++) {
            ASSERT(!str_eq(e->topics[i], e->topics[k]));
        }
    }
    ASSERT(channels == ((e->flags & EVENT_CHANNEL) ? 1 : 0));
    ASSERT(e->data.len > 0 && e->data.len <= LIMIT_DATA_BYTES);
    int rc = json_parse(e->data, LIMIT_JSON_DEPTH, &v, &offset);
    ASSERT(rc == 0 && (v.type == JSON_OBJECT || channels));
    ASSERT(str_chr(e->data, '\n', 0) < 0);
    ASSERT(event_type_valid(e->type) || (channels && str_is(e->type, "message")));
    ASSERT(!event_type_hub_only(event_type_parse(e->type)) || e->to_user);
}

static void check_fault(const struct report_fault *fault)
{
    size_t len = strnlen(fault->text, sizeof(fault->text));
    ASSERT(len < sizeof(fault->text) && utf8_valid(str_make(fault->text, len)));
    for (size_t i = 0; i < len; i++) {
        ASSERT((unsigned char)fault->text[i] >= 0x20);
    }
}

// What the API has; a start names its ticket in the body.
static const struct call {
    enum job_kind kind;
    enum report_verb verb;
    const char *id;
} calls[] = {
    {KIND_DEPLOYMENT, REPORT_CREATE, "D"},   {KIND_TICKET, REPORT_START, NULL},
    {KIND_BUILD, REPORT_CREATE, "J"},        {KIND_DEPLOYMENT, REPORT_STATUS, "D"},
    {KIND_TICKET, REPORT_STATUS, "K"},       {KIND_DEPLOYMENT, REPORT_LOG, "D"},
    {KIND_TICKET, REPORT_LOG, "K"},          {KIND_BUILD, REPORT_LOG, "J"},
    {KIND_DEPLOYMENT, REPORT_PROGRESS, "D"}, {KIND_BUILD, REPORT_PROGRESS, "J"},
    {KIND_DEPLOYMENT, REPORT_COMPLETE, "D"}, {KIND_BUILD, REPORT_COMPLETE, "J"},
    {KIND_BUILD, REPORT_ERROR, "J"},         {KIND_DEPLOYMENT, REPORT_CANCEL, "D"},
    {KIND_TICKET, REPORT_CANCEL, "K"},       {KIND_BUILD, REPORT_DELETE, "J"},
};

static int add(struct submit *s, unsigned how, struct json_val v, struct report_fault *fault)
{
    switch (how % 4) {
    case 0: {
        const struct call *c = &calls[how / 4 % ARRAY_LEN(calls)];
        return submit_add_call(s, c->kind, c->verb, str_of(c->id), v, fault);
    }
    case 1:
        return submit_add_publish(s, v, fault);
    case 2: {
        struct json_val type = json_get(v, "type");
        struct str text = type.type == JSON_STRING ? json_string(type, &s->arena) : STR("X");
        return text.p ? submit_add_client_event(s, text, json_get(v, "data"), fault) : -E_NO_MEMORY;
    }
    default: {
        struct json_val channel = json_get(v, "channel");
        struct str text = channel.type == JSON_STRING ? json_string(channel, &s->arena) : STR("");
        return text.p ? submit_add_channel(s, text, json_get(v, "data"), fault) : -E_NO_MEMORY;
    }
    }
}

static int take(struct str text, unsigned how, struct submit **ret, struct report_fault *fault)
{
    struct json_val v;
    size_t offset;
    char *copy = fuzz_copy(text);
    *ret = submit_new(&realm, anyone);
    ASSERT(*ret);
    int rc = json_parse(str_make(copy, text.len), LIMIT_JSON_DEPTH, &v, &offset);
    rc = rc ? rc : add(*ret, how, v, fault);
    free(copy); // it belongs to the request, which may go before the answer comes
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    unsigned how = text.len > 0 ? (unsigned char)text.p[0] : 0;
    struct submit *s, *again;
    struct report_fault fault = {""}, fault_again = {""};
    int rc = take(str_from(text, 1), how, &s, &fault);
    int rc_again = take(str_from(text, 1), how, &again, &fault_again);
    ASSERT(rc == rc_again && strcmp(fault.text, fault_again.text) == 0);
    ASSERT(s->count == (rc == 0 ? 1 : 0) && s->count == again->count);
    check_fault(&fault);
    for (unsigned i = 0; i < s->count; i++) {
        if (s->items[i].is_report) {
            check_report(&s->items[i].report);
        } else {
            check_event(&s->items[i].event);
            ASSERT(str_eq(s->items[i].event.data, again->items[i].event.data));
        }
    }
    ASSERT(submit_bytes(s) > 0);
    submit_free(s);
    submit_free(again);
    return 0;
}
