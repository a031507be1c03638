// SPDX-License-Identifier: MIT
// `clairon pub`: publishes one event.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "clairon/client.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "def/limits.h"
#include "wire/json.h"

enum { INPUT_BYTES_MAX = 1024 * 1024 };

static bool read_input(struct buf *b)
{
    for (;;) {
        char *to = buf_reserve(b, 4096);
        if (!to) {
            cli_say("pub", "standard input is larger than %d bytes", INPUT_BYTES_MAX);
            return false;
        }
        ssize_t n = read(STDIN_FILENO, to, 4096);
        if (n > 0) {
            buf_commit(b, (size_t)n);
        } else if (n == 0) {
            return true;
        } else if (errno != EINTR) {
            cli_say("pub", "standard input: %s", strerror(errno));
            return false;
        }
    }
}

static int publish(const struct clairon_target *target, char **words, struct str data)
{
    struct json_val value;
    size_t offset;
    if (!utf8_valid(str_of(words[0])) || !utf8_valid(str_of(words[1]))) {
        cli_say("pub", "TOPIC and TYPE must be UTF-8");
        return EXIT_USAGE;
    }
    if (data.p && json_parse(data, LIMIT_JSON_DEPTH, &value, &offset)) {
        cli_say("pub", "the data is not JSON (at byte %zu)", offset);
        return EXIT_USAGE;
    }
    struct clairon_error err;
    struct clairon_http *http;
    if (clairon_http_new(target, &http, &err)) {
        cli_say("pub", "%s", err.message);
        return EXIT_USAGE;
    }
    char cursor[64];
    int r = clairon_publish(http, words[0], words[1],
                            (struct clairon_span){.p = data.p, .len = data.len}, cursor, &err);
    clairon_http_free(http);
    if (r) {
        cli_say("pub", "%s%s%s%s", err.message, err.code[0] ? " (" : "", err.code,
                err.code[0] ? ")" : "");
        return EXIT_FAILED;
    }
    printf("%s\n", cursor);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int cmd_pub(int argc, char **argv)
{
    struct clairon_target target = {0};
    const struct opt table[] = {
        {"server", OPT_TEXT, &target.server, "URL", "the hub (default: $CLAIRON_SERVER)"},
        {"token", OPT_SECRET, &target.token, "TOKEN", "who asks (default: $CLAIRON_TOKEN)"},
        {"ca", OPT_TEXT, &target.ca, "FILE",
         "certificates to trust for https (default: $CLAIRON_CA, else the system's)"},
    };
    const struct opts opts = {
        .command = "pub",
        .words = "TOPIC TYPE [JSON|-]",
        .about = "Publishes one event of type TYPE on TOPIC and prints its id. JSON is its data\n"
                 "({} when left out); - reads it from standard input.",
        .table = table,
        .count = ARRAY_LEN(table),
        .words_min = 2,
        .words_max = 3,
    };
    int words, status;
    if (!opts_parse(&opts, argc, argv, &words, &status)) {
        return status;
    }
    struct buf input;
    buf_init(&input, INPUT_BYTES_MAX);
    struct str data = words > 2 ? str_of(argv[3]) : STR_NONE;
    bool good = true;
    if (words > 2 && strcmp(argv[3], "-") == 0) {
        good = read_input(&input);
        data = buf_str(&input);
    }
    status = good ? publish(&target, argv + 1, data) : EXIT_FAILED;
    buf_fini(&input);
    return status;
}
