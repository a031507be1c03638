// SPDX-License-Identifier: MIT
// Clients of Socket.IO on their way in: the connection, the token, the session.
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "dialect/chef.h"
#include "hub/realm.h"
#include "hub/recall.h"
#include "wire/cursor.h"

#define SID_BYTES 15 // random
#define SID_CHARS 20
#define PID_BYTES 18
#define PID_CHARS 24
#define KEY_CHARS 64 // of a hash

#define SECRET_CHARS_MAX 100
#define TOPIC_BYTES_MAX  (LIMIT_TOPIC_BYTES + 1)
// Of one that comes in: what it says, and the topics it was on.
#define ENTRY_BYTES_MAX ((size_t)1 << 20)

// An Engine.IO connection, and what its first request said.
struct chef_conn {
    struct chef_server *server;
    struct net_addr peer;
    char *token; // owned; NULL: it named none
    char *since; // the same
};

static void conn_free(struct chef_conn *c)
{
    if (c->token) {
        explicit_bzero(c->token, strlen(c->token));
    }
    mem_free(c->token);
    mem_free(c->since);
    mem_free(c);
}

// By `Authorization`, or `?token=`; p = NULL: neither.
static struct str token_of(const struct http_request *req)
{
    struct str header = http_header(req, "Authorization");
    const struct str scheme = STR("Bearer ");
    if (header.len > scheme.len && str_eq_nocase(str_make(header.p, scheme.len), scheme)) {
        return str_from(header, scheme.len);
    }
    return http_query(req, "token");
}

int chef_on_open(void *ctx, struct http_request *req, void **ret_conn)
{
    struct chef_conn *c = mem_try_alloc(sizeof(*c));
    if (!c) {
        return -E_NO_MEMORY;
    }
    struct str token = token_of(req), since = http_query(req, "since");
    c->server = ctx;
    c->peer = *http_peer(req);
    c->token = token.p ? mem_try_strdup(token) : NULL;
    c->since = since.p ? mem_try_strdup(since) : NULL;
    if ((token.p && !c->token) || (since.p && !c->since)) {
        conn_free(c);
        return -E_NO_MEMORY;
    }
    *ret_conn = c;
    return 0;
}

void chef_on_conn_gone(void *conn)
{
    conn_free(conn);
}

// --- being let in ---

// One whose token is being checked.
struct entry {
    struct token_check check;
    struct chef *client;     // one reference
    struct arena arena;      // holds the rest
    struct str token, since; // p = NULL: none
    struct str pid, offset;  // of who comes back; p = NULL: a new client
};

static void entry_free(struct entry *e)
{
    if (e->token.p) {
        explicit_bzero((void *)(uintptr_t)e->token.p, e->token.len);
    }
    arena_fini(&e->arena);
    chef_unref(e->client);
    mem_free(e);
}

static void refuse(struct chef *c, const char *why)
{
    struct sio_socket *s = c->socket;
    c->socket = NULL;
    sio_refuse(s, str_of(why), STR_NONE);
    chef_unref(c);
}

// A topic of the user's own is joined without being asked for.
static bool join_automatic(struct chef *c, struct str since)
{
    char name[TOPIC_BYTES_MAX];
    struct str user = principal_user_id(session_principal(c->session));
    int len = snprintf(name, sizeof(name), "user:%.*s", STR_ARG(user));
    struct str topic = str_make(name, (size_t)len);
    if (!user.p || len >= (int)sizeof(name)) {
        return true;
    }
    struct session_subscribe sub = {.topics = &topic, .count = 1, .since = since};
    return chef_subscribe(c, &sub, &(struct chef_ask){.quiet = true});
}

// --- names and secrets ---

// What a client is known by while it is here, and the secret by which it may come back.
struct names {
    char sid[SID_CHARS + 1], pid[PID_CHARS + 1];
};

