// SPDX-License-Identifier: MIT
// The administrators' API: taking tokens back. What is revoked is on disk before anything else
// happens; then no worker takes such a token any more; then the sessions that they opened are ended
// on one worker after the other; then it is answered.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest/body.h"
#include "server/admin_int.h"
#include "server/visit.h"

#define LIST_USUAL 100

// The store keeps the numbers.
_Static_assert(REVOKE_TOKEN == 0 && REVOKE_USER == 1 && REVOKE_ALL == 2, "never renumbered");

static void put_revocation(struct buf *b, const struct store_revocation *r)
{
    if (r->what == REVOKE_TOKEN) {
        buf_put(b, STR("{\"jti\":"));
        buf_put_json(b, r->name);
    } else {
        buf_put(b, STR("{\"user\":"));
        if (r->what == REVOKE_USER) {
            buf_put_json(b, r->name);
        } else {
            buf_put(b, STR("null"));
        }
        admin_put_time(b, "issued_before", r->before_ms);
    }
    admin_put_time(b, "expires_at", r->until_ms);
}

// --- what is asked ---

static bool refuse(struct http_request *req, const char *text)
{
    http_reply_error(req, -E_BAD_REQUEST, text);
    return false;
}

// A moment, as a text or in seconds since 1970. False: it is none.
static bool read_moment(struct http_request *req, struct json_val v, int64_t *ret_ms)
{
    int64_t seconds;
    if (v.type == JSON_STRING) {
        struct str text = json_string(v, http_arena(req));
        return text.p && clock_parse(text, ret_ms) == 0;
    }
    if (json_int(v, &seconds) != 0 || seconds < 0 || seconds > INT64_MAX / 1000) {
        return false;
    }
    *ret_ms = seconds * 1000;
    return true;
}

static bool is_there(struct json_val v)
{
    return v.type != JSON_NONE && v.type != JSON_NULL;
}

static bool read_times(struct http_request *req, struct json_val body, struct store_revocation *ret)
{
    struct json_val before = json_get(body, "issued_before"), until = json_get(body, "expires_at");
    int64_t now_ms = http_now(req).wall_ms;
    ret->before_ms = now_ms;
    ret->until_ms = REVOKE_ALWAYS;
    if (is_there(before) &&
        (!read_moment(req, before, &ret->before_ms) || ret->before_ms > now_ms)) {
        return refuse(req, "`issued_before` is a moment that has passed: RFC 3339, or seconds "
                           "since 1970.");
    }
    if (is_there(until) && (!read_moment(req, until, &ret->until_ms) || ret->until_ms <= now_ms)) {
        return refuse(req, "`expires_at` is a moment to come: RFC 3339, or seconds since 1970.");
    }
    return true;
}

static bool read_revocation(struct http_request *req, struct store_revocation *ret)
{
    struct json_val body;
    if (!body_json(req, &body)) {
        return false;
    }
    struct json_val jti = json_get(body, "jti"), user = json_get(body, "user");
    bool one = is_there(jti), of_user = is_there(user);
    bool before = is_there(json_get(body, "issued_before"));
    if (body.type != JSON_OBJECT || (one && (of_user || before)) || !(one || of_user || before)) {
        return refuse(req, "Say what is revoked: `jti`, or `user`, or `issued_before`, or the "
                           "latter two.");
    }
    ret->what = one ? REVOKE_TOKEN : of_user ? REVOKE_USER : REVOKE_ALL;
    if (one || of_user) {
        struct json_val name = one ? jti : user;
        ret->name = name.type == JSON_STRING ? json_string(name, http_arena(req)) : STR_NONE;
        if (ret->name.len == 0 || ret->name.len > REVOKE_NAME_BYTES_MAX) {
            return refuse(req, "`jti` and `user` are strings of 1 to 128 bytes.");
        }
    }
    return read_times(req, body, ret);
}

// --- revoking ---

struct revoking {
    struct revoke_req store;
    struct visit visit;
    struct admin *admin;
    struct http_request *req; // one reference; what `row` refers to is its
    struct store_revocation row;
    unsigned ended;
};

static void revoking_free(struct revoking *r)
{
    http_request_unref(r->req);
    mem_free(r);
}

static void fail_take(struct revoking *r, int err, const char *text)
{
    http_reply_error(r->req, err, text);
    revoking_free(r);
}

static void end_revoked(struct visit *v, struct session *s)
{
    struct revoking *r = CONTAINER_OF(v, struct revoking, visit);
    if (gate_is_revoked(r->admin->gate, session_principal(s), clock_now().wall_ms)) {
        visit_end_session(v, s, SESSION_END_REVOKED);
        r->ended++;
    }
}

static void on_all_ended(struct visit *v)
{
    struct revoking *r = CONTAINER_OF(v, struct revoking, visit);
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    put_revocation(&b, &r->row);
    buf_putf(&b, ",\"disconnected\":%u}", r->ended);
    if (b.failed) {
        http_reply_error(r->req, -E_NO_MEMORY, NULL);
    } else {
        http_reply_json(r->req, 201, buf_str(&b));
    }
    buf_fini(&b);
    revoking_free(r);
}

