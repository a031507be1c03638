// SPDX-License-Identifier: MIT
// For the Socket.IO protocol suite: connection state recovery is off here.
#include "conformance/args.h"
#include "conformance/suites.h"

static int on_open(void *ctx, struct http_request *req, void **ret_arg)
{
    (void)ctx;
    (void)req;
    *ret_arg = NULL;
    return 0;
}

static void on_gone(void *arg)
{
    (void)arg;
}

static void on_connect(struct sio_socket *s, void *conn_arg, const struct sio_connect *c,
                       void **ret_arg)
{
    char sid[ARGS_ID_BYTES];
    struct buf b;
    (void)conn_arg;
    (void)ret_arg;
    if (!str_is(c->nsp, "/") && !str_is(c->nsp, "/custom")) {
        sio_refuse(s, STR("Invalid namespace"), STR_NONE);
        return;
    }
    args_make_id(sid);
    sio_accept(s, str_of(sid), STR_NONE);
    buf_init(&b, c->auth.raw.len + 64);
    buf_put(&b, STR("[\"auth\","));
    buf_put(&b, c->auth.type == JSON_NONE ? STR("{}") : c->auth.raw);
    buf_putc(&b, ']');
    sio_emit(s, &(struct sio_emit){.payload = buf_str(&b)}, NULL);
    buf_fini(&b);
}

static void on_event(struct sio_socket *s, void *arg, const struct sio_event *e)
{
    (void)arg;
    if (!str_is(sio_nsp(s), "/")) {
        return;
    }
    if (str_is(e->name, "message")) {
        args_emit_back(s, "message-back", e);
    } else if (str_is(e->name, "message-with-ack")) {
        args_answer_back(s, e);
    }
}

static void on_disconnect(struct sio_socket *s, void *arg, bool left)
{
    (void)s;
    (void)arg;
    (void)left;
}

static const struct sio_app app = {
    .on_open = on_open,
    .on_gone = on_gone,
    .on_connect = on_connect,
    .on_event = on_event,
    .on_disconnect = on_disconnect,
};

struct sio *protocol_new(const struct place *place)
{
    return sio_new(&(struct sio_config){.transport = {.loop = place->loop,
                                                      .metrics = place->metrics,
                                                      .limits = &place->hasty_transport},
                                        .limits = &place->hasty,
                                        .app = &app});
}
