// SPDX-License-Identifier: MIT
// The hub's own events about who is here.
#include "server/audit.h"

#include <pthread.h>

#include "auth/token.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "hub/intake.h"
#include "net/loop.h"

#define EVENT_BYTES_MAX ((size_t)4096)

// Where a token is looked for, and what gives way when that is full.
#define SETS         4096
#define TOKENS_A_SET 8
#define USERS        1024

struct audit_tokens {
    struct hash_key key;
    pthread_mutex_t lock;
    struct {
        uint64_t hashes[TOKENS_A_SET]; // 0: free
        unsigned next;
    } sets[SETS];
};

struct worker_audit {
    struct audit base;
    struct audit_config cfg;
    struct principal *hub; // who publishes
    struct hash_key key;
    // Of this window.
    int64_t window;
    unsigned count;
    uint16_t by_user[USERS];
};

// --- tokens that are known ---

struct audit_tokens *audit_tokens_new(const struct hash_key *key)
{
    struct audit_tokens *t = mem_alloc(sizeof(*t));
    t->key = *key;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void audit_tokens_free(struct audit_tokens *t)
{
    if (t) {
        pthread_mutex_destroy(&t->lock);
        mem_free(t);
    }
}

static uint64_t hash_of(const struct hash_key *key, const struct token *t)
{
    const uint64_t parts[] = {
        t->sub.p ? siphash(key, t->sub) : 1,
        t->jti.p ? siphash(key, t->jti) : 2,
        (uint64_t)t->issued_ms,
        (uint64_t)t->expires_ms,
    };
    uint64_t hash = siphash(key, str_make((const char *)parts, sizeof(parts)));
    return hash ? hash : 1;
}

// The first time that this token is seen?
static bool is_new(struct audit_tokens *tokens, const struct token *t)
{
    uint64_t hash = hash_of(&tokens->key, t);
    bool known = false;
    pthread_mutex_lock(&tokens->lock);
    uint64_t *set = tokens->sets[hash % SETS].hashes;
    for (unsigned i = 0; i < TOKENS_A_SET; i++) {
        known = known || set[i] == hash;
    }
    if (!known) {
        unsigned *next = &tokens->sets[hash % SETS].next;
        set[*next] = hash;
        *next = (*next + 1) % TOKENS_A_SET;
    }
    pthread_mutex_unlock(&tokens->lock);
    return !known;
}

// --- how much ---

static bool may_tell(struct worker_audit *a, struct str user, int64_t mono_ms)
{
    if (mono_ms / AUDIT_WINDOW_MS != a->window) {
        a->window = mono_ms / AUDIT_WINDOW_MS;
        a->count = 0;
        memset(a->by_user, 0, sizeof(a->by_user));
    }
    uint16_t *of_user = &a->by_user[siphash(&a->key, user) % USERS];
    if (a->count >= AUDIT_PER_WINDOW || *of_user >= AUDIT_PER_USER_WINDOW) {
        return false;
    }
    a->count++;
    ++*of_user;
    return true;
}

static void leave_out(struct worker_audit *a, const char *why)
{
    metrics_add(a->cfg.metrics, METRIC_AUDIT_LEFT_OUT, 1);
    log_warn("audit.left_out", "an event about a session was left out: %s", why);
}

// --- events ---

static void on_answered(struct submit *s)
{
    struct worker_audit *a = s->ctx;
    if (s->answer.err) {
        leave_out(a, err_text(s->answer.err));
    }
    submit_free(s);
}

static void put_event(struct buf *b, const struct session *s, enum event_type type,
                      const char *reason)
{
    const struct principal *p = session_principal(s);
    const struct token *t = principal_ctx(p);
    char id[SESSION_ID_TEXT];
    buf_put(b, STR("{\"user\":"));
    buf_put_json(b, principal_user_id(p));
    buf_putf(b, ",\"type\":\"%s\",\"data\":{\"reason\":\"%s\",\"connection_id\":\"",
             event_type_name(type), reason);
    buf_put(b, session_id_text(s, id));
    buf_putc(b, '"');
    if (principal_expires_wall_ms(p) != PRINCIPAL_FOR_EVER) {
        buf_put(b, STR(",\"expires_at\":\""));
        buf_put_time(b, principal_expires_wall_ms(p));
        buf_putc(b, '"');
    }
    if (t && t->jti.p) {
        buf_put(b, STR(",\"jti\":"));
        buf_put_json(b, t->jti);
    }
    buf_put(b, STR("}}"));
}

static int submit(struct worker_audit *a, const struct session *s, struct str text)
{
    struct json_val object;
    struct report_fault fault;
    size_t offset;
    struct submit *sub = submit_new(a->cfg.hub->realm, a->hub);
    if (!sub) {
        return -E_NO_MEMORY;
    }
    sub->origin = session_id(s);
    sub->done = on_answered;
    sub->ctx = a;
    int err = json_parse(text, LIMIT_JSON_DEPTH, &object, &offset);
    err = err ? err : submit_add_publish(sub, object, &fault);
    err = err ? err : a->cfg.hub->intake->submit_take(a->cfg.hub->intake, sub);
    if (err) {
        submit_free(sub);
    }
    return err;
}

static void tell(struct audit *base, const struct session *s, enum event_type type,
                 const char *reason)
{
    struct worker_audit *a = CONTAINER_OF(base, struct worker_audit, base);
    const struct principal *p = session_principal(s);
    const struct token *t = principal_ctx(p);
    struct str user = principal_user_id(p);
    if (!user.p || !t || (type == EVENT_TYPE_AUTH_LOGIN_SUCCESS && !is_new(a->cfg.tokens, t))) {
        return;
    }
    if (!may_tell(a, user, loop_now(a->cfg.loop).mono_ms)) {
        leave_out(a, "there are too many");
        return;
    }
    struct buf b;
    buf_init(&b, EVENT_BYTES_MAX);
    put_event(&b, s, type, reason);
    int err = b.failed ? -E_NO_MEMORY : submit(a, s, buf_str(&b));
    if (err) {
        leave_out(a, err_text(err));
    }
    buf_fini(&b);
}

// --- life ---

struct audit *audit_new(const struct audit_config *cfg)
{
    struct worker_audit *a = mem_alloc(sizeof(*a));
    a->base.tell = tell;
    a->cfg = *cfg;
    a->key = cfg->tokens->key;
    a->hub = principal_new_anyone(true);
    return &a->base;
}

void audit_free(struct audit *base)
{
    if (base) {
        struct worker_audit *a = CONTAINER_OF(base, struct worker_audit, base);
        principal_unref(a->hub);
        mem_free(a);
    }
}
