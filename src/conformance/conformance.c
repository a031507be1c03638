// SPDX-License-Identifier: MIT
// Puts the servers on their listeners, and ends them.
#include "conformance/conformance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "conformance/site.h"
#include "conformance/suites.h"

enum { PROTOCOL, CLIENT, ENGINE, SITES };

struct conformance {
    struct place place;
    struct metrics_table *metrics;
    struct eio *echo;
    struct sio *protocol;
    struct client *client;
    struct eio *greeter;
    struct site *sites[SITES];
    struct site_path paths[4];
    struct loop_watch interrupt;
};

static void set_limits(struct place *p, bool calm)
{
    p->limits = sio_limits_of(&limits_default);
    p->hasty = p->limits;
    p->hasty_transport = (struct eio_limits){.ping_interval_ms = LIMIT_PING_MS,
                                             .ping_timeout_ms = 20000,
                                             .upgrade_timeout_ms = 10000,
                                             .poll_gap_ms = 1,
                                             .payload_bytes_max = 1000000,
                                             .packets_max = 10000,
                                             .unsent_bytes_max = 16 << 20};
    if (!calm) {
        p->hasty.namespace_ms = 1000;
        p->hasty_transport.ping_interval_ms = 300;
        p->hasty_transport.ping_timeout_ms = 200;
    }
}

static void begin(struct conformance *c, bool calm)
{
    c->metrics = metrics_table_new(1);
    c->place.metrics = metrics_of(c->metrics, 0);
    set_limits(&c->place, calm);
    c->echo = echo_new(&c->place);
    c->protocol = protocol_new(&c->place);
    c->client = client_new(&c->place);
    c->greeter = greeter_new(&c->place);
    for (unsigned i = 0; i < SITES; i++) {
        c->sites[i] = site_new(c->place.loop, c->place.metrics, i == ENGINE ? 100 : 1000000);
    }
    c->paths[0] = (struct site_path){.path = "/engine.io", .eio = c->echo};
    c->paths[1] = (struct site_path){.path = "/socket.io", .eio = sio_eio(c->protocol)};
    // So late that the client's time-out of 0 ms comes first, which a test is about.
    c->paths[2] = (struct site_path){
        .path = "/socket.io", .eio = sio_eio(client_sio(c->client)), .handshake_ms = 10};
    c->paths[3] = (struct site_path){.path = "/engine.io", .eio = c->greeter};
    site_add(c->sites[PROTOCOL], &c->paths[0]);
    site_add(c->sites[PROTOCOL], &c->paths[1]);
    site_add(c->sites[CLIENT], &c->paths[2]);
    site_add(c->sites[ENGINE], &c->paths[3]);
}

static int listen_all(struct conformance *c, const struct conformance_options *o,
                      char problem[static CONFORMANCE_PROBLEM_BYTES])
{
    static const char *const labels[] = {"protocol", "client", "engine"};
    const char *const addresses[] = {o->protocol, o->client, o->engine};
    int err = 0;
    for (unsigned i = 0; i < SITES && !err; i++) {
        if (addresses[i]) {
            err = site_listen(c->sites[i], labels[i], str_of(addresses[i]));
            (void)snprintf(problem, CONFORMANCE_PROBLEM_BYTES, "--%s-listen %.120s: %s", labels[i],
                           addresses[i],
                           err == -E_BAD_REQUEST
                               ? "takes HOST:PORT, HOST one of localhost, 127.0.0.1 and [::1]"
                               : strerror(errno));
        }
    }
    return err;
}

static void on_interrupt(struct loop_watch *w, uint32_t events)
{
    struct conformance *c = CONTAINER_OF(w, struct conformance, interrupt);
    (void)events;
    loop_stop(c->place.loop);
}

static void end(struct conformance *c)
{
    bool over = false;
    for (size_t i = 0; i < ARRAY_LEN(c->paths); i++) {
        site_path_end(&c->paths[i]);
        eio_drain(c->paths[i].eio, 1001);
    }
    for (unsigned i = 0; i < SITES; i++) {
        site_end(c->sites[i]);
    }
    while (!over) {
        loop_turn(c->place.loop, 10);
        over = true;
        for (unsigned i = 0; i < SITES; i++) {
            over &= site_is_over(c->sites[i]);
        }
    }
    loop_turn(c->place.loop, 0); // the last of them end in it
    eio_free(c->greeter);
    client_free(c->client);
    sio_free(c->protocol);
    eio_free(c->echo);
    for (unsigned i = 0; i < SITES; i++) {
        site_free(c->sites[i]);
    }
    metrics_table_free(c->metrics);
}

int conformance_run(const struct conformance_options *o,
                    char ret_problem[static CONFORMANCE_PROBLEM_BYTES])
{
    struct conformance c = {.interrupt = {.fd = o->interrupt_fd, .fn = on_interrupt}};
    int err = loop_new(&c.place.loop);
    if (!err) {
        err = loop_watch_add(c.place.loop, &c.interrupt, EPOLLIN);
        if (err) {
            loop_free(c.place.loop);
        }
    }
    if (err) {
        (void)snprintf(ret_problem, CONFORMANCE_PROBLEM_BYTES, "%s", strerror(errno));
        return err;
    }
    begin(&c, o->calm);
    err = listen_all(&c, o, ret_problem);
    if (!err) {
        loop_run(c.place.loop);
    }
    loop_watch_del(c.place.loop, &c.interrupt);
    end(&c);
    loop_free(c.place.loop);
    return err;
}