static int bring_into_force(struct gate *g, const struct store_revocation *row, int64_t wall_ms)
{
    return gate_revoke(g,
                       &(struct revocation){.what = (enum revoke_what)row->what,
                                            .name = row->name,
                                            .before_ms = row->before_ms,
                                            .until_ms = row->until_ms},
                       wall_ms);
}

static void on_kept(struct mail *m)
{
    struct revoking *r = CONTAINER_OF(m, struct revoking, store.mail);
    door_leave(r->admin->door);
    int err = r->store.err;
    if (err) {
        fail_take(r, err, NULL);
        return;
    }
    err = bring_into_force(r->admin->gate, &r->row, http_now(r->req).wall_ms);
    if (err) {
        fail_take(r, err,
                  err == -E_LIMIT ? "Too many revocations: it is kept, and not in force." : NULL);
        return;
    }
    log_info("admin.revoked", "revoked: %s%.*s",
             r->row.what == REVOKE_TOKEN  ? "token "
             : r->row.what == REVOKE_USER ? "tokens of "
                                          : "all tokens so far",
             STR_ARG(r->row.name));
    r->visit.each = end_revoked;
    r->visit.done = on_all_ended;
    visit_begin(&r->visit, r->admin->door);
}

// On the writer's thread.
static void go_home(struct revoke_req *req)
{
    req->mail.run = on_kept;
    bool taken = loop_post_take(req->carrier, &req->mail);
    ASSERT(taken); // the worker waits
}

static void on_revoke(struct http_request *req, void *ctx)
{
    struct admin *a = ctx;
    struct store_revocation row = {0};
    if (!admin_is_allowed(req) || !read_revocation(req, &row)) {
        return;
    }
    if (!gate_is_on(a->gate)) {
        http_reply_error(req, -E_UNAVAILABLE, "Authentication is off: there are no tokens.");
        return;
    }
    struct revoking *r = mem_try_alloc(sizeof(*r));
    if (!r) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    r->admin = a;
    r->req = http_request_ref(req);
    r->row = row;
    r->store = (struct revoke_req){
        .rows = &r->row, .count = 1, .home = go_home, .carrier = http_loop(req)};
    door_enter(a->door);
    engine_revoke(a->engine, &r->store);
}

// --- listing ---

static void on_read(struct read_req *r)
{
    struct http_request *req = r->ctx;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_put(&b, STR("{\"items\":["));
    for (unsigned i = 0; i < r->revocations.count; i++) {
        buf_put(&b, i > 0 ? STR(",") : STR(""));
        put_revocation(&b, &r->revocations.list[i]);
        buf_putc(&b, '}');
    }
    if (r->revocations.more) {
        buf_putf(&b, "],\"next\":\"%llu\"}",
                 (unsigned long long)r->revocations.list[r->revocations.count - 1].row);
    } else {
        buf_put(&b, STR("],\"next\":null}"));
    }
    if (r->err || b.failed) {
        http_reply_error(req, r->err ? r->err : -E_NO_MEMORY, NULL);
    } else {
        http_reply_json(req, 200, buf_str(&b));
    }
    buf_fini(&b);
    http_request_unref(req);
    read_req_free(r);
}

static void on_list(struct http_request *req, void *ctx)
{
    struct admin *a = ctx;
    unsigned limit;
    uint64_t after = 0;
    struct str text = http_query(req, "after");
    if (!admin_is_allowed(req) || !admin_limit(req, LIST_USUAL, READ_REVOCATIONS_MAX, &limit)) {
        return;
    }
    if (text.p && (str_to_u64(text, &after) != 0 || after > INT64_MAX)) {
        http_reply_error(req, -E_BAD_REQUEST, "`after` is the `next` of the page before.");
        return;
    }
    struct read_req *r = read_req_new(READ_REVOCATIONS);
    if (!r) {
        http_reply_error(req, -E_NO_MEMORY, NULL);
        return;
    }
    r->revocations_query.after = after;
    r->revocations_query.wall_ms = http_now(req).wall_ms;
    r->revocations_query.limit = limit;
    r->done = on_read;
    r->ctx = http_request_ref(req);
    a->hub->ask->read(a->hub->ask, r);
}

// --- the start ---

struct loading {
    struct gate *gate;
    int64_t wall_ms;
    int err;
};

static bool load_one(void *ctx, const struct store_revocation *row)
{
    struct loading *l = ctx;
    l->err = bring_into_force(l->gate, row, l->wall_ms);
    return l->err == 0;
}

int admin_load_revocations(struct engine *e, struct gate *g)
{
    struct loading l = {.gate = g, .wall_ms = clock_now().wall_ms};
    if (!gate_is_on(g)) {
        return 0;
    }
    int err = engine_read_revocations(e, load_one, &l);
    return err ? err : l.err;
}

void admin_revocation_routes(struct router *router, struct admin *a)
{
    static const char pattern[] = "/api/v1/revocations";
    router_add(
        router,
        &(struct route){.method = HTTP1_POST, .pattern = pattern, .handle = on_revoke, .ctx = a});
    router_add(router, &(struct route){
                           .method = HTTP1_GET, .pattern = pattern, .handle = on_list, .ctx = a});
}
