// SPDX-License-Identifier: MIT
// Configuration from YAML and the environment.
#include "server/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <yaml.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

enum config_type { TYPE_BOOL, TYPE_UINT, TYPE_STRING, TYPE_LIST, TYPE_BLOCKS, TYPE_LIMIT };

static const struct config_key {
    const char *section, *key;
    enum config_type type;
    size_t offset;
    enum limit_row row; // of a limit, whose key is in capital letters here
} keys[] = {
#define CONFIG(section, key, type, help)                                                           \
    {#section, #key, TYPE_##type, offsetof(struct config, section##_##key)},
#include "def/config.def"
#undef CONFIG
#define LIMIT(name, value, least, most, unit, answer, why)                                         \
    {"limits", #name, TYPE_LIMIT, offsetof(struct config, limits.values[LIMIT_ROW_##name]),        \
     LIMIT_ROW_##name},
#include "def/limits.def"
#undef LIMIT
};

struct config_text {
    struct config_text *next;
    char *text;
};

void config_init(struct config *c)
{
    *c = (struct config){
        .server_send = STR("auto"),
        .server_sandbox = STR("on"),
        .log_format = STR("text"),
        .store_data = STR("./data"),
        .limits = limits_default,
        .limits_exempt = {.items = {{.family = 4, .bits = 8, .bytes = {127}},
                                    {.family = 6, .bits = 128, .bytes = {[15] = 1}}},
                          .count = 2},
        .store_retention_hours = LIMIT_RETENTION_MS / 3600000,
        .store_job_log_mb = LIMIT_JOB_LOG_BYTES >> 20,
        .websocket_enabled = true,
        .websocket_compression = true,
        .websocket_compression_threshold = 1024,
        .auth_leeway_s = 10,
        .channels_default = {.items = {STR("chat"), STR("playqueue"), STR("system"),
                                       STR("progress")},
                             .count = 4},
        .channels_retained = {.items = {STR("playqueue")}, .count = 1},
    };
}

void config_fini(struct config *c)
{
    while (c->texts) {
        struct config_text *t = c->texts;
        c->texts = t->next;
        mem_free(t->text);
        mem_free(t);
    }
}

static struct str keep_text(struct config *c, struct str s)
{
    struct config_text *t = mem_alloc(sizeof(*t));
    t->text = mem_strdup(s);
    t->next = c->texts;
    c->texts = t;
    return str_make(t->text, s.len);
}

// A fault is one line, whatever it quotes.
static int told(struct config_fault *fault, int err)
{
    for (char *p = fault->text; err && *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    return err;
}

static bool is_key(const struct config_key *k, struct str key, bool any_case)
{
    char name[LIMIT_KEY_BYTES];
    if (k->type != TYPE_LIMIT) {
        return any_case ? str_eq_nocase(key, str_of(k->key)) : str_is(key, k->key);
    }
    limit_put_key(k->row, name);
    return limits_about[k->row].most > 0 &&
           (any_case ? str_eq_nocase(key, str_of(name)) : str_is(key, name));
}

static const struct config_key *find_key(struct str section, struct str key, bool any_case)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct str s = str_of(keys[i].section);
        if ((any_case ? str_eq_nocase(s, section) : str_eq(s, section)) &&
            is_key(&keys[i], key, any_case)) {
            return &keys[i];
        }
    }
    return NULL;
}

static bool parse_bool(struct str text, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no",
                                                                                "off", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq_nocase(text, str_of(yes[i])) || str_eq_nocase(text, str_of(no[i]))) {
            *ret = str_eq_nocase(text, str_of(yes[i]));
            return true;
        }
    }
    return false;
}

static bool is_list(const struct config_key *k)
{
    return k->type == TYPE_LIST || k->type == TYPE_BLOCKS;
}

