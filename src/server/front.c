// SPDX-License-Identifier: MIT
// Certificate and reception.
#include "server/front.h"

#include <pthread.h>
#include <stdio.h>

#include "auth/keyfile.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "def/limits.h"
#include "net/loop.h"
#include "net/reception.h"
#include "wire/tls.h"

struct front {
    const struct config *config;
    struct tls_tickets *tickets;
    struct tls_context *tls; // until the reception has it; NULL: proxies only
    struct metrics *metrics;
    struct loop *loop;
    struct reception *reception;
    pthread_t thread;
    bool started;
    struct mail stop_mail;
};

// ---- The certificate ----

static int fault_of(struct config_fault *fault, const char *text)
{
    (void)snprintf(fault->text, sizeof(fault->text), "%.299s", text);
    return -E_BAD_REQUEST;
}

static int make_context(const struct config *c, const struct keyfile *chain,
                        const struct keyfile *key, struct tls_tickets *tickets,
                        struct tls_context **ret, struct config_fault *fault)
{
    struct tls_fault why;
    int err = tls_server_new(&(struct tls_server_config){.chain = keyfile_str(chain),
                                                         .key = keyfile_str(key),
                                                         .now_s = clock_now().wall_ms / 1000,
                                                         .tickets = tickets},
                             ret, &why);
    if (err) {
        const char *file = why.in_key ? c->tls_key_file.p : c->tls_certificate_file.p;
        (void)snprintf(fault->text, sizeof(fault->text), "%.90s: %s", file, why.text);
    }
    return err;
}

static int read_pair(const struct config *c, struct tls_tickets *tickets, struct tls_context **ret,
                     struct config_fault *fault)
{
    struct key_fault why;
    struct keyfile chain, key;
    if (keyfile_read(c->tls_certificate_file.p, KEYFILE_SHARED, &chain, &why)) {
        return fault_of(fault, why.text);
    }
    if (keyfile_read(c->tls_key_file.p, KEYFILE_OWN, &key, &why)) {
        keyfile_fini(&chain);
        return fault_of(fault, why.text);
    }
    int err = make_context(c, &chain, &key, tickets, ret, fault);
    keyfile_fini(&chain);
    keyfile_fini(&key);
    return err;
}

int front_new(const struct config *config, struct front **ret, struct config_fault *fault)
{
    bool tls = config->tls_listen.count > 0;
    if (tls && (!config->tls_certificate_file.len || !config->tls_key_file.len)) {
        return fault_of(fault, "tls.listen needs tls.certificate_file and tls.key_file");
    }
    if (config->server_proxy_protocol && config->server_trusted_proxies.count == 0) {
        return fault_of(fault, "server.proxy_protocol needs server.trusted_proxies: it is spoken "
                               "with those only");
    }
    if (!tls && !config->server_proxy_protocol) {
        *ret = NULL;
        return 0;
    }
    struct tls_tickets *tickets = tls_tickets_new();
    struct tls_context *context = NULL;
    int err = tls ? read_pair(config, tickets, &context, fault) : 0;
    if (err) {
        tls_tickets_free(tickets);
        return err;
    }
    struct front *f = mem_alloc(sizeof(*f));
    *f = (struct front){.config = config, .tickets = tickets, .tls = context};
    *ret = f;
    return 0;
}

int front_reload(struct front *f, struct config_fault *fault)
{
    struct tls_context *context;
    int err = read_pair(f->config, f->tickets, &context, fault);
    if (!err) {
        metrics_set(f->metrics, METRIC_TLS_EXPIRES, tls_context_expires_s(context));
        reception_use_take(f->reception, context);
    }
    return err;
}

// ---- The thread ----

int front_open(struct front *f, struct metrics *metrics, struct accept_target *const *targets,
               size_t count)
{
    f->metrics = metrics;
    if (f->tls) {
        metrics_set(metrics, METRIC_TLS_EXPIRES, tls_context_expires_s(f->tls));
    }
    int err = loop_new(&f->loop);
    if (err) {
        return err;
    }
    f->reception = reception_new(&(struct reception_config){
        .loop = f->loop,
        .metrics = metrics,
        .targets = targets,
        .targets_count = count,
        .tls = f->tls,
        .tickets = f->tickets,
        .handshake_ms = LIMIT_OF(&f->config->limits, RECEPTION_MS),
        .ticket_key_ms = LIMIT_TICKET_KEY_MS,
        .handshakes_max = (size_t)LIMIT_OF(&f->config->limits, HANDSHAKES),
        .connections_max = (size_t)LIMIT_OF(&f->config->limits, RECEPTION),
        .bytes_max = LIMIT_HANDSHAKE_BYTES});
    return 0;
}

struct accept_target *front_target(struct front *f)
{
    return reception_target(f->reception);
}

static void *front_main(void *arg)
{
    struct front *f = arg;
    (void)pthread_setname_np(pthread_self(), "reception");
    loop_run(f->loop);
    return NULL;
}

void front_start(struct front *f)
{
    int err = pthread_create(&f->thread, NULL, front_main, f);
    ASSERT(err == 0);
    f->started = true;
}

static void do_stop(struct mail *m)
{
    struct front *f = CONTAINER_OF(m, struct front, stop_mail);
    reception_stop(f->reception);
    loop_stop(f->loop);
}

void front_stop(struct front *f)
{
    if (f->started) {
        f->stop_mail.run = do_stop;
        bool taken = loop_post_take(f->loop, &f->stop_mail);
        ASSERT(taken);
        pthread_join(f->thread, NULL);
        f->started = false;
    }
}

void front_free(struct front *f)
{
    if (!f) {
        return;
    }
    if (f->reception) {
        reception_stop(f->reception);
        loop_turn(f->loop, 0); // what was handed over since is closed
        reception_free(f->reception);
        loop_free(f->loop);
    }
    tls_context_unref(f->tls);
    tls_tickets_free(f->tickets);
    mem_free(f);
}
