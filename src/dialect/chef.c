// SPDX-License-Identifier: MIT
// Clients of Socket.IO and their sessions: what they are told.
#include "dialect/chef.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "dialect/pass.h"
#include "dialect/place.h"
#include "dialect/twins.h"
#include "dialect/variants.h"
#include "hub/audit.h"
#include "hub/realm.h"
#include "wire/ws_compressor.h"

#define RUN_BYTES_MAX ((size_t)16 * LIMIT_BODY_BYTES)
#define ACK_BYTES_MAX ((size_t)LIMIT_MESSAGE_BYTES)

static int64_t wall_ms(const struct chef *c)
{
    return loop_now(c->server->cfg.loop).wall_ms;
}

static uint64_t epoch(const struct chef *c)
{
    return c->server->cfg.hub->realm->epoch;
}

// --- out ---

void chef_out_of_memory(struct chef *c)
{
    if (c->socket) {
        eio_close(sio_transport(c->socket)); // it comes back for what it missed
    }
}

void chef_make_room(struct chef *c)
{
    if (c->session && c->socket && eio_is_blocked(sio_transport(c->socket))) {
        session_hold(c->session);
    }
}

// For sink_variant.send.
static void send_run(void *port, struct rcbuf *run)
{
    struct chef *c = port;
    if (c->socket && run) {
        sio_send_run(c->socket, run);
    } else {
        chef_out_of_memory(c);
    }
}

// What was put together for this client alone.
struct letter {
    struct chef_run run;
    struct buf bytes;
};

static struct chef_out *begin(struct chef *c, struct letter *l)
{
    buf_init(&l->bytes, RUN_BYTES_MAX);
    chef_run_init(&l->run, &l->bytes, c->socket && eio_is_websocket(sio_transport(c->socket)));
    return &l->run.base;
}

static void end(struct chef *c, struct letter *l)
{
    chef_run_fini(&l->run);
    struct rcbuf *run = l->bytes.failed ? NULL : rcbuf_try_new(buf_str(&l->bytes));
    if (!run) {
        chef_out_of_memory(c);
    } else if (c->socket && rcbuf_str(run).len > 0) {
        sio_send_run(c->socket, run);
    }
    rcbuf_unref(run);
    buf_fini(&l->bytes);
    chef_make_room(c);
}

void chef_refuse(struct chef *c, const struct chef_refusal *r)
{
    struct letter l;
    chef_put_refusal(begin(c, &l), r);
    end(c, &l);
    metrics_add(c->server->cfg.metrics, METRIC_WS_REFUSED, 1);
}

void chef_say(struct chef *c, const char *type, struct str data)
{
    struct letter l;
    if (!data.p) {
        chef_out_of_memory(c);
        return;
    }
    chef_put_message(begin(c, &l), type, data);
    end(c, &l);
}

void chef_say_connected(struct chef *c)
{
    struct letter l;
    chef_put_connected(begin(c, &l), epoch(c), session_position(c->session));
    end(c, &l);
}

void chef_acknowledge_take(struct chef *c, const struct chef_ask *ask, struct buf *args)
{
    if (args->failed) {
        chef_out_of_memory(c);
    } else if (c->socket) {
        sio_ack(c->socket, ask->ack, &(struct sio_emit){.payload = buf_str(args)});
        chef_make_room(c);
    }
    buf_fini(args);
}

void chef_answer_done(struct chef *c, const struct chef_ask *ask, uint64_t cursor)
{
    struct buf b;
    if (ask->wants_ack) {
        buf_init(&b, ACK_BYTES_MAX);
        chef_put_done(&b, epoch(c), cursor);
        chef_acknowledge_take(c, ask, &b);
    }
}

void chef_answer_refused(struct chef *c, const struct chef_ask *ask, const struct chef_refusal *r)
{
    struct buf b;
    if (!ask->wants_ack) {
        chef_refuse(c, r);
        return;
    }
    metrics_add(c->server->cfg.metrics, METRIC_WS_REFUSED, 1);
    buf_init(&b, ACK_BYTES_MAX);
    chef_put_refused(&b, r);
    chef_acknowledge_take(c, ask, &b);
}

// --- what is remembered of it ---

static struct recaller *recaller(const struct chef *c)
{
    return c->server->cfg.hub->recaller;
}

