// SPDX-License-Identifier: MIT
// Clients that may come back. A row of the store is a JSON object:
// {"sid":S,"user":U,"topics":[[T,FROM],…]}, FROM null for a topic that is still to be joined.
//
//   HELD <--take-- AWAY: in `away`, the oldest first --kept_ms--> forgotten
//     \---leave---->/
//
// A forgotten one is not in the map any more, and is freed when its row was removed.
#include "hub/recall.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "wire/json.h"

#define WRITE_ROWS    256 // at a time
#define ROW_BYTES_MAX ((size_t)1 << 20)
#define ROW_DEPTH     4

struct topic_row {
    char *name; // owned
    uint64_t from;
    bool joined;
};

struct record {
    struct list changed; // in recalls.changed or recalls.writing
    struct list node;    // in recalls.away
    char *key, *sid;     // owned
    char *user;          // owned; NULL: nobody's
    struct topic_row *topics;
    unsigned count, cap;
    uint64_t holder;  // 0: none
    int64_t until_ms; // without a holder
    bool forgotten;   // not in the map
    bool again;       // changed while it is written
};

struct recalls {
    struct recalls_config cfg;
    pthread_mutex_t lock;
    struct map map;
    struct list away, changed, writing;
};

// --- records ---

static void record_free(struct record *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        mem_free(c->topics[i].name);
    }
    mem_free(c->topics);
    mem_free(c->key);
    mem_free(c->sid);
    mem_free(c->user);
    mem_free(c);
}

static struct record *record_try_new(struct str key, struct str sid, struct str user)
{
    struct record *c = mem_try_alloc(sizeof(*c));
    if (!c) {
        return NULL;
    }
    list_init(&c->changed);
    list_init(&c->node);
    c->key = mem_try_strdup(key);
    c->sid = mem_try_strdup(sid);
    c->user = user.p ? mem_try_strdup(user) : NULL;
    if (!c->key || !c->sid || (user.p && !c->user)) {
        record_free(c);
        return NULL;
    }
    return c;
}

static struct topic_row *find_topic(const struct record *c, struct str name)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (str_is(name, c->topics[i].name)) {
            return &c->topics[i];
        }
    }
    return NULL;
}

static int add_topic(struct record *c, const struct recall_topic *t)
{
    if (c->count == c->cap) {
        unsigned cap = c->cap ? 2 * c->cap : 2;
        struct topic_row *grown = mem_try_realloc(c->topics, cap * sizeof(*grown));
        if (!grown) {
            return -E_NO_MEMORY;
        }
        c->topics = grown;
        c->cap = cap;
    }
    char *name = mem_try_strdup(t->name);
    if (!name) {
        return -E_NO_MEMORY;
    }
    c->topics[c->count++] = (struct topic_row){.name = name, .from = t->from, .joined = t->joined};
    return 0;
}

// --- the table; all below under the lock ---

static void note_change(struct recalls *r, struct record *c)
{
    c->again = true;
    if (list_empty(&c->changed)) {
        list_push_back(&r->changed, &c->changed);
    }
}

static void forget(struct recalls *r, struct record *c)
{
    (void)map_del(&r->map, str_of(c->key));
    list_del(&c->node);
    c->forgotten = true;
    note_change(r, c);
}

static void forget_old(struct recalls *r, int64_t wall_ms)
{
    while (!list_empty(&r->away)) {
        struct record *c = LIST_ENTRY(r->away.next, struct record, node);
        if (c->until_ms > wall_ms) {
            return;
        }
        forget(r, c);
    }
}

// Room for one more: the one that is away for longest gives way.
static bool make_room(struct recalls *r)
{
    if (r->map.count >= r->cfg.clients_max && !list_empty(&r->away)) {
        forget(r, LIST_ENTRY(r->away.next, struct record, node));
    }
    return r->map.count < r->cfg.clients_max;
}

static struct record *held_by(struct recalls *r, struct str key, uint64_t holder)
{
    struct record *c = map_get(&r->map, key);
    return c && c->holder == holder ? c : NULL;
}

// --- connections ---

int recalls_add(struct recalls *r, struct str key, uint64_t holder,
                const struct recall_client *client, int64_t wall_ms)
{
    ASSERT(holder != 0 && client->count == 0);
    struct record *c = record_try_new(key, client->sid, client->user);
    if (!c) {
        return -E_NO_MEMORY;
    }
    c->holder = holder;
    pthread_mutex_lock(&r->lock);
    forget_old(r, wall_ms);
    int err = make_room(r) ? map_add(&r->map, str_of(c->key), c) : -E_LIMIT;
    if (!err) {
        note_change(r, c);
    }
    pthread_mutex_unlock(&r->lock);
    if (err) {
        record_free(c);
    }
    return err;
}

