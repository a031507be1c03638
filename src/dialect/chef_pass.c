// SPDX-License-Identifier: MIT
// The right of a Socket.IO client to be here: its token, and how it is sent away.
#include "base/err.h"
#include "base/mem.h"
#include "dialect/chef.h"
#include "dialect/pass.h"

#define ACK_BYTES_MAX  ((size_t)LIMIT_MESSAGE_BYTES)
#define DATA_BYTES_MAX ((size_t)LIMIT_MESSAGE_BYTES)

static struct pass_holder look(void *holder)
{
    struct chef *c = holder;
    return (struct pass_holder){.hub = c->server->cfg.hub,
                                .session = c->socket ? c->session : NULL,
                                .loop = c->server->cfg.loop,
                                .pass = &c->pass,
                                .refreshing = &c->refreshing};
}

static void say(void *holder, const char *type, struct str data)
{
    chef_say(holder, type, data);
}

// The client does not come back by itself: with that token it would be sent away again.
static void send_away(void *holder, int code, const char *why)
{
    struct chef *c = holder;
    struct buf b;
    buf_init(&b, DATA_BYTES_MAX);
    buf_putf(&b, "{\"reason\":\"%s\",\"code\":%d}", why, code);
    chef_say(c, "SESSION_AUTH_REQUIRED", b.failed ? STR_NONE : buf_str(&b));
    buf_fini(&b);
    struct sio_socket *s = c->socket;
    chef_gone(c, CHEF_LEFT);
    sio_disconnect(s);
}

// Who holds its place now may be somebody else: whoever this is does not take it back by itself.
static void give_way(struct chef *c)
{
    struct sio_socket *s = c->socket;
    struct eio_socket *transport = sio_transport(s);
    chef_gone(c, CHEF_TAKEN);
    sio_disconnect(s);
    eio_close(transport);
}

static void on_refreshed(void *holder, int err, const char *text, struct str data, void *ref)
{
    struct chef *c = holder;
    struct chef_ask *ask = ref;
    if (err) {
        chef_answer_refused(c, ask, &(struct chef_refusal){.err = err, .text = text});
    } else if (ask->wants_ack) {
        struct buf b;
        buf_init(&b, ACK_BYTES_MAX);
        buf_put(&b, STR("[{\"ok\":true,"));
        buf_put(&b, str_from(data, 1)); // the object's members
        buf_putc(&b, ']');
        chef_acknowledge_take(c, ask, &b);
    } else {
        chef_say(c, "AUTH_TOKEN_REFRESH", data);
    }
    mem_free(ask);
    chef_unref(c);
}

static const struct pass_ops pass_ops = {
    .look = look, .say = say, .end = send_away, .refreshed = on_refreshed};

bool chef_has_pass(struct chef *c)
{
    return pass_new(&pass_ops, c);
}

void chef_on_end(void *sink, enum session_end why)
{
    struct chef *c = sink;
    if (c->socket && why == SESSION_END_TAKEN) {
        give_way(c);
    } else if (c->socket) {
        pass_end(&pass_ops, c, why);
    }
}

void chef_refresh(struct chef *c, struct str token, const struct chef_ask *ask)
{
    struct chef_ask *kept = mem_try_alloc(sizeof(*kept));
    if (!kept) {
        chef_answer_refused(c, ask, &(struct chef_refusal){.err = -E_NO_MEMORY});
        return;
    }
    *kept = *ask;
    pass_refresh_take(&pass_ops, chef_ref(c), token, kept);
}
