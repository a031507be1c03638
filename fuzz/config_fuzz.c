// SPDX-License-Identifier: MIT
// The configuration: first byte `e`, then variables of the environment, one a line; anything else
// is a file. What is taken is within its bounds and read the same again, what is refused is refused
// in one line that names the place; other variables change nothing; and a text given by the
// environment is kept byte for byte.
#include "server/config.h"

#include "base/err.h"
#include "def/limits.h"
#include "fuzz/fuzz.h"

enum { VARIABLES_MAX = 20 };

static void check_same_list(const struct config_list *a, const struct config_list *b)
{
    ASSERT(a->count == b->count && a->count <= CONFIG_LIST_MAX);
    for (unsigned i = 0; i < a->count; i++) {
        ASSERT(str_eq(a->items[i], b->items[i]));
    }
}

static void check_same(const struct config *a, const struct config *b)
{
#define SAME_BOOL(m)                     ASSERT(a->m == b->m)
#define SAME_UINT(m)                     ASSERT(a->m == b->m && a->m < 1000000000)
#define SAME_STRING(m)                   ASSERT(str_eq(a->m, b->m))
#define SAME_LIST(m)                     check_same_list(&a->m, &b->m)
#define SAME_BLOCKS(m)                   ASSERT(a->m.count == b->m.count && a->m.count <= CONFIG_LIST_MAX)
#define CONFIG(section, key, type, help) SAME_##type(section##_##key);
#include "def/config.def"
#undef CONFIG
}

static void check_fault(const struct config_fault *fault, struct str where)
{
    size_t len = strnlen(fault->text, sizeof(fault->text));
    ASSERT(len > 0 && len < sizeof(fault->text));
    ASSERT(str_starts(str_make(fault->text, len), where));
    for (size_t i = 0; i < len; i++) {
        ASSERT((unsigned char)fault->text[i] >= 0x20);
    }
}

static void read_text(struct str text)
{
    struct config a, b;
    struct config_fault fault_a = {""}, fault_b = {""};
    char *copy = fuzz_copy(text);
    config_init(&a);
    config_init(&b);
    int rc = config_read_text(&a, text, "FILE", &fault_a);
    int again = config_read_text(&b, str_make(copy, text.len), "FILE", &fault_b);
    free(copy); // what was read is the configuration's own
    ASSERT(rc == again && strcmp(fault_a.text, fault_b.text) == 0);
    ASSERT(rc == 0 || rc == -E_BAD_REQUEST);
    if (rc) {
        check_fault(&fault_a, STR("FILE:"));
    }
    check_same(&a, &b);
    config_fini(&a);
    config_fini(&b);
}

static void check_kept(const struct config *c, struct str name, struct str value)
{
    if (str_is(name, "CLAIRON__STORE__DATA")) {
        ASSERT(str_eq(c->store_data, value));
    }
}

static void read_environ(struct str text)
{
    struct config c, defaults;
    struct config_fault fault = {""};
    char *own[VARIABLES_MAX + 1] = {NULL};
    bool foreign = true;
    unsigned count = 0;
    while (text.p && count < VARIABLES_MAX) {
        struct str line = str_cut(&text, '\n');
        char *copy = malloc(line.len + 1);
        ASSERT(copy);
        memcpy(copy, line.p, line.len);
        copy[line.len] = '\0';
        foreign =
            foreign && !str_starts(line, STR("CLAIRON__")) && !str_starts(line, STR("WEBSOCKET_"));
        own[count++] = copy;
    }
    config_init(&c);
    config_init(&defaults);
    int rc = config_read_environ(&c, own, &fault);
    ASSERT(rc == 0 || rc == -E_BAD_REQUEST);
    if (rc) {
        check_fault(&fault, STR(""));
    }
    if (foreign) {
        ASSERT(rc == 0);
        check_same(&c, &defaults);
    }
    check_same(&c, &c);
    for (unsigned i = count; rc == 0 && i > 0; i--) {
        struct str value = str_of(own[i - 1]);
        struct str name = str_cut(&value, '=');
        if (value.p && str_is(name, "CLAIRON__STORE__DATA")) {
            check_kept(&c, name, value); // of several the last counts
            break;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        free(own[i]);
    }
    config_fini(&c);
    config_fini(&defaults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    if (text.len > 0 && text.p[0] == 'e') {
        read_environ(str_from(text, 1));
    } else {
        read_text(text);
    }
    return 0;
}