static void list_clear(struct config *c, const struct config_key *k)
{
    void *at = (char *)c + k->offset;
    if (k->type == TYPE_LIST) {
        ((struct config_list *)at)->count = 0;
    } else {
        ((struct config_blocks *)at)->count = 0;
    }
}

// NULL, or what the list wants instead.
static const char *list_add(struct config *c, const struct config_key *k, struct str item)
{
    void *at = (char *)c + k->offset;
    struct config_list *list = at;
    struct config_blocks *blocks = at;
    if ((k->type == TYPE_LIST ? list->count : blocks->count) == CONFIG_LIST_MAX) {
        return "at most 64 entries";
    }
    if (k->type == TYPE_LIST) {
        list->items[list->count++] = keep_text(c, item);
        return NULL;
    }
    if (net_block_parse(item, &blocks->items[blocks->count]) != 0) {
        return "addresses and blocks such as 10.0.0.0/8 (no bits set past the prefix)";
    }
    blocks->count++;
    return NULL;
}

static int fault_value(const struct config_key *k, const char *where, const char *wants,
                       struct str text, struct config_fault *fault)
{
    char limit[LIMIT_KEY_BYTES];
    const char *key = k->key;
    if (k->type == TYPE_LIMIT) {
        limit_put_key(k->row, limit);
        key = limit;
    }
    (void)snprintf(fault->text, sizeof(fault->text), "%s: %s.%s must be %s, not \"%.*s\"", where,
                   k->section, key, wants, (int)(text.len > 80 ? 80 : text.len), text.p);
    return -E_BAD_REQUEST;
}

enum { BOUNDS_BYTES = 80 };

// NULL, or what the limit wants instead.
static const char *set_limit(struct limits *limits, enum limit_row row, struct str text,
                             char wants[static BOUNDS_BYTES])
{
    const struct limit_about *about = &limits_about[row];
    uint64_t value;
    if (str_to_u64(text, &value) == 0 && value >= (uint64_t)about->least &&
        value <= (uint64_t)about->most) {
        limits->values[row] = (int64_t)value;
        return NULL;
    }
    (void)snprintf(wants, BOUNDS_BYTES, "a whole number from %lld to %lld", (long long)about->least,
                   (long long)about->most);
    return wants;
}

// Sets a scalar, or a list from one scalar with commas. `where` is "FILE:LINE" or a variable's
// name.
static int set_scalar(struct config *c, const struct config_key *k, struct str text,
                      const char *where, struct config_fault *fault)
{
    char *at = (char *)c + k->offset;
    const char *wants = NULL;
    char bounds[BOUNDS_BYTES];
    struct str rest = text;
    uint64_t n;
    switch (k->type) {
    case TYPE_BOOL:
        wants = parse_bool(text, (bool *)(void *)at) ? NULL : "true or false";
        break;
    case TYPE_UINT:
        if (str_to_u64(text, &n) == 0 && n < 1000000000) {
            *(uint64_t *)(void *)at = n;
        } else {
            wants = "a whole number below 1000000000";
        }
        break;
    case TYPE_STRING:
        *(struct str *)(void *)at = keep_text(c, text);
        break;
    case TYPE_LIMIT:
        wants = set_limit(&c->limits, k->row, text, bounds);
        break;
    case TYPE_LIST:
    case TYPE_BLOCKS:
        list_clear(c, k);
        while (rest.p && !wants) {
            struct str item = str_trim(str_cut(&rest, ','));
            wants = item.len ? list_add(c, k, item) : NULL;
        }
        break;
    }
    return wants ? fault_value(k, where, wants, text, fault) : 0;
}

// --- YAML: a mapping of sections, each a mapping of keys ---

struct reading {
    struct config *config;
    struct config_fault *fault;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
};

static int fault_at(struct reading *r, const char *what, struct str name)
{
    (void)snprintf(r->fault->text, sizeof(r->fault->text), "%s:%zu: %s%s%.*s", r->path,
                   r->event.start_mark.line + 1, what, name.len ? ": " : "",
                   (int)(name.len > 100 ? 100 : name.len), name.p ? name.p : "");
    return -E_BAD_REQUEST;
}

