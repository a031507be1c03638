// SPDX-License-Identifier: MIT
// Topic names: what is valid, and which topics an event about a job is on.
#include "hub/topic.h"

#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"

bool topic_valid(struct str name)
{
    return name.len > 0 && name.len <= LIMIT_TOPIC_BYTES && utf8_is_plain_text(name);
}

bool topic_id_valid(struct str id)
{
    if (id.len == 0 || id.len > LIMIT_ID_BYTES || !utf8_is_plain_text(id)) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.p[i] == '/' || id.p[i] == ' ' || id.p[i] == '*') {
            return false;
        }
    }
    return true;
}

// The list's names lie one behind the other in `text`.
static void add(struct topic_list *list, const char *prefix, struct str rest)
{
    char *at = list->text;
    if (list->count > 0) {
        struct str last = list->names[list->count - 1];
        at = list->text + (last.p - list->text) + last.len;
    }
    size_t prefix_len = strlen(prefix);
    ASSERT(list->count < LIMIT_TOPICS_PER_EVENT);
    ASSERT(prefix_len + rest.len <= LIMIT_TOPIC_BYTES);
    memcpy(at, prefix, prefix_len);
    if (rest.len > 0) {
        memcpy(at + prefix_len, rest.p, rest.len);
    }
    list->names[list->count++] = str_make(at, prefix_len + rest.len);
}

static void add_narrow(struct topic_list *list, const struct job_about *about)
{
    add(list, kind_prefix(about->kind), about->id);
    if (about->kind == KIND_DEPLOYMENT && about->log) {
        add(list, "deployment_logs_", about->id);
    } else if (about->kind == KIND_DEPLOYMENT && str_is(about->type, "DEPLOYMENT_PROGRESS")) {
        add(list, "deployment_progress_", about->id);
    }
}

static void add_wide(struct topic_list *list, const struct job_about *about)
{
    if (about->kind == KIND_BUILD && about->project.p && !about->log) {
        add(list, "project:", about->project);
    }
    if (about->kind != KIND_BUILD || !about->log) {
        add(list, kind_wide(about->kind), STR_NONE);
    }
    if (about->kind == KIND_DEPLOYMENT && about->owner.p) {
        add(list, "user:", about->owner);
    }
    add(list, "event:", about->type);
}

void topic_list_job(struct topic_list *list, const struct job_about *about)
{
    ASSERT(about->kind < KIND_NR);
    ASSERT(about->scope & SCOPE_ALL);
    list->count = 0;
    if (about->scope & SCOPE_NARROW) {
        add_narrow(list, about);
    }
    if (about->scope & SCOPE_WIDE) {
        add_wide(list, about);
    }
}

static bool cut_prefix(struct str topic, struct str prefix, struct str *ret_id)
{
    if (!str_starts(topic, prefix)) {
        return false;
    }
    struct str id = str_from(topic, prefix.len);
    if (!topic_id_valid(id)) {
        return false;
    }
    *ret_id = id;
    return true;
}

enum job_kind topic_job(struct str topic, struct str *ret_id)
{
    for (int k = 0; k < KIND_NR; k++) {
        if (cut_prefix(topic, str_of(kind_prefix((enum job_kind)k)), ret_id)) {
            return (enum job_kind)k;
        }
    }
    return KIND_NONE;
}

enum job_kind topic_one_job(struct str topic, struct str *ret_id)
{
    if (cut_prefix(topic, STR("deployment_logs_"), ret_id) ||
        cut_prefix(topic, STR("deployment_progress_"), ret_id)) {
        return KIND_DEPLOYMENT;
    }
    return topic_job(topic, ret_id);
}
