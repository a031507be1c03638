// SPDX-License-Identifier: MIT
// For the tests of socket.io-client. Connection state recovery: who comes back within two minutes,
// with the offset of the last event that was sent, is who they were. Events are not kept, so
// whoever missed one begins anew, which the protocol allows.
#include <inttypes.h>

#include "base/list.h"
#include "base/mem.h"
#include "conformance/args.h"
#include "conformance/suites.h"

#define RECOVERY_MS 120000
#define AWAY_MAX    1000

static const struct eio_limits transport_limits = {
    .ping_interval_ms = 2000,
    .ping_timeout_ms = 20000,
    .upgrade_timeout_ms = 10000,
    .poll_gap_ms = 1,
    .payload_bytes_max = 1000000,
    .packets_max = 10000,
    .unsent_bytes_max = 16 << 20,
};

struct client {
    struct loop *loop;
    struct sio *sio;
    struct list away; // persons who may come back, the longest away first
    unsigned away_count;
    uint64_t offset; // of the last event sent to anyone
};

// A connection.
struct guest {
    struct client *client;
    bool fail;        // wants to be refused
    struct buf query; // as a JSON object
};

// One on a namespace.
struct person {
    struct list node; // when away
    struct client *client;
    struct sio_socket *socket;
    int64_t gone_ms;
    uint64_t offset;
    uint64_t asked;       // the answer to "ack" that is awaited
    struct buf handshake; // {"query","auth"}
    bool got_bytes;       // by "abuff1"
    const char *nsp;      // of `places`
    char sid[ARGS_ID_BYTES];
    char pid[ARGS_ID_BYTES];
};

// ---- Out.

// An event with its offset. `args` begins with a comma, or is empty.
static void say(struct person *p, const char *name, struct str args, struct str attached)
{
    struct buf b;
    p->offset = ++p->client->offset;
    buf_init(&b, args.len + 128);
    buf_putc(&b, '[');
    buf_put_json(&b, str_of(name));
    buf_put(&b, args);
    buf_putf(&b, ",\"%" PRIu64 "\"]", p->offset);
    sio_emit(p->socket,
             &(struct sio_emit){.payload = buf_str(&b),
                                .attached = &attached,
                                .attached_count = attached.p ? 1 : 0},
             NULL);
    buf_fini(&b);
}

static void say_name(struct person *p, const char *name)
{
    say(p, name, STR(""), STR_NONE);
}

static void answer(struct person *p, const struct sio_event *e, const struct buf *args)
{
    if (e->wants_ack) {
        sio_ack(p->socket, e->ack, &(struct sio_emit){.payload = buf_str(args)});
    }
}

static void answer_text(struct person *p, const struct sio_event *e, struct str text)
{
    struct buf b;
    buf_init(&b, 6 * text.len + 16);
    buf_putc(&b, '[');
    buf_put_json(&b, text);
    buf_putc(&b, ']');
    answer(p, e, &b);
    buf_fini(&b);
}

static void put_date(struct buf *b, const struct person *p)
{
    buf_putc(b, '"');
    buf_put_time(b, loop_now(p->client->loop).wall_ms);
    buf_putc(b, '"');
}

// ---- Events, one function for each.

static void on_hi(struct person *p, const struct sio_event *e)
{
    (void)e;
    say_name(p, "hi");
}

static void on_echo(struct person *p, const struct sio_event *e)
{
    args_answer_back(p->socket, e);
}

static void on_get_id(struct person *p, const struct sio_event *e)
{
    answer_text(p, e, str_of(p->sid));
}

static void on_get_handshake(struct person *p, const struct sio_event *e)
{
    struct buf b;
    buf_init(&b, p->handshake.len + 2);
    buf_putc(&b, '[');
    buf_put(&b, buf_str(&p->handshake));
    buf_putc(&b, ']');
    answer(p, e, &b);
    buf_fini(&b);
}

static void on_ask(struct person *p, const struct sio_event *e)
{
    (void)e;
    sio_emit(p->socket, &(struct sio_emit){.payload = STR("[\"ack\"]"), .wants_ack = true},
             &p->asked);
}

static void on_get_ack_date(struct person *p, const struct sio_event *e)
{
    struct buf b;
    buf_init(&b, 64);
    buf_putc(&b, '[');
    put_date(&b, p);
    buf_putc(&b, ']');
    answer(p, e, &b);
    buf_fini(&b);
}

static void on_get_date(struct person *p, const struct sio_event *e)
{
    struct buf b;
    (void)e;
    buf_init(&b, 64);
    buf_putc(&b, ',');
    put_date(&b, p);
    say(p, "takeDate", buf_str(&b), STR_NONE);
    buf_fini(&b);
}

static void on_get_date_obj(struct person *p, const struct sio_event *e)
{
    struct buf b;
    (void)e;
    buf_init(&b, 64);
    buf_put(&b, STR(",{\"date\":"));
    put_date(&b, p);
    buf_putc(&b, '}');
    say(p, "takeDateObj", buf_str(&b), STR_NONE);
    buf_fini(&b);
}