static void remember(struct chef *c, const struct recall_topic *t)
{
    if (c->key) {
        recalls_put_topic(recaller(c)->table, str_of(c->key), session_id(c->session), t);
    }
}

static void forget(struct chef *c, struct str topic)
{
    if (c->key) {
        recalls_drop_topic(recaller(c)->table, str_of(c->key), session_id(c->session), topic);
    }
}

// An answer that waits until what it says will outlive the hub.
struct answer {
    struct recall_wait wait;
    struct chef *client; // one reference
    struct chef_ask ask;
    uint64_t cursor;
};

static void on_kept(struct recall_wait *w)
{
    struct answer *a = CONTAINER_OF(w, struct answer, wait);
    chef_answer_done(a->client, &a->ask, a->cursor);
    chef_unref(a->client);
    mem_free(a);
}

static void answer_when_kept(struct chef *c, const struct chef_ask *ask, uint64_t cursor)
{
    struct answer *a = c->key ? mem_try_alloc(sizeof(*a)) : NULL;
    if (!a) {
        chef_answer_done(c, ask, cursor);
        return;
    }
    *a = (struct answer){
        .wait = {.done = on_kept}, .client = chef_ref(c), .ask = *ask, .cursor = cursor};
    recaller(c)->write(recaller(c), &a->wait);
}

void chef_keep(struct chef *c)
{
    if (c->key) {
        answer_when_kept(c, &(struct chef_ask){0}, 0);
    }
}

static void stop_remembering(struct chef *c, enum chef_end how)
{
    struct recalls *table = recaller(c)->table;
    uint64_t holder = session_id(c->session);
    if (how == CHEF_LOST) {
        recalls_leave(table, str_of(c->key), holder, wall_ms(c));
    } else if (how == CHEF_LEFT) {
        recalls_forget(table, str_of(c->key), holder);
    }
    chef_keep(c);
    mem_free(c->key);
    c->key = NULL;
}

// --- the sink ---

bool chef_subscribe(struct chef *c, const struct session_subscribe *sub, const struct chef_ask *ask)
{
    struct chef_ask *kept = mem_try_alloc(sizeof(*kept));
    if (!kept) {
        return false;
    }
    *kept = *ask;
    struct session_subscribe own = *sub;
    own.ref = kept;
    if (session_subscribe(c->session, &own) != 0) {
        mem_free(kept);
        return false;
    }
    c->brackets++;
    for (unsigned i = 0; i < sub->count; i++) {
        remember(c, &(struct recall_topic){.name = sub->topics[i]});
    }
    return true;
}

void chef_unsubscribe(struct chef *c, struct str topic, const struct chef_ask *ask)
{
    (void)session_unsubscribe(c->session, topic);
    forget(c, topic);
    answer_when_kept(c, ask, session_position(c->session));
}

static void on_subscribed(void *sink, struct str topic, uint64_t cursor, bool recovered,
                          const void *ref)
{
    (void)sink, (void)topic, (void)cursor, (void)recovered, (void)ref;
}

static void on_snapshot(void *sink, const struct sink_snapshot *snapshot)
{
    struct chef *c = sink;
    struct letter l;
    chef_put_snapshot(begin(c, &l), snapshot, epoch(c));
    end(c, &l);
}

static void on_gap(void *sink, const struct gap *gap)
{
    struct chef *c = sink;
    struct letter l;
    chef_put_gap(begin(c, &l), gap, epoch(c), wall_ms(c));
    end(c, &l);
}

static void on_caught_up(void *sink, struct str topic, uint64_t cursor, const void *ref)
{
    struct chef *c = sink;
    if (session_is_on(c->session, topic)) { // it may have been left meanwhile
        remember(c, &(struct recall_topic){.name = topic, .joined = true, .from = cursor});
    }
    answer_when_kept(c, ref, cursor); // who asks to hear names one topic
}

static void on_refused(void *sink, struct str topic, int err, const char *text, const void *ref)
{
    struct chef *c = sink;
    const struct chef_ask *ask = ref;
    if (err == -E_LIMIT) {
        metrics_hit(c->server->cfg.metrics, LIMIT_ROW_TOPICS_PER_SESSION);
    }
    forget(c, topic);
    if (!ask->quiet) {
        chef_answer_refused(c, ask,
                            &(struct chef_refusal){.err = err, .text = text, .topic = topic});
    }
}