static int copy_out(const struct record *c, struct arena *a, struct recall_client *ret)
{
    struct recall_topic *topics = arena_try_alloc(a, (c->count + 1) * sizeof(*topics));
    struct str sid = arena_try_copy(a, str_of(c->sid));
    if (!topics || !sid.p) {
        return -E_NO_MEMORY;
    }
    for (unsigned i = 0; i < c->count; i++) {
        const struct topic_row *t = &c->topics[i];
        topics[i] = (struct recall_topic){
            .name = arena_try_copy(a, str_of(t->name)), .joined = t->joined, .from = t->from};
        if (!topics[i].name.p) {
            return -E_NO_MEMORY;
        }
    }
    *ret = (struct recall_client){.sid = sid, .topics = topics, .count = c->count};
    return 0;
}

static bool is_user(const struct record *c, struct str user)
{
    return c->user ? user.p && str_is(user, c->user) : !user.p;
}

int recalls_take(struct recalls *r, struct str key, const struct recall_taker *taker,
                 struct arena *a, struct recall_client *ret, uint64_t *ret_before)
{
    ASSERT(taker->holder != 0);
    pthread_mutex_lock(&r->lock);
    forget_old(r, taker->wall_ms);
    struct record *c = map_get(&r->map, key);
    bool expired = c && c->holder == 0 && c->until_ms <= taker->wall_ms;
    int err = c && !expired && is_user(c, taker->user) ? copy_out(c, a, ret) : -E_NOT_FOUND;
    if (!err) {
        ret->user = taker->user;
        *ret_before = c->holder;
        c->holder = taker->holder;
        list_del(&c->node);
        note_change(r, c);
    }
    pthread_mutex_unlock(&r->lock);
    return err;
}

void recalls_put_topic(struct recalls *r, struct str key, uint64_t holder,
                       const struct recall_topic *topic)
{
    pthread_mutex_lock(&r->lock);
    struct record *c = held_by(r, key, holder);
    struct topic_row *t = c ? find_topic(c, topic->name) : NULL;
    if (t && !t->joined && topic->joined) {
        t->joined = true;
        t->from = topic->from;
        note_change(r, c);
    } else if (c && !t && add_topic(c, topic) != 0) {
        forget(r, c);
    } else if (c && !t) {
        note_change(r, c);
    }
    pthread_mutex_unlock(&r->lock);
}

void recalls_drop_topic(struct recalls *r, struct str key, uint64_t holder, struct str name)
{
    pthread_mutex_lock(&r->lock);
    struct record *c = held_by(r, key, holder);
    struct topic_row *t = c ? find_topic(c, name) : NULL;
    if (t) {
        mem_free(t->name);
        *t = c->topics[--c->count];
        note_change(r, c);
    }
    pthread_mutex_unlock(&r->lock);
}

void recalls_leave(struct recalls *r, struct str key, uint64_t holder, int64_t wall_ms)
{
    pthread_mutex_lock(&r->lock);
    struct record *c = held_by(r, key, holder);
    if (c) {
        c->holder = 0;
        c->until_ms = wall_ms + r->cfg.kept_ms;
        list_push_back(&r->away, &c->node);
        note_change(r, c);
    }
    forget_old(r, wall_ms);
    pthread_mutex_unlock(&r->lock);
}

void recalls_forget(struct recalls *r, struct str key, uint64_t holder)
{
    pthread_mutex_lock(&r->lock);
    struct record *c = held_by(r, key, holder);
    if (c) {
        forget(r, c);
    }
    pthread_mutex_unlock(&r->lock);
}

// --- the store ---

static void put_data(struct buf *b, const struct record *c)
{
    buf_put(b, STR("{\"sid\":"));
    buf_put_json(b, str_of(c->sid));
    if (c->user) {
        buf_put(b, STR(",\"user\":"));
        buf_put_json(b, str_of(c->user));
    }
    buf_put(b, STR(",\"topics\":["));
    for (unsigned i = 0; i < c->count; i++) {
        buf_put(b, i > 0 ? STR(",[") : STR("["));
        buf_put_json(b, str_of(c->topics[i].name));
        buf_putc(b, ',');
        if (c->topics[i].joined) {
            buf_put_u64(b, c->topics[i].from);
        } else {
            buf_put(b, STR("null"));
        }
        buf_putc(b, ']');
    }
    buf_put(b, STR("]}"));
}

static bool make_row(const struct record *c, struct arena *a, struct store_recall *ret)
{
    *ret = (struct store_recall){.key = arena_try_copy(a, str_of(c->key)),
                                 .until_ms = c->holder ? INT64_MAX : c->until_ms};
    if (!c->forgotten) {
        struct buf b;
        buf_init(&b, ROW_BYTES_MAX);
        put_data(&b, c);
        ret->data = b.failed ? STR_NONE : arena_try_copy(a, buf_str(&b));
        buf_fini(&b);
    }
    return ret->key.p && (c->forgotten || ret->data.p);
}

