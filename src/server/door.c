// SPDX-License-Identifier: MIT
// A worker's door: the tokens of its requests.
#include "base/assert.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/httpd.h"
#include "http/websocket.h"
#include "server/credentials.h"
#include "server/gate_int.h"

#define CLOSE_UNAUTHORIZED 4401

// --- principals ---

static bool may(const void *ctx, enum right right, struct str topic)
{
    const struct token *t = ctx;
    return grants_allow(&t->grants, right == RIGHT_PUBLISH ? GRANT_PUBLISH : GRANT_SUBSCRIBE,
                        topic);
}

static bool covers(const void *ctx, const void *other)
{
    const struct token *a = ctx, *b = other;
    return grants_cover(&a->grants, &b->grants);
}

static void drop_token(void *ctx)
{
    token_unref(ctx);
}

static const struct principal_ops by_token = {.may = may, .covers = covers, .free = drop_token};

// Takes the token.
static int principal_of_take(struct token *t, struct principal **ret)
{
    *ret = principal_try_new_take(&(struct principal_init){.user_id = t->sub,
                                                           .admin = t->grants.admin,
                                                           .expires_wall_ms = t->expires_ms,
                                                           .ops = &by_token,
                                                           .ctx = t});
    return *ret ? 0 : -E_NO_MEMORY;
}

// --- questions ---

// A token that must be checked: of a request, or in band.
struct asked {
    struct verify verify;
    struct door *door;
    struct http_request *req; // one reference; NULL: in band
    struct token_check *check;
};

static void count(struct door *d, int err, enum why why)
{
    if (err == 0) {
        metrics_add(d->cfg.metrics, METRIC_AUTH_ACCEPTED, 1);
    } else if (err == -E_UNAVAILABLE) {
        metrics_add(d->cfg.metrics, METRIC_AUTH_BUSY, 1);
    } else {
        metrics_add(d->cfg.metrics, METRIC_AUTH_REFUSED, 1);
        if (why != WHY_NONE) {
            log_info("auth.refused", "refused: the token %s", why_text(why));
        }
    }
}

static void answer(struct token_check *c, int err, struct principal *p)
{
    c->err = err;
    c->principal = p;
    c->done(c);
}

static bool stands(struct token_checker *t, const struct principal *p)
{
    struct door *d = CONTAINER_OF(t, struct door, checker);
    return !gate_is_revoked(d->cfg.gate, p, loop_now(d->cfg.loop).wall_ms);
}

static void on_verified(struct verify *v)
{
    struct asked *a = CONTAINER_OF(v, struct asked, verify);
    struct door *d = a->door;
    struct principal *p = NULL;
    int err = v->error;
    d->under_way--;
    if (!err) {
        err = principal_of_take(v->token, &p);
    }
    if (!err && !stands(&d->checker, p)) {
        principal_unref(p);
        p = NULL;
        err = -E_UNAUTHORIZED;
    }
    count(d, err, v->why);
    if (a->req) {
        http_authenticated_take(a->req, err, p);
        http_request_unref(a->req);
    } else {
        answer(a->check, err, p);
    }
    mem_free(a);
}

// 0 with the principal, -E_*, or -E_AGAIN: the question is on its way.
static int check(struct door *d, struct str text, const struct asked *as, struct principal **ret)
{
    int64_t wall_ms = loop_now(d->cfg.loop).wall_ms;
    struct token *t = verifier_lookup(d->verifier, text, wall_ms);
    if (t) {
        count(d, 0, WHY_NONE);
        return principal_of_take(t, ret);
    }
    struct asked *a = mem_try_alloc(sizeof(*a));
    if (!a) {
        return -E_NO_MEMORY;
    }
    *a = *as;
    a->verify = (struct verify){
        .text = text, .wall_ms = wall_ms, .reply = loop_mailbox(d->cfg.loop), .done = on_verified};
    int err = verifier_ask(d->verifier, &a->verify);
    if (err) {
        count(d, err, a->verify.why);
        mem_free(a);
        return err;
    }
    d->under_way++;
    if (as->req) {
        http_request_ref(as->req);
    }
    return -E_AGAIN;
}

int door_authenticate(void *door, struct http_request *req, void **ret_principal)
{
    struct door *d = door;
    struct principal *p;
    if (!d->verifier) {
        *ret_principal = principal_ref(d->anyone);
        return 0;
    }
    struct str text = credentials_find(req, d->cfg.gate->config->auth_cookie);
    if (!text.p) {
        count(d, -E_UNAUTHORIZED, WHY_NONE);
        return -E_UNAUTHORIZED;
    }
    int err = check(d, text, &(struct asked){.door = d, .req = req}, &p);
    if (!err) {
        *ret_principal = p;
    }
    return err;
}

void door_principal_unref(void *principal)
{
    principal_unref(principal);
}

static void check_in_band(struct token_checker *t, struct token_check *c)
{
    struct door *d = CONTAINER_OF(t, struct door, checker);
    struct principal *p = NULL;
    int err = check(d, c->text, &(struct asked){.door = d, .check = c}, &p);
    if (err != -E_AGAIN) {
        answer(c, err, p);
    }
}

// --- browsers without a good token ---

static void ignore_text(struct ws *ws, void *arg, struct str text)
{
    (void)ws, (void)arg, (void)text;
}

static void ignore_closed(struct ws *ws, void *arg, int code)
{
    (void)ws, (void)arg, (void)code;
}

void door_refuse_upgrade(void *door, struct http_request *req)
{
    static const struct ws_ops nobody = {.on_text = ignore_text, .on_closed = ignore_closed};
    (void)door;
    struct ws *ws;
    struct http1_list offers = ws_offered(req);
    struct str protocol;
    if (!http1_list_next(&offers, &protocol)) {
        protocol = STR_NONE; // else one must be chosen, or the browser hears nothing
    }
    if (ws_upgrade(req, protocol, &nobody, NULL, &ws)) {
        ws_send_text(ws, STR("{\"type\":\"SESSION_AUTH_REQUIRED\",\"data\":{\"reason\":"
                             "\"token_missing_or_invalid\"}}"));
        ws_close(ws, CLOSE_UNAUTHORIZED, "a valid token is needed");
    }
}

// --- life ---

struct door *door_new(const struct door_config *cfg)
{
    struct door *d = mem_alloc(sizeof(*d));
    d->cfg = *cfg;
    d->verifier = cfg->gate->verifier;
    d->anyone = principal_new_anyone(true);
    d->checker.check = check_in_band;
    d->checker.stands = stands;
    pthread_mutex_lock(&cfg->gate->lock);
    list_push_back(&cfg->gate->doors, &d->node);
    pthread_mutex_unlock(&cfg->gate->lock);
    return d;
}

void door_free(struct door *d)
{
    if (!d) {
        return;
    }
    ASSERT(d->under_way == 0 && d->visits == 0);
    pthread_mutex_lock(&d->cfg.gate->lock);
    list_del(&d->node);
    pthread_mutex_unlock(&d->cfg.gate->lock);
    principal_unref(d->anyone);
    mem_free(d);
}

bool door_is_idle(struct door *d)
{
    pthread_mutex_lock(&d->cfg.gate->lock);
    bool visited = d->visits > 0;
    pthread_mutex_unlock(&d->cfg.gate->lock);
    return d->under_way == 0 && !visited;
}

void door_close(struct door *d)
{
    pthread_mutex_lock(&d->cfg.gate->lock);
    d->closed = true;
    pthread_mutex_unlock(&d->cfg.gate->lock);
}

struct token_checker *door_checker(struct door *d)
{
    return d->verifier ? &d->checker : NULL;
}