static int next_event(struct reading *r)
{
    if (r->has_event) {
        yaml_event_delete(&r->event);
        r->has_event = false;
    }
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        (void)snprintf(r->fault->text, sizeof(r->fault->text), "%s:%zu: %s", r->path,
                       r->parser.problem_mark.line + 1,
                       r->parser.problem ? r->parser.problem : "is not YAML");
        return -E_BAD_REQUEST;
    }
    r->has_event = true;
    return 0;
}

static struct str scalar(const struct reading *r)
{
    return str_make((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
}

static const char *put_where(const struct reading *r, char out[static 200])
{
    (void)snprintf(out, 200, "%s:%zu", r->path, r->event.start_mark.line + 1);
    return out;
}

static int read_sequence(struct reading *r, const struct config_key *k)
{
    list_clear(r->config, k);
    for (;;) {
        int err = next_event(r);
        if (err) {
            return err;
        }
        if (r->event.type == YAML_SEQUENCE_END_EVENT) {
            return 0;
        }
        if (r->event.type != YAML_SCALAR_EVENT) {
            return fault_at(r, "the list may hold only plain values", str_of(k->key));
        }
        const char *wants = list_add(r->config, k, scalar(r));
        if (wants) {
            char where[200];
            return fault_value(k, put_where(r, where), wants, scalar(r), r->fault);
        }
    }
}

static int read_value(struct reading *r, struct str section)
{
    const struct config_key *k = find_key(section, scalar(r), false);
    if (!k) {
        return fault_at(r, "unknown key", scalar(r));
    }
    int err = next_event(r);
    if (err) {
        return err;
    }
    if (r->event.type == YAML_SEQUENCE_START_EVENT && is_list(k)) {
        return read_sequence(r, k);
    }
    if (r->event.type != YAML_SCALAR_EVENT) {
        return fault_at(r, "the value has the wrong shape", str_of(k->key));
    }
    char where[200];
    return set_scalar(r->config, k, scalar(r), put_where(r, where), r->fault);
}

static bool section_known(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (str_is(name, keys[i].section)) {
            return true;
        }
    }
    return false;
}

static int read_section(struct reading *r)
{
    if (r->event.type != YAML_SCALAR_EVENT || !section_known(scalar(r))) {
        return fault_at(r, "unknown section",
                        r->event.type == YAML_SCALAR_EVENT ? scalar(r) : STR_NONE);
    }
    struct str name = keep_text(r->config, scalar(r));
    int err = next_event(r);
    if (!err && r->event.type == YAML_SCALAR_EVENT && scalar(r).len == 0) {
        return 0; // all its keys are commented out
    }
    if (!err && r->event.type != YAML_MAPPING_START_EVENT) {
        err = fault_at(r, "a section holds keys and values", name);
    }
    while (!err) {
        err = next_event(r);
        if (err || r->event.type == YAML_MAPPING_END_EVENT) {
            return err;
        }
        if (r->event.type != YAML_SCALAR_EVENT) {
            return fault_at(r, "a key must be a plain word, in section", name);
        }
        err = read_value(r, name);
    }
    return err;
}

static int read_document(struct reading *r)
{
    int err;
    do {
        err = next_event(r);
    } while (!err && (r->event.type == YAML_STREAM_START_EVENT ||
                      r->event.type == YAML_DOCUMENT_START_EVENT));
    if (err || r->event.type == YAML_STREAM_END_EVENT) {
        return err; // an empty file: the defaults
    }
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        return fault_at(r, "the file must be a mapping of sections", STR_NONE);
    }
    for (;;) {
        err = next_event(r);
        if (err || r->event.type == YAML_MAPPING_END_EVENT) {
            return err;
        }
        err = read_section(r);
        if (err) {
            return err;
        }
    }
}