static void put_random(char *text, size_t bytes)
{
    char random[PID_BYTES];
    struct buf b;
    ASSERT(bytes <= sizeof(random));
    random_bytes(random, bytes);
    buf_init(&b, 2 * sizeof(random));
    base64url_put(&b, random, bytes);
    ASSERT(!b.failed);
    memcpy(text, b.p, b.len);
    text[b.len] = '\0';
    buf_fini(&b);
}

// A secret is stored nowhere, only what it can be told by.
static bool make_key(struct str pid, char key[KEY_CHARS + 1])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(pid.p, pid.len, hash, &len, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (unsigned i = 0; i < len && 2 * i < KEY_CHARS; i++) {
        (void)snprintf(key + (size_t)2 * i, 3, "%02x", hash[i]);
    }
    return true;
}

// --- coming back ---

static bool is_ours(const struct chef *c, struct str offset)
{
    struct cursor at;
    return cursor_parse(offset, &at) == 0 && realm_cursor_known(c->server->cfg.hub->realm, at);
}

// The topics it was on, each from where it is owed; those it had only asked for, as anew.
static bool go_on(struct chef *c, struct entry *e, const struct recall_client *was)
{
    struct arena *a = &e->arena;
    struct str *joined = arena_try_alloc(a, (was->count + 1) * sizeof(*joined));
    uint64_t *after = arena_try_alloc(a, (was->count + 1) * sizeof(*after));
    unsigned count = 0;
    bool ok = joined && after;
    for (unsigned i = 0; i < was->count && ok; i++) {
        if (was->topics[i].joined) {
            joined[count] = was->topics[i].name;
            after[count++] = was->topics[i].from;
        }
    }
    struct session_subscribe back = {
        .topics = joined, .count = count, .since = e->offset, .after = after, .leads = true};
    ok = ok && (count == 0 || chef_subscribe(c, &back, &(struct chef_ask){0}));
    for (unsigned i = 0; i < was->count && ok; i++) {
        struct session_subscribe anew = {.topics = &was->topics[i].name, .count = 1};
        ok = was->topics[i].joined || chef_subscribe(c, &anew, &(struct chef_ask){0});
    }
    return ok;
}

// False: it is a new client.
static bool come_back(struct chef *c, struct entry *e)
{
    struct recaller *recaller = c->server->cfg.hub->recaller;
    struct recall_client was;
    char key[KEY_CHARS + 1];
    uint64_t before;
    struct recall_taker taker = {.holder = session_id(c->session),
                                 .user = principal_user_id(session_principal(c->session)),
                                 .wall_ms = loop_now(c->server->cfg.loop).wall_ms};
    if (!e->pid.p || !is_ours(c, e->offset) || !make_key(e->pid, key)) {
        return false;
    }
    c->key = mem_try_strdup(str_of(key));
    if (!c->key ||
        recalls_take(recaller->table, str_of(key), &taker, &e->arena, &was, &before) != 0) {
        mem_free(c->key);
        c->key = NULL;
        return false;
    }
    if (before) {
        recaller->oust(recaller, before);
    }
    sio_accept(c->socket, was.sid, e->pid);
    if (!go_on(c, e, &was)) {
        chef_out_of_memory(c);
    }
    chef_make_room(c);
    return true;
}

static void begin_anew(struct chef *c, const struct entry *e)
{
    struct recalls *table = c->server->cfg.hub->recaller->table;
    struct names names;
    char key[KEY_CHARS + 1];
    put_random(names.sid, SID_BYTES);
    put_random(names.pid, PID_BYTES);
    struct recall_client client = {.sid = str_of(names.sid),
                                   .user = principal_user_id(session_principal(c->session))};
    c->key = make_key(str_of(names.pid), key) ? mem_try_strdup(str_of(key)) : NULL;
    int err = c->key ? recalls_add(table, str_of(key), session_id(c->session), &client,
                                   loop_now(c->server->cfg.loop).wall_ms)
                     : -E_NO_MEMORY;
    if (err == -E_LIMIT) {
        metrics_hit(c->server->cfg.metrics, LIMIT_ROW_RECOVERIES);
    }
    if (err) { // it can't come back
        mem_free(c->key);
        c->key = NULL;
    }
    sio_accept(c->socket, client.sid, err ? STR_NONE : str_of(names.pid));
    explicit_bzero(&names, sizeof(names));
    chef_keep(c);
    chef_say_connected(c);
    if (!join_automatic(c, e->since)) {
        chef_out_of_memory(c);
    }
}

