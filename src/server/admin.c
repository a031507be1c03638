// SPDX-License-Identifier: MIT
// The administrators' API: connections.
#include "server/admin.h"

#include <stdio.h>
#include <string.h>

#include "auth/grants.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/admin_int.h"
#include "server/visit.h"

#define LIST_USUAL 100
#define LIST_MOST  300

// --- what all have in common ---

bool admin_is_allowed(struct http_request *req)
{
    if (principal_is_admin(http_principal(req))) {
        return true;
    }
    http_reply_error(req, -E_FORBIDDEN, NULL);
    return false;
}

bool admin_limit(struct http_request *req, unsigned usual, unsigned most, unsigned *ret)
{
    struct str text = http_query(req, "limit");
    uint64_t n = usual;
    if (text.p && (str_to_u64(text, &n) != 0 || n == 0 || n > most)) {
        http_reply_error(req, -E_BAD_REQUEST, "`limit` is a number from 1 on, and not too large.");
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

void admin_put_time(struct buf *b, const char *name, int64_t wall_ms)
{
    buf_putf(b, ",\"%s\":", name);
    if (wall_ms == INT64_MAX) {
        buf_put(b, STR("null"));
    } else {
        buf_putc(b, '"');
        buf_put_time(b, wall_ms);
        buf_putc(b, '"');
    }
}

// As session_id_text writes it. False: it is none.
static bool read_id(struct str text, uint64_t *ret)
{
    uint64_t id = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, text.p[i]);
        if (!at || text.p[i] == '\0') {
            return false;
        }
        id = id << 4 | (uint64_t)(at - digits);
    }
    *ret = id;
    return text.len == SESSION_ID_TEXT - 1;
}

// --- listing ---

struct row {
    uint64_t id;
    char *json;
};

struct listing {
    struct visit visit;
    struct http_request *req; // one reference
    struct str user;          // of the request; p = NULL: all
    uint64_t after;
    unsigned limit, count;
    bool more, failed;
    struct row rows[]; // by id, the lowest `limit` above `after`
};

static void listing_free(struct listing *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        mem_free(l->rows[i].json);
    }
    http_request_unref(l->req);
    mem_free(l);
}

struct topics_out {
    struct buf *b;
    unsigned count;
};

static void put_topic(void *ctx, struct str topic)
{
    struct topics_out *out = ctx;
    buf_put(out->b, out->count++ > 0 ? STR(",") : STR(""));
    buf_put_json(out->b, topic);
}

// NULL without memory.
static char *describe(struct session *s)
{
    const struct principal *p = session_principal(s);
    struct str user = principal_user_id(p);
    struct sink_about about;
    char id[SESSION_ID_TEXT];
    struct buf b;
    struct topics_out topics = {.b = &b};
    session_about(s, &about);
    buf_init(&b, LIMIT_BODY_BYTES);
    buf_putf(&b, "{\"id\":\"%.*s\",\"user_id\":", STR_ARG(session_id_text(s, id)));
    if (user.p) {
        buf_put_json(&b, user);
    } else {
        buf_put(&b, STR("null"));
    }
    buf_putf(&b, ",\"dialect\":\"%s\",\"address\":", about.dialect);
    buf_put_json(&b, str_of(about.address));
    admin_put_time(&b, "since", about.since_wall_ms);
    admin_put_time(&b, "expires_at", principal_expires_wall_ms(p));
    buf_put(&b, STR(",\"topics\":["));
    session_each_topic(s, put_topic, &topics);
    buf_put(&b, STR("]}"));
    char *json = b.failed ? NULL : mem_try_strdup(buf_str(&b));
    buf_fini(&b);
    return json;
}

static void add_row(struct visit *v, struct session *s)
{
    struct listing *l = CONTAINER_OF(v, struct listing, visit);
    uint64_t id = session_id(s);
    struct str user = principal_user_id(session_principal(s));
    bool full = l->count == l->limit;
    if (id <= l->after || (l->user.p && !(user.p && str_eq(user, l->user)))) {
        return;
    }
    l->more = l->more || full;
    if (full && id > l->rows[l->count - 1].id) {
        return;
    }
    char *json = describe(s);
    if (!json) {
        l->failed = true;
        return;
    }
    if (full) {
        mem_free(l->rows[--l->count].json);
    }
    unsigned at = l->count++;
    for (; at > 0 && l->rows[at - 1].id > id; at--) {
        l->rows[at] = l->rows[at - 1];
    }
    l->rows[at] = (struct row){.id = id, .json = json};
}

