// SPDX-License-Identifier: MIT
// Options of commands: a table in, values out. `--name value`, `--name=value`, `--` ends them; they
// may stand between the other words unless the command says that its words are somebody else's.
#ifndef CLAIRON_CLI_OPTS_H
#define CLAIRON_CLI_OPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define OPT_LIST_MAX 64

struct opt_list {
    const char *items[OPT_LIST_MAX];
    unsigned count;
};

enum opt_type {
    OPT_FLAG,   // to: bool
    OPT_TEXT,   // to: const char *
    OPT_SECRET, // as OPT_TEXT; the word is overwritten, so that `ps` does not show it. One a
                // command
    OPT_UINT,   // to: unsigned
    OPT_LIST,   // to: struct opt_list; may be given many times
};

struct opt {
    const char *name; // without the dashes
    enum opt_type type;
    void *to;
    const char *value; // how --help calls it; NULL for a flag
    const char *help;
};

struct opts {
    const char *command;
    const char *words; // as --help shows them: "TOPIC TYPE [JSON]"
    const char *about; // paragraphs for --help
    const struct opt *table;
    size_t count;
    int words_min, words_max; // -1: any number
    bool words_last;          // options end at the first other word
};

// Puts the words that are no options at the front of argv[1..] and their number in *ret_words.
// False: the command is over, with the status in *ret_status (after --help, or one line on what is
// wrong).
bool opts_parse(const struct opts *o, int argc, char **argv, int *ret_words,
                int *ret_status) MUST_CHECK;

#endif
