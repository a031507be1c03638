// SPDX-License-Identifier: MIT
// Options of commands.
#include "cli/opts.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"

static void print_help(const struct opts *o)
{
    printf("Usage: clairon %s%s%s%s\n\n%s\n", o->command, o->count > 0 ? " [OPTION]..." : "",
           o->words[0] ? " " : "", o->words, o->about);
    if (o->count > 0) {
        printf("\nOptions:\n");
    }
    for (size_t i = 0; i < o->count; i++) {
        char left[64];
        const struct opt *opt = &o->table[i];
        snprintf(left, sizeof(left), "--%s%s%s", opt->name, opt->value ? " " : "",
                 opt->value ? opt->value : "");
        printf("  %-22s %s\n", left, opt->help);
    }
}

static bool wrong(const struct opts *o, int *ret_status, const char *what, const char *word)
{
    cli_say(o->command, "%s%s%s (see clairon %s --help)", what, word[0] ? " " : "", word,
            o->command);
    *ret_status = EXIT_USAGE;
    return false;
}

static const struct opt *find(const struct opts *o, struct str name)
{
    for (size_t i = 0; i < o->count; i++) {
        if (str_is(name, o->table[i].name)) {
            return &o->table[i];
        }
    }
    return NULL;
}

enum { SECRET_BYTES_MAX = 8192 };

static const char *hide(char *value)
{
    static char kept[SECRET_BYTES_MAX + 1];
    size_t len = strlen(value);
    if (len > SECRET_BYTES_MAX) {
        return NULL;
    }
    memcpy(kept, value, len + 1);
    memset(value, '*', len);
    return kept;
}

static bool set(const struct opts *o, const struct opt *opt, char *value, int *ret_status)
{
    uint64_t n;
    struct opt_list *list = opt->to;
    switch (opt->type) {
    case OPT_FLAG:
        *(bool *)opt->to = true;
        return true;
    case OPT_TEXT:
        *(const char **)opt->to = value;
        return true;
    case OPT_SECRET:
        *(const char **)opt->to = hide(value);
        return *(const char **)opt->to || wrong(o, ret_status, "too long: --", opt->name);
    case OPT_UINT:
        if (str_to_u64(str_of(value), &n) || n > 1000000) {
            char text[96];
            snprintf(text, sizeof(text), "--%s takes a number, not", opt->name);
            return wrong(o, ret_status, text, value[0] ? value : "nothing");
        }
        *(unsigned *)opt->to = (unsigned)n;
        return true;
    case OPT_LIST:
        if (list->count == OPT_LIST_MAX) {
            return wrong(o, ret_status, "too many times: --", opt->name);
        }
        list->items[list->count++] = value;
        return true;
    }
    return true;
}

// The option at argv[*at]; moves on behind it and its value.
static bool take_option(const struct opts *o, int argc, char **argv, int *at, int *ret_status)
{
    char *word = argv[*at];
    struct str rest = str_of(word + 2);
    struct str name = str_cut(&rest, '=');
    const struct opt *opt = word[1] == '-' ? find(o, name) : NULL;
    if (!opt) {
        return wrong(o, ret_status, "unknown option", word);
    }
    if (opt->type == OPT_FLAG && rest.p) {
        return wrong(o, ret_status, "takes no value:", word);
    }
    char *value = rest.p ? word + (rest.p - word) : NULL; // NUL-terminated: it ends the word
    if (opt->type != OPT_FLAG && !value) {
        if (*at + 1 >= argc) {
            return wrong(o, ret_status, "a value is missing behind", word);
        }
        value = argv[++*at];
    }
    ++*at;
    return set(o, opt, value, ret_status);
}

static bool is_option(const char *word)
{
    // A lone dash is a word (standard input), and so is a negative number.
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9');
}

bool opts_parse(const struct opts *o, int argc, char **argv, int *ret_words, int *ret_status)
{
    int words = 0;
    int at = 1;
    while (at < argc) {
        const char *word = argv[at];
        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (!is_option(word)) {
            if (o->words_last) {
                break;
            }
            argv[1 + words++] = argv[at++];
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(o);
            *ret_status = EXIT_OK;
            return false;
        } else if (!take_option(o, argc, argv, &at, ret_status)) {
            return false;
        }
    }
    while (at < argc) {
        argv[1 + words++] = argv[at++];
    }
    argv[1 + words] = NULL; // argv[argc] is NULL too, and words < argc
    if (words < o->words_min) {
        char text[160];
        snprintf(text, sizeof(text), "it takes %s", o->words);
        return wrong(o, ret_status, text, "");
    }
    if (o->words_max >= 0 && words > o->words_max) {
        return wrong(o, ret_status, "one word too many:", argv[1 + o->words_max]);
    }
    *ret_words = words;
    return true;
}