static void reply_listing(struct visit *v)
{
    struct listing *l = CONTAINER_OF(v, struct listing, visit);
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put(&b, STR("{\"items\":["));
    for (unsigned i = 0; i < l->count; i++) {
        buf_put(&b, i > 0 ? STR(",") : STR(""));
        buf_put(&b, str_of(l->rows[i].json));
    }
    if (l->more) {
        buf_putf(&b, "],\"next\":\"%016llx\"}", (unsigned long long)l->rows[l->count - 1].id);
    } else {
        buf_put(&b, STR("],\"next\":null}"));
    }
    if (b.failed || l->failed) {
        http_reply_error(l->req, -E_NO_MEMORY, NULL);
    } else {
        http_reply_json(l->req, 200, buf_str(&b));
    }
    buf_fini(&b);
    listing_free(l);
}

static void on_list(struct http_request *req, void *ctx)
{
    struct admin *a = ctx;
    unsigned limit;
    uint64_t after = 0;
    struct str text = http_query(req, "after");
    if (!admin_is_allowed(req) || !admin_limit(req, LIST_USUAL, LIST_MOST, &limit)) {
        return;
    }
    if (text.p && !read_id(text, &after)) {
        http_reply_error(req, -E_BAD_REQUEST, "`after` is the `next` of the page before.");
        return;
    }
    struct listing *l = mem_try_alloc(sizeof(*l) + limit * sizeof(l->rows[0]));
    if (!l) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    l->visit.each = add_row;
    l->visit.done = reply_listing;
    l->req = http_request_ref(req);
    l->user = http_query(req, "user");
    l->after = after;
    l->limit = limit;
    visit_begin(&l->visit, a->door);
}

// --- ending ---

struct ending {
    struct visit visit;
    struct http_request *req; // one reference
    struct str user;          // of the request; p = NULL: the one with the id
    uint64_t id;
    unsigned count;
};

static void end_one(struct visit *v, struct session *s)
{
    struct ending *e = CONTAINER_OF(v, struct ending, visit);
    struct str user = principal_user_id(session_principal(s));
    if (e->user.p ? user.p && str_eq(user, e->user) : session_id(s) == e->id) {
        visit_end_session(v, s, SESSION_END_DISCONNECTED);
        e->count++;
    }
}

static void reply_ended(struct visit *v)
{
    struct ending *e = CONTAINER_OF(v, struct ending, visit);
    char text[48];
    int len = snprintf(text, sizeof(text), "{\"disconnected\":%u}", e->count);
    if (e->user.p) {
        http_reply_json(e->req, 200, str_make(text, (size_t)len));
    } else if (e->count > 0) {
        http_reply_empty(e->req, 204);
    } else {
        http_reply_error(e->req, -E_NOT_FOUND, NULL);
    }
    http_request_unref(e->req);
    mem_free(e);
}

static void begin_ending(struct http_request *req, struct admin *a, struct str user, uint64_t id)
{
    struct ending *e = mem_try_alloc(sizeof(*e));
    if (!e) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    *e = (struct ending){.visit = {.each = end_one, .done = reply_ended},
                         .req = http_request_ref(req),
                         .user = user,
                         .id = id};
    visit_begin(&e->visit, a->door);
}

static void on_end_connection(struct http_request *req, void *ctx)
{
    uint64_t id;
    if (!admin_is_allowed(req)) {
        return;
    }
    if (!read_id(http_param(req, "id"), &id)) {
        http_reply_error(req, -E_NOT_FOUND, NULL);
        return;
    }
    begin_ending(req, ctx, STR_NONE, id);
}

static void on_disconnect_user(struct http_request *req, void *ctx)
{
    struct str user = http_param(req, "id");
    if (!admin_is_allowed(req)) {
        return;
    }
    if (!grant_user_valid(user)) {
        http_reply_error(req, -E_NOT_FOUND, NULL);
        return;
    }
    log_info("admin.disconnect", "user %.*s is disconnected", STR_ARG(user));
    begin_ending(req, ctx, user, 0);
}

void admin_routes(struct router *router, struct admin *a)
{
    const struct route routes[] = {
        {.method = HTTP1_GET, .pattern = "/api/v1/connections", .handle = on_list},
        {.method = HTTP1_DELETE,
         .pattern = "/api/v1/connections/{id}",
         .handle = on_end_connection},
        {.method = HTTP1_POST,
         .pattern = "/api/v1/users/{id}/disconnect",
         .handle = on_disconnect_user},
    };
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        struct route r = routes[i];
        r.ctx = a;
        router_add(router, &r);
    }
    admin_token_routes(router, a);
    admin_revocation_routes(router, a);
}