unsigned recalls_begin_write(struct recalls *r, struct arena *a, const struct store_recall **ret)
{
    struct store_recall *rows = arena_try_alloc(a, WRITE_ROWS * sizeof(*rows));
    unsigned count = 0;
    pthread_mutex_lock(&r->lock);
    ASSERT(list_empty(&r->writing));
    while (rows && count < WRITE_ROWS && !list_empty(&r->changed)) {
        struct record *c = LIST_ENTRY(r->changed.next, struct record, changed);
        if (!make_row(c, a, &rows[count])) {
            break;
        }
        count++;
        list_del(&c->changed);
        list_push_back(&r->writing, &c->changed);
        c->again = false;
    }
    pthread_mutex_unlock(&r->lock);
    *ret = rows;
    return count;
}

void recalls_end_write(struct recalls *r, int err)
{
    pthread_mutex_lock(&r->lock);
    while (!list_empty(&r->writing)) {
        struct record *c = LIST_ENTRY(r->writing.next, struct record, changed);
        list_del(&c->changed);
        if (err || c->again) {
            list_push_back(&r->changed, &c->changed);
        } else if (c->forgotten) {
            record_free(c);
        }
    }
    pthread_mutex_unlock(&r->lock);
}

static bool load_topics(struct record *c, struct json_val list, struct arena *a)
{
    struct json_iter it = json_iter(list);
    struct json_val pair;
    while (json_next(&it, NULL, &pair)) {
        struct json_iter in = json_iter(pair);
        struct json_val name, from;
        int64_t id = 0;
        if (!json_next(&in, NULL, &name) || !json_next(&in, NULL, &from) ||
            name.type != JSON_STRING) {
            return false;
        }
        struct recall_topic t = {.name = json_string(name, a), .joined = from.type == JSON_NUMBER};
        if (!t.name.p || (t.joined && (json_int(from, &id) != 0 || id < 0))) {
            return false;
        }
        t.from = (uint64_t)id;
        if (add_topic(c, &t) != 0) {
            return false;
        }
    }
    return true;
}

static struct record *load_record(const struct store_recall *row, struct arena *a)
{
    struct json_val v;
    size_t offset;
    if (json_parse(row->data, ROW_DEPTH, &v, &offset) != 0) {
        return NULL;
    }
    struct json_val sid = json_get(v, "sid"), user = json_get(v, "user");
    if (sid.type != JSON_STRING) {
        return NULL;
    }
    struct str sid_text = json_string(sid, a);
    struct str user_text = user.type == JSON_STRING ? json_string(user, a) : STR_NONE;
    bool known = sid_text.p && (user.type != JSON_STRING || user_text.p);
    struct record *c = known ? record_try_new(row->key, sid_text, user_text) : NULL;
    if (c && !load_topics(c, json_get(v, "topics"), a)) {
        record_free(c);
        return NULL;
    }
    return c;
}

void recalls_load(struct recalls *r, const struct store_recall *row, int64_t wall_ms)
{
    struct arena a;
    arena_init(&a, ROW_BYTES_MAX);
    struct record *c = row->data.p ? load_record(row, &a) : NULL;
    arena_fini(&a);
    if (!c) {
        return;
    }
    int64_t latest_ms = wall_ms + r->cfg.kept_ms;
    c->until_ms = row->until_ms < latest_ms ? row->until_ms : latest_ms;
    pthread_mutex_lock(&r->lock);
    if (!make_room(r) || map_add(&r->map, str_of(c->key), c) != 0) {
        record_free(c);
    } else {
        list_push_back(&r->away, &c->node);
        forget_old(r, wall_ms);
    }
    pthread_mutex_unlock(&r->lock);
}

// --- life ---

struct recalls *recalls_new(const struct recalls_config *cfg)
{
    struct recalls *r = mem_alloc(sizeof(*r));
    r->cfg = *cfg;
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->map, &cfg->key);
    list_init(&r->away);
    list_init(&r->changed);
    list_init(&r->writing);
    return r;
}

void recalls_free(struct recalls *r)
{
    if (!r) {
        return;
    }
    struct record *c;
    for (size_t i = 0; (c = map_next(&r->map, &i));) {
        list_del(&c->changed);
        record_free(c);
    }
    while (!list_empty(&r->changed)) { // those that are forgotten
        c = LIST_ENTRY(r->changed.next, struct record, changed);
        list_del(&c->changed);
        record_free(c);
    }
    map_fini(&r->map);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}