static void on_get_utf8(struct person *p, const struct sio_event *e)
{
    static const char *const texts[] = {
        ",\"てすと\"",        ",\"Я Б Г Д Ж Й\"",   ",\"Ä ä Ü ü ß\"",
        ",\"utf8 — string\"", ",\"utf8 — string\"",
    };
    (void)e;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        say(p, "takeUtf8", str_of(texts[i]), STR_NONE);
    }
}

static void on_false(struct person *p, const struct sio_event *e)
{
    (void)e;
    say(p, "false", STR(",false"), STR_NONE);
}

static void on_doge(struct person *p, const struct sio_event *e)
{
    (void)e;
    say(p, "doge", STR(",{\"_placeholder\":true,\"num\":0}"), STR("asdfasdf"));
}

// The first argument.
static struct json_val first_of(const struct sio_event *e)
{
    struct json_iter it = json_iter(e->payload);
    struct json_val v = {0}, name;
    if (!json_next(&it, NULL, &name) || !json_next(&it, NULL, &v)) {
        v.type = JSON_NONE;
    }
    return v;
}

static bool is_bytes(const struct sio_event *e, struct json_val v)
{
    return e->attached_count > 0 && json_is_true(json_get(v, "_placeholder"));
}

static void on_buffa(struct person *p, const struct sio_event *e)
{
    if (is_bytes(e, first_of(e))) {
        say_name(p, "buffack");
    }
}

static void on_jsonbuff(struct person *p, const struct sio_event *e)
{
    struct json_val v = first_of(e);
    struct json_val hello = json_get(v, "hello"), goodbye = json_get(v, "goodbye");
    if (hello.type == JSON_STRING && json_string_is(hello, STR("lol")) &&
        goodbye.type == JSON_STRING && json_string_is(goodbye, STR("gotcha")) &&
        is_bytes(e, json_get(v, "message"))) {
        say_name(p, "jsonbuff-ack");
    }
}

static void on_abuff1(struct person *p, const struct sio_event *e)
{
    p->got_bytes = is_bytes(e, first_of(e));
}

static void on_abuff2(struct person *p, const struct sio_event *e)
{
    (void)e;
    if (p->got_bytes) {
        say_name(p, "abuff2-ack");
    }
}

// Any other event is not answered, as if nobody had subscribed to it.
static const struct {
    const char *nsp, *name;
    void (*fn)(struct person *p, const struct sio_event *e);
} events[] = {
    {"/", "hi", on_hi},
    {"/", "echo", on_echo},
    {"/", "getId", on_get_id},
    {"/foo", "getId", on_get_id},
    {"/", "getHandshake", on_get_handshake},
    {"/", "ack", on_ask},
    {"/", "getAckDate", on_get_ack_date},
    {"/", "getDate", on_get_date},
    {"/", "getDateObj", on_get_date_obj},
    {"/", "getUtf8", on_get_utf8},
    {"/", "false", on_false},
    {"/", "doge", on_doge},
    {"/", "buffa", on_buffa},
    {"/", "jsonbuff", on_jsonbuff},
    {"/", "abuff1", on_abuff1},
    {"/", "abuff2", on_abuff2},
};

static void on_event(struct sio_socket *s, void *arg, const struct sio_event *e)
{
    (void)s;
    struct person *p = arg;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (str_is(e->name, events[i].name) && str_is(sio_nsp(s), events[i].nsp)) {
            events[i].fn(p, e);
            return;
        }
    }
}

// Is it (5, {"test":true})?
static void on_ack(struct sio_socket *s, void *arg, const struct sio_event *e)
{
    struct person *p = arg;
    struct json_iter it = json_iter(e->payload);
    struct json_val a, b;
    int64_t number;
    (void)s;
    if (e->ack == p->asked && json_next(&it, NULL, &a) && json_next(&it, NULL, &b) &&
        !json_int(a, &number) && number == 5 && json_is_true(json_get(b, "test"))) {
        say_name(p, "got it");
    }
}

// ---- Coming and going.

static int on_open(void *ctx, struct http_request *req, void **ret_arg)
{
    const struct url_query *q = http_query_all(req);
    struct guest *g = mem_alloc(sizeof(*g));
    g->client = ctx;
    g->fail = http_query(req, "fail").p != NULL;
    buf_init(&g->query, 1 << 16);
    buf_putc(&g->query, '{');
    for (size_t i = 0; i < q->count; i++) {
        buf_put(&g->query, i ? STR(",") : STR(""));
        buf_put_json(&g->query, q->params[i].name);
        buf_putc(&g->query, ':');
        buf_put_json(&g->query, q->params[i].value);
    }
    buf_putc(&g->query, '}');
    *ret_arg = g;
    return 0;
}

static void on_gone(void *arg)
{
    struct guest *g = arg;
    buf_fini(&g->query);
    mem_free(g);
}

static void person_free(struct person *p)
{
    buf_fini(&p->handshake);
    mem_free(p);
}

