// SPDX-License-Identifier: MIT
// The thread that asks responders.
#include "server/upstream.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "server/upstream_int.h"

#define WAIT_MS_MAX   60000
#define CONNECTS_KEPT 64L // connections without a question

// A worker's.
struct door {
    struct responders base;
    struct upstream *upstream;
    struct mailbox *home;
    unsigned *under_way;
};

static struct door *door_of(struct responders *r)
{
    return CONTAINER_OF(r, struct door, base);
}

// --- mails ---

void upstream_home(const struct respond_call *c, struct mail *m, void (*run)(struct mail *m))
{
    struct door *d = c->carrier;
    m->run = run;
    bool taken = mailbox_post_take(d->home, m);
    ASSERT(taken); // the worker waits for the end of its calls
}

static void end_home(struct mail *m)
{
    struct respond_call *c = CONTAINER_OF(m, struct respond_call, end);
    struct door *d = c->carrier;
    (*d->under_way)--;
    c->on_end(c);
    respond_call_unref(c); // the carrier's
}

void upstream_end_call(struct respond_call *c, int err, const char *text)
{
    struct upstream *u = ((struct door *)c->carrier)->upstream;
    c->err = err;
    (void)snprintf(c->text, sizeof(c->text), "%s", text);
    metrics_add(u->metrics, METRIC_RESPONDER_FAILED, err != 0 && err != -E_CLOSED);
    metrics_set(u->metrics, METRIC_RESPONDER_OPEN, u->transfers_count);
    upstream_home(c, &c->end, end_home);
}

static void post(struct upstream *u, struct mail *m, void (*run)(struct mail *m))
{
    m->run = run;
    bool taken = mailbox_post_take(&u->mailbox, m);
    ASSERT(taken); // workers end before this thread
}

// --- questions ---

static unsigned calls_of(const struct upstream *u, struct str user)
{
    unsigned count = 0;
    for (struct list *node = u->transfers.next; node != &u->transfers; node = node->next) {
        const struct respond_call *c = LIST_ENTRY(node, struct transfer, node)->call;
        count += c->user.p && user.p && str_eq(c->user, user);
    }
    return count;
}

static bool has_place(const struct upstream *u, struct str user)
{
    const struct limits *limits = &u->config->limits;
    if (u->transfers_count >= LIMIT_OF(limits, RESPONDERS)) {
        metrics_hit(u->metrics, LIMIT_ROW_RESPONDERS);
        return false;
    }
    if (user.p && calls_of(u, user) >= LIMIT_OF(limits, RESPONDERS_PER_USER)) {
        metrics_hit(u->metrics, LIMIT_ROW_RESPONDERS_PER_USER);
        return false;
    }
    return true;
}

static void on_start(struct mail *m)
{
    struct respond_call *c = CONTAINER_OF(m, struct respond_call, start);
    struct upstream *u = ((struct door *)c->carrier)->upstream;
    metrics_add(u->metrics, METRIC_RESPONDER_CALLS, 1);
    if (!has_place(u, c->user)) {
        upstream_end_call(c, -E_LIMIT, "Too many questions are under way: ask again later.");
        return;
    }
    if (!transfer_try_new(u, c, clock_now().mono_ms)) {
        upstream_end_call(c, -E_NO_MEMORY, "");
        return;
    }
    metrics_set(u->metrics, METRIC_RESPONDER_OPEN, u->transfers_count);
}

static void on_nudge(struct mail *m)
{
    struct respond_call *c = CONTAINER_OF(m, struct respond_call, nudge);
    atomic_store(&c->nudging, false); // first: what changes from here on comes with another
    if (c->transfer) {
        transfer_nudged(c->transfer, clock_now().mono_ms);
    }
    respond_call_unref(c);
}

// --- the thread ---

static void end_done(struct upstream *u)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(u->multi, &left))) {
        char *private = NULL;
        CURLcode code = msg->data.result;
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private) == CURLE_OK) {
            transfer_done((struct transfer *)(void *)private, code);
        }
    }
}

