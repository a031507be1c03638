// SPDX-License-Identifier: MIT
// The life of a token, on an open socket.
#include "dialect/pass.h"

#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "hub/audit.h"

#define CLOSE_EXPIRED 4401
#define CLOSE_REVOKED 4403

#define SAID_BYTES_MAX ((size_t)LIMIT_TOPICS_PER_SESSION * 8 * LIMIT_TOPIC_BYTES)

struct pass {
    struct timer timer; // until the warning, then until the end
    struct loop *loop;
    struct wsession *w;
    bool warned;
};

static int64_t ends_wall_ms(const struct wsession *w)
{
    return principal_expires_wall_ms(session_principal(w->session));
}

// The message lacks its last two braces.
static void begin_message(struct buf *b, const char *type, const char *reason)
{
    buf_init(b, SAID_BYTES_MAX);
    buf_putf(b, "{\"type\":\"%s\",\"data\":{\"reason\":\"%s\"", type, reason);
}

static void put_expiry(struct buf *b, int64_t wall_ms)
{
    if (wall_ms != PRINCIPAL_FOR_EVER) {
        buf_put(b, STR(",\"expires_at\":\""));
        buf_put_time(b, wall_ms);
        buf_putc(b, '"');
    }
}

static void end_message(struct wsession *w, struct buf *b)
{
    buf_put(b, STR("}}"));
    wsession_send(w, b);
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
    int64_t left_ms = ends_wall_ms(p->w) - wsession_wall_ms(p->w);
    int64_t wait_ms = p->warned ? left_ms : left_ms - warning_ms(left_ms);
    loop_timer_after(p->loop, &p->timer, wait_ms > 0 ? wait_ms : 0);
}

static void on_time(struct timer *t)
{
    struct pass *p = CONTAINER_OF(t, struct pass, timer);
    struct wsession *w = p->w;
    if (!p->warned) {
        struct buf b;
        p->warned = true;
        begin_message(&b, "SESSION_EXPIRED", "token_expires");
        put_expiry(&b, ends_wall_ms(w));
        end_message(w, &b);
        audit_tell(w->hub->audit, w->session, EVENT_TYPE_SESSION_EXPIRED, "token_expires");
        arm(p);
    } else if (wsession_wall_ms(w) < ends_wall_ms(w)) {
        arm(p); // the wall clock was set back
    } else {
        audit_tell(w->hub->audit, w->session, EVENT_TYPE_SESSION_AUTH_REQUIRED, "token_expired");
        ws_close(w->ws, CLOSE_EXPIRED, "the token has expired");
    }
}

bool pass_new(struct wsession *w, struct pass **ret)
{
    *ret = NULL;
    if (ends_wall_ms(w) == PRINCIPAL_FOR_EVER) {
        return true;
    }
    struct pass *p = mem_try_alloc(sizeof(*p));
    if (!p) {
        return false;
    }
    p->w = w;
    p->loop = ws_loop(w->ws);
    timer_init(&p->timer, on_time);
    arm(p);
    *ret = p;
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
    struct buf message;
    unsigned count;
};

static void on_lost(void *ctx, struct str topic)
{
    struct losing *l = ctx;
    buf_put(&l->message, l->count++ ? STR(",") : STR(""));
    buf_put_json(&l->message, topic);
}

// Goes on as `principal`, and tells what is lost by it.
static void change(struct wsession *w, struct principal *principal)
{
    struct losing l = {0};
    bool shrinks = !principal_covers(principal, session_principal(w->session));
    begin_message(&l.message, "SESSION_PERMISSION_CHANGED", "token_refreshed");
    put_expiry(&l.message, principal_expires_wall_ms(principal));
    buf_put(&l.message, STR(",\"topics\":["));
    session_set_principal(w->session, principal, on_lost, &l);
    buf_putc(&l.message, ']');
    audit_tell(w->hub->audit, w->session, EVENT_TYPE_AUTH_TOKEN_REFRESH, "token_refreshed");
    if (shrinks) {
        end_message(w, &l.message);
        audit_tell(w->hub->audit, w->session, EVENT_TYPE_SESSION_PERMISSION_CHANGED,
                   "token_refreshed");
    } else {
        buf_fini(&l.message);
    }
    if (w->pass) {
        w->pass->warned = false;
        arm(w->pass);
    }
}