// Who is away for too long, or more than can be remembered.
static void forget(struct client *c, unsigned keep)
{
    int64_t now_ms = loop_now(c->loop).mono_ms;
    LIST_FOREACH(node, &c->away)
    {
        struct person *p = LIST_ENTRY(node, struct person, node);
        if (c->away_count <= keep && now_ms - p->gone_ms < RECOVERY_MS) {
            return;
        }
        list_del(&p->node);
        c->away_count--;
        person_free(p);
    }
}

// Who says so by pid and offset; NULL: nobody, or somebody who missed something.
static struct person *come_back(struct client *c, const struct sio_connect *asked)
{
    struct json_val pid = json_get(asked->auth, "pid");
    struct json_val offset = json_get(asked->auth, "offset");
    uint64_t number;
    forget(c, AWAY_MAX);
    if (pid.type != JSON_STRING || offset.type != JSON_STRING ||
        str_to_u64(str_make(offset.raw.p + 1, offset.raw.len - 2), &number)) {
        return NULL;
    }
    LIST_FOREACH(node, &c->away)
    {
        struct person *p = LIST_ENTRY(node, struct person, node);
        if (json_string_is(pid, str_of(p->pid)) && str_is(asked->nsp, p->nsp) &&
            number == p->offset) {
            list_del(&p->node);
            c->away_count--;
            return p;
        }
    }
    return NULL;
}

static struct person *person_new(struct client *c, const char *nsp)
{
    struct person *p = mem_alloc(sizeof(*p));
    p->client = c;
    p->nsp = nsp;
    list_init(&p->node);
    buf_init(&p->handshake, 1 << 21);
    args_make_id(p->sid);
    args_make_id(p->pid);
    return p;
}

// NULL: there is no such namespace.
static const char *place_of(struct str nsp)
{
    static const char *const places[] = {"/", "/foo", "/timeout_socket", "/valid", "/asd", "/abc"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (str_is(nsp, places[i])) {
            return places[i];
        }
    }
    return NULL;
}

static void on_connect(struct sio_socket *s, void *conn_arg, const struct sio_connect *asked,
                       void **ret_arg)
{
    struct guest *g = conn_arg;
    const char *nsp = place_of(asked->nsp);
    if (str_is(asked->nsp, "/no")) {
        sio_refuse(s, STR("Auth failed (custom namespace)"), STR_NONE);
        return;
    }
    if (!nsp) {
        sio_refuse(s, STR("Invalid namespace"), STR_NONE);
        return;
    }
    if (g->fail && str_is(asked->nsp, "/")) {
        sio_refuse(s, STR("Auth failed (main namespace)"), STR_NONE);
        return;
    }
    struct person *p = come_back(g->client, asked);
    if (!p) {
        p = person_new(g->client, nsp);
    }
    p->socket = s;
    buf_clear(&p->handshake);
    buf_put(&p->handshake, STR("{\"query\":"));
    buf_put(&p->handshake, buf_str(&g->query));
    buf_put(&p->handshake, STR(",\"auth\":"));
    buf_put(&p->handshake, asked->auth.type == JSON_NONE ? STR("{}") : asked->auth.raw);
    buf_putc(&p->handshake, '}');
    *ret_arg = p;
    sio_accept(s, str_of(p->sid), str_of(p->pid));
    if (str_is(asked->nsp, "/abc")) {
        struct buf b;
        buf_init(&b, p->handshake.len + 1);
        buf_putc(&b, ',');
        buf_put(&b, buf_str(&p->handshake));
        say(p, "handshake", buf_str(&b), STR_NONE);
        buf_fini(&b);
    }
}

static void on_disconnect(struct sio_socket *s, void *arg, bool left)
{
    struct person *p = arg;
    struct client *c = p->client;
    (void)s;
    p->socket = NULL;
    if (left || p->offset == 0) {
        person_free(p);
        return;
    }
    p->gone_ms = loop_now(c->loop).mono_ms;
    list_push_back(&c->away, &p->node);
    c->away_count++;
    forget(c, AWAY_MAX);
}

static const struct sio_app app = {
    .on_open = on_open,
    .on_gone = on_gone,
    .on_connect = on_connect,
    .on_event = on_event,
    .on_ack = on_ack,
    .on_disconnect = on_disconnect,
};

struct client *client_new(const struct place *place)
{
    struct client *c = mem_alloc(sizeof(*c));
    c->loop = place->loop;
    list_init(&c->away);
    c->sio = sio_new(&(struct sio_config){
        .transport = {.loop = place->loop, .metrics = place->metrics, .limits = &transport_limits},
        .limits = &place->limits,
        .app = &app,
        .ctx = c});
    return c;
}

void client_free(struct client *c)
{
    if (c) {
        sio_free(c->sio);
        LIST_FOREACH(node, &c->away)
        {
            person_free(LIST_ENTRY(node, struct person, node));
        }
        mem_free(c);
    }
}

struct sio *client_sio(struct client *c)
{
    return c->sio;
}