// How long there is nothing to do for time.
static int end_late(struct upstream *u)
{
    int64_t now_ms = clock_now().mono_ms, wait_ms = WAIT_MS_MAX;
    LIST_FOREACH(node, &u->transfers)
    {
        struct transfer *t = LIST_ENTRY(node, struct transfer, node);
        if (!transfer_late(t, now_ms)) {
            int64_t left_ms = transfer_due(t) - now_ms;
            wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
        }
    }
    return (int)wait_ms;
}

static void *upstream_main(void *arg)
{
    struct upstream *u = arg;
    (void)pthread_setname_np(pthread_self(), "upstream");
    while (!atomic_load(&u->stopping)) {
        int running;
        (void)mailbox_run(&u->mailbox);
        (void)curl_multi_perform(u->multi, &running);
        end_done(u);
        (void)curl_multi_poll(u->multi, NULL, 0, end_late(u), NULL);
    }
    (void)mailbox_run(&u->mailbox);
    return NULL;
}

static void wake(void *arg)
{
    struct upstream *u = arg;
    (void)curl_multi_wakeup(u->multi);
}

// --- life ---

int upstream_new(const struct config *c, struct upstream **ret, struct config_fault *fault)
{
    *ret = NULL;
    if (c->channels_responders.count == 0) {
        return 0;
    }
    struct upstream *u = mem_alloc(sizeof(*u));
    u->config = c;
    list_init(&u->transfers);
    mailbox_init(&u->mailbox, wake, u);
    bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    u->multi = ready ? curl_multi_init() : NULL;
    int err = u->multi ? upstream_read_config(u, fault) : -E_NO_MEMORY;
    if (err) {
        upstream_free(u);
        return err;
    }
    (void)curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, CONNECTS_KEPT);
    *ret = u;
    return 0;
}

void upstream_free(struct upstream *u)
{
    if (!u) {
        return;
    }
    ASSERT(list_empty(&u->transfers));
    mailbox_close(&u->mailbox);
    mailbox_fini(&u->mailbox);
    curl_multi_cleanup(u->multi);
    curl_slist_free_all(u->headers);
    curl_global_cleanup();
    for (unsigned i = 0; i < u->responders_count; i++) {
        mem_free(u->responders[i].url);
    }
    mem_free(u);
}

void upstream_start(struct upstream *u, struct metrics *metrics)
{
    if (u) {
        u->metrics = metrics;
        int err = pthread_create(&u->thread, NULL, upstream_main, u);
        ASSERT(err == 0);
        u->started = true;
    }
}

void upstream_stop(struct upstream *u)
{
    if (u && u->started) {
        atomic_store(&u->stopping, true);
        wake(u);
        pthread_join(u->thread, NULL);
        u->started = false;
    }
}

unsigned upstream_ports(const struct upstream *u, uint16_t *ret, unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; u && i < u->responders_count && count < max; i++) {
        ret[count++] = u->responders[i].port;
    }
    return count;
}

// --- doors ---

static int door_find(struct responders *r, struct str channel, bool *ret_shown)
{
    const struct upstream *u = door_of(r)->upstream;
    for (unsigned i = 0; i < u->responders_count; i++) {
        if (str_eq(u->responders[i].channel, channel)) {
            *ret_shown = u->responders[i].shown;
            return (int)i;
        }
    }
    return -1;
}

static void door_ask(struct responders *r, struct respond_call *c)
{
    struct door *d = door_of(r);
    c->carrier = d;
    ++*d->under_way;
    (void)respond_call_ref(c);
    post(d->upstream, &c->start, on_start);
}

static void door_nudge(struct responders *r, struct respond_call *c)
{
    (void)respond_call_ref(c);
    post(door_of(r)->upstream, &c->nudge, on_nudge);
}

struct responders *upstream_door_new(struct upstream *u, struct mailbox *home, unsigned *under_way)
{
    if (!u) {
        return NULL;
    }
    struct door *d = mem_alloc(sizeof(*d));
    *d = (struct door){.base = {.find = door_find, .ask = door_ask, .nudge = door_nudge},
                       .upstream = u,
                       .home = home,
                       .under_way = under_way};
    return &d->base;
}

void upstream_door_free(struct responders *door)
{
    if (door) {
        mem_free(door_of(door));
    }
}