static void let_in(struct entry *e, struct principal *principal)
{
    struct chef *c = e->client;
    const char *why;
    if (!chef_open(c, principal, &why)) {
        refuse(c, why);
    } else if (!come_back(c, e)) {
        begin_anew(c, e);
    }
}

static void on_checked(struct token_check *check)
{
    struct entry *e = CONTAINER_OF(check, struct entry, check);
    if (e->client->socket && check->err == -E_UNAUTHORIZED) {
        refuse(e->client, "Authentication error");
    } else if (e->client->socket && check->err) {
        refuse(e->client, err_text(check->err));
    } else if (e->client->socket) {
        let_in(e, check->principal);
    }
    principal_unref(check->principal);
    entry_free(e);
}

// A text of the object, copied; `other` when it has none. False without memory.
static bool read_text(struct entry *e, struct json_val auth, const char *name, const char *other,
                      struct str *ret)
{
    struct json_val v = json_get(auth, name);
    struct str text = v.type == JSON_STRING ? json_string(v, &e->arena) : str_of(other);
    *ret = text.p ? arena_try_copy(&e->arena, text) : STR_NONE; // it may lie in the message
    return ret->p || (v.type != JSON_STRING && !other);
}

// `auth.token`, or what the connection came with.
static bool read_auth(struct entry *e, const struct chef_conn *conn, struct json_val auth)
{
    if (!read_text(e, auth, "token", conn->token, &e->token) ||
        !read_text(e, auth, "pid", NULL, &e->pid) ||
        !read_text(e, auth, "offset", NULL, &e->offset) ||
        !read_text(e, (struct json_val){.type = JSON_NONE}, "", conn->since, &e->since)) {
        return false;
    }
    if (e->pid.len == 0 || e->pid.len > SECRET_CHARS_MAX || e->offset.len == 0) {
        e->pid = STR_NONE;
    }
    e->check = (struct token_check){.text = e->token, .done = on_checked};
    return true;
}

static struct entry *entry_try_new(struct chef *c, const struct chef_conn *conn,
                                   struct json_val auth)
{
    struct entry *e = mem_try_alloc(sizeof(*e));
    if (!e) {
        return NULL;
    }
    arena_init(&e->arena, ENTRY_BYTES_MAX);
    e->client = chef_ref(c);
    if (!read_auth(e, conn, auth)) {
        entry_free(e);
        return NULL;
    }
    return e;
}

void chef_on_connect(struct sio_socket *s, void *conn_arg, const struct sio_connect *connect,
                     void **ret_arg)
{
    struct chef_conn *conn = conn_arg;
    struct token_checker *checker = conn->server->cfg.hub->checker;
    if (!str_is(connect->nsp, "/")) {
        sio_refuse(s, STR("Invalid namespace"), STR_NONE);
        return;
    }
    struct chef *c = chef_try_new(conn->server, s, &conn->peer);
    struct entry *e = c ? entry_try_new(c, conn, connect->auth) : NULL;
    if (!e) {
        if (c) {
            chef_unref(c);
        }
        sio_refuse(s, str_of(err_text(E_NO_MEMORY)), STR_NONE);
        return;
    }
    *ret_arg = c;
    if (!checker) {
        let_in(e, conn->server->anyone);
        entry_free(e);
        return;
    }
    if (!e->token.p) {
        refuse(c, "Authentication error");
        entry_free(e);
        return;
    }
    checker->check(checker, &e->check);
}