void pass_on_end(void *sink, enum session_end why)
{
    struct wsession *w = sink;
    bool revoked = why == SESSION_END_REVOKED;
    if (w->ws && ws_is_open(w->ws)) {
        audit_logout(w->hub->audit, w->session, why);
        ws_close(w->ws, CLOSE_REVOKED,
                 revoked ? "the token was revoked" : "disconnected by an administrator");
    }
}

// --- another token ---

// One under way.
struct refresh {
    struct token_check check;
    struct wsession *w; // one reference
    char *text, *ref;   // owned; ref NULL: none
};

static void refresh_free(struct refresh *r)
{
    if (r->text) {
        explicit_bzero(r->text, r->check.text.len);
    }
    mem_free(r->text);
    mem_free(r->ref);
    r->w->refreshing = false;
    wsession_unref(r->w);
    mem_free(r);
}

static void refuse(struct wsession *w, int err, const char *text, struct str ref)
{
    wsession_refuse(w, &(struct wrefusal){.err = err, .text = text, .ref = ref});
}

static void say_refreshed(struct wsession *w, struct str ref)
{
    struct buf b;
    buf_init(&b, LIMIT_MESSAGE_BYTES);
    buf_put(&b, STR("{\"type\":\"AUTH_TOKEN_REFRESH\",\"data\":{\"expires_at\":\""));
    buf_put_time(&b, ends_wall_ms(w));
    buf_put(&b, STR("\"}"));
    if (ref.p) {
        buf_put(&b, STR(",\"ref\":"));
        buf_put(&b, ref);
    }
    buf_putc(&b, '}');
    wsession_send(w, &b);
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
    struct wsession *w = r->w;
    struct str ref = str_of(r->ref);
    if (w->ws && ws_is_open(w->ws)) {
        if (c->err) {
            refuse(w, c->err, NULL, ref);
        } else if (!same_user(c->principal, session_principal(w->session))) {
            refuse(w, -E_FORBIDDEN, "That token is another user's.", ref);
        } else {
            change(w, c->principal);
            say_refreshed(w, ref);
        }
    }
    principal_unref(c->principal);
    refresh_free(r);
}

void pass_refresh(struct wsession *w, const struct wmessage *m)
{
    struct json_val token = json_get(json_get(m->object, "data"), "token");
    struct token_checker *checker = w->hub->checker;
    if (!checker) {
        refuse(w, -E_BAD_REQUEST, "Authentication is off: there is no token to renew.", m->ref);
        return;
    }
    if (token.type != JSON_STRING) {
        refuse(w, -E_BAD_REQUEST, "`data.token` must be a string: the new token.", m->ref);
        return;
    }
    if (w->refreshing) {
        refuse(w, -E_RATE_LIMITED, "The token before is still being checked.", m->ref);
        return;
    }
    struct str text = json_string(token, m->arena);
    struct refresh *r = mem_try_alloc(sizeof(*r));
    if (!r) {
        refuse(w, -E_NO_MEMORY, NULL, m->ref);
        return;
    }
    r->w = wsession_ref(w);
    w->refreshing = true;
    r->text = text.p ? mem_try_strdup(text) : NULL;
    r->ref = m->ref.p ? mem_try_strdup(m->ref) : NULL;
    if (!r->text || (m->ref.p && !r->ref)) {
        refuse(w, -E_NO_MEMORY, NULL, m->ref);
        refresh_free(r);
        return;
    }
    r->check = (struct token_check){.text = str_make(r->text, text.len), .done = on_checked};
    checker->check(checker, &r->check);
}
