// SPDX-License-Identifier: MIT
// The life of a token, on an open connection.
#include "dialect/pass.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "hub/audit.h"

#define CLOSE_EXPIRED 4401
#define CLOSE_REVOKED 4403

#define SAID_BYTES_MAX ((size_t)LIMIT_TOPICS_PER_SESSION * 8 * LIMIT_TOPIC_BYTES)

struct pass {
    struct timer timer; // until the warning, then until the end
    const struct pass_ops *ops;
    void *holder;
    struct loop *loop;
    bool warned;
};

static int64_t ends_wall_ms(const struct session *s)
{
    return principal_expires_wall_ms(session_principal(s));
}

// The object lacks its last brace.
static void begin_data(struct buf *b, const char *reason)
{
    buf_init(b, SAID_BYTES_MAX);
    buf_putf(b, "{\"reason\":\"%s\"", reason);
}

static void put_expiry(struct buf *b, int64_t wall_ms)
{
    if (wall_ms != PRINCIPAL_FOR_EVER) {
        buf_put(b, STR(",\"expires_at\":\""));
        buf_put_time(b, wall_ms);
        buf_putc(b, '"');
    }
}

static void say(const struct pass_ops *ops, void *holder, const char *type, struct buf *b)
{
    buf_putc(b, '}');
    ops->say(holder, type, b->failed ? STR_NONE : buf_str(b));
    buf_fini(b);
}

// --- time ---

// A quarter of what is left, for tokens that live shorter than the warning.
static int64_t warning_ms(int64_t left_ms)
{
    return left_ms / 4 < LIMIT_EXPIRY_WARNING_MS ? left_ms / 4 : LIMIT_EXPIRY_WARNING_MS;
}

static void arm(struct pass *p)
{
    const struct session *s = p->ops->look(p->holder).session;
    int64_t left_ms = ends_wall_ms(s) - loop_now(p->loop).wall_ms;
    int64_t wait_ms = p->warned ? left_ms : left_ms - warning_ms(left_ms);
    loop_timer_after(p->loop, &p->timer, wait_ms > 0 ? wait_ms : 0);
}

static void on_time(struct timer *t)
{
    struct pass *p = CONTAINER_OF(t, struct pass, timer);
    struct pass_holder h = p->ops->look(p->holder);
    if (!p->warned) {
        struct buf b;
        p->warned = true;
        begin_data(&b, "token_expires");
        put_expiry(&b, ends_wall_ms(h.session));
        say(p->ops, p->holder, "SESSION_EXPIRED", &b);
        audit_tell(h.hub->audit, h.session, EVENT_TYPE_SESSION_EXPIRED, "token_expires");
        arm(p);
    } else if (loop_now(p->loop).wall_ms < ends_wall_ms(h.session)) {
        arm(p); // the wall clock was set back
    } else {
        audit_tell(h.hub->audit, h.session, EVENT_TYPE_SESSION_AUTH_REQUIRED, "token_expired");
        p->ops->end(p->holder, CLOSE_EXPIRED, "the token has expired");
    }
}

bool pass_new(const struct pass_ops *ops, void *holder)
{
    struct pass_holder h = ops->look(holder);
    *h.pass = NULL;
    if (ends_wall_ms(h.session) == PRINCIPAL_FOR_EVER) {
        return true;
    }
    struct pass *p = mem_try_alloc(sizeof(*p));
    if (!p) {
        return false;
    }
    p->ops = ops;
    p->holder = holder;
    p->loop = h.loop;
    timer_init(&p->timer, on_time);
    arm(p);
    *h.pass = p;
    return true;
}

void pass_free(struct pass *p)
{
    if (p) {
        loop_timer_cancel(p->loop, &p->timer);
        mem_free(p);
    }
}

// --- rights ---

struct losing {
    struct buf data;
    unsigned count;
};

static void on_lost(void *ctx, struct str topic)
{
    struct losing *l = ctx;
    buf_put(&l->data, l->count++ ? STR(",") : STR(""));
    buf_put_json(&l->data, topic);
}