// Behind the mapping of sections nothing may come that would be passed over in silence.
static int read_end(struct reading *r)
{
    int err = next_event(r);
    if (!err && r->event.type == YAML_DOCUMENT_END_EVENT) {
        err = next_event(r);
    }
    if (!err && r->event.type != YAML_STREAM_END_EVENT) {
        err = fault_at(r, "the file holds a second document", STR_NONE);
    }
    return err;
}

// The parser has its input.
static int read_all(struct reading *r)
{
    int err = read_document(r);
    if (!err && r->event.type != YAML_STREAM_END_EVENT) {
        err = read_end(r);
    }
    if (r->has_event) {
        yaml_event_delete(&r->event);
    }
    yaml_parser_delete(&r->parser);
    return told(r->fault, err);
}

int config_read_text(struct config *c, struct str text, const char *name,
                     struct config_fault *fault)
{
    struct reading r = {.config = c, .fault = fault, .path = name};
    if (!yaml_parser_initialize(&r.parser)) {
        return -E_NO_MEMORY;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.len);
    return read_all(&r);
}

int config_read_file(struct config *c, const char *path, struct config_fault *fault)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        (void)snprintf(fault->text, sizeof(fault->text), "%s: %s", path, strerror(errno));
        return -E_IO;
    }
    struct stat st;
    if (fstat(fileno(f), &st) == 0 && (st.st_mode & S_IWOTH)) {
        (void)snprintf(fault->text, sizeof(fault->text),
                       "%.120s: everyone can write it: chmod o-w %.120s", path, path);
        (void)fclose(f);
        return -E_BAD_REQUEST;
    }
    struct reading r = {.config = c, .fault = fault, .path = path};
    if (!yaml_parser_initialize(&r.parser)) {
        (void)fclose(f);
        return -E_NO_MEMORY;
    }
    yaml_parser_set_input_file(&r.parser, f);
    int err = read_all(&r);
    (void)fclose(f);
    return err;
}

// --- the environment ---

static int read_variable(struct config *c, struct str name, struct str value,
                         struct config_fault *fault)
{
    char where[120];
    (void)snprintf(where, sizeof(where), "%.*s", (int)(name.len > 100 ? 100 : name.len), name.p);
    const struct config_key *k = NULL;
    if (str_is(name, "WEBSOCKET_ENABLED")) {
        k = find_key(STR("websocket"), STR("enabled"), false);
    } else if (str_is(name, "WEBSOCKET_CORS_ORIGIN")) {
        k = find_key(STR("websocket"), STR("cors_origin"), false);
    } else if (str_starts(name, STR("CLAIRON__"))) {
        struct str rest = str_from(name, 9);
        struct str section = str_cut(&rest, '_');
        k = rest.len > 1 && rest.p[0] == '_' ? find_key(section, str_from(rest, 1), true) : NULL;
        if (!k) {
            (void)snprintf(fault->text, sizeof(fault->text), "%s: unknown key", where);
            return -E_BAD_REQUEST;
        }
    }
    return k ? set_scalar(c, k, value, where, fault) : 0;
}

int config_read_environ(struct config *c, char *const *environ, struct config_fault *fault)
{
    for (; *environ; environ++) {
        struct str value = str_of(*environ);
        struct str name = str_cut(&value, '=');
        int err = value.p ? read_variable(c, name, value, fault) : 0;
        if (err) {
            return told(fault, err);
        }
    }
    return 0;
}

unsigned config_files(const struct config *c, struct str *ret, unsigned max)
{
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys) && count < max; i++) {
        const struct config_key *k = &keys[i];
        if (k->type == TYPE_STRING && str_ends(str_of(k->key), STR("_file"))) {
            const struct str *path = (const void *)((const char *)c + k->offset);
            if (path->len) {
                ret[count++] = *path;
            }
        }
    }
    return count;
}