static void on_bracket_done(void *sink, void *ref)
{
    struct chef *c = sink;
    mem_free(ref);
    c->brackets--;
}

static void on_about(const void *sink, struct sink_about *ret)
{
    const struct chef *c = sink;
    *ret = (struct sink_about){.dialect = "socketio", .since_wall_ms = (int64_t)c->since_s * 1000};
    (void)net_addr_text(&c->peer, ret->address);
}

static const struct sink_ops sink = {
    .subscribed = on_subscribed,
    .snapshot = on_snapshot,
    .gap = on_gap,
    .caught_up = on_caught_up,
    .refused = on_refused,
    .bracket_done = on_bracket_done,
    .end = chef_on_end,
    .about = on_about,
};

// --- how events look to them: by transport, and by topic ---

static const struct sink_family on_websocket, by_polling;

#define VARIANT(first, how, of, set)                                                               \
    {                                                                                              \
        .number = (first) + (set), .put = (how), .send = send_run, .ops = &sink, .family = &(of),  \
        .looks = (set)                                                                             \
    }
#define VARIANTS(first, how, of)                                                                   \
    {                                                                                              \
        VARIANT(first, how, of, 0), VARIANT(first, how, of, 1), VARIANT(first, how, of, 2),        \
            VARIANT(first, how, of, 3), VARIANT(first, how, of, 4), VARIANT(first, how, of, 5),    \
            VARIANT(first, how, of, 6), VARIANT(first, how, of, 7)                                 \
    }
#define FAMILY(all)                                                                                \
    {                                                                                              \
        .looks_of = chef_looks_of, .variants = {&(all)[0], &(all)[1], &(all)[2], &(all)[3],        \
                                                &(all)[4], &(all)[5], &(all)[6], &(all)[7]},       \
    }

_Static_assert(VARIANT_CHEF_LAST < VARIANTS_MAX, "it has twins");
_Static_assert(VARIANT_CHEF_POLLING_LAST < SINK_VARIANTS_MAX, "each has a number");

static const struct sink_variant framed[1 << SINK_LOOKS] =
    VARIANTS(VARIANT_CHEF, chef_put_frames, on_websocket);
static const struct sink_variant packed[1 << SINK_LOOKS] =
    VARIANTS(VARIANT_CHEF_POLLING, chef_put_packets, by_polling);
static const struct sink_family on_websocket = FAMILY(framed), by_polling = FAMILY(packed);

static const struct sink_variant *variant_of(const struct chef *c)
{
    const struct eio_socket *transport = sio_transport(c->socket);
    if (!eio_is_websocket(transport)) {
        return &packed[0];
    }
    return twin_of(c->server->cfg.hub->twins, &framed[0], eio_class(transport));
}

static void on_blocked(struct sio_socket *s, void *arg)
{
    (void)s;
    struct chef *c = arg;
    if (c->session) {
        session_hold(c->session);
    }
}

static void on_room(struct sio_socket *s, void *arg)
{
    (void)s;
    struct chef *c = arg;
    if (c->session) {
        session_writable(c->session);
    }
}

static void on_upgraded(struct sio_socket *s, void *arg)
{
    (void)s;
    struct chef *c = arg;
    if (c->session) {
        session_set_variant(c->session, variant_of(c));
    }
}

// --- life ---

struct chef *chef_ref(struct chef *c)
{
    c->refs++;
    return c;
}

void chef_unref(struct chef *c)
{
    ASSERT(c->refs > 0);
    if (--c->refs == 0) {
        place_give(c->server->cfg.hub, c->place);
        mem_free(c->key);
        mem_free(c);
    }
}

// At the end of a turn: the session may have been in the middle of telling.
static void on_over(struct loop_task *t)
{
    struct chef *c = CONTAINER_OF(t, struct chef, over);
    struct session *s = c->session;
    c->session = NULL;
    if (s) {
        session_free(s);
        metrics_add(c->server->cfg.metrics, METRIC_CLIENTS, -1);
    }
    chef_unref(c);
}

struct chef *chef_try_new(struct chef_server *s, struct sio_socket *socket,
                          const struct net_addr *peer)
{
    struct chef *c = mem_try_alloc(sizeof(*c));
    if (c) {
        c->server = s;
        c->socket = socket;
        c->peer = *peer;
        c->refs = 1;
        loop_task_init(&c->over, on_over);
    }
    return c;
}