// Goes on as `principal`, and tells what is lost by it.
static void change(const struct pass_ops *ops, void *holder, struct principal *principal)
{
    struct pass_holder h = ops->look(holder);
    struct losing l = {0};
    bool shrinks = !principal_covers(principal, session_principal(h.session));
    begin_data(&l.data, "token_refreshed");
    put_expiry(&l.data, principal_expires_wall_ms(principal));
    buf_put(&l.data, STR(",\"topics\":["));
    session_set_principal(h.session, principal, on_lost, &l);
    buf_putc(&l.data, ']');
    audit_tell(h.hub->audit, h.session, EVENT_TYPE_AUTH_TOKEN_REFRESH, "token_refreshed");
    if (shrinks) {
        say(ops, holder, "SESSION_PERMISSION_CHANGED", &l.data);
        audit_tell(h.hub->audit, h.session, EVENT_TYPE_SESSION_PERMISSION_CHANGED,
                   "token_refreshed");
    } else {
        buf_fini(&l.data);
    }
    struct pass *p = *h.pass;
    if (p) {
        p->warned = false;
        arm(p);
    }
}

void pass_end(const struct pass_ops *ops, void *holder, enum session_end why)
{
    struct pass_holder h = ops->look(holder);
    bool revoked = why == SESSION_END_REVOKED;
    audit_logout(h.hub->audit, h.session, why);
    ops->end(holder, CLOSE_REVOKED,
             revoked ? "the token was revoked" : "disconnected by an administrator");
}

// --- another token ---

// One under way.
struct refresh {
    struct token_check check;
    const struct pass_ops *ops;
    void *holder; // one reference
    char *text;   // owned
    void *ref;    // the caller's
};

static void refuse(const struct pass_ops *ops, void *holder, int err, const char *text, void *ref)
{
    ops->refreshed(holder, err, text, STR_NONE, ref);
}

static void say_refreshed(const struct refresh *r)
{
    struct buf b;
    buf_init(&b, SAID_BYTES_MAX);
    buf_put(&b, STR("{\"expires_at\":\""));
    buf_put_time(&b, ends_wall_ms(r->ops->look(r->holder).session));
    buf_put(&b, STR("\"}"));
    if (b.failed) {
        refuse(r->ops, r->holder, -E_NO_MEMORY, NULL, r->ref);
    } else {
        r->ops->refreshed(r->holder, 0, NULL, buf_str(&b), r->ref);
    }
    buf_fini(&b);
}

static bool same_user(const struct principal *a, const struct principal *b)
{
    struct str x = principal_user_id(a), y = principal_user_id(b);
    return x.p ? y.p && str_eq(x, y) : !y.p;
}

static void on_checked(struct token_check *c)
{
    struct refresh *r = CONTAINER_OF(c, struct refresh, check);
    struct pass_holder h = r->ops->look(r->holder);
    *h.refreshing = false;
    if (!h.session) {
        refuse(r->ops, r->holder, -E_UNAVAILABLE, NULL, r->ref); // nobody hears it
    } else if (c->err) {
        refuse(r->ops, r->holder, c->err, NULL, r->ref);
    } else if (!same_user(c->principal, session_principal(h.session))) {
        refuse(r->ops, r->holder, -E_FORBIDDEN, "That token is another user's.", r->ref);
    } else {
        change(r->ops, r->holder, c->principal);
        say_refreshed(r);
    }
    principal_unref(c->principal);
    explicit_bzero(r->text, c->text.len);
    mem_free(r->text);
    mem_free(r);
}

void pass_refresh_take(const struct pass_ops *ops, void *holder, struct str token, void *ref)
{
    struct pass_holder h = ops->look(holder);
    struct token_checker *checker = h.hub->checker;
    if (!checker) {
        refuse(ops, holder, -E_BAD_REQUEST, "Authentication is off: there is no token to renew.",
               ref);
        return;
    }
    if (*h.refreshing) {
        refuse(ops, holder, -E_RATE_LIMITED, "The token before is still being checked.", ref);
        return;
    }
    struct refresh *r = mem_try_alloc(sizeof(*r));
    char *text = mem_try_strdup(token);
    if (!r || !text) {
        mem_free(r);
        mem_free(text);
        refuse(ops, holder, -E_NO_MEMORY, NULL, ref);
        return;
    }
    *h.refreshing = true;
    *r = (struct refresh){.ops = ops, .holder = holder, .text = text, .ref = ref};
    r->check = (struct token_check){.text = str_make(text, token.len), .done = on_checked};
    checker->check(checker, &r->check);
}
