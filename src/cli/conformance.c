// SPDX-License-Identifier: MIT
// `clairon conformance`: serves the test suites of Engine.IO and Socket.IO.
#include "conformance/conformance.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/opts.h"

int cmd_conformance(int argc, char **argv)
{
    static struct conformance_options what;
    const struct opt table[] = {
        {"protocol-listen", OPT_TEXT, &what.protocol, "HOST:PORT",
         "for the protocol suites, which come to localhost:3000"},
        {"client-listen", OPT_TEXT, &what.client, "HOST:PORT",
         "for the tests of socket.io-client, which come to localhost:3210"},
        {"engine-listen", OPT_TEXT, &what.engine, "HOST:PORT",
         "for the tests of engine.io-client, which come to localhost:3000"},
        {"calm", OPT_FLAG, &what.calm, NULL,
         "for slow machines: the protocol suites' servers are as patient as a hub"},
    };
    const struct opts o = {
        .command = "conformance",
        .words = "",
        .about = "Serves what the test suites of Engine.IO and Socket.IO expect of a server, on "
                 "loopback\nonly and without a hub: docs/conformance.md says how to run them. "
                 "localhost is both\n127.0.0.1 and [::1]; port 0 picks one. For each address that "
                 "is given it prints one line,\n`SUITE: listening on http://HOST:PORT`. SIGTERM "
                 "and SIGINT end it with status 0.",
        .table = table,
        .count = ARRAY_LEN(table),
    };
    char problem[CONFORMANCE_PROBLEM_BYTES];
    int words, status;
    if (!opts_parse(&o, argc, argv, &words, &status)) {
        return status;
    }
    if (!what.protocol && !what.client && !what.engine) {
        cli_say("conformance", "say where to listen (see clairon conformance --help)");
        return EXIT_USAGE;
    }
    what.interrupt_fd = interrupt_watch(false);
    if (what.interrupt_fd < 0) {
        cli_say("conformance", "%s", strerror(errno));
        return EXIT_FAILED;
    }
    int err = conformance_run(&what, problem);
    if (err) {
        cli_say("conformance", "%s", problem);
    }
    close(what.interrupt_fd);
    return !err ? EXIT_OK : err == -E_BAD_REQUEST ? EXIT_USAGE : EXIT_FAILED;
}
