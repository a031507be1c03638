// SPDX-License-Identifier: MIT
// The program: finds the command and runs it.
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
#define COMMAND(name, function, help) {#name, cmd_##function, help},
#include "cli/commands.def"
#undef COMMAND
};

static void print_help(FILE *out)
{
    fprintf(out,
            "Usage: clairon COMMAND [OPTION]... [WORD]...\n\n"
            "Real-time events for long-running jobs: one ordered log, many kinds of clients.\n\n"
            "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].help);
    }
    fprintf(
        out,
        "\n`clairon COMMAND --help` says more. Clients read CLAIRON_SERVER and CLAIRON_TOKEN.\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("clairon %s\n", CLAIRON_VERSION);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    const struct command *c = find(argv[1]);
    if (!c) {
        fprintf(stderr, "clairon: unknown command %s (see clairon --help)\n", argv[1]);
        return EXIT_USAGE;
    }
    return c->run(argc - 1, argv + 1);
}