void chef_gone(struct chef *c, enum chef_end how)
{
    c->socket = NULL;
    pass_free(c->pass);
    c->pass = NULL;
    if (c->key) {
        stop_remembering(c, how);
    }
    if (c->session) {
        session_hold(c->session);
    }
    loop_task_defer(c->server->cfg.loop, &c->over);
}

static void on_disconnect(struct sio_socket *s, void *arg, bool left)
{
    (void)s;
    chef_gone(arg, left ? CHEF_LEFT : CHEF_LOST);
}

bool chef_open(struct chef *c, struct principal *principal, const char **ret_why)
{
    struct hub_worker *hub = c->server->cfg.hub;
    int64_t mono_ms = loop_now(c->server->cfg.loop).mono_ms;
    int err = place_take_for(hub, principal, c->server->cfg.metrics, mono_ms, &c->place);
    if (!err) {
        c->session = session_new(hub->fanout, principal, variant_of(c), c);
        err = c->session ? 0 : -E_NO_MEMORY;
    }
    if (err) {
        *ret_why = err == -E_UNAUTHORIZED ? "Authentication error" : err_text(err);
        return false;
    }
    session_set_port(c->session, c);
    c->since_s = (uint32_t)(wall_ms(c) / 1000);
    metrics_add(c->server->cfg.metrics, METRIC_CLIENTS, 1);
    if (!chef_has_pass(c)) {
        chef_out_of_memory(c);
    }
    audit_login(hub->audit, c->session);
    return true;
}

// --- the server ---

static const struct sio_app app = {
    .on_open = chef_on_open,
    .on_gone = chef_on_conn_gone,
    .on_connect = chef_on_connect,
    .on_event = chef_on_event,
    .on_blocked = on_blocked,
    .on_room = on_room,
    .on_upgraded = on_upgraded,
    .on_disconnect = on_disconnect,
};

struct chef_server *chef_server_new(const struct dialects_config *cfg)
{
    struct chef_server *s = mem_alloc(sizeof(*s));
    s->cfg = *cfg;
    s->anyone = principal_new_anyone(true);
    s->transport_limits = eio_limits_of(cfg->hub->realm->limits);
    s->limits = sio_limits_of(cfg->hub->realm->limits);
    s->sio = sio_new(&(struct sio_config){.transport = {.loop = cfg->loop,
                                                        .metrics = cfg->metrics,
                                                        .limits = &s->transport_limits,
                                                        .worker = cfg->worker,
                                                        .addresses = cfg->hub->users,
                                                        .exempt = cfg->exempt},
                                          .limits = &s->limits,
                                          .app = &app,
                                          .ctx = s});
    return s;
}

static bool speaks_engineio(const struct http_request *req, void *ctx)
{
    (void)ctx;
    return http_query(req, "EIO").p || http_query(req, "transport").p;
}

// Nobody who polls is let in either; the server answers Upgrades so itself.
static void answer_disabled(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_reply_error(req, -E_UNAVAILABLE, "WebSockets are switched off here, and Engine.IO too.");
}

static void add_disabled(struct router *r, const char *path)
{
    static const enum http1_method methods[] = {HTTP1_GET, HTTP1_POST};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        router_add(r, &(struct route){.method = methods[i],
                                      .pattern = path,
                                      .flags = ROUTE_PUBLIC,
                                      .handle = answer_disabled,
                                      .when = speaks_engineio});
    }
}

void chef_server_routes(struct chef_server *s, struct router *r)
{
    static const char *const paths[] = {"/ws", "/socket.io"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (s->cfg.enabled) {
            eio_add_routes(r, sio_eio(s->sio), paths[i], speaks_engineio);
        } else {
            add_disabled(r, paths[i]);
        }
    }
}

void chef_server_drain(struct chef_server *s)
{
    eio_drain(sio_eio(s->sio), 1001);
}

size_t chef_server_memory(const struct chef_server *s)
{
    return eio_memory(sio_eio(s->sio)) + sio_memory(s->sio);
}

void chef_server_free(struct chef_server *s)
{
    if (s) {
        sio_free(s->sio);
        principal_unref(s->anyone);
        mem_free(s);
    }
}
