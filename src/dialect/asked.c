// SPDX-License-Identifier: MIT
// Topics of a URL.
#include "dialect/asked.h"

#include <string.h>

#include "base/err.h"
#include "def/limits.h"

// More than a connection can be on, so that each of the rest gets its own refusal.
#define NAMED_MAX (LIMIT_TOPICS_PER_SESSION + 1)

struct names {
    struct arena *arena;
    struct str *topics;
    unsigned count;
};

static int add(struct names *l, const char *prefix, struct str name)
{
    size_t prefix_len = strlen(prefix);
    if (l->count == NAMED_MAX) {
        return -E_LIMIT;
    }
    char *text = arena_try_alloc(l->arena, prefix_len + name.len + 1);
    if (!text) {
        return -E_NO_MEMORY;
    }
    memcpy(text, prefix, prefix_len);
    memcpy(text + prefix_len, name.p, name.len);
    l->topics[l->count++] = str_make(text, prefix_len + name.len);
    return 0;
}

static int add_named(struct names *l, const struct url_query *query)
{
    static const struct {
        const char *parameter, *prefix;
    } kinds[] = {{"topic", ""}, {"event", "event:"}, {"channel", "channel:"}};
    int err = 0;
    for (size_t i = 0; i < query->count && !err; i++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds) && !err; k++) {
            if (str_is(query->params[i].name, kinds[k].parameter)) {
                err = add(l, kinds[k].prefix, query->params[i].value);
            }
        }
    }
    return err;
}

static int add_defaults(struct names *l, const struct hub_worker *hub, const struct principal *p)
{
    int err = 0;
    for (unsigned i = 0; i < hub->channels_count && !err; i++) {
        err = add(l, "channel:", hub->channels[i]);
        if (!err && !principal_may(p, RIGHT_SUBSCRIBE, l->topics[l->count - 1])) {
            l->count--;
        }
    }
    return err;
}

// Room for all names there can be; topics NULL without memory.
static struct names names_new(struct http_request *req)
{
    struct names l = {.arena = http_arena(req)};
    l.topics = arena_try_alloc(l.arena, NAMED_MAX * sizeof(*l.topics));
    return l;
}

static int give(const struct names *l, int err, struct session_subscribe *ret)
{
    if (!err) {
        ret->topics = l->topics;
        ret->count = l->count;
    }
    return err;
}

int asked_topics(struct http_request *req, const struct hub_worker *hub,
                 struct session_subscribe *ret)
{
    struct names l = names_new(req);
    int err = l.topics ? add_named(&l, http_query_all(req)) : -E_NO_MEMORY;
    if (!err && l.count == 0) {
        err = add_defaults(&l, hub, http_principal(req));
    }
    return give(&l, err, ret);
}

int asked_automatic(struct http_request *req, const struct hub_worker *hub, bool channels,
                    struct session_subscribe *ret)
{
    struct names l = names_new(req);
    struct str user = principal_user_id(http_principal(req));
    int err = l.topics ? 0 : -E_NO_MEMORY;
    if (!err && user.p) {
        err = add(&l, "user:", user);
    }
    if (!err && channels) {
        err = add_defaults(&l, hub, http_principal(req));
    }
    return give(&l, err, ret);
}

void asked_about(const struct http_request *req, const char *dialect, int64_t since_wall_ms,
                 struct sink_about *ret)
{
    *ret = (struct sink_about){.dialect = dialect, .since_wall_ms = since_wall_ms};
    (void)net_addr_text(http_peer(req), ret->address);
}

void asked_refuse(struct http_request *req, int err, const char *text)
{
    if (err == -E_LIMIT) {
        metrics_hit(http_metrics(req), LIMIT_ROW_TOPICS_PER_SESSION);
    }
    http_reply_error(req, err, text);
}
